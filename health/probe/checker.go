package probe

import (
	"container/heap"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"gatewayd/health"
)

// Key names what a Checker keeps a state for: one endpoint under one check.
type Key struct {
	Address string // host:port
	Check   string // Check.ID
}

// Entry asks for a check of one endpoint.
type Entry struct {
	Address string
	Check   Check
}

// Key returns the key under which a Checker knows e.
func (e Entry) Key() Key { return Key{e.Address, e.Check.ID()} }

// Options is what a Checker is made of.
type Options struct {
	// OnTransition is called for every change of a status, in the order of the changes, one call at a time, from a goroutine of
	// Run. It may call the Checker. A call may still come for a key that was removed a moment ago.
	OnTransition func(Key, health.Transition)
	// Concurrency is how many checks may run at once. An endpoint never has more than one. Default 256.
	Concurrency int
	// NewProber makes the prober of one entry. Default NewProber.
	NewProber func(Check) Prober
	// Uniform returns numbers in [0, 1) for jitter, from several goroutines. Default rand.Float64.
	Uniform func() float64
}

// Checker checks endpoints for as long as it runs. All its methods may be called from several goroutines.
type Checker struct {
	o    Options
	wake chan struct{} // capacity 1: the schedule changed
	tell chan struct{} // capacity 1: notices has something

	mu      sync.Mutex // protects what follows
	entries map[Key]*entry
	due     schedule // entries that wait for their next check
	running int      // checks under way
	notices []notice
}

type notice struct {
	key Key
	t   health.Transition
}

// entry is one endpoint under one check. Its fields are protected by Checker.mu, but for prober, which
// belongs to the check under way.
type entry struct {
	key    Key
	check  Check
	state  health.State
	prober Prober
	next   time.Time
	index  int // in Checker.due, -1 while not waiting
	// life counts restarts and the removal: the result of a check that began in an earlier life is dropped.
	life    int
	cancel  context.CancelFunc // of the check under way, else nil
	removed bool
}

// New returns a Checker without entries. It starts nothing.
func New(o Options) *Checker {
	if o.Concurrency <= 0 {
		o.Concurrency = 256
	}
	if o.NewProber == nil {
		o.NewProber = NewProber
	}
	if o.Uniform == nil {
		o.Uniform = rand.Float64
	}
	if o.OnTransition == nil {
		o.OnTransition = func(Key, health.Transition) {}
	}
	return &Checker{
		o:       o,
		wake:    make(chan struct{}, 1),
		tell:    make(chan struct{}, 1),
		entries: map[Key]*entry{},
	}
}

// Set replaces what is checked. Entries whose key stays keep their state, their schedule and their connection. A new
// key is checked at once. When only the check of an address changed, its new key goes on with the status of
// the old one, so that an edit of the config never takes healthy endpoints out of traffic; where one address had several
// checks that went, it is the worst of theirs.
//
// An error names the entry with an invalid check; then nothing has changed.
func (c *Checker) Set(entries []Entry) error {
	want := make(map[Key]Check, len(entries))
	for _, e := range entries {
		if err := e.Check.Validate(); err != nil {
			return fmt.Errorf("cannot check %q: %w", e.Address, err)
		}
		want[e.Key()] = e.Check.withDefaults()
	}
	c.mu.Lock()
	heirs := c.removeExcept(want)
	for key, check := range want {
		if c.entries[key] == nil {
			c.add(key, check, heirs[key.Address])
		}
	}
	c.mu.Unlock()
	signal(c.wake)
	return nil
}

// removeExcept removes what is not wanted and returns, by address, the worst of the states that went.
func (c *Checker) removeExcept(want map[Key]Check) map[string]*health.State {
	gone := map[string]*health.State{}
	for key, e := range c.entries {
		if _, ok := want[key]; ok {
			continue
		}
		if s := gone[key.Address]; s == nil || s.Status() == health.Healthy {
			gone[key.Address] = &e.state
		}
		e.removed = true
		e.life++
		delete(c.entries, key)
		c.unschedule(e)
		if e.cancel != nil {
			e.cancel()
		} else {
			closeProber(e.prober)
		}
	}
	return gone
}

func (c *Checker) add(key Key, check Check, heir *health.State) {
	e := &entry{key: key, check: check, prober: c.o.NewProber(check), index: -1}
	if heir != nil {
		e.state = heir.WithPolicy(check.Policy)
	} else {
		e.state = health.NewState(check.Policy)
	}
	c.entries[key] = e
	c.schedule(e, time.Now())
}

// Restart forgets what is known of address, because another instance answers there now or the instance was started again:
// it gets no traffic before a good check, and the first one is made at once. OnTransition hears of it where the status was another.
func (c *Checker) Restart(address string) {
	now := time.Now()
	c.mu.Lock()
	for key, e := range c.entries {
		if key.Address != address {
			continue
		}
		old := e.state.Status()
		e.state = health.NewState(e.check.Policy)
		e.life++
		if old != health.Starting {
			c.notices = append(c.notices, notice{key, health.Transition{From: old, To: health.Starting, At: now, Reason: "it was started again"}})
		}
		if e.cancel != nil {
			e.cancel()
			continue
		}
		c.unschedule(e)
		c.schedule(e, now)
	}
	c.mu.Unlock()
	signal(c.wake)
	signal(c.tell)
}

// State returns what is known of key, and false when it is not checked.
func (c *Checker) State(key Key) (health.Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return health.Report{}, false
	}
	return e.state.Report(), true
}

// Run checks until ctx ends, then waits for the checks under way, which ctx cancels, and returns nil. It must be called once.
func (c *Checker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { c.deliver(ctx) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		ready, wait := c.takeDue(ctx, time.Now())
		for _, s := range ready {
			wg.Go(func() { c.run(ctx, s) })
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
	wg.Wait()
	c.closeAll()
	return nil
}

// started is a check that is to be made now, with what it needs apart from the lock.
type started struct {
	e      *entry
	life   int
	ctx    context.Context
	cancel context.CancelFunc
}

// takeDue takes what is due at now, as far as Concurrency allows, and returns how long to wait for the next. A
// check that ends wakes Run, so with all slots taken there is nothing to wait for.
func (c *Checker) takeDue(ctx context.Context, now time.Time) ([]started, time.Duration) {
	const idle = time.Hour
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []started
	for len(c.due) > 0 && c.running < c.o.Concurrency {
		e := c.due[0]
		if wait := e.next.Sub(now); wait > 0 {
			return out, wait
		}
		c.unschedule(e)
		c.running++
		s := started{e: e, life: e.life}
		s.ctx, s.cancel = context.WithTimeout(ctx, e.check.Timeout)
		e.cancel = s.cancel
		out = append(out, s)
	}
	return out, idle
}

// run makes one check. What a check finds while Run ends says nothing about its endpoint.
func (c *Checker) run(ctx context.Context, s started) {
	begin := time.Now()
	err := s.e.prober.Probe(s.ctx, s.e.key.Address)
	s.cancel()
	now := time.Now()
	if ctx.Err() != nil {
		return
	}
	c.finish(s, health.Result{Err: err, Duration: now.Sub(begin)}, now)
	signal(c.wake)
	signal(c.tell)
}

// finish takes in a result and schedules the next check. A result of an earlier life says nothing about this one.
func (c *Checker) finish(s started, r health.Result, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := s.e
	c.running--
	e.cancel = nil
	if e.removed {
		closeProber(e.prober)
		return
	}
	if e.life == s.life {
		if t := e.state.Observe(r, now); t.Changed() {
			c.notices = append(c.notices, notice{e.key, t})
		}
	}
	c.schedule(e, e.state.Next(now, c.o.Uniform))
}

// deliver hands on transitions apart from the lock and the schedule, so that a slow listener delays no check.
func (c *Checker) deliver(ctx context.Context) {
	for {
		c.mu.Lock()
		batch := c.notices
		c.notices = nil
		c.mu.Unlock()
		for _, n := range batch {
			c.o.OnTransition(n.key, n.t)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.tell:
		}
	}
}

func (c *Checker) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		closeProber(e.prober)
	}
}

func closeProber(p Prober) {
	if closer, ok := p.(io.Closer); ok {
		closer.Close()
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (c *Checker) schedule(e *entry, at time.Time) {
	e.next = at
	heap.Push(&c.due, e)
}

func (c *Checker) unschedule(e *entry) {
	if e.index >= 0 {
		heap.Remove(&c.due, e.index)
	}
}
