package balancer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Each twin is held to manyPicks once, and to fewPicks with other weights.
const manyPicks, fewPicks = 100_000, 20_000

func TestRoundRobinIsExact(t *testing.T) {
	f := func(picks, n int, ejected ...int) {
		t.Helper()
		members := healthy(ones(n)...)
		p := mustPool(t, Options{Algorithm: RoundRobin, Members: members})
		for _, i := range ejected {
			members[i].Endpoint.SetEjected(true)
		}
		share := float64(picks) / float64(n-len(ejected))
		for e, got := range pickMany(p, start, picks) {
			if d := float64(got) - share; d > 1 || d < -1 {
				t.Fatalf("%d endpoints, %v ejected: %s got %d; want %v", n, ejected, e.ID, got, share)
			}
		}
	}
	f(fewPicks, 2)
	f(manyPicks, 7)
	f(fewPicks, 7, 2, 3)
	f(fewPicks, 10, 0, 1, 2, 3, 4)
	f(fewPicks, 33)
}

// An exact count in each shard, hence within cursorShards over all.
func TestShardsStayExact(t *testing.T) {
	members := healthy(ones(7)...)
	p := mustPool(t, Options{Algorithm: RoundRobin, Members: members})
	r := rand.New(rand.NewPCG(7, 8))
	counts := map[*Endpoint]int{}
	for range manyPicks {
		e := p.Pick(&Query{Now: start, Shard: r.Uint32()})
		counts[e]++
		e.Release()
	}
	for e, got := range counts {
		if d := got - manyPicks/7; d > cursorShards || d < -cursorShards {
			t.Fatalf("%s got %d; want %d within %d", e.ID, got, manyPicks/7, cursorShards)
		}
	}
}

func TestWeightedIsExact(t *testing.T) {
	f := func(picks int, weights ...int) {
		t.Helper()
		members := healthy(weights...)
		p := mustPool(t, Options{Algorithm: Weighted, Members: members})
		sum := 0
		for _, w := range weights {
			sum += w
		}
		counts := pickMany(p, start, picks)
		for i, w := range weights {
			want := float64(picks) * float64(w) / float64(sum)
			if d := float64(counts[members[i].Endpoint]) - want; d > 1 || d < -1 {
				t.Fatalf("weights %v: %s got %d; want %v", weights, name(i), counts[members[i].Endpoint], want)
			}
		}
	}
	f(fewPicks, 1, 1)
	f(fewPicks, 5, 1, 1)
	f(manyPicks, 1, 2, 3, 4)
	f(fewPicks, 100, 0, 300)
	f(fewPicks, 997, 3, 1000)
}

// One that is out leaves the others their proportions: 2 to 1, whoever stands next to it in the sequence.
func TestWeightedKeepsProportionsWithoutOne(t *testing.T) {
	members := healthy(5, 2, 1)
	p := mustPool(t, Options{Algorithm: Weighted, Members: members})
	members[0].Endpoint.SetEjected(true)
	counts := pickMany(p, start, 30_000)
	if b, c := counts[members[1].Endpoint], counts[members[2].Endpoint]; b != 20_000 || c != 10_000 {
		t.Fatalf("counts = %d, %d; want 20000, 10000", b, c)
	}
}

func TestRandomByWeight(t *testing.T) {
	f := func(picks int, a Algorithm, weights ...int) {
		t.Helper()
		members := healthy(weights...)
		p := mustPool(t, Options{Algorithm: a, Members: members})
		sum := 0
		for _, w := range weights {
			sum += w
		}
		counts := pickMany(p, start, picks)
		for i, w := range weights {
			if got := counts[members[i].Endpoint]; !near(got, picks, float64(w)/float64(sum)) {
				t.Fatalf("%s, weights %v: %s got %d of %d", a, weights, name(i), got, picks)
			}
		}
	}
	f(fewPicks, Random, 1, 1, 1)
	f(fewPicks, Random, 5, 1, 1)
	f(manyPicks, Random, 1, 2, 3, 4, 0, 5, 6)
	f(fewPicks, Random, 1, 1000)
	f(fewPicks, P2C, 1, 1, 1, 1) // an idle pool is shared by weight
	f(fewPicks, P2C, 5, 1, 1)
	f(manyPicks, P2C, 1, 2, 3, 4, 0, 5, 6)
}

// The twin looks at all of them: nobody has fewer in flight per weight than the one picked.
func TestLeastConnectionsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 30 {
		weights := make([]int, 1+r.IntN(20))
		for i := range weights {
			weights[i] = r.IntN(4)
		}
		members := healthy(weights...)
		limit := int64(r.IntN(6))
		p := mustPool(t, Options{Algorithm: LeastConnections, Members: members, MaxConcurrency: limit})
		var held []*Endpoint
		for range 400 {
			if len(held) > 0 && r.IntN(2) == 0 {
				i := r.IntN(len(held))
				held[i].Release()
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
				continue
			}
			members[r.IntN(len(members))].Endpoint.SetEjected(r.IntN(3) == 0)
			lowest := -1.0
			for _, m := range members {
				if m.Weight == 0 || !m.Endpoint.Eligible() || limit > 0 && m.Endpoint.InFlight() >= limit {
					continue
				}
				if load := float64(m.Endpoint.InFlight()) / float64(m.Weight); lowest < 0 || load < lowest {
					lowest = load
				}
			}
			e := p.Pick(&Query{Now: start})
			if e == nil {
				if lowest >= 0 {
					t.Fatalf("nothing picked; the lowest load is %v", lowest)
				}
				continue
			}
			held = append(held, e)
			for _, m := range members {
				if m.Endpoint == e && float64(e.InFlight()-1)/float64(m.Weight) > lowest+1e-9 {
					t.Fatalf("picked %s with %d in flight at weight %d; the lowest load is %v", e.ID, e.InFlight()-1, m.Weight, lowest)
				}
			}
		}
	}
}

func TestLeastConnectionsSharesAnIdlePool(t *testing.T) {
	members := healthy(1, 1, 2)
	p := mustPool(t, Options{Algorithm: LeastConnections, Members: members})
	counts := pickMany(p, start, 4000)
	for _, m := range members {
		if got := counts[m.Endpoint]; got != 1000*m.Weight {
			t.Fatalf("%s got %d of 4000 at weight %d of 4", m.Endpoint.ID, got, m.Weight)
		}
	}
}

// A thousand endpoints hold 0 to 9 requests each. The best of 16 holds at most one in 1-0.8^16 = 97 % of the picks.
func TestLeastConnectionsSamples(t *testing.T) {
	members := healthy(ones(1000)...)
	r := rand.New(rand.NewPCG(13, 14))
	for _, m := range members {
		for range r.IntN(10) {
			m.Endpoint.TryAcquire(0)
		}
	}
	p := mustPool(t, Options{Algorithm: LeastConnections, Members: members})
	low := 0
	for range 10_000 {
		e := p.Pick(&Query{Now: start})
		if e.Release(); e.InFlight() <= 1 {
			low++
		}
	}
	if low < 9000 {
		t.Fatalf("%d of 10000 picks were of the least loaded fifth; want 9000 or more", low)
	}
}

// Fixed loads 0, 1, 2, ...: of n(n-1)/2 pairs, the one with k lower than it is chosen from n-1-k.
func TestP2CTwin(t *testing.T) {
	const n = 6
	members := healthy(ones(n)...)
	for i, m := range members {
		for range i {
			m.Endpoint.TryAcquire(0)
		}
	}
	p := mustPool(t, Options{Algorithm: P2C, Members: members})
	counts := pickMany(p, start, manyPicks)
	for i, m := range members {
		share := 2 * float64(n-1-i) / (n * (n - 1))
		if got := counts[m.Endpoint]; !near(got, manyPicks, share) {
			t.Fatalf("%s with %d in flight got %d; want %v", m.Endpoint.ID, i, got, share*manyPicks)
		}
	}
}

// Weights and loads at random against a twin that draws from a bag with an entry per unit of weight, until two differ.
func TestP2CWeightedTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 2 {
		weights, loads := make([]int, 5), make([]int, 5)
		var bag []int
		for i := range weights {
			weights[i], loads[i] = 1+r.IntN(4), r.IntN(6)
			for range weights[i] {
				bag = append(bag, i)
			}
		}
		members := healthy(weights...)
		for i, m := range members {
			for range loads[i] {
				m.Endpoint.TryAcquire(0)
			}
		}
		want := make([]int, 5)
		for range manyPicks {
			a, b := bag[r.IntN(len(bag))], bag[r.IntN(len(bag))]
			for b == a {
				b = bag[r.IntN(len(bag))]
			}
			if loads[b]*weights[a] < loads[a]*weights[b] {
				a = b
			}
			want[a]++
		}
		counts := pickMany(mustPool(t, Options{Algorithm: P2C, Members: members}), start, manyPicks)
		for i, m := range members {
			// The twin is a sample too, and the pool takes the neighbour where five draws were the same.
			if d := counts[m.Endpoint] - want[i]; d > 1000 || d < -1000 {
				t.Fatalf("weights %v, loads %v: %s got %d; the twin gave it %d", weights, loads, m.Endpoint.ID, counts[m.Endpoint], want[i])
			}
		}
	}
}

func TestP2CTakesTheOneThatIsFree(t *testing.T) {
	members := healthy(1, 1)
	members[0].Endpoint.TryAcquire(0)
	members[0].Endpoint.TryAcquire(0)
	p := mustPool(t, Options{Algorithm: P2C, Members: members, MaxConcurrency: 2})
	if counts := pickMany(p, start, 100); counts[members[1].Endpoint] != 100 {
		t.Fatalf("counts = %v; want 100 of the one that is free", counts)
	}
}

func TestPeakEWMAPrefersTheQuick(t *testing.T) {
	const n = 5
	members := healthy(ones(n)...)
	for i, m := range members {
		m.Endpoint.Observe(time.Duration(10*(i+1))*time.Millisecond, start)
	}
	p := mustPool(t, Options{Algorithm: PeakEWMA, Members: members})
	counts := pickMany(p, start, manyPicks)
	for i, m := range members {
		share := 2 * float64(n-1-i) / (n * (n - 1))
		if got := counts[m.Endpoint]; !near(got, manyPicks, share) {
			t.Fatalf("%s at %d ms got %d; want %v", m.Endpoint.ID, 10*(i+1), got, share*manyPicks)
		}
	}
}

func TestPeakEWMAWeighsInFlight(t *testing.T) {
	members := healthy(1, 1)
	quick, slow := members[0].Endpoint, members[1].Endpoint
	quick.Observe(10*time.Millisecond, start)
	slow.Observe(35*time.Millisecond, start)
	p := mustPool(t, Options{Algorithm: PeakEWMA, Members: members})
	for range 4 { // 10, 20, 30 and then 40 ms against 35
		p.Pick(&Query{Now: start})
	}
	if quick.InFlight() != 3 || slow.InFlight() != 1 {
		t.Fatalf("in flight: %d on the quick, %d on the slow one; want 3, 1", quick.InFlight(), slow.InFlight())
	}
}

func TestPeakEWMAProbesTheUnknownOnce(t *testing.T) {
	members := healthy(1, 1)
	known, fresh := members[0].Endpoint, members[1].Endpoint
	known.Observe(time.Second, start)
	p := mustPool(t, Options{Algorithm: PeakEWMA, Members: members})
	for range 50 {
		p.Pick(&Query{Now: start})
	}
	if fresh.InFlight() != 1 || known.InFlight() != 49 {
		t.Fatalf("in flight: %d on the unknown, %d on the known one; want 1, 49", fresh.InFlight(), known.InFlight())
	}
	fresh.Observe(time.Millisecond, start)
	if e := p.Pick(&Query{Now: start}); e != fresh {
		t.Fatalf("picked %s; want the one that turned out quick", e.ID)
	}
}

// One that was slow once gets requests again while the others stay quick, and wins its share back when it has recovered.
func TestPeakEWMADoesNotStarve(t *testing.T) {
	members := healthy(1, 1, 1)
	p := mustPool(t, Options{Algorithm: PeakEWMA, Members: members})
	recovered := members[0].Endpoint
	recovered.Observe(5*time.Second, start)
	counts := map[*Endpoint]int{}
	for i := range 6000 { // a minute and a half at 66/s
		now := start + int64(i)*15*int64(time.Millisecond)
		e := p.Pick(&Query{Now: now})
		if e.Observe(10*time.Millisecond, now); i >= 5000 {
			counts[e]++
		}
		e.Release()
	}
	if got := counts[recovered]; got < 100 {
		t.Fatalf("the one that recovered got %d of the last 1000; want 100 or more", got)
	}
}
