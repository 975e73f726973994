package gateway

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// poisson returns a random number of arrivals with the given mean, by Knuth's method.
func poisson(r *rand.Rand, mean float64) uint64 {
	n, p := uint64(0), r.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= r.Float64()
	}
	return n
}

func TestArrivingJumps(t *testing.T) {
	f := func(before, after float64, within int) {
		t.Helper()
		r := rand.New(rand.NewPCG(1, 2))
		var a arriving
		now := time.Unix(1e9, 0)
		count := uint64(0)
		tick := func(rate float64) bool {
			now = now.Add(tickEvery)
			count += poisson(r, rate*tickEvery.Seconds())
			return a.jumped(count, now)
		}
		for range 600 {
			tick(before)
		}
		early := 0
		for range 600 { // a minute of ordinary traffic
			if tick(before) {
				early++
			}
		}
		if early > 0 {
			t.Errorf("%v requests/s: %d jumps in a minute without one; want none", before, early)
		}
		for k := 1; ; k++ {
			if tick(after) {
				if k > within || within == 0 {
					t.Errorf("%v to %v requests/s: seen at tick %d; want it by tick %d", before, after, k, within)
				}
				return
			}
			if k > max(within, 50) {
				if within > 0 {
					t.Errorf("%v to %v requests/s: not seen in %d ticks; want it by tick %d", before, after, k, within)
				}
				return
			}
		}
	}
	f(50, 600, 1)
	f(200, 600, 1)
	f(1000, 2000, 1)
	f(0, 200, 1)
	f(100, 100, 0)
}

func TestAfterAJumpEachTickDecides(t *testing.T) {
	var a arriving
	now := time.Unix(1e9, 0)
	hurried := 0
	for k := range 60 {
		now = now.Add(tickEvery)
		count := uint64(k)
		if k >= 20 {
			count += 100
		}
		if a.hurry(count, now) {
			hurried++
		}
	}
	if want := int(hurryFor / tickEvery); hurried != want {
		t.Errorf("got %d ticks with a decision; want %d", hurried, want)
	}
}

func TestArrivingGivesNoAlarmAtFirstNorBackwards(t *testing.T) {
	f := func(counts ...uint64) {
		t.Helper()
		var a arriving
		for k, n := range counts {
			if a.jumped(n, time.Unix(1e9, int64(k)*int64(tickEvery))) {
				t.Errorf("%v: a jump at %d; want none", counts, k)
			}
		}
	}
	f(1_000_000)          // a restart of the loop, not of the counters
	f(1_000_000, 1e6, 10) // a service that was taken out and came back
}
