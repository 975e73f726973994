package proxy

import (
	"math/rand/v2"
	"testing"
)

// The timers against a twin that looks at every client each time.
func TestTimersAgainstTwin(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var tm timers
		all := make([]*client, 20)
		want := map[*client]int64{}
		for i := range all {
			all[i] = &client{}
		}
		now := int64(1)
		for range 2000 {
			cl := all[rng.IntN(len(all))]
			switch rng.IntN(4) {
			case 0:
				tm.remove(cl)
				delete(want, cl)
			case 1:
				tm.set(cl, 0)
				delete(want, cl)
			default:
				at := now + 1 + rng.Int64N(100)
				tm.set(cl, at)
				want[cl] = at
			}
			now += rng.Int64N(20)
			for hit := tm.expired(now); hit != nil; hit = tm.expired(now) {
				if at, ok := want[hit]; !ok || at > now {
					t.Fatalf("seed %d: a client expired at %d; want %d, %v", seed, now, at, ok)
				}
				delete(want, hit)
			}
			for _, at := range want {
				if at <= now {
					t.Fatalf("seed %d: a deadline of %d is still there at %d", seed, at, now)
				}
				if due, ok := tm.next(); !ok || due > at {
					t.Fatalf("seed %d: the next look is at %d, %v; want by %d", seed, due, ok, at)
				}
			}
		}
	}
}

// A deadline that only moves away, as that of a connection with one request after the other does, never moves anything in the heap.
func TestTimersLazy(t *testing.T) {
	var tm timers
	cl := &client{}
	for at := int64(100); at < 1000; at += 10 {
		tm.set(cl, at)
		if due, _ := tm.next(); due != 100 {
			t.Fatalf("the next look is at %d; want 100", due)
		}
	}
	if hit := tm.expired(500); hit != nil {
		t.Fatal("a client expired before its deadline")
	}
	if due, _ := tm.next(); due != 990 {
		t.Fatalf("the next look is at %d; want 990", due)
	}
}
