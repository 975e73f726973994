package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// newClient returns a client for host, which does not connect yet. The version of the API is agreed on with the Engine at the first call.
func newClient(host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	c, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("provider.docker.host: cannot use %q: %w; want an address such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376", host, err)
	}
	return c, nil
}

// isAway tells whether err means that the Engine gave no answer, as against one that is an error.
func isAway(err error) bool {
	var netErr net.Error
	return err != nil && (client.IsErrConnectionFailed(err) ||
		errors.As(err, &netErr) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errdefs.IsUnavailable(err))
}

// explained is an error of the Engine in words for people.
type explained struct {
	text string
	err  error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.err }

// explain takes the decoration off an error of the Engine, and names the cause first where the Engine buries it.
func explain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = "it gives no answer in time"
	case strings.Contains(text, "no space left on device"):
		text = "the disk of the Docker Engine is full: " + text
	}
	return explained{text, err}
}

// insist calls op until the Engine answers, and returns that answer. When ctx ends first it returns the error of ctx.
func (p *Provider) insist(ctx context.Context, op func(context.Context) error) error {
	for n := 1; ; n++ {
		err := op(ctx)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if !isAway(err) {
			return explain(err)
		}
		if !sleep(ctx, p.o.pace.reconnect.Wait(n, p.o.uniform())) {
			return ctx.Err()
		}
	}
}

// answer is insist for what the Engine answers from memory; work for what takes it a while.
func (p *Provider) answer(ctx context.Context, op func(context.Context) error) error {
	return p.insist(ctx, within(p.o.pace.answer, op))
}

func (p *Provider) work(ctx context.Context, op func(context.Context) error) error {
	return p.insist(ctx, within(p.o.pace.work, op))
}

// within bounds the time that op takes.
func within(d time.Duration, op func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return op(ctx)
	}
}

// sleep returns true after d, or false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
