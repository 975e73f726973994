package docker

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// pull is a pull under way. Instances that need the same image wait for one.
type pull struct {
	done chan struct{} // closed at its end
	err  error         // set before done is closed
}

// haveImage sees to it that the Engine has image, as the pull policy says. ctx is the wait of one instance: a pull goes on for others.
func (p *Provider) haveImage(ctx context.Context, image string) error {
	if p.o.Pull != PullAlways {
		err := p.answer(ctx, func(ctx context.Context) error {
			_, err := p.engine().ImageInspect(ctx, image)
			return err
		})
		switch {
		case err == nil || !errdefs.IsNotFound(err):
			return wrap("cannot look for image "+quoted(image), err)
		case p.o.Pull == PullNever:
			return fmt.Errorf("image %q is not there, and provider.docker.pull is never", image)
		}
	}
	return wrap("cannot pull image "+quoted(image), p.insist(ctx, func(ctx context.Context) error {
		pl := p.startPull(image)
		select {
		case <-pl.done:
			return pl.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
}

// startPull returns the pull of image that is under way, or a new one.
func (p *Provider) startPull(image string) *pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl := p.pulls[image]; pl != nil {
		return pl
	}
	pl := &pull{done: make(chan struct{})}
	p.pulls[image] = pl
	p.supervisors.Add(1) // the caller is one of them, so there is one at least
	go func() {
		defer p.supervisors.Done()
		pl.err = p.pullImage(p.pulling, image)
		p.mu.Lock()
		delete(p.pulls, image)
		p.mu.Unlock()
		close(pl.done)
	}()
	return pl
}

func (p *Provider) pullImage(ctx context.Context, image string) error {
	p.o.Logger.Info("pulling an image", "service", p.o.Service, "image", image)
	progress, err := p.engine().ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	defer progress.Close()
	return progress.Wait(ctx)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
