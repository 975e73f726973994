package docker

import (
	"context"
	"log/slog"
	"time"

	"github.com/moby/moby/client"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// instance is one instance over all its containers. Its supervisor, a goroutine, is the only one to make and remove them.
type instance struct {
	wanted context.Context // ends when the instance has to end, or the gateway does
	unwant context.CancelFunc

	// Protected by Provider.mu, but for ID and Version. Whoever Instance.Stop told true calls unwant.
	launch.Instance
	usage    scaler.Usage
	run      *run // its container, once there is one
	attempts int  // to start it, the one under way included
}

func newInstance(known launch.Instance) *instance {
	in := &instance{Instance: known}
	in.wanted, in.unwant = context.WithCancel(context.Background())
	return in
}

// public is what others get to know of in. Provider.mu is held.
func (in *instance) public() scaler.Instance {
	return scaler.Instance{
		ID: in.ID, Version: in.Version, Address: in.Address, State: scaler.InstanceState(in.State), StartedAt: in.StartedAt,
		RetryAt: in.RetryAt, Restarts: in.Restarts, LastError: in.LastError, OOMKilled: in.OOMKilled, Usage: in.usage,
	}
}

// supervise keeps in running until it has to end, then ends it and forgets it, or leaves it to the next gateway.
func (p *Provider) supervise(in *instance) {
	defer p.supervisors.Done()
	defer in.unwant()
	for {
		r := p.bring(in)
		if r == nil {
			p.forget(in, "")
			return
		}
		select {
		case <-r.look:
			p.lookAt(in, r)
			continue
		case <-in.wanted.Done():
		}
		if p.o.OnExit == Adopt && !p.mustStop(in) {
			return
		}
		p.end(in, r)
		return
	}
}

// mustStop tells whether in was asked to stop, apart from the gateway's own end.
func (p *Provider) mustStop(in *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return in.State == launch.Stopping
}

// bring returns the container of in, started as often as it takes, or nil when in has to end first.
func (p *Provider) bring(in *instance) *run {
	for {
		p.mu.Lock()
		r, retryAt := in.run, in.RetryAt
		p.mu.Unlock()
		if r != nil {
			return r
		}
		if !sleep(in.wanted, time.Until(retryAt)) {
			return nil
		}
		if err := p.start(in); err != nil && in.wanted.Err() == nil {
			p.becomeBackoff(in, Event{Kind: StartFailed, Reason: err.Error()}, false)
		}
	}
}

// start makes one attempt to start a fresh container for in. What it began and could not finish it takes away again.
func (p *Provider) start(in *instance) error {
	p.mu.Lock()
	in.Begin(time.Now())
	in.attempts++
	name, restarts := p.containerName(in.ID, in.attempts), in.Restarts
	p.mu.Unlock()
	v, err := p.vars(in.ID, in.Version)
	if err != nil {
		return err
	}
	r, err := p.templates.render(v)
	if err != nil {
		return err
	}
	if err := p.haveImage(in.wanted, r.image); err != nil {
		return err
	}
	create, err := p.createOptions(v, r, restarts)
	if err != nil {
		return err
	}
	create.Name = name
	p.mu.Lock()
	in.Begin(time.Now()) // the time of a pull is not that of a start
	p.mu.Unlock()
	if err := p.launch(in, create); err != nil {
		if removeErr := p.remove(create.Name); removeErr != nil {
			p.o.Logger.Warn("a container that could not be started is left for now", "service", p.o.Service, "instance", in.ID, "err", removeErr)
		}
		return err
	}
	return nil
}

// launch creates and starts a container, and takes in where it is reached.
func (p *Provider) launch(in *instance, create client.ContainerCreateOptions) error {
	id, err := p.create(create)
	if err != nil {
		return err
	}
	r := newRun(id)
	p.setRun(in, r) // before it starts, so that no event of its end is missed
	if err := p.startContainer(id); err != nil {
		p.setRun(in, nil)
		return err
	}
	s, err := p.inspect(p.hard, id)
	if err != nil {
		p.setRun(in, nil)
		return err
	}
	if !s.running {
		r.suspect() // it died at once: that is for lookAt to take in
	}
	p.becomeStarted(in, s.address)
	return nil
}

func (p *Provider) setRun(in *instance, r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in.run = r
}

// lookAt takes in what became of a container that may have ended.
func (p *Provider) lookAt(in *instance, r *run) {
	s, err := p.inspect(in.wanted, r.id)
	if in.wanted.Err() != nil {
		return
	}
	if err != nil {
		p.o.Logger.Warn("cannot find out whether an instance runs", "service", p.o.Service, "instance", in.ID, "err", err)
		return
	}
	if s.running {
		p.becomeReachable(in, s.address)
		return
	}
	var output []string
	if s.exists {
		output = p.tail(r.id)
		if err := p.remove(r.id); err != nil {
			p.o.Logger.Warn("a container that ended is left for now", "service", p.o.Service, "instance", in.ID, "err", err)
		}
	}
	p.becomeBackoff(in, Event{Kind: Exited, Reason: s.reason, Output: output}, s.oom)
}

// end stops the container of in, trying until it does not run any more, and forgets in. When the time for that is over it gives up: then the
// next gateway finds the container. One that is stopped and cannot be removed is tried again at each look at all containers.
func (p *Provider) end(in *instance, r *run) {
	p.mu.Lock()
	in.Stop()
	p.mu.Unlock()
	p.changed()
	said := ""
	for n := 1; ; n++ {
		err := p.halt(r.id)
		if err == nil {
			break
		}
		if p.hard.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			p.o.Logger.Warn("an instance does not end: it is tried again", "service", p.o.Service, "instance", in.ID, "err", err)
		}
		sleep(p.hard, p.o.Backoff.Wait(n, p.o.uniform()))
	}
	if err := p.remove(r.id); err != nil {
		p.o.Logger.Warn("a container that was stopped is left for now", "service", p.o.Service, "instance", in.ID, "err", err)
	}
	p.forget(in, "")
}

func (p *Provider) becomeStarted(in *instance, address string) {
	p.mu.Lock()
	in.usage = scaler.Usage{}
	in.Started(address)
	kind := Started
	if in.Restarts > 0 {
		kind = Restarted
	}
	p.mu.Unlock()
	p.tell(Event{Kind: kind}, in)
}

func (p *Provider) becomeReachable(in *instance, address string) {
	p.mu.Lock()
	before := in.Address
	in.Reached(address)
	p.mu.Unlock()
	if before != address {
		p.changed()
	}
}

// becomeBackoff takes in a failed start or the end of a container, which e tells of, and says when the next start is.
func (p *Provider) becomeBackoff(in *instance, e Event, oom bool) {
	now := time.Now()
	p.mu.Lock()
	if e.Kind == Exited {
		p.fleet.Exited(in, e.Reason, oom || in.run.oom, now)
	} else {
		p.fleet.StartFailed(in, e.Reason, now)
	}
	in.run, in.usage = nil, scaler.Usage{}
	p.mu.Unlock()
	p.tell(e, in)
}

// forget takes in out of the list for good.
func (p *Provider) forget(in *instance, reason string) {
	p.mu.Lock()
	in.run = nil
	p.fleet.Remove(in, time.Now())
	p.mu.Unlock()
	p.tell(Event{Kind: Stopped, Reason: reason}, in)
}

// tell completes e, logs it and hands it on.
func (p *Provider) tell(e Event, in *instance) {
	e.At = time.Now()
	p.mu.Lock()
	e.Instance = in.public()
	p.mu.Unlock()
	level := slog.LevelInfo
	attrs := []any{"service", p.o.Service, "instance", e.Instance.ID}
	if e.Reason != "" {
		attrs = append(attrs, "reason", e.Reason)
	}
	switch e.Kind {
	case StartFailed, Exited:
		level = slog.LevelWarn
		attrs = append(attrs, "retryAt", e.Instance.RetryAt)
	case OutOfMemory:
		level = slog.LevelWarn
	case Started, Restarted, Adopted:
		attrs = append(attrs, "address", e.Instance.Address)
	}
	p.o.Logger.Log(context.Background(), level, "instance "+string(e.Kind), attrs...)
	p.o.OnEvent(e)
	p.changed()
}
