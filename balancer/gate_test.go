package balancer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pickFrom is what the data path gives to Wait.
func pickFrom(p *Pool) func() *Endpoint {
	return func() *Endpoint { return p.Pick(&Query{Now: start}) }
}

func none() *Endpoint { return nil }

// journal is a list that several goroutines add to.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T // protected by mu
}

func (j *journal[T]) add(entry T) {
	j.mu.Lock()
	j.entries = append(j.entries, entry)
	j.mu.Unlock()
}

func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

func TestGateServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(10)
		p := mustPool(t, Options{Algorithm: RoundRobin, Members: healthy(1), MaxConcurrency: 1})
		e := p.Pick(&Query{Now: start})
		var order journal[int]
		for i := range 5 {
			go func() {
				if _, err := g.Wait(t.Context(), 0, pickFrom(p)); err != nil {
					t.Errorf("cannot wait: %v", err)
				}
				order.add(i)
			}()
			synctest.Wait()
		}
		if g.Len() != 5 || !g.Busy() {
			t.Fatalf("%d wait; want 5", g.Len())
		}
		for i := range 5 {
			e.Release()
			g.Released()
			synctest.Wait()
			if got := order.all(); len(got) != i+1 || got[i] != i || g.Len() != 4-i {
				t.Fatalf("after %d releases: served %v, %d wait", i+1, got, g.Len())
			}
		}
		if g.Busy() || e.InFlight() != 1 {
			t.Fatalf("busy %v, %d in flight; want false, 1", g.Busy(), e.InFlight())
		}
	})
}

// One Wake lets in as many as there is room for.
func TestGateWakePassesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(10)
		var pool atomic.Pointer[Pool]
		pool.Store(mustPool(t, Options{Algorithm: RoundRobin}))
		var served atomic.Int64
		for range 6 {
			go func() {
				if e, err := g.Wait(t.Context(), time.Hour, func() *Endpoint { return pool.Load().Pick(&Query{Now: start}) }); e != nil && err == nil {
					served.Add(1)
				}
			}()
			synctest.Wait()
		}
		if g.Wake(); g.Len() != 6 {
			t.Fatalf("%d wait at an empty pool; want 6", g.Len())
		}
		pool.Store(mustPool(t, Options{Algorithm: RoundRobin, Members: healthy(1, 1), MaxConcurrency: 2})) // from zero to two
		g.Wake()
		synctest.Wait()
		if served.Load() != 4 || g.Len() != 2 {
			t.Fatalf("%d served, %d wait; want 4, 2", served.Load(), g.Len())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if served.Load() != 4 || g.Len() != 0 {
			t.Fatalf("after the timeout: %d served, %d wait; want 4, 0", served.Load(), g.Len())
		}
	})
}

func TestGateTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		began := time.Now()
		e, err := g.Wait(t.Context(), 5*time.Second, none)
		if e != nil || !errors.Is(err, ErrQueueTimeout) || time.Since(began) != 5*time.Second || g.Len() != 0 {
			t.Fatalf("got %v, %v after %s, %d wait; want ErrQueueTimeout after 5s", e, err, time.Since(began), g.Len())
		}
	})
}

func TestGateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		left := errors.New("client left")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(left)
		}()
		if e, err := g.Wait(ctx, time.Minute, none); e != nil || !errors.Is(err, left) || g.Len() != 0 {
			t.Fatalf("got %v, %v, %d wait; want %v", e, err, g.Len(), left)
		}
	})
}

func TestGateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(2)
		var results journal[error]
		count := func(want error) (n int) {
			for _, err := range results.all() {
				if err == want {
					n++
				}
			}
			return n
		}
		wait := func() {
			go func() {
				_, err := g.Wait(t.Context(), time.Minute, none)
				results.add(err)
			}()
			synctest.Wait()
		}
		f := func(wantLen, wantFull int) {
			t.Helper()
			wait()
			if g.Len() != wantLen || count(ErrQueueFull) != wantFull {
				t.Fatalf("%d wait, %d refused; want %d, %d", g.Len(), count(ErrQueueFull), wantLen, wantFull)
			}
		}
		f(1, 0)
		f(2, 0)
		f(2, 1)
		g.SetLimit(3)
		f(3, 1)
		g.SetLimit(1) // those who wait stay
		f(3, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if g.Len() != 0 || count(ErrQueueTimeout) != 3 {
			t.Fatalf("%d wait, %d timed out; want 0, 3", g.Len(), count(ErrQueueTimeout))
		}
		g.SetLimit(0)
		f(0, 3)
	})
}

// The first gives up: the turn passes on to the second, although nothing was released since.
func TestGateLeavingPassesTheTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(2)
		e := newHealthy("a")
		var free atomic.Bool
		go g.Wait(t.Context(), time.Second, none) // insists on what does not come
		synctest.Wait()
		var served atomic.Bool
		go func() {
			_, err := g.Wait(t.Context(), time.Minute, func() *Endpoint {
				if free.Load() {
					return e
				}
				return nil
			})
			served.Store(err == nil)
		}()
		synctest.Wait()
		free.Store(true)
		g.Wake()
		synctest.Wait()
		if served.Load() {
			t.Fatal("the second overtook the first")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !served.Load() {
			t.Fatal("the second still waits with an endpoint free")
		}
	})
}

// Many requests over few slots. A lost wake-up would leave somebody waiting with nobody left to release, and the bubble would find
// all goroutines blocked.
func TestGateLosesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1000)
		p := mustPool(t, Options{Algorithm: P2C, Members: healthy(1, 1, 1), MaxConcurrency: 1, Rand: rand.Uint64})
		var wg sync.WaitGroup
		var over, gaveUp atomic.Int64
		for range 60 {
			wg.Go(func() {
				for range 60 {
					e := arrive(t.Context(), g, p, &gaveUp)
					if e == nil {
						continue
					}
					if e.InFlight() != 1 {
						over.Add(1)
					}
					if rand.IntN(4) == 0 {
						time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
					}
					e.Release()
					g.Released()
				}
			})
		}
		wg.Wait()
		if g.Len() != 0 || p.InFlight() != 0 || over.Load() != 0 {
			t.Fatalf("%d wait, %d in flight, %d over the limit; want 0", g.Len(), p.InFlight(), over.Load())
		}
	})
}

// The same on the real clock and all cores, where interleavings are finer. Nobody gives up, so each has to be served.
func TestGateLosesNobodyInParallel(t *testing.T) {
	g := NewGate(1000)
	p := mustPool(t, Options{Algorithm: LeastConnections, Members: healthy(1, 1), MaxConcurrency: 1, Rand: rand.Uint64})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var served atomic.Int64
	for range 16 {
		wg.Go(func() {
			for range 500 {
				e := p.Pick(&Query{Now: start})
				if e == nil {
					var err error
					if e, err = g.Wait(ctx, 0, pickFrom(p)); err != nil {
						t.Errorf("cannot wait: %v", err)
						return
					}
				}
				served.Add(1)
				e.Release()
				g.Released()
			}
		})
	}
	wg.Wait()
	if served.Load() != 16*500 || p.InFlight() != 0 {
		t.Fatalf("%d served, %d in flight; want %d, 0", served.Load(), p.InFlight(), 16*500)
	}
}

// arrive does what the data path does; some have little patience.
func arrive(ctx context.Context, g *Gate, p *Pool, gaveUp *atomic.Int64) *Endpoint {
	if !g.Busy() {
		if e := p.Pick(&Query{Now: start}); e != nil {
			return e
		}
	}
	patience := time.Duration(0)
	if rand.IntN(5) == 0 {
		patience = time.Duration(1+rand.IntN(5)) * time.Millisecond
	}
	e, err := g.Wait(ctx, patience, pickFrom(p))
	if err != nil {
		gaveUp.Add(1)
	}
	return e
}

func TestGateFastPathDoesNotAllocate(t *testing.T) {
	g := NewGate(1)
	if n := testing.AllocsPerRun(100, func() {
		if !g.Busy() {
			g.Released()
		}
	}); n != 0 {
		t.Fatalf("%v allocations; want 0", n)
	}
}
