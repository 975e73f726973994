package docker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/moby/moby/client"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// instance is one instance over all its containers. Its supervisor, a goroutine, is the only one to make and remove them.
type instance struct {
	wanted context.Context // ends when the instance has to end, or the gateway does
	unwant context.CancelFunc

	// Protected by Provider.mu.
	pub      scaler.Instance
	run      *run      // its container, once there is one
	stopped  bool      // it has to end
	begun    time.Time // of the last attempt to start it
	attempts int       // to start it, the one under way included
}

func newInstance(id, version string) *instance {
	in := &instance{pub: scaler.Instance{ID: id, Version: version, State: scaler.InstanceStarting}}
	in.wanted, in.unwant = context.WithCancel(context.Background())
	return in
}

// askToStop tells the supervisor to end the instance, and false when it was told before. Provider.mu is held.
func (in *instance) askToStop() bool {
	if in.stopped {
		return false
	}
	in.stopped = true
	in.pub.State, in.pub.RetryAt = scaler.InstanceStopping, time.Time{}
	in.unwant()
	return true
}

// freeID returns an id that no instance has. p.mu is held.
func (p *Provider) freeID(version string) string {
	for {
		id := fmt.Sprintf("%s-%04x", plain(version), rand.IntN(1<<16))
		if p.instances[id] == nil && !p.spared[id] {
			return id
		}
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
	return in.stopped
}

// bring returns the container of in, started as often as it takes, or nil when in has to end first.
func (p *Provider) bring(in *instance) *run {
	for {
		p.mu.Lock()
		r, retryAt := in.run, in.pub.RetryAt
		p.mu.Unlock()
		if r != nil {
			return r
		}
		if !sleep(in.wanted, time.Until(retryAt)) {
			return nil
		}
		if err := p.start(in); err != nil && in.wanted.Err() == nil {
			p.becomeBackoff(in, StartFailed, err.Error(), nil)
		}
	}
}

// start makes one attempt to start a fresh container for in. What it began and could not finish it takes away again.
func (p *Provider) start(in *instance) error {
	p.mu.Lock()
	if !in.stopped {
		in.pub.State, in.pub.RetryAt = scaler.InstanceStarting, time.Time{}
	}
	in.begun = time.Now()
	in.attempts++
	id, version := in.pub.ID, in.pub.Version
	name, restarts := p.containerName(id, in.attempts), in.pub.Restarts
	p.mu.Unlock()
	v, err := p.vars(id, version)
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
	in.begun = time.Now() // the time of a pull is not that of a start
	p.mu.Unlock()
	if err := p.launch(in, create); err != nil {
		if removeErr := p.remove(create.Name); removeErr != nil {
			p.o.Logger.Warn("a container that could not be started is left for now", "service", p.o.Service, "instance", id, "err", removeErr)
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
		p.o.Logger.Warn("cannot find out whether an instance runs", "service", p.o.Service, "instance", in.pub.ID, "err", err)
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
			p.o.Logger.Warn("a container that ended is left for now", "service", p.o.Service, "instance", in.pub.ID, "err", err)
		}
	}
	p.mu.Lock()
	in.pub.OOMKilled = s.oom || r.oom
	in.run = nil
	in.pub.Restarts++
	p.mu.Unlock()
	p.becomeBackoff(in, Exited, s.reason, output)
}

// end stops the container of in, trying until it does not run any more, and forgets in. When the time for that is over it gives up: then the
// next gateway finds the container. One that is stopped and cannot be removed is tried again at each look at all containers.
func (p *Provider) end(in *instance, r *run) {
	p.mu.Lock()
	in.askToStop()
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
			p.o.Logger.Warn("an instance does not end: it is tried again", "service", p.o.Service, "instance", in.pub.ID, "err", err)
		}
		sleep(p.hard, p.o.Backoff.Wait(n, p.o.uniform()))
	}
	if err := p.remove(r.id); err != nil {
		p.o.Logger.Warn("a container that was stopped is left for now", "service", p.o.Service, "instance", in.pub.ID, "err", err)
	}
	p.forget(in, "")
}

func (p *Provider) becomeStarted(in *instance, address string) {
	p.mu.Lock()
	in.pub.StartedAt = in.begun
	in.pub.Usage = scaler.Usage{}
	in.reach(address)
	kind := Started
	if in.pub.Restarts > 0 {
		kind = Restarted
	}
	p.mu.Unlock()
	p.tell(Event{Kind: kind}, in)
}

// reach takes in where the container of in is reached now; empty: nowhere yet. Provider.mu is held.
func (in *instance) reach(address string) {
	in.pub.Address = address
	switch {
	case in.stopped:
	case address == "":
		in.pub.State = scaler.InstanceStarting
	default:
		in.pub.State = scaler.InstanceRunning
	}
}

func (p *Provider) becomeReachable(in *instance, address string) {
	p.mu.Lock()
	before := in.pub.Address
	in.reach(address)
	p.mu.Unlock()
	if before != address {
		p.changed()
	}
}

// becomeBackoff takes in a failed start or the end of a container, and says when the next start is.
func (p *Provider) becomeBackoff(in *instance, kind EventKind, reason string, output []string) {
	p.mu.Lock()
	b := p.backoffs[in.pub.Version]
	if b == nil {
		b = &launch.Streak{}
		p.backoffs[in.pub.Version] = b
	}
	retry := b.Fail(p.o.Backoff, in.begun, time.Now(), p.o.uniform())
	if kind == StartFailed {
		in.pub.OOMKilled = false
	}
	in.pub.Address, in.pub.LastError, in.pub.Usage = "", reason, scaler.Usage{}
	if !in.stopped {
		in.pub.State, in.pub.RetryAt = scaler.InstanceBackoff, retry
	}
	p.mu.Unlock()
	p.tell(Event{Kind: kind, Reason: reason, Output: output}, in)
}

// forget takes in out of the list for good.
func (p *Provider) forget(in *instance, reason string) {
	p.mu.Lock()
	in.run = nil
	delete(p.instances, in.pub.ID)
	p.forgetBackoff(in.pub.Version)
	p.mu.Unlock()
	p.tell(Event{Kind: Stopped, Reason: reason}, in)
}

// forgetBackoff drops the backoff of a version that has no instance left and is past its last retry. p.mu is held.
func (p *Provider) forgetBackoff(version string) {
	for _, other := range p.instances {
		if other.pub.Version == version {
			return
		}
	}
	if b := p.backoffs[version]; b != nil && time.Now().After(b.NotBefore) {
		delete(p.backoffs, version)
	}
}

// tell completes e, logs it and hands it on.
func (p *Provider) tell(e Event, in *instance) {
	e.At = time.Now()
	p.mu.Lock()
	e.Instance = in.pub
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
