package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// Provider runs the processes of one service. It implements scaler.Provider.
type Provider struct {
	o          Options
	command    *launch.Command
	identity   string // of this gateway
	bootID     string
	executable string
	launcher   *launcher
	// stopLauncher ends the thread on which the kernel's signal to instances hangs.
	stopLauncher chan struct{}

	// Set by Run before ready is closed.
	changed func()
	cgroups *cgroups // nil: usage comes from /proc
	ready   chan struct{}
	ended   chan struct{} // closed when Run has returned

	saving sync.Mutex // held over Options.Save; protects saved
	saved  uint64     // the last of changes that was saved

	mu        sync.Mutex // protects what follows
	fleet     *launch.Fleet[*instance]
	closed    bool    // Run ends: nothing is started any more
	releasing bool    // Run ends without ending instances
	kept      []*proc // own children that were released
	changes   uint64  // how often save was asked for

	supervisors sync.WaitGroup // Add is called under mu, and not when closed
	released    sync.WaitGroup // own children that live on after Run
}

var _ scaler.Provider = (*Provider)(nil)

// New checks o and returns a provider without instances. It starts nothing.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	command, err := launch.ParseCommand("provider.process", o.Command, o.Env)
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the gateway's own program: %w", err)
	}
	id, err := ownIdentity()
	if err != nil {
		return nil, err
	}
	return &Provider{
		o:            o,
		command:      command,
		identity:     id,
		bootID:       bootID(),
		executable:   executable,
		launcher:     newLauncher(),
		stopLauncher: make(chan struct{}),
		ready:        make(chan struct{}),
		ended:        make(chan struct{}),
		fleet:        launch.NewFleet(o.Backoff, o.uniform, newInstance),
	}, nil
}

// Run takes stock of what an earlier gateway left, then looks after the instances until ctx ends. After that it ends
// them, each within StopTimeout and all side by side, or with Adopt leaves them: who removes a service, and not the
// gateway, scales it to 0 first. It must be called once. An error means that
// the records could not be loaded or leftovers not be ended; then nothing was started.
func (p *Provider) Run(ctx context.Context, changed func()) error {
	defer close(p.ended)
	p.changed = changed
	go p.launcher.run(p.stopLauncher)
	defer p.endLauncher()
	var err error
	if p.cgroups, err = newCgroups(p.o.CgroupRoot, p.o.Service, p.o.Logger); err != nil {
		p.o.Logger.Debug("instances are measured by /proc", "err", err)
	}
	defer p.endAll()
	if err := p.takeStock(ctx); err != nil {
		return err
	}
	close(p.ready)
	p.changed()
	p.measureUntil(ctx)
	return nil
}

// endAll tells every supervisor that the gateway ends, and waits for them.
func (p *Provider) endAll() {
	p.mu.Lock()
	p.closed = true
	for _, in := range p.fleet.List() {
		in.askToLeave()
	}
	p.mu.Unlock()
	p.supervisors.Wait()
}

// measureUntil measures every instance each second until ctx ends.
func (p *Provider) measureUntil(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.measureAll(now)
		}
	}
}

func (p *Provider) measureAll(now time.Time) {
	type measured struct {
		in *instance
		pr *proc
	}
	var all []measured
	p.mu.Lock()
	for _, in := range p.fleet.List() {
		if in.proc != nil {
			all = append(all, measured{in, in.proc})
		}
	}
	p.mu.Unlock()
	for _, m := range all {
		usage, err := m.in.meter.measure(m.pr, now)
		if err != nil {
			continue // it ended just now; its supervisor says so
		}
		if err := m.pr.sink.trim(p.o.Output.MaxFileBytes); err != nil {
			p.o.Logger.Warn("cannot bound an output file", "err", err)
		}
		p.mu.Lock()
		if m.in.proc == m.pr {
			m.in.usage = usage
		}
		p.mu.Unlock()
	}
	if len(all) > 0 {
		p.changed()
	}
}

// await returns when Run has taken stock, or an error.
func (p *Provider) await(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	default:
	}
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return errors.New("the provider has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List implements scaler.Provider. Until Run has taken stock it waits. Instances that were never started come last.
func (p *Provider) List(ctx context.Context) ([]scaler.Instance, error) {
	if err := p.await(ctx); err != nil {
		return nil, fmt.Errorf("cannot list the instances of %q: %w", p.o.Service, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]scaler.Instance, 0, p.fleet.Len())
	for _, in := range p.fleet.List() {
		out = append(out, in.public())
	}
	return out, nil
}

// Scale implements scaler.Provider. Until Run has taken stock it waits. Instances in backoff count: they are coming back.
func (p *Provider) Scale(ctx context.Context, rev scaler.Revision, count int, leaving []string) error {
	if err := launch.CheckScale(p.o.Service, rev.Service, count); err != nil {
		return err
	}
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("cannot scale %q: %w", rev.Service, err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return fmt.Errorf("cannot scale %q: the provider is ending", rev.Service)
	}
	added, stopped := p.fleet.Scale(rev.Version, count, leaving, time.Now())
	for _, in := range stopped {
		close(in.stop)
	}
	p.supervisors.Add(len(added))
	p.mu.Unlock()
	if len(added)+len(stopped) == 0 {
		return nil
	}
	defer p.changed()
	return p.superviseAll(added)
}

// superviseAll records what is about to be started, then starts it. Without the record it starts nothing.
func (p *Provider) superviseAll(added []*instance) error {
	if len(added) == 0 {
		return nil
	}
	err := p.save()
	for _, in := range added {
		if err == nil {
			go p.supervise(in)
			continue
		}
		p.mu.Lock()
		p.fleet.Remove(in, time.Now())
		p.mu.Unlock()
		p.supervisors.Done()
	}
	if err != nil {
		return fmt.Errorf("cannot scale %q: %w", p.o.Service, err)
	}
	return nil
}

// save hands all records to Options.Save. Those who wait while it runs share the next call: a hundred starts at once
// do not write a hundred times.
func (p *Provider) save() error {
	p.mu.Lock()
	p.changes++
	mine := p.changes
	p.mu.Unlock()
	p.saving.Lock()
	defer p.saving.Unlock()
	if p.saved >= mine {
		return nil
	}
	p.mu.Lock()
	upTo := p.changes
	records := make([]Record, 0, p.fleet.Len())
	for _, in := range p.fleet.List() {
		records = append(records, p.record(in))
	}
	p.mu.Unlock()
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	if err := p.o.Save(records); err != nil {
		return fmt.Errorf("cannot save the records of instances: %w", err)
	}
	p.saved = upTo
	return nil
}

// saveOrWarn is save for changes that took place already. The mark of a process stands in for its record.
func (p *Provider) saveOrWarn() {
	if err := p.save(); err != nil {
		p.o.Logger.Warn("records of instances are out of date", "service", p.o.Service, "err", err)
	}
}

// record returns what is kept of in. p.mu is held.
func (p *Provider) record(in *instance) Record {
	r := Record{
		ID:        in.ID,
		Version:   in.Version,
		Address:   in.Address,
		BootID:    p.bootID,
		StartedAt: in.StartedAt,
		Restarts:  in.Restarts,
	}
	if in.proc != nil {
		r.Pid, r.StartTime, r.Cgroup = in.proc.pid, in.proc.startTime, in.proc.group.path()
	}
	return r
}
