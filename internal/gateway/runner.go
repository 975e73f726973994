package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gatewayd/scaler"
)

// runner talks to one provider of one service, on goroutines of its own because a provider may block. What should be comes in through
// set; what is goes out through the report function. Only the newest wish counts: one that was overtaken is never carried out.
type runner struct {
	service  string
	owner    string // in the labels of its containers; empty for others
	provider scaler.Provider
	log      *slog.Logger
	report   func(list []scaler.Instance, err error) // what exists now; any goroutine
	failed   func(version string, err error)         // a wish that could not be carried out; any goroutine

	mu     sync.Mutex // protects wishes
	wishes map[string]wish
	wake   chan struct{} // holds a token when there is a new wish or something changed

	cancel context.CancelFunc
	done   chan struct{} // closed when the provider has ended
}

// wish is how many instances of a version should run, and who goes first where there are too many.
type wish struct {
	count   int
	leaving []string
}

func newRunner(service string, p scaler.Provider, log *slog.Logger) *runner {
	return &runner{service: service, provider: p, log: log, wishes: map[string]wish{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// start runs the provider until stop is called. report and failed may be nil.
func (r *runner) start(report func([]scaler.Instance, error), failed func(string, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	r.report, r.failed, r.cancel = report, failed, cancel
	provider := make(chan struct{})
	go func() {
		defer close(provider)
		if err := r.provider.Run(ctx, r.poke); err != nil {
			r.log.Error("cannot run instances: the provider ended", "service", r.service, "err", err)
		}
	}()
	go func() {
		defer close(r.done)
		r.work(ctx)
		<-provider
	}()
	r.poke()
}

// stop ends the provider, which ends its instances or leaves them, as it is set up, and waits for it.
func (r *runner) stop() {
	r.cancel()
	<-r.done
}

// retireTime bounds how long a provider may take to end its instances before it is stopped.
const retireTime = time.Minute

// retire ends every instance, also of a provider that would leave them when it is stopped, and then the provider.
func (r *runner) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), retireTime)
	defer cancel()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		list, err := r.provider.List(ctx)
		if err == nil && len(list) == 0 {
			break
		}
		versions := map[string]bool{}
		for _, i := range list {
			versions[i.Version] = true
		}
		for v := range versions {
			if err := r.provider.Scale(ctx, scaler.Revision{Service: r.service, Version: v}, 0, nil); err != nil && ctx.Err() == nil {
				r.log.Warn("cannot end the instances of a provider that is no longer configured", "service", r.service, "version", v, "err", err)
			}
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			r.log.Error("instances of a provider that is no longer configured are still there", "service", r.service)
		}
		break
	}
	r.stop()
}

func (r *runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// set replaces what should be of one version.
func (r *runner) set(version string, w wish) {
	r.mu.Lock()
	r.wishes[version] = w
	r.mu.Unlock()
	r.poke()
}

func (r *runner) takeWishes() map[string]wish {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.wishes
	r.wishes = map[string]wish{}
	return w
}

// relistEvery is how often a provider is asked for its instances even when it reports no change: usage is measured, and a change may
// have been missed.
const relistEvery = time.Second

func (r *runner) work(ctx context.Context) {
	tick := time.NewTicker(relistEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
		}
		for version, w := range r.takeWishes() {
			err := r.provider.Scale(ctx, scaler.Revision{Service: r.service, Version: version}, w.count, w.leaving)
			if err != nil && ctx.Err() == nil && r.failed != nil {
				r.failed(version, err)
			}
		}
		list, err := r.provider.List(ctx)
		if ctx.Err() == nil && r.report != nil {
			r.report(list, err)
		}
	}
}
