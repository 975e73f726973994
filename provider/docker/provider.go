package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// Provider runs the containers of one service. It implements scaler.Provider.
type Provider struct {
	o          Options
	templates  *templates
	cli        atomic.Pointer[client.Client] // replaced at each connection by Run
	life       life
	executable string

	// Set by Run before known is closed.
	changed func()
	hard    context.Context // for calls of the Engine; it outlives Run's context, until all instances had time to end
	pulling context.Context // for pulls, which nobody needs any more when the gateway ends

	stocked bool // stock was taken once; of Run's goroutine

	known chan struct{} // closed when the Engine answered or failed to for the first time
	ended chan struct{} // closed when Run has returned

	mu        sync.Mutex // protects what follows
	away      error      // why nothing is known; nil: what is known holds
	instances map[string]*instance
	spared    map[string]bool           // ids of instances of other gateways that live
	backoffs  map[string]*launch.Streak // by version
	pulls     map[string]*pull          // under way, by image
	leftovers map[string]leftover       // by container
	closed    bool                      // Run ends: nothing is started any more

	supervisors sync.WaitGroup // and other goroutines. Add is called under mu, and not when closed, or by one of those that are counted
}

var _ scaler.Provider = (*Provider)(nil)

// New checks o and returns a provider that knows no instance. It starts nothing and does not connect.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	t, err := parseTemplates(o)
	if err != nil {
		return nil, err
	}
	if o.Network == hostNetwork {
		used, err := t.usesPort()
		if err != nil {
			return nil, err
		}
		if !used {
			return nil, errors.New(`provider.docker.network: "host" gives each instance a port of its own; want {{.Port}} or {{.Address}} in provider.docker.command or provider.docker.env`)
		}
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the gateway's own program: %w", err)
	}
	l, err := newLife()
	if err != nil {
		return nil, err
	}
	c, err := newClient(o.Host)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		o:          o,
		templates:  t,
		life:       l,
		executable: executable,
		known:      make(chan struct{}),
		ended:      make(chan struct{}),
		instances:  map[string]*instance{},
		spared:     map[string]bool{},
		backoffs:   map[string]*launch.Streak{},
		pulls:      map[string]*pull{},
		leftovers:  map[string]leftover{},
	}
	p.cli.Store(c)
	return p, nil
}

// engine returns the client for the Engine as it was at the last connection.
func (p *Provider) engine() *client.Client { return p.cli.Load() }

// await returns when there is something to say about the instances: nil when they are known, else why not.
func (p *Provider) await(ctx context.Context) error {
	select {
	case <-p.known:
	default:
		select {
		case <-p.known:
		case <-p.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-p.ended:
		return errors.New("the provider has ended")
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil {
		return fmt.Errorf("the Docker Engine at %s does not answer: %w", p.engine().DaemonHost(), p.away)
	}
	return nil
}

// List implements scaler.Provider. It waits until the Engine answered or failed to for the first time. While the Engine is away it is an
// error. Instances that were never started come last.
func (p *Provider) List(ctx context.Context) ([]scaler.Instance, error) {
	if err := p.await(ctx); err != nil {
		return nil, fmt.Errorf("cannot list the instances of %q: %w", p.o.Service, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]scaler.Instance, 0, len(p.instances))
	for _, in := range p.instances {
		out = append(out, in.pub)
	}
	slices.SortFunc(out, byStart)
	return out, nil
}

// byStart orders instances by StartedAt, those never started last.
func byStart(a, b scaler.Instance) int {
	if a.StartedAt.IsZero() != b.StartedAt.IsZero() {
		if a.StartedAt.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
}

// Scale implements scaler.Provider. It waits as List does, and is an error while the Engine is away. Instances in backoff count: they are
// coming back.
func (p *Provider) Scale(ctx context.Context, rev scaler.Revision, count int, leaving []string) error {
	if rev.Service != p.o.Service {
		return fmt.Errorf("cannot scale service %q: this provider runs %q", rev.Service, p.o.Service)
	}
	if count < 0 || count > math.MaxUint16 {
		return fmt.Errorf("cannot scale %q to %d: want 0 to %d instances", rev.Service, count, math.MaxUint16)
	}
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("cannot scale %q: %w", rev.Service, err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return fmt.Errorf("cannot scale %q: the provider is ending", rev.Service)
	}
	live := p.live(rev.Version)
	p.shrink(live, len(live)-count, leaving)
	p.grow(rev.Version, count-len(live))
	p.mu.Unlock()
	if len(live) != count {
		p.changed()
	}
	return nil
}

// live returns the instances of version that are not being stopped, in the order of List. p.mu is held.
func (p *Provider) live(version string) []*instance {
	var out []*instance
	for _, in := range p.instances {
		if in.pub.Version == version && in.pub.State != scaler.InstanceStopping {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b *instance) int { return byStart(a.pub, b.pub) })
	return out
}

// shrink asks n of live to stop: those in leaving first, in that order, then the newest. p.mu is held.
func (p *Provider) shrink(live []*instance, n int, leaving []string) {
	for _, id := range leaving {
		if in := p.instances[id]; n > 0 && slices.Contains(live, in) && in.askToStop() {
			n--
		}
	}
	for _, in := range slices.Backward(live) {
		if n > 0 && in.askToStop() {
			n--
		}
	}
}

// grow adds n instances of version, which are started at once or when the backoff of the version allows it. p.mu is held.
func (p *Provider) grow(version string, n int) {
	for range n {
		in := newInstance(p.freeID(version), version)
		// One failure alone does not hold back others: it may be that instance's own.
		if b := p.backoffs[version]; b != nil && b.Failures > 1 && time.Now().Before(b.NotBefore) {
			in.pub.State, in.pub.RetryAt = scaler.InstanceBackoff, b.NotBefore
			in.pub.LastError = "other instances of this version fail"
		}
		p.instances[in.pub.ID] = in
		p.supervisors.Add(1)
		go p.supervise(in)
	}
}
