package balancer

import (
	"math"
	"sync"
	"testing"
	"time"
	"unsafe"

	"gatewayd/internal/histogram"
)

func TestTryAcquireLimit(t *testing.T) {
	f := func(limit int64, tries, wantTaken int) {
		t.Helper()
		e := newHealthy("a")
		taken := 0
		for range tries {
			if e.TryAcquire(limit) {
				taken++
			}
		}
		if taken != wantTaken || e.InFlight() != int64(wantTaken) || e.Requests() != uint64(wantTaken) {
			t.Fatalf("limit %d: %d taken, %d in flight, %d requests; want %d", limit, taken, e.InFlight(), e.Requests(), wantTaken)
		}
		for range taken {
			e.Release()
		}
		if e.InFlight() != 0 || e.Requests() != uint64(wantTaken) {
			t.Fatalf("after release: %d in flight, %d requests; want 0, %d", e.InFlight(), e.Requests(), wantTaken)
		}
	}
	f(0, 100, 100)
	f(1, 5, 1)
	f(64, 63, 63)
	f(64, 100, 64)
	f(0, MaxInFlight+5, MaxInFlight)
	f(MaxInFlight*2, MaxInFlight+5, MaxInFlight)
}

func TestTryAcquireConcurrently(t *testing.T) {
	e := newHealthy("a")
	const limit = 3
	var over, taken sync.Map
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			n := 0
			for range 5000 {
				if !e.TryAcquire(limit) {
					continue
				}
				n++
				if f := e.InFlight(); f < 1 || f > limit {
					over.Store(f, true)
				}
				e.Release()
			}
			taken.Store(g, n)
		})
	}
	wg.Wait()
	over.Range(func(k, _ any) bool { t.Errorf("%d in flight; want 1 to %d", k, limit); return true })
	sum := 0
	taken.Range(func(_, n any) bool { sum += n.(int); return true })
	if e.InFlight() != 0 || e.Requests() != uint64(sum) {
		t.Fatalf("%d in flight, %d requests; want 0, %d", e.InFlight(), e.Requests(), sum)
	}
}

func TestReleaseTooOften(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	newHealthy("a").Release()
}

func TestEligible(t *testing.T) {
	f := func(change func(e *Endpoint), want bool) {
		t.Helper()
		e := NewEndpoint(Identity{Instance: "a"})
		change(e)
		if got := e.Eligible(); got != want {
			t.Fatalf("eligible = %v; want %v", got, want)
		}
	}
	f(func(*Endpoint) {}, false)
	f(func(e *Endpoint) { e.SetHealthy(true, 1) }, true)
	f(func(e *Endpoint) { e.SetHealthy(true, 1); e.SetHealthy(false, 2) }, false)
	f(func(e *Endpoint) { e.SetHealthy(true, 1); e.SetEjected(true) }, false)
	f(func(e *Endpoint) { e.SetHealthy(true, 1); e.SetEjected(true); e.SetEjected(false) }, true)
	f(func(e *Endpoint) { e.SetHealthy(true, 1); e.SetDraining(5) }, false)
	f(func(e *Endpoint) { e.SetHealthy(true, 1); e.SetDraining(5); e.ClearDraining() }, true)
	f(func(e *Endpoint) { e.SetEjected(true); e.SetHealthy(true, 1) }, false)
}

func TestHealthySince(t *testing.T) {
	e := NewEndpoint(Identity{Instance: "a"})
	f := func(healthy bool, now, want int64) {
		t.Helper()
		e.SetHealthy(healthy, now)
		if got := e.HealthySince(); got != want {
			t.Fatalf("healthy since %d; want %d", got, want)
		}
	}
	f(false, 1, 0)
	f(true, 2, 2)
	f(true, 3, 2)
	f(false, 4, 2)
	f(true, 5, 5)
}

func TestStats(t *testing.T) {
	id := Identity{Service: "shop", Revision: "v1", Instance: "a", Address: "127.0.0.1:1"}
	e := NewEndpoint(id)
	if e.Identity() != id {
		t.Fatalf("identity = %v; want %v", e.Identity(), id)
	}
	e.SetHealthy(true, 1)
	e.SetEjected(true)
	e.SetDraining(7)
	e.TryAcquire(0)
	e.TryAcquire(0)
	e.Release()
	e.Fail(Connect)
	e.Succeed()
	if n := e.Fail(Timeout); n != 1 {
		t.Fatalf("consecutive = %d; want 1", n)
	}
	if n := e.Fail(Timeout); n != 2 {
		t.Fatalf("consecutive = %d; want 2", n)
	}
	e.Observe(40*time.Millisecond, start)
	want := Stats{InFlight: 1, Requests: 2, Consecutive: 2, Cost: 40 * time.Millisecond, Healthy: true, Ejected: true, Draining: true}
	want.Failures[Connect], want.Failures[Timeout] = 1, 2
	got := e.Stats(start)
	if got != want || got.Failed() != 3 {
		t.Fatalf("stats = %+v, %d failed; want %+v, 3", got, got.Failed(), want)
	}
	var c histogram.Counts
	e.Latency(&c)
	if c.Count != 1 || c.Mean() != 40*time.Millisecond {
		t.Fatalf("latency: count %d, mean %s; want 1, 40ms", c.Count, c.Mean())
	}
	if deadline, ok := e.Draining(); deadline != 7 || !ok {
		t.Fatalf("draining = %d, %v; want 7, true", deadline, ok)
	}
}

// The twin is Finagle's formula in plain floating point, with a stamp of its own.
func TestCostTwin(t *testing.T) {
	e := newHealthy("a")
	cost, stamp := 0.0, int64(0)
	now := int64(start)
	tick := int64(1 << ewmaTickBits)
	f := func(elapsed time.Duration, rtt time.Duration) {
		t.Helper()
		now += int64(elapsed) / tick * tick
		if w := math.Exp(-float64(now-stamp) / float64(ewmaTau)); float64(rtt) > cost {
			cost = float64(rtt)
		} else {
			cost = cost*w + float64(rtt)*(1-w)
		}
		stamp = now
		e.Observe(rtt, now)
		if got := e.cost(now); math.Abs(got-cost)/cost > 1e-3 {
			t.Fatalf("cost = %v; want %v", got, cost)
		}
	}
	f(0, 20*time.Millisecond)
	f(time.Second, 100*time.Millisecond)
	f(10*time.Second, 20*time.Millisecond) // 49 ms, the example in ewma.go
	if got := time.Duration(e.cost(now)).Round(time.Millisecond); got != 49*time.Millisecond {
		t.Fatalf("cost = %s; want 49ms", got)
	}
	for i := range 200 {
		f(time.Duration(i)*37*time.Millisecond, time.Duration(1+i*7919%100)*time.Millisecond)
	}
}

func TestCostFades(t *testing.T) {
	e := newHealthy("a")
	if got := e.cost(start); got != 0 {
		t.Fatalf("cost of a new endpoint = %v; want 0", got)
	}
	e.Observe(time.Second, start)
	f := func(now int64, want time.Duration) {
		t.Helper()
		if got := time.Duration(e.cost(now)); math.Abs(float64(got-want)) > float64(want)/100 {
			t.Fatalf("cost = %s; want %s", got, want)
		}
	}
	f(start, time.Second)
	f(start-second, time.Second) // the clock of another core
	f(start+10*second, 368*time.Millisecond)
	f(start+20*second, 135*time.Millisecond)
	f(start+51*second, 0)
	f(start+40*24*3600*second, 0)
}

func TestCostWithinATick(t *testing.T) {
	e := newHealthy("a")
	e.Observe(10*time.Millisecond, start)
	e.Observe(time.Millisecond, start)
	if got := e.cost(start); got != 1e7 {
		t.Fatalf("cost = %v; want 1e7: no time has passed", got)
	}
	e.Observe(30*time.Millisecond, start)
	if got := e.cost(start); got != 3e7 {
		t.Fatalf("cost = %v; want 3e7: a peak counts at once", got)
	}
}

// What each core writes all the time must not share a line with what all read, nor with another writer's.
func TestEndpointLayout(t *testing.T) {
	var e Endpoint
	for field, offset := range map[string]uintptr{
		"load": unsafe.Offsetof(e.load), "outcomes": unsafe.Offsetof(e.outcomes), "latency": unsafe.Offsetof(e.latency),
	} {
		if offset%cacheLine != 0 {
			t.Errorf("%s is at offset %d; want the start of a cache line", field, offset)
		}
	}
	if end := unsafe.Offsetof(e.drainUntil) + 8 - unsafe.Offsetof(e.load); end > cacheLine {
		t.Errorf("what a pick reads takes %d bytes; want at most %d", end, cacheLine)
	}
}

func TestCauseNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range NumCauses {
		seen[c.String()] = true
	}
	if len(seen) != int(NumCauses) {
		t.Fatalf("names = %v; want %d different ones", seen, NumCauses)
	}
}
