package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatewayd/health"
)

// town is a set of endpoints that answer as they are told, and what was asked of them.
type town struct {
	mu     sync.Mutex // protects what follows
	down   map[string]error
	delay  map[string]time.Duration
	asked  map[string][]time.Duration // since begin
	begin  time.Time
	now    int // checks under way
	most   int // of now
	opened int
	closed int
	told   []string
}

func newTown() *town {
	return &town{down: map[string]error{}, delay: map[string]time.Duration{}, asked: map[string][]time.Duration{}, begin: time.Now()}
}

// fakeProber is one prober of a town.
type fakeProber struct{ w *town }

func (p fakeProber) Probe(ctx context.Context, address string) error {
	w := p.w
	w.mu.Lock()
	w.asked[address] = append(w.asked[address], time.Since(w.begin))
	delay := w.delay[address]
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
	}()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return errors.New("no answer")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down[address]
}

func (p fakeProber) Close() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.closed++
	return nil
}

func (w *town) set(address string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[address] = err
}

func (w *town) slow(address string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay[address] = d
}

func (w *town) times(address string) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked[address])
}

func (w *town) transitions() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.told, "; ")
	w.told = nil
	return s
}

// live runs f with a running checker of a town, inside a bubble. Jitter is at its middle: nothing is stretched.
func live(t *testing.T, edit func(*Options), f func(c *Checker, w *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		o := Options{
			Uniform: func() float64 { return 0.5 },
			NewProber: func(Check) Prober {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.opened++
				return fakeProber{w}
			},
			OnTransition: func(k Key, tr health.Transition) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.told = append(w.told, fmt.Sprintf("%s %s>%s", k.Address, tr.From, tr.To))
			},
		}
		if edit != nil {
			edit(&o)
		}
		c := New(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		f(c, w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %s", err)
		}
		if w.opened != w.closed {
			t.Errorf("%d of %d probers were closed", w.closed, w.opened)
		}
	})
}

func entries(addresses ...string) []Entry {
	out := make([]Entry, len(addresses))
	for i, a := range addresses {
		out[i] = Entry{Address: a, Check: Check{Kind: KindHTTP}}
	}
	return out
}

func set(t *testing.T, c *Checker, e []Entry) {
	t.Helper()
	if err := c.Set(e); err != nil {
		t.Fatal(err)
	}
}

func wantStatus(t *testing.T, c *Checker, e Entry, want health.Status) {
	t.Helper()
	r, ok := c.State(e.Key())
	if !ok || r.Status != want {
		t.Fatalf("%s is %q, %v; want %q", e.Address, r.Status, ok, want)
	}
}

func TestFirstCheckIsImmediate(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		e := entries("a")
		w.slow("a", time.Millisecond)
		set(t, c, e)
		wantStatus(t, c, e[0], health.Starting)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		wantStatus(t, c, e[0], health.Healthy)
		if got := w.transitions(); got != "a starting>healthy" {
			t.Fatalf("got %q", got)
		}
		if _, ok := c.State(Key{Address: "b"}); ok {
			t.Fatal("an unknown key has a state")
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		// At once, after a part of the interval, then 2s after the end of the one before.
		if got, want := w.times("a"), []time.Duration{0, 1101, 3102, 5103, 7104}; !slices.Equal(got, scale(want)) {
			t.Fatalf("checked at %v; want %v ms", got, want)
		}
	})
}

func scale(ms []time.Duration) []time.Duration {
	out := make([]time.Duration, len(ms))
	for i, d := range ms {
		out[i] = d * time.Millisecond
	}
	return out
}

func TestFailureIsConfirmedFast(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		e := entries("a")
		set(t, c, e)
		synctest.Wait()
		w.set("a", errors.New("connect: connection refused"))
		time.Sleep(2110 * time.Millisecond) // the check at 1.1s fails, those 0.5s and 1s later confirm it
		synctest.Wait()
		if got := w.transitions(); got != "a starting>healthy; a healthy>unhealthy" {
			t.Fatalf("got %q", got)
		}
		r, _ := c.State(e[0].Key())
		if r.Failures != 3 || r.LastError != "connect: connection refused" {
			t.Fatalf("got %+v", r)
		}
		w.set("a", nil)
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if got := w.transitions(); got != "a unhealthy>healthy" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestSlowEndpointDelaysNobody(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		w.slow("slow", time.Hour)
		set(t, c, entries("slow", "a", "b"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for _, a := range []string{"a", "b"} {
			if n := len(w.times(a)); n != 11 {
				t.Fatalf("%s was checked %d times; want 11: %v", a, n, w.times(a))
			}
		}
		// It times out after 1s and is checked again, one check at a time.
		if n := len(w.times("slow")); n < 15 || w.most > 3 {
			t.Fatalf("the slow one was checked %d times, %d at once", n, w.most)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	live(t, func(o *Options) { o.Concurrency = 3 }, func(c *Checker, w *town) {
		var all []string
		for i := range 30 {
			all = append(all, fmt.Sprint(i))
			w.slow(fmt.Sprint(i), 50*time.Millisecond)
		}
		set(t, c, entries(all...))
		time.Sleep(501 * time.Millisecond) // ten rounds of three
		synctest.Wait()
		for _, e := range entries(all...) {
			wantStatus(t, c, e, health.Healthy)
		}
		if w.most != 3 {
			t.Fatalf("%d checks ran at once; want 3", w.most)
		}
	})
}

func TestSetKeepsWhatStays(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		set(t, c, entries("a", "b"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before, _ := c.State(entries("a")[0].Key())
		w.transitions()
		set(t, c, entries("c", "a"))
		after, ok := c.State(entries("a")[0].Key())
		if !ok || after != before {
			t.Fatalf("got %+v; want %+v", after, before)
		}
		if _, ok := c.State(entries("b")[0].Key()); ok {
			t.Fatal("b is still checked")
		}
		n := len(w.times("b"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(w.times("b")) != n {
			t.Fatal("b was checked after it was removed")
		}
		if got := w.transitions(); got != "c starting>healthy" {
			t.Fatalf("got %q", got)
		}
		if want := scale([]time.Duration{0, 1100, 3100, 5100, 7100, 9100}); !slices.Equal(w.times("a"), want) {
			t.Fatalf("the schedule of a changed: %v; want %v", w.times("a"), want)
		}
	})
}

func TestEditedCheckInheritsTheStatus(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		w.set("b", errors.New("no answer within 1s"))
		set(t, c, entries("a", "b"))
		time.Sleep(time.Second)
		synctest.Wait()
		w.transitions()
		w.slow("a", 100*time.Millisecond)
		edited := entries("a", "b")
		for i := range edited {
			edited[i].Check.Path = "/healthz"
			edited[i].Check.Policy.Interval = 10 * time.Second
		}
		set(t, c, edited)
		wantStatus(t, c, edited[0], health.Healthy)
		wantStatus(t, c, edited[1], health.Starting)
		synctest.Wait()
		if n := len(w.times("a")); n != 2 {
			t.Fatalf("the edited check was not made at once: %v", w.times("a"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.transitions(); got != "" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestRestartForgets(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		e := entries("a", "b")
		set(t, c, e)
		synctest.Wait()
		w.transitions()
		w.set("a", errors.New("connect: connection refused"))
		c.Restart("a")
		wantStatus(t, c, e[0], health.Starting)
		time.Sleep(time.Second)
		synctest.Wait()
		wantStatus(t, c, e[0], health.Starting)
		wantStatus(t, c, e[1], health.Healthy)
		w.set("a", nil)
		time.Sleep(201 * time.Millisecond)
		synctest.Wait()
		if got := w.transitions(); got != "a healthy>starting; a starting>healthy" {
			t.Fatalf("got %q", got)
		}
	})
}

// The result of a check that began before a restart says nothing about the endpoint after it.
func TestRestartDropsTheCheckUnderWay(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		e := entries("a")
		w.slow("a", 500*time.Millisecond)
		set(t, c, e)
		time.Sleep(400 * time.Millisecond)
		c.Restart("a")
		synctest.Wait()
		r, _ := c.State(e[0].Key())
		if r.Checks != 0 || r.Status != health.Starting {
			t.Fatalf("got %+v", r)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantStatus(t, c, e[0], health.Healthy)
	})
}

func TestRemovedWhileChecked(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		w.slow("a", 500*time.Millisecond)
		set(t, c, entries("a"))
		time.Sleep(100 * time.Millisecond)
		set(t, c, nil)
		synctest.Wait()
		if w.closed != 1 {
			t.Fatal("the prober was not closed after its last check")
		}
		time.Sleep(5 * time.Second)
		if got := w.transitions(); got != "" || len(w.times("a")) != 1 {
			t.Fatalf("got %q, checks at %v", got, w.times("a"))
		}
	})
}

func TestSetRefusesAsAWhole(t *testing.T) {
	live(t, nil, func(c *Checker, w *town) {
		set(t, c, entries("a"))
		bad := append(entries("b"), Entry{Address: "c", Check: Check{Kind: "ping"}})
		if err := c.Set(bad); err == nil || err.Error() != `cannot check "c": type: got "ping"; want http, tcp or grpc` {
			t.Fatalf("got %v", err)
		}
		if _, ok := c.State(entries("a")[0].Key()); !ok {
			t.Fatal("a is no longer checked")
		}
	})
}

// A listener may call the checker, and a slow one delays no check.
func TestListenerMayCallBack(t *testing.T) {
	var c *Checker
	seen := make(chan health.Status, 10)
	edit := func(o *Options) {
		o.OnTransition = func(k Key, _ health.Transition) {
			r, _ := c.State(k)
			seen <- r.Status
			time.Sleep(7 * time.Second)
		}
	}
	live(t, edit, func(checker *Checker, w *town) {
		c = checker
		set(t, c, entries("a"))
		if got := <-seen; got != health.Healthy {
			t.Fatalf("got %q", got)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(w.times("a")); n < 3 {
			t.Fatalf("a was checked %d times while the listener was busy", n)
		}
	})
}

// Endpoints that appear together do not stay together.
func TestChecksAreSpread(t *testing.T) {
	var mu sync.Mutex
	next := 0.0
	edit := func(o *Options) {
		o.Uniform = func() float64 {
			mu.Lock()
			defer mu.Unlock()
			next += 0.05
			return next - float64(int(next))
		}
	}
	live(t, edit, func(c *Checker, w *town) {
		var all []string
		for i := range 20 {
			all = append(all, fmt.Sprint(i))
		}
		set(t, c, entries(all...))
		time.Sleep(2100 * time.Millisecond)
		synctest.Wait()
		quarters := map[time.Duration]int{}
		for _, a := range all {
			quarters[w.times(a)[1]/(500*time.Millisecond)]++
		}
		for q := range time.Duration(4) {
			if quarters[q] < 3 {
				t.Fatalf("second checks by half seconds: %v; want some in each", quarters)
			}
		}
	})
}

// With the real network: what the checker says of an endpoint that comes up, fails and goes.
func TestCheckerOnTheNetwork(t *testing.T) {
	told := make(chan health.Transition, 10)
	c := New(Options{OnTransition: func(_ Key, tr health.Transition) { told <- tr }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	e := Entry{Address: closedPort(t), Check: Check{Kind: KindTCP, Policy: health.Policy{StartPeriod: time.Millisecond, Interval: 10 * time.Millisecond, Jitter: 0.5}}}
	set(t, c, []Entry{e})
	if tr := <-told; tr.To != health.Unhealthy || !strings.HasSuffix(tr.Reason, "connect: connection refused") {
		t.Fatalf("got %+v", tr)
	}
	e.Address = listener(t, "", true)
	set(t, c, []Entry{e})
	if tr := <-told; tr.To != health.Healthy {
		t.Fatalf("got %+v", tr)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
