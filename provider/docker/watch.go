package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Run connects to the Engine, takes stock of what an earlier gateway left, and looks after the instances until ctx ends; when the Engine goes
// away it connects again, with backoff. In the end it stops and removes all containers, each within StopTimeout and all side by side, or with Adopt leaves them.
// It must be called once. An error means that not all containers could be ended in time: the next gateway does that.
func (p *Provider) Run(ctx context.Context, changed func()) error {
	defer close(p.ended)
	defer func() { p.engine().Close() }()
	p.changed = changed
	hard, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	p.hard, p.pulling = hard, ctx
	for n := 1; ctx.Err() == nil; n++ {
		connected, err := p.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if connected {
			n = 1
		}
		p.becomeAway(err)
		sleep(ctx, p.o.pace.reconnect.Wait(n, p.o.uniform()))
	}
	return p.endAll(giveUp)
}

// endAll tells every supervisor that the gateway ends, and waits for them. When an Engine that is away or stuck keeps them it calls giveUp.
func (p *Provider) endAll(giveUp context.CancelFunc) error {
	p.mu.Lock()
	p.closed = true
	for _, in := range p.fleet.List() {
		in.unwant()
	}
	p.mu.Unlock()
	patience := p.o.pace.end
	if p.o.OnExit == Stop {
		patience += p.o.StopTimeout
	}
	timer := time.AfterFunc(patience, giveUp)
	defer timer.Stop()
	p.supervisors.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.OnExit == Stop && p.fleet.Len() > 0 {
		return fmt.Errorf("cannot end %d containers of %q in time: the next start of the gateway does it", p.fleet.Len(), p.o.Service)
	}
	return nil
}

// session follows the Engine until it goes away, which is the error, or ctx ends. connected tells whether it answered at first.
func (p *Provider) session(ctx context.Context) (connected bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := p.connect(ctx); err != nil {
		return false, explain(err)
	}
	// First follow, then look: what happens in between is seen twice rather than not at all.
	impatience := time.AfterFunc(p.o.pace.answer, cancel)
	stream := p.engine().Events(ctx, client.EventsListOptions{Filters: p.filters().Add("type", string(events.ContainerEventType))})
	defer func() {
		cancel()
		for range stream.Err { // it is closed when the stream's goroutine has ended
		}
	}()
	if !impatience.Stop() {
		return false, explain(context.DeadlineExceeded)
	}
	tried, err := p.takeStock(ctx)
	if err != nil {
		return false, err
	}
	if !p.stocked { // what an earlier gateway left must be gone before anything is started; later nothing has to wait for leftovers
		if err := p.follow(ctx, stream, tried); err != nil {
			return false, err
		}
		p.stocked = true
	}
	p.becomeBack()
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		p.measureUntil(ctx)
	}()
	defer func() {
		cancel()
		<-measured
	}()
	return true, p.follow(ctx, stream, nil)
}

// connect replaces the client, if the Engine answers: what answers now may speak another version of the API than what went away.
func (p *Provider) connect(ctx context.Context) error {
	c, err := newClient(p.o.Host)
	if err != nil {
		return err
	}
	err = within(p.o.pace.answer, func(ctx context.Context) error {
		_, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
		return err
	})(ctx)
	if err != nil {
		c.Close()
		return err
	}
	p.cli.Swap(c).Close()
	return nil
}

// follow takes in events, and looks at everything now and then, until the Engine goes away or ctx ends, which are errors, or until is closed.
func (p *Provider) follow(ctx context.Context, stream client.EventsResult, until <-chan struct{}) error {
	relist := time.NewTicker(p.o.pace.relist)
	defer relist.Stop()
	for {
		select {
		case m := <-stream.Messages:
			p.onMessage(m)
		case err := <-stream.Err:
			if err == nil {
				err = errors.New("it ended the stream of events")
			}
			return explain(err)
		case <-relist.C:
			if _, err := p.takeStock(ctx); err != nil {
				return err
			}
		case <-until:
			return nil
		}
	}
}

// filters selects the containers of this owner and service.
func (p *Provider) filters() client.Filters {
	return client.Filters{}.Add("label", labelOwner+"="+p.o.Owner, labelService+"="+p.o.Service)
}

// onMessage takes in an event of the Engine. It says no more than that somebody should look: the order of events, and which there are,
// differ from one version of the Engine to the next.
func (p *Provider) onMessage(m events.Message) {
	p.mu.Lock()
	in := p.fleet.Get(m.Actor.Attributes[labelInstance])
	if in == nil || in.run == nil || in.run.id != m.Actor.ID {
		p.mu.Unlock()
		return
	}
	r := in.run
	if m.Action == events.ActionOOM {
		r.oom = true
	}
	p.mu.Unlock()
	switch m.Action {
	case events.ActionOOM:
		p.tell(Event{Kind: OutOfMemory, Reason: "a process in it was killed for want of memory"}, in)
	case events.ActionDie, events.ActionDestroy, events.ActionStart:
		r.suspect()
	}
}

func (p *Provider) becomeAway(err error) {
	p.mu.Lock()
	first := p.away == nil
	p.away = err
	p.mu.Unlock()
	p.becomeKnown()
	if first {
		p.tellEngine(EngineAway, err.Error())
	}
}

func (p *Provider) becomeBack() {
	p.mu.Lock()
	back := p.away != nil
	p.away = nil
	p.mu.Unlock()
	p.becomeKnown()
	if back {
		p.tellEngine(EngineBack, "")
	}
	p.changed()
}

func (p *Provider) becomeKnown() {
	select {
	case <-p.known:
	default:
		close(p.known)
	}
}

func (p *Provider) tellEngine(kind EventKind, reason string) {
	if kind == EngineAway {
		p.o.Logger.Warn("the Docker Engine is away: what runs is kept", "service", p.o.Service, "engine", p.engine().DaemonHost(), "reason", reason)
	} else {
		p.o.Logger.Info("the Docker Engine is back", "service", p.o.Service, "engine", p.engine().DaemonHost())
	}
	p.o.OnEvent(Event{Kind: kind, At: time.Now(), Reason: reason})
	p.changed()
}
