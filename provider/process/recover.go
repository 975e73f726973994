package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"gatewayd/internal/launch"
)

// takeStock looks for what an earlier gateway of this owner left running. With Adopt or TakeOver it takes over what is on record; all the rest
// it ends, before anything is started, so that nothing runs twice.
func (p *Provider) takeStock(ctx context.Context) error {
	records, err := p.o.Load()
	if err != nil {
		return fmt.Errorf("cannot load the records of instances of %q: %w", p.o.Service, err)
	}
	found, err := p.findOwn()
	if err != nil {
		return err
	}
	var left []Record
	for _, r := range records {
		if p.o.OnExit != Adopt && !p.o.TakeOver || !p.maybeAdopt(r, found) {
			left = append(left, r)
		}
	}
	if err := p.endLeftovers(ctx, left); err != nil {
		return err
	}
	for _, r := range left {
		if !p.lives(r) { // else it is spared
			g := recorded(r.Cgroup)
			g.kill()
			g.remove()
		}
	}
	p.cgroups.sweep()
	return p.save()
}

// findOwn returns the processes that carry the mark of this service and owner.
func (p *Provider) findOwn() ([]marked, error) {
	all, err := findMarked()
	if err != nil {
		return nil, err
	}
	var out []marked
	for _, m := range all {
		if _, ok := idOf(m.mark, p.o.Service, p.o.Owner); ok {
			out = append(out, m)
		}
	}
	return out, nil
}

// maybeAdopt takes over the process of r, if it lives. A record without a pid was made before a start: if that took
// place, the process carries the mark.
func (p *Provider) maybeAdopt(r Record, found []marked) bool {
	if r.BootID != p.bootID {
		return false
	}
	group := recorded(r.Cgroup)
	if r.Pid == 0 {
		for _, m := range found {
			if m.leads() && m.mark == mark(p.o.Service, r.ID, p.o.Owner) {
				r.Pid, r.StartTime = m.pid, m.startTime
				if p.cgroups != nil {
					group = recorded(p.cgroups.dir(r.ID))
				}
				break
			}
		}
	}
	pr, ok := adopt(r.Pid, r.StartTime, group)
	if !ok {
		return false
	}
	pr.sink = p.o.Output.attach(p.o.Service, r.ID)
	if r.StartedAt.IsZero() {
		r.StartedAt = time.Now()
	}
	in := newInstance(launch.Instance{ID: r.ID, Version: r.Version, Address: r.Address, StartedAt: r.StartedAt, Restarts: r.Restarts})
	in.proc = pr
	p.mu.Lock()
	p.fleet.Adopt(in) // each record has an id of its own
	p.supervisors.Add(1)
	p.mu.Unlock()
	go pr.watch()
	go p.supervise(in)
	p.tell(Event{Kind: Adopted, Reason: fmt.Sprintf("process %d of an earlier gateway", r.Pid)}, in)
	return true
}

// endLeftovers ends the processes of records, and those that only a mark tells of. Instances of a gateway that still lives are none:
// it is being replaced, and ends them itself.
func (p *Provider) endLeftovers(ctx context.Context, records []Record) error {
	find := func() ([]victim, error) {
		found, err := p.findOwn()
		if err != nil {
			return nil, err
		}
		return p.victims(records, found), nil
	}
	first, err := find()
	if err != nil || len(first) == 0 {
		return err
	}
	if err := endVictims(ctx, find, p.o.StopTimeout); err != nil {
		return fmt.Errorf("cannot end what an earlier gateway left of %q: %w", p.o.Service, err)
	}
	told := map[string]bool{}
	for _, v := range first {
		if !told[v.id] {
			told[v.id] = true
			p.tell(Event{Kind: Ended, Reason: fmt.Sprintf("process %d of an earlier gateway", v.pid)}, newInstance(launch.Instance{ID: v.id, State: launch.Starting}))
		}
	}
	return nil
}

func (p *Provider) victims(records []Record, found []marked) []victim {
	var out []victim
	spared := map[int]bool{}
	for _, m := range found {
		id, _ := idOf(m.mark, p.o.Service, p.o.Owner)
		if p.exists(id) || identityAlive(m.gateway) {
			spared[m.pid] = true
			continue
		}
		out = append(out, victim{id: id, pid: m.pid, startTime: m.startTime, leads: m.leads()})
	}
	for _, r := range records {
		if p.lives(r) && !spared[r.Pid] {
			out = append(out, victim{id: r.ID, pid: r.Pid, startTime: r.StartTime, leads: true})
		}
	}
	return out
}

// lives tells whether the process of r still runs.
func (p *Provider) lives(r Record) bool {
	if r.Pid <= 0 || r.BootID != p.bootID {
		return false
	}
	start, err := startTime(r.Pid)
	return err == nil && start == r.StartTime
}

// victim is a process that has to end.
type victim struct {
	id        string // of its instance
	pid       int
	startTime uint64
	leads     bool // its process group, which ends with it
}

func (v victim) signal(sig syscall.Signal) {
	if start, err := startTime(v.pid); err != nil || start != v.startTime {
		return
	}
	if v.leads {
		syscall.Kill(-v.pid, sig)
		return
	}
	syscall.Kill(v.pid, sig)
}

// endVictims sends SIGTERM to what find returns, and SIGKILL to what it still returns after timeout, until it returns nothing. What
// does not go within 5 seconds of SIGKILL is an error.
func endVictims(ctx context.Context, find func() ([]victim, error), timeout time.Duration) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	asked := map[int]bool{}
	for {
		victims, err := find()
		if err != nil || len(victims) == 0 {
			return err
		}
		passed := time.Since(begun)
		if passed > timeout+5*time.Second {
			return fmt.Errorf("process %d does not go after SIGKILL", victims[0].pid)
		}
		for _, v := range victims {
			if passed >= timeout {
				v.signal(syscall.SIGKILL)
			} else if !asked[v.pid] {
				asked[v.pid] = true
				v.signal(syscall.SIGTERM)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("process %d still runs", victims[0].pid))
		}
	}
}
