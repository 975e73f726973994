package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gatewayd/scaler"
)

func TestSplitmixIsTheKnownOne(t *testing.T) {
	s := stream(0)
	for i, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f} {
		if got := s.next(); got != want {
			t.Errorf("number %d of seed 0 = %#x; want %#x", i, got, want)
		}
	}
}

func TestDistributions(t *testing.T) {
	const n = 300_000
	f := func(name string, draw func() float64, mean, cv float64) {
		t.Helper()
		sum, sq := 0.0, 0.0
		for range n {
			x := draw()
			sum += x
			sq += x * x
		}
		m := sum / n
		c := math.Sqrt(sq/n-m*m) / m
		if math.Abs(m/mean-1) > 0.02 || math.Abs(c/cv-1) > 0.05 {
			t.Errorf("%s: mean %v, cv %v; want %v, %v", name, m, c, mean, cv)
		}
	}
	s := stream(5)
	table := newLognormal(0.2, 1)
	f("exponential", s.exponential, 1, 1)
	f("lognormal", func() float64 { return table.draw(&s) }, 0.2, 1)
	g := &generator{stream: 6}
	f("poisson 9", func() float64 { return g.poisson(9) }, 9, 1.0/3)
	f("poisson 900", func() float64 { return g.poisson(900) }, 900, 1.0/30)
}

func TestHeapAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h heap
	var twin []float64
	for range 20_000 {
		if len(twin) == 0 || rng.IntN(5) < 3 {
			x := rng.Float64()
			h.push(x)
			i, _ := slices.BinarySearch(twin, x)
			twin = slices.Insert(twin, i, x)
			continue
		}
		if h[0] != twin[0] {
			t.Fatalf("least = %v; want %v", h[0], twin[0])
		}
		h.pop()
		twin = twin[1:]
	}
}

func TestFifoAgainstSlice(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var q fifo
	var twin []float64
	for i := range 20_000 {
		if len(twin) == 0 || rng.IntN(100) < 51 {
			q.push(float64(i))
			twin = append(twin, float64(i))
			continue
		}
		if got := q.pop(); got != twin[0] || q.n != len(twin)-1 {
			t.Fatalf("pop = %v with %d left; want %v, %d", got, q.n, twin[0], len(twin)-1)
		}
		twin = twin[1:]
	}
}

func constant(rate float64, seconds int) []float64 {
	r := make([]float64, seconds)
	for i := range r {
		r[i] = rate
	}
	return r
}

// With exponential service times the plant is the queue of Erlang's formula.
func TestPlantAgainstErlang(t *testing.T) {
	pl := DefaultPlant()
	f := func(rate float64, n int) {
		t.Helper()
		want := erlangLate(rate*pl.ServiceTime.Seconds(), n*pl.Slots, pl.WaitBelow.Seconds()/pl.ServiceTime.Seconds())
		const seconds = 4000
		p := newPlant(pl, constant(rate, seconds), n)
		p.run(seconds)
		got := float64(p.tally.slow) / float64(p.tally.arrivals)
		// Lognormal times of the same variation have a shorter tail than exponential ones.
		if got > 1.3*want+0.001 || got < 0.4*want-0.001 {
			t.Errorf("%v/s on %d: %v slow; want about %v", rate, n, got, want)
		}
	}
	f(100, 7)
	f(100, 6)
	f(200, 11)
	f(40, 3)
}

// erlangLate is P(W > wait) with a erlangs on c slots, wait in service times.
func erlangLate(a float64, c int, wait float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	rho := a / float64(c)
	return b / (1 - rho*(1-b)) * math.Exp(-(float64(c)-a)*wait)
}

func TestPlantKeepsCountOfEveryRequest(t *testing.T) {
	pl := DefaultPlant()
	p := newPlant(pl, constant(300, 120), 2)
	rng := rand.New(rand.NewPCG(5, 6))
	var sum tally
	for i := range 120 {
		p.run(float64(i + 1))
		sum.arrivals += p.tally.arrivals
		sum.done += p.tally.done
		sum.dropped += p.tally.dropped
		s := p.sample(time.Second)
		if s.InFlight > (p.stable.ready+3)*pl.Slots*2 {
			t.Fatalf("%d in flight on %d instances", s.InFlight, p.stable.ready)
		}
		if left := sum.arrivals - sum.done - sum.dropped; left != s.InFlight+s.Queue {
			t.Fatalf("second %d: %d requests are nowhere", i, left-s.InFlight-s.Queue)
		}
		p.scale(&p.stable, 1+rng.IntN(4))
	}
	if sum.dropped == 0 {
		t.Error("nobody waited too long at twenty times the capacity")
	}
}

func TestPlantBillsFromLaunchAndStartsInTime(t *testing.T) {
	pl := DefaultPlant()
	p := newPlant(pl, constant(1, 200), 1)
	p.run(10)
	p.scale(&p.stable, 4)
	p.run(39.9)
	if p.stable.ready != 1 || len(p.stable.starting) != 3 {
		t.Errorf("after 29.9 s %d are ready, %d starting; want 1 and 3", p.stable.ready, len(p.stable.starting))
	}
	p.run(40.1)
	if p.stable.ready != 4 {
		t.Errorf("after 30.1 s %d are ready; want 4", p.stable.ready)
	}
	p.scale(&p.stable, 2)
	p.run(50)
	if want := 10 + 4*30.1 + 2*9.9; math.Abs(p.billed-want) > 1e-6 {
		t.Errorf("billed %v; want %v", p.billed, want)
	}
}

func TestFailedStartsAreTriedAgain(t *testing.T) {
	pl := DefaultPlant()
	pl.FailedStarts = 0.5
	p := newPlant(pl, constant(1, 4000), 1)
	failed, became := 0, 0
	for i := range 2000 {
		p.run(float64(i + 1))
		failed += p.tally.failed
		became += p.tally.became
		p.sample(time.Second)
		p.scale(&p.stable, 40)
	}
	if p.stable.ready != 40 || failed < 15 || failed > 80 || became != 39 {
		t.Errorf("%d ready, %d failed, %d became ready; want 40, about 39, 39", p.stable.ready, failed, became)
	}
}

func TestNeeds(t *testing.T) {
	got := needs(DefaultPlant(), []float64{0, 1, 20, 60, 600, 100}, limits{1, 100})
	if want := []int{1, 1, 2, 5, 32, 7}; !slices.Equal(got, want) {
		t.Errorf("needs = %v; want %v", got, want)
	}
}

// For one instance at a time every gap can be bridged or not: the cheapest of all
// choices is what the clairvoyant has to find.
func TestClairvoyantAgainstAllChoices(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		need := make([]int, 24)
		for i := range need {
			need[i] = rng.IntN(4) * rng.IntN(2)
		}
		delay := rng.IntN(5)
		launched, cost := clairvoyant(need, delay)
		best := 0.0
		for level := 1; level <= 3; level++ {
			best += cheapest(need, level, delay)
		}
		total := 0.0
		for i, n := range launched {
			total += float64(n)
			if n < need[i] {
				t.Fatalf("need %v, delay %d: runs %v", need, delay, launched)
			}
		}
		if cost != best || total != cost {
			t.Fatalf("need %v, delay %d: cost %v, runs %v; want %v", need, delay, cost, total, best)
		}
	}
}

func cheapest(need []int, level, delay int) float64 {
	var runs [][2]int
	for i, n := range need {
		if n < level {
			continue
		}
		if k := len(runs); k > 0 && runs[k-1][1] == i {
			runs[k-1][1] = i + 1
		} else {
			runs = append(runs, [2]int{i, i + 1})
		}
	}
	if len(runs) == 0 {
		return 0
	}
	best := math.Inf(1)
	for choice := range 1 << (len(runs) - 1) {
		cost := 0.0
		for k, r := range runs {
			cost += float64(r[1] - r[0])
			switch {
			case k == 0:
				cost += float64(min(delay, r[0]))
			case choice>>(k-1)&1 == 1:
				cost += float64(r[0] - runs[k-1][1]) // kept through the gap
			default:
				cost += float64(min(delay, r[0]-runs[k-1][1]))
				if r[0]-runs[k-1][1] < delay {
					cost = math.Inf(1) // no time to start it again
				}
			}
		}
		best = math.Min(best, cost)
	}
	return best
}

func TestHPALimits(t *testing.T) {
	pl := DefaultPlant()
	h := newHPA(pl, false, 14, limits{1, 100}, 2)
	now := epoch
	step := func(rate, ready int) int {
		n := 0
		for range 15 {
			now = now.Add(time.Second)
			n = h.want(&scaler.Sample{Span: time.Second, Arrivals: rate, Ready: ready}, now)
		}
		return n
	}
	step(28, 2)
	step(28, 2)
	step(1400, 2)
	if n := step(1400, 2); n != 6 && n != 12 {
		t.Errorf("one period after a jump: %d; want the present plus 4, or twice it", n)
	}
	for range 4 {
		step(1400, 50)
	}
	if n := step(14, 100); n != 100 {
		t.Errorf("right after a fall: %d; want what it was", n)
	}
	for range 22 {
		step(14, 100)
	}
	if n := step(14, 100); n != 1 {
		t.Errorf("five minutes after a fall: %d; want 1", n)
	}
}

func TestKPAPanics(t *testing.T) {
	k := newKPA(DefaultPlant(), limits{1, 100}, 2)
	now := epoch
	step := func(seconds int, busy float64, ready int) int {
		n := 0
		for range seconds {
			now = now.Add(time.Second)
			n = k.want(&scaler.Sample{Span: time.Second, BusySlots: busy, Ready: ready}, now)
		}
		return n
	}
	if n := step(60, 5, 2); n != 2 {
		t.Errorf("5 busy slots: %d; want 2", n)
	}
	if n := step(8, 56, 2); n != 20 {
		t.Errorf("56 busy slots for 8 s: %d; want 20 at once", n)
	}
	if n := step(30, 5, 20); n != 20 {
		t.Errorf("in panic: %d; want no shrinking", n)
	}
	if n := step(120, 5, 20); n > 10 {
		t.Errorf("long after: %d; want to halve", n)
	}
}
