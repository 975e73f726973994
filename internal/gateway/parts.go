package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// parts are what runs in the background and ends together.
type parts struct {
	ctx     context.Context
	cancel  context.CancelFunc
	log     *slog.Logger
	running sync.WaitGroup
}

func newParts(log *slog.Logger) *parts {
	ctx, cancel := context.WithCancel(context.Background())
	return &parts{ctx: ctx, cancel: cancel, log: log}
}

// start runs one of them in a goroutine.
func (p *parts) start(what string, run func(context.Context) error) {
	p.running.Go(func() {
		if err := run(p.ctx); err != nil && !errors.Is(err, context.Canceled) {
			p.log.Error("a part of the gateway ended", "part", what, "err", err)
		}
	})
}

// stop ends them and waits for them. It may be called again.
func (p *parts) stop() {
	p.cancel()
	p.running.Wait()
}
