package process

import (
	"context"
	"log/slog"
	"net"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// instance is one instance over all its runs. Its supervisor, a goroutine, is the only one to start and end it.
type instance struct {
	stop  chan struct{} // closed: it has to end
	leave chan struct{} // closed: the gateway ends
	meter meter         // of Provider.Run's goroutine

	// Protected by Provider.mu, but for ID and Version. stop is closed by whoever Instance.Stop told true.
	launch.Instance
	usage scaler.Usage
	proc  *proc // while it runs
	left  bool  // leave is closed
}

func newInstance(known launch.Instance) *instance {
	return &instance{stop: make(chan struct{}), leave: make(chan struct{}), Instance: known}
}

// public is what others get to know of in. Provider.mu is held.
func (in *instance) public() scaler.Instance {
	return scaler.Instance{
		ID: in.ID, Version: in.Version, Address: in.Address, State: scaler.InstanceState(in.State), StartedAt: in.StartedAt,
		RetryAt: in.RetryAt, Restarts: in.Restarts, LastError: in.LastError, OOMKilled: in.OOMKilled, Usage: in.usage,
	}
}

// askToLeave tells the supervisor that the gateway ends. Provider.mu is held.
func (in *instance) askToLeave() {
	if !in.left {
		in.left = true
		close(in.leave)
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
	return in.State != launch.Stopping && (p.o.OnExit == Adopt || p.releasing)
}

// bring returns the running process of in, started as often as it takes, or nil when in has to end first.
func (p *Provider) bring(in *instance) *proc {
	for {
		p.mu.Lock()
		pr, retryAt := in.proc, in.RetryAt
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
	in.Begin(time.Now())
	p.mu.Unlock()
	v := Vars{Version: in.Version, Instance: in.ID, Service: p.o.Service, Executable: p.executable, Host: p.o.Host}
	port, err := p.o.port(p.o.Host)
	if err != nil {
		return err
	}
	v.Port, v.Address = port, net.JoinHostPort(p.o.Host, port)
	p.mu.Lock()
	in.Address = v.Address
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
	in.proc, in.usage = pr, scaler.Usage{}
	in.Started(in.Address)
	kind := Started
	if in.Restarts > 0 {
		kind = Restarted
	}
	p.mu.Unlock()
	p.saveOrWarn()
	p.tell(Event{Kind: kind}, in)
}

// becomeBackoff takes in a failed start or the end of a run, and says when the next start is.
func (p *Provider) becomeBackoff(in *instance, kind EventKind, reason string) {
	now := time.Now()
	p.mu.Lock()
	e := Event{Kind: kind, Reason: reason}
	if pr := in.proc; pr != nil {
		e.Output = pr.sink.tail()
		p.fleet.Exited(in, reason, pr.oom, now)
	} else {
		p.fleet.StartFailed(in, reason, now)
	}
	in.proc, in.usage = nil, scaler.Usage{}
	p.mu.Unlock()
	p.saveOrWarn()
	p.tell(e, in)
}

func (p *Provider) becomeStopping(in *instance) {
	p.mu.Lock()
	in.Stop()
	p.mu.Unlock()
	p.changed()
}

// forget takes in out of the list for good.
func (p *Provider) forget(in *instance, kind EventKind, reason string) {
	p.mu.Lock()
	in.proc = nil
	p.fleet.Remove(in, time.Now())
	p.mu.Unlock()
	p.saveOrWarn()
	if err := p.o.Output.prune(p.o.Service, p.exists); err != nil {
		p.o.Logger.Warn("cannot tidy up output files", "err", err)
	}
	p.tell(Event{Kind: kind, Reason: reason}, in)
}

func (p *Provider) exists(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fleet.Has(id)
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
