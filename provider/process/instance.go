package process

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// instance is one instance over all its runs. Its supervisor, a goroutine, is the only one to start and end it.
type instance struct {
	stop  chan struct{} // closed: it has to end
	leave chan struct{} // closed: the gateway ends
	meter meter         // of Provider.Run's goroutine

	// Protected by Provider.mu.
	pub     scaler.Instance
	proc    *proc     // while it runs
	stopped bool      // stop is closed
	left    bool      // leave is closed
	begun   time.Time // of the last attempt to start it
}

func newInstance(id, version string) *instance {
	return &instance{
		stop:  make(chan struct{}),
		leave: make(chan struct{}),
		pub:   scaler.Instance{ID: id, Version: version, State: scaler.InstanceStarting},
	}
}

// askToStop tells the supervisor to end the instance, and false when it was told before. Provider.mu is held.
func (in *instance) askToStop() bool {
	if in.stopped {
		return false
	}
	in.stopped = true
	in.pub.State, in.pub.RetryAt = scaler.InstanceStopping, time.Time{}
	close(in.stop)
	return true
}

// askToLeave tells the supervisor that the gateway ends. Provider.mu is held.
func (in *instance) askToLeave() {
	if !in.left {
		in.left = true
		close(in.leave)
	}
}

// freeID returns an id that no instance has. p.mu is held.
func (p *Provider) freeID(version string) string {
	// It becomes the name of files and cgroups.
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, version)
	for {
		id := fmt.Sprintf("%s-%04x", plain, rand.IntN(1<<16))
		if p.instances[id] == nil {
			return id
		}
	}
}

// supervise keeps in running until it has to end, then ends it and forgets it, or leaves it to the next gateway.
func (p *Provider) supervise(in *instance) {
	defer p.supervisors.Done()
	for {
		pr := p.bring(in)
		if pr == nil {
			p.forget(in, Stopped, "")
			return
		}
		select {
		case <-pr.exited:
			p.becomeBackoff(in, Exited, pr.reason)
			continue
		case <-in.stop:
		case <-in.leave:
			if p.leaves(in) {
				p.letGo(pr)
				return
			}
		}
		p.becomeStopping(in)
		pr.stop(p.o.StopTimeout)
		p.forget(in, Stopped, pr.reason)
		return
	}
}

// leaves tells whether in lives on when the gateway ends: it was not asked to stop, and is left by its mode or handed over.
func (p *Provider) leaves(in *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !in.stopped && (p.o.OnExit == Adopt || p.releasing)
}

// bring returns the running process of in, started as often as it takes, or nil when in has to end first.
func (p *Provider) bring(in *instance) *proc {
	for {
		p.mu.Lock()
		pr, retryAt := in.proc, in.pub.RetryAt
		p.mu.Unlock()
		if pr != nil {
			return pr
		}
		if !in.waitUntil(retryAt) {
			return nil
		}
		if err := p.start(in); err != nil {
			p.becomeBackoff(in, StartFailed, err.Error())
		}
	}
}

// waitUntil returns true at that time, or false when in has to end before.
func (in *instance) waitUntil(t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-in.stop:
		return false
	case <-in.leave:
		return false
	default:
	}
	select {
	case <-in.stop:
		return false
	case <-in.leave:
		return false
	case <-timer.C:
		return true
	}
}

// start makes one attempt to start in on a fresh port. The record is saved before and after, so that there is no moment in which
// a process runs that the next gateway would not find.
func (p *Provider) start(in *instance) error {
	p.mu.Lock()
	if !in.stopped {
		in.pub.State, in.pub.RetryAt = scaler.InstanceStarting, time.Time{}
	}
	in.begun = time.Now()
	v := Vars{Version: in.pub.Version, Instance: in.pub.ID, Service: p.o.Service, Executable: p.executable, Host: p.o.Host}
	p.mu.Unlock()
	port, err := p.o.port(p.o.Host)
	if err != nil {
		return err
	}
	v.Port, v.Address = port, net.JoinHostPort(p.o.Host, port)
	p.mu.Lock()
	in.pub.Address = v.Address
	p.mu.Unlock()
	if err := p.save(); err != nil {
		return err
	}
	pr, err := p.launch(v)
	if err != nil {
		return err
	}
	go pr.watch()
	p.becomeRunning(in, pr)
	return nil
}

func (p *Provider) becomeRunning(in *instance, pr *proc) {
	p.mu.Lock()
	in.proc = pr
	in.pub.StartedAt = in.begun
	in.pub.Usage = scaler.Usage{}
	kind := Started
	if in.pub.Restarts > 0 {
		kind = Restarted
	}
	if !in.stopped {
		in.pub.State = scaler.InstanceRunning
	}
	p.mu.Unlock()
	p.saveOrWarn()
	p.tell(Event{Kind: kind}, in)
}

// becomeBackoff takes in a failed start or the end of a run, and says when the next start is.
func (p *Provider) becomeBackoff(in *instance, kind EventKind, reason string) {
	now := time.Now()
	p.mu.Lock()
	b := p.backoffs[in.pub.Version]
	if b == nil {
		b = &launch.Streak{}
		p.backoffs[in.pub.Version] = b
	}
	retry := b.Fail(p.o.Backoff, in.begun, now, p.o.uniform())
	e := Event{Kind: kind, Reason: reason}
	in.pub.OOMKilled = false
	if pr := in.proc; pr != nil {
		in.pub.OOMKilled = pr.oom
		e.Output = pr.sink.tail()
		in.pub.Restarts++
	}
	in.proc = nil
	in.pub.Address, in.pub.LastError, in.pub.Usage = "", reason, scaler.Usage{}
	if !in.stopped {
		in.pub.State, in.pub.RetryAt = scaler.InstanceBackoff, retry
	}
	p.mu.Unlock()
	p.saveOrWarn()
	p.tell(e, in)
}

func (p *Provider) becomeStopping(in *instance) {
	p.mu.Lock()
	in.askToStop()
	p.mu.Unlock()
	p.changed()
}

// forget takes in out of the list for good.
func (p *Provider) forget(in *instance, kind EventKind, reason string) {
	p.mu.Lock()
	in.proc = nil
	delete(p.instances, in.pub.ID)
	p.forgetBackoff(in.pub.Version)
	p.mu.Unlock()
	p.saveOrWarn()
	if err := p.o.Output.prune(p.o.Service, p.exists); err != nil {
		p.o.Logger.Warn("cannot tidy up output files", "err", err)
	}
	p.tell(Event{Kind: kind, Reason: reason}, in)
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

func (p *Provider) exists(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances[id] != nil
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
	if e.Kind == StartFailed || e.Kind == Exited {
		level = slog.LevelWarn
		attrs = append(attrs, "retryAt", e.Instance.RetryAt)
	} else if e.Instance.Address != "" {
		attrs = append(attrs, "address", e.Instance.Address)
	}
	p.o.Logger.Log(context.Background(), level, "instance "+string(e.Kind), attrs...)
	p.o.OnEvent(e)
	p.changed()
}
