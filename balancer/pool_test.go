package balancer

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFixedCases(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		f := func(name string, members []Member, want bool, why Reason) {
			t.Helper()
			p := mustPool(t, Options{Algorithm: a, Members: members, PanicPercent: 0})
			for hash := range uint64(20) {
				q := Query{Now: start, Hash: hash}
				e := p.Pick(&q)
				if got := e != nil; got != want {
					t.Fatalf("%s: picked = %v; want %v", name, got, want)
				}
				if e == nil && p.Why() != why {
					t.Fatalf("%s: why = %q; want %q", name, p.Why(), why)
				}
				if e != nil {
					if e != members[0].Endpoint || e.InFlight() != 1 {
						t.Fatalf("%s: picked %s with %d in flight; want %s with 1", name, e.ID, e.InFlight(), members[0].Endpoint.ID)
					}
					e.Release()
				}
			}
		}
		f("empty", nil, false, Empty)
		f("one", healthy(1), true, 0)
		f("one of great weight", healthy(MaxWeight), true, 0)
		f("all weights zero", healthy(0, 0, 0), false, NoneEligible)
		f("one with a weight", healthy(3, 0, 0), true, 0)
		down := healthy(1, 2, 3)
		for _, m := range down {
			m.Endpoint.SetHealthy(false, start)
		}
		f("all down", down, false, NoneEligible)
		never := []Member{{Endpoint: NewEndpoint(Identity{Instance: "new"}), Weight: 1}}
		f("never healthy", never, false, NoneEligible)
	})
}

func TestPickSkipsAtOnce(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		f := func(change func(e *Endpoint)) {
			t.Helper()
			members := healthy(1, 1, 1, 1)
			p := mustPool(t, Options{Algorithm: a, Members: members, PanicPercent: 50})
			change(members[2].Endpoint)
			counts := pickMany(p, start, 2000)
			if counts[members[2].Endpoint] != 0 || counts[nil] != 0 || len(counts) != 3 {
				t.Fatalf("counts = %v; want those of the other three", counts)
			}
		}
		f(func(e *Endpoint) { e.SetHealthy(false, start) })
		f(func(e *Endpoint) { e.SetEjected(true) })
		f(func(e *Endpoint) { e.SetDraining(start + second) })
	})
}

// All but one of many are out, and the pool is not built anew: the picker's proposals run out, and the walk finds the one.
func TestPickFindsTheLastOne(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		members := healthy(ones(40)...)
		p := mustPool(t, Options{Algorithm: a, Members: members})
		for i, m := range members {
			m.Endpoint.SetEjected(i != 17)
		}
		counts := pickMany(p, start, 500)
		if counts[members[17].Endpoint] != 500 {
			t.Fatalf("the last eligible endpoint got %d of 500 picks", counts[members[17].Endpoint])
		}
	})
}

func TestLimit(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		members := healthy(1, 1, 3)
		p := mustPool(t, Options{Algorithm: a, Members: members, MaxConcurrency: 2, PanicPercent: 50})
		q := Query{Now: start, Hash: 7}
		var held []*Endpoint
		for range 6 {
			e := p.Pick(&q)
			if e == nil {
				t.Fatalf("nothing picked with %d of 6 in flight: %s", p.InFlight(), p.Why())
			}
			held = append(held, e)
		}
		if e := p.Pick(&q); e != nil || p.Why() != AtLimit {
			t.Fatalf("picked %v, why %q; want none, %q", e, p.Why(), AtLimit)
		}
		held[3].Release()
		if e := p.Pick(&q); e != held[3] {
			t.Fatalf("picked %v; want the one released", e)
		}
	})
}

func TestAvoid(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		members := healthy(1, 1, 5)
		p := mustPool(t, Options{Algorithm: a, Members: members})
		for hash := range uint64(200) {
			q := Query{Now: start, Hash: hash}
			seen := map[*Endpoint]bool{}
			for range members {
				e := p.Pick(&q)
				if e == nil || seen[e] {
					t.Fatalf("hash %d: picked %v after %d others; want a new one", hash, e, len(seen))
				}
				seen[e] = true
				q.Avoid(e)
				e.Release()
			}
			if e := p.Pick(&q); e != nil {
				t.Fatalf("picked %s; all were to be avoided", e.ID)
			}
			q.Reset()
			if e := p.Pick(&q); e == nil {
				t.Fatal("nothing picked after Reset")
			} else {
				e.Release()
			}
		}
	})
}

func TestPanic(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		f := func(percent, down int, rebuilt bool, wantUsed int) {
			t.Helper()
			members := healthy(1, 1, 1, 1, 1, 0)
			draining := newHealthy("draining")
			draining.SetDraining(start)
			unborn := NewEndpoint(Identity{Instance: "unborn"})
			members = append(members, Member{draining, 1}, Member{unborn, 1})
			o := Options{Algorithm: a, Members: members, PanicPercent: percent}
			p := mustPool(t, o)
			for _, m := range members[:down] {
				m.Endpoint.SetHealthy(false, start)
			}
			if rebuilt {
				o.Previous = p
				p = mustPool(t, o)
			}
			counts := pickMany(p, start, 3000)
			delete(counts, nil)
			if len(counts) != wantUsed {
				t.Fatalf("%d %% with %d of 5 down: %d used; want %d", percent, down, len(counts), wantUsed)
			}
		}
		f(50, 2, true, 3)
		f(50, 3, true, 5)
		f(50, 5, true, 5)
		f(0, 4, true, 1)
		f(0, 5, true, 0)
		f(100, 1, true, 5)
		f(50, 5, false, 5) // nobody left: it panics without being built anew
		f(50, 3, false, 2)
	})
}

func TestPanicEndsWithTheNextPool(t *testing.T) {
	members := healthy(1, 1)
	members[0].Endpoint.SetHealthy(false, start)
	o := Options{Algorithm: RoundRobin, Members: members, PanicPercent: 60}
	if o.Previous = mustPool(t, o); !o.Previous.Panics() {
		t.Fatal("half are down at 60 %, and it does not panic")
	}
	members[0].Endpoint.SetHealthy(true, start)
	if p := mustPool(t, o); p.Panics() || p.Eligible() != 2 {
		t.Fatalf("panics %v with %d of 2 eligible", p.Panics(), p.Eligible())
	}
}

func TestNewPoolErrors(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if _, err := NewPool(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("error %v; want %q in it", err, want)
		}
	}
	f(Options{Algorithm: "fair"}, `balancer.algorithm: "fair"; want one of round-robin, least-connections,`)
	f(Options{Algorithm: Random, Members: healthy(-1)}, `weight of instance "a": -1; want 0 to 65535`)
	f(Options{Algorithm: Random, Members: healthy(MaxWeight + 1)}, `65536; want 0 to 65535`)
	f(Options{Algorithm: Random, MaxConcurrency: -1}, "limits.maxConcurrencyPerInstance: -1")
	f(Options{Algorithm: Random, PanicPercent: 101}, "limits.panicThresholdPercent: 101; want 0 (off) to 100")
	f(Options{Algorithm: Random, SlowStart: -time.Second}, "limits.slowStart: -1s")
}

func TestPoolKeepsNothingOfTheCaller(t *testing.T) {
	members := healthy(1, 1)
	p := mustPool(t, Options{Algorithm: RoundRobin, Members: members})
	first := members[0].Endpoint
	members[0] = Member{}
	p.Members()[0] = Member{}
	p.Endpoints()[0] = nil
	if p.Len() != 2 || p.Endpoints()[0] != first || p.Members()[0].Weight != 1 || p.Algorithm() != RoundRobin {
		t.Fatalf("members = %v; want them as given", p.Members())
	}
}

func TestSequenceGoesOnInTheNextPool(t *testing.T) {
	for _, a := range []Algorithm{RoundRobin, Weighted, LeastConnections} {
		members := healthy(1, 1, 1, 1)
		o := Options{Algorithm: a, Members: members}
		counts := map[*Endpoint]int{}
		for range 400 { // one pick per pool: a sequence that starts anew would always serve the first
			o.Previous = mustPool(t, o)
			e := o.Previous.Pick(&Query{Now: start})
			counts[e]++
			e.Release()
		}
		for _, m := range members {
			if counts[m.Endpoint] != 100 {
				t.Fatalf("%s: %s got %d of 400; want 100", a, m.Endpoint.ID, counts[m.Endpoint])
			}
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		members := healthy(1, 2, 3, 4)
		members[1].Endpoint.SetEjected(true)
		members[2].Endpoint.SetHealthy(false, start)
		members[2].Endpoint.SetHealthy(true, start+second)
		p := mustPool(t, Options{
			Algorithm: a, Members: members, MaxConcurrency: 9, PanicPercent: 50, SlowStart: time.Minute, AffinitySecret: []byte("s"),
		})
		q := Query{Now: start + 90*second}
		token := p.Token(members[0].Endpoint)
		if n := testing.AllocsPerRun(200, func() {
			q.Hash++
			q.Reset()
			e := p.Pick(&q)
			e.Observe(time.Millisecond, q.Now)
			e.Fail(Reset)
			e.Succeed()
			e.Release()
			q.Avoid(e)
			if e = p.Pick(&q); e != nil {
				e.Release()
			}
			q.Reset()
			p.Bound(&q, token).Release()
		}); n != 0 {
			t.Fatalf("%v allocations a pick; want 0", n)
		}
	})
}

// Everything at once, under the race detector: picks within the limit while states flip and pools replace each other.
func TestPickConcurrently(t *testing.T) {
	forAll(t, func(t *testing.T, a Algorithm) {
		const limit = 4
		members := healthy(1, 1, 2, 3, 0)
		o := Options{Algorithm: a, Members: members, MaxConcurrency: limit, PanicPercent: 50, SlowStart: time.Second, Rand: rand.Uint64}
		var pool atomic.Pointer[Pool]
		pool.Store(mustPool(t, o))
		var over, picked atomic.Int64
		var pickers, changer sync.WaitGroup
		done := make(chan struct{})
		changer.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				e := members[i%len(members)].Endpoint
				e.SetHealthy(i%3 != 0, start+int64(i))
				e.SetEjected(i%7 == 0)
				next := o
				next.Previous = pool.Load()
				pool.Store(mustPool(t, next))
			}
		})
		for g := range 4 {
			pickers.Go(func() {
				for i := range 1500 {
					q := Query{Now: start + int64(i), Hash: uint64(i * g), Shard: uint32(g)}
					e := pool.Load().Pick(&q)
					if e == nil {
						continue
					}
					picked.Add(1)
					if e.InFlight() > limit {
						over.Add(1)
					}
					e.Observe(time.Duration(i), q.Now)
					e.Release()
				}
			})
		}
		pickers.Wait()
		close(done)
		changer.Wait()
		if over.Load() != 0 || picked.Load() == 0 || pool.Load().InFlight() != 0 {
			t.Fatalf("%d over the limit, %d picked, %d left in flight; want 0, some, 0", over.Load(), picked.Load(), pool.Load().InFlight())
		}
	})
}
