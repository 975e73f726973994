package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// Provider runs the user's commands for one service. It implements scaler.Provider.
type Provider struct {
	o       Options
	changed func()        // set by Run before known is closed
	known   chan struct{} // closed when the list command ended for the first time
	ended   chan struct{} // closed when Run has returned
	wake    chan struct{} // capacity 1; a token: list now

	scaling sync.Mutex // held over a scale command: there is never more than one

	mu        sync.Mutex // protects what follows
	instances []scaler.Instance
	listErr   error                // why instances do not hold; nil: they do
	asked     map[string]int       // by version: the count of the last scale command that went well
	hurry     time.Time            // until then lists come fast, if not all is as asked
	seen      map[string]time.Time // by id: the first time that an instance was listed
}

var _ scaler.Provider = (*Provider)(nil)

// New checks o and returns a provider. It runs nothing.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Provider{o: o, known: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		asked: map[string]int{}, seen: map[string]time.Time{}}, nil
}

// Run lists the instances again and again until ctx ends, and returns nil then. The instances stay as they are. It must be called once.
func (p *Provider) Run(ctx context.Context, changed func()) error {
	defer close(p.ended)
	p.changed = changed
	for first := true; ; first = false {
		p.listOnce(ctx)
		if first {
			close(p.known)
		}
		if ctx.Err() != nil {
			return nil
		}
		changed()
		timer := time.NewTimer(p.pause(time.Now()))
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

const (
	hurryFor     = time.Minute            // after a scale command
	hurryAtLeast = 100 * time.Millisecond // from one list to the next
)

// pause returns how long to wait for the next list. After a scale command lists come ten times as fast, until all is as asked or hurryFor is over:
// the sooner a new instance is known, the sooner it serves.
func (p *Provider) pause(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.hurry) || p.listErr != nil || p.isSettled() {
		return p.o.Interval
	}
	return min(p.o.Interval, max(p.o.Interval/10, hurryAtLeast))
}

// isSettled tells whether there are as many running instances of each version as asked, and no others. p.mu is held.
func (p *Provider) isSettled() bool {
	running := map[string]int{}
	for _, in := range p.instances {
		if in.State != scaler.InstanceRunning {
			return false
		}
		running[in.Version]++
	}
	for version, count := range p.asked {
		if running[version] != count {
			return false
		}
	}
	return true
}

// listOnce runs the list command and takes in what it prints.
func (p *Provider) listOnce(ctx context.Context) {
	out, err := p.command(p.o.List, true).run(ctx)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	var all []listed
	if err == nil {
		if all, err = parseList(out); err != nil {
			err = fmt.Errorf("cannot use what %s printed: %w", p.o.List[0], err)
		}
	}
	p.mu.Lock()
	before := p.listErr
	p.listErr = err
	if err == nil {
		p.takeIn(all, now)
	}
	p.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		p.tell(ListFailed, err)
	case err == nil && before != nil:
		p.tell(ListRecovered, nil)
	}
}

// takeIn replaces the instances. p.mu is held.
func (p *Provider) takeIn(all []listed, now time.Time) {
	seen := make(map[string]time.Time, len(all))
	p.instances = p.instances[:0]
	for _, l := range all {
		seen[l.ID] = cmp.Or(p.seen[l.ID], now)
		in := scaler.Instance{ID: l.ID, Version: l.Version, Address: l.Address, State: l.State, StartedAt: cmp.Or(l.StartedAt, seen[l.ID])}
		if l.measured {
			in.Usage = scaler.Usage{At: now, CPU: l.CPU, MemoryBytes: l.MemoryBytes}
		}
		p.instances = append(p.instances, in)
	}
	p.seen = seen
	slices.SortFunc(p.instances, func(a, b scaler.Instance) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
}

// List implements scaler.Provider: it returns what the list command printed last, at most Options.Interval ago and the time that it takes. Until it
// ended for the first time List waits. An error is that of the last list.
func (p *Provider) List(ctx context.Context) ([]scaler.Instance, error) {
	if err := p.await(ctx); err != nil {
		return nil, fmt.Errorf("cannot list the instances of %q: %w", p.o.Service, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listErr != nil {
		return nil, fmt.Errorf("cannot list the instances of %q: %w", p.o.Service, p.listErr)
	}
	return append([]scaler.Instance{}, p.instances...), nil
}

func (p *Provider) await(ctx context.Context) error {
	select {
	case <-p.ended:
		return errors.New("the provider has ended")
	default:
	}
	select {
	case <-p.known:
		return nil
	case <-p.ended:
		return errors.New("the provider has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Scale implements scaler.Provider: it runs the scale command, unless count is what was asked for last and what the last list shows. It returns when
// the command has ended. Commands never run side by side.
func (p *Provider) Scale(ctx context.Context, rev scaler.Revision, count int, leaving []string) error {
	if err := launch.CheckScale(p.o.Service, rev.Service, count); err != nil {
		return err
	}
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("cannot scale %q: %w", rev.Service, err)
	}
	p.scaling.Lock()
	defer p.scaling.Unlock()
	if p.isNoOp(rev.Version, count) {
		return nil
	}
	c := p.command(p.o.Scale, false,
		"GATEWAYD_VERSION="+rev.Version, "GATEWAYD_COUNT="+strconv.Itoa(count), "GATEWAYD_LEAVING="+strings.Join(leaving, " "))
	_, err := c.run(ctx)
	p.mu.Lock()
	if err == nil {
		p.asked[rev.Version] = count
	} else {
		delete(p.asked, rev.Version) // a part may have been done
	}
	p.hurry = time.Now().Add(hurryFor)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	if err != nil {
		if ctx.Err() == nil {
			p.tell(ScaleFailed, err)
		}
		return fmt.Errorf("cannot scale %q to %d: %w", rev.Service, count, err)
	}
	return nil
}

// isNoOp tells whether count is what was asked for last, if anything was, and what there is by a list that holds.
func (p *Provider) isNoOp(version string, count int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := 0
	for _, in := range p.instances {
		if in.Version == version && in.State != scaler.InstanceStopping {
			live++
		}
	}
	asked, ok := p.asked[version]
	return p.listErr == nil && live == count && (!ok || asked == count)
}

// command prepares one of the user's commands, which gets the service's name and env.
func (p *Provider) command(args []string, output bool, env ...string) command {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(p.o.Env)) {
		all = append(all, key+"="+p.o.Env[key])
	}
	all = append(all, "GATEWAYD_SERVICE="+p.o.Service)
	return command{args: args, env: append(all, env...), timeout: p.o.Timeout, output: output}
}

func (p *Provider) tell(kind EventKind, err error) {
	e := Event{Kind: kind, At: time.Now()}
	if err == nil {
		p.o.Logger.Info("instances are known again", "service", p.o.Service)
	} else {
		e.Reason = err.Error()
		if f, ok := errors.AsType[failure](err); ok {
			e.Output = f.stderr
		}
		p.o.Logger.Warn("a command of the exec provider failed", "service", p.o.Service, "event", string(kind), "reason", e.Reason)
	}
	p.o.OnEvent(e)
	p.changed()
}
