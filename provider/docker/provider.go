package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	fleet     *launch.Fleet[*instance]
	pulls     map[string]*pull    // under way, by image
	leftovers map[string]leftover // by container
	closed    bool                // Run ends: nothing is started any more

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
		fleet:      launch.NewFleet(o.Backoff, o.uniform, newInstance),
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
	out := make([]scaler.Instance, 0, p.fleet.Len())
	for _, in := range p.fleet.List() {
		out = append(out, in.public())
	}
	return out, nil
}

// Scale implements scaler.Provider. It waits as List does, and is an error while the Engine is away. Instances in backoff count: they are
// coming back.
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
		in.unwant()
	}
	for _, in := range added {
		p.supervisors.Add(1)
		go p.supervise(in)
	}
	p.mu.Unlock()
	if len(added)+len(stopped) > 0 {
		p.changed()
	}
	return nil
}
