package cost

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// twin places as the comment of Place says, trying every packing there is.
type twin struct {
	r       PlaceRequest
	demands []Demand // by priority, then name
	counts  []int
}

// packings calls visit with every way to pack counts.
func (w *twin) packings(counts []int, visit func(placed [][]int)) {
	placed := make([][]int, len(counts))
	rooms := make([]room, len(w.r.Pools))
	for j := range rooms {
		rooms[j] = w.r.Pools[j].room()
	}
	var pack func(i, j, left int)
	pack = func(i, j, left int) {
		switch {
		case i == len(counts):
			visit(placed)
			return
		case j == len(rooms):
			if left == 0 {
				next := 0
				if i+1 < len(counts) {
					next = counts[i+1]
				}
				pack(i+1, 0, next)
			}
			return
		}
		if j == 0 {
			placed[i] = make([]int, len(rooms))
		}
		d := w.demands[i]
		for n := range left + 1 {
			allowed := len(d.Pools) == 0 || slices.Contains(d.Pools, w.r.Pools[j].Name)
			if n > 0 && (!allowed || rooms[j].fits(d.Each, n) < n) {
				break
			}
			rooms[j].take(d.Each, n)
			placed[i][j] = n
			pack(i, j+1, left-n)
			placed[i][j] = 0
			rooms[j].take(d.Each, -n)
		}
	}
	pack(0, 0, counts[0])
}

func (w *twin) feasible(counts []int) bool {
	ok := false
	w.packings(counts, func([][]int) { ok = true })
	return ok
}

func (w *twin) fill(goal func(Demand) int) {
	done := make([]bool, len(w.demands))
	for {
		best := -1
		for i, d := range w.demands {
			if done[i] || w.counts[i] >= goal(d) {
				continue
			}
			if best < 0 || d.Priority == w.demands[best].Priority &&
				w.counts[i]*goal(w.demands[best]) < w.counts[best]*goal(d) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		w.counts[best]++
		if !w.feasible(w.counts) {
			w.counts[best]--
			done[best] = true
		}
	}
}

// place is the counts, and the best score of all packings.
func (w *twin) place() (counts []int, best score) {
	w.demands = slices.Clone(w.r.Demands)
	slices.SortStableFunc(w.demands, func(a, b Demand) int {
		if a.Priority != b.Priority {
			return b.Priority - a.Priority
		}
		if a.Service < b.Service {
			return -1
		}
		return 1
	})
	w.counts = make([]int, len(w.demands))
	w.fill(func(d Demand) int { return d.Min })
	w.fill(func(d Demand) int { return max(d.Want, d.Min) })
	found := false
	w.packings(w.counts, func(placed [][]int) {
		var s score
		for i, d := range w.demands {
			for j, n := range placed[i] {
				was := w.r.Previous[d.Service][w.r.Pools[j].Name]
				s.cost += w.r.Pools[j].Price.PerHour(d.Each)*Money(n) + w.r.MoveCost*Money(max(n-was, 0))
				s.moves += abs(n - was)
			}
		}
		if !found || s.less(best) {
			found, best = true, s
		}
	})
	return w.counts, best
}

func randomRequest(r *rand.Rand) PlaceRequest {
	q := PlaceRequest{Previous: Counts{}}
	for j := range 1 + r.IntN(3) {
		q.Pools = append(q.Pools, Pool{
			Name:      fmt.Sprintf("pool%d", j),
			Capacity:  Resources{int64(r.IntN(6)) * 1000, int64(r.IntN(6)) << 30},
			Instances: r.IntN(6),
			Price:     Price{CPUHour: float64(r.IntN(4)), MemoryGiBHour: float64(r.IntN(3))},
		})
	}
	for i := range 1 + r.IntN(4) {
		d := Demand{
			Service: fmt.Sprintf("s%d", i), Priority: r.IntN(2),
			Each: Resources{int64(r.IntN(4)) * 500, int64(r.IntN(4)) << 29},
			Want: r.IntN(4), Min: r.IntN(2),
		}
		for _, p := range q.Pools {
			if r.IntN(3) == 0 {
				d.Pools = append(d.Pools, p.Name)
			}
			if r.IntN(2) == 0 {
				if q.Previous[d.Service] == nil {
					q.Previous[d.Service] = map[string]int{}
				}
				q.Previous[d.Service][p.Name] = r.IntN(3)
			}
		}
		q.Demands = append(q.Demands, d)
	}
	if r.IntN(2) == 0 {
		q.MoveCost = Unit / 2
	}
	return q
}

func TestPlaceIsAsGoodAsBruteForce(t *testing.T) {
	short := 0
	for seed := range uint64(1500) {
		q := randomRequest(rand.New(rand.NewPCG(seed, 1)))
		got := Place(q)
		w := &twin{r: q}
		counts, best := w.place()
		if !got.Exact {
			t.Fatalf("seed %d: not solved exactly", seed)
		}
		var s score
		for i, d := range w.demands {
			total := 0
			for _, p := range q.Pools {
				n, was := got.Counts[d.Service][p.Name], q.Previous[d.Service][p.Name]
				total += n
				s.cost += p.Price.PerHour(d.Each)*Money(n) + q.MoveCost*Money(max(n-was, 0))
				s.moves += abs(n - was)
			}
			if total != counts[i] {
				t.Fatalf("seed %d: %s gets %d instances; want %d", seed, d.Service, total, counts[i])
			}
			if total < max(d.Want, d.Min) {
				short++
			}
		}
		if s != best || s.moves != got.Moves {
			t.Fatalf("seed %d: cost and moves %v (told %d moves); want %v", seed, s, got.Moves, best)
		}
		checkCapacity(t, q, got)
	}
	if short < 100 {
		t.Fatalf("only %d services went short: the cases are too easy", short)
	}
}

// checkCapacity fails when a pool holds more than it has, or the sums are wrong.
func checkCapacity(t *testing.T, q PlaceRequest, got Placement) {
	t.Helper()
	var sum Money
	for j, p := range q.Pools {
		var used Resources
		instances := 0
		for _, d := range q.Demands {
			n := got.Counts[d.Service][p.Name]
			used = used.plus(d.Each.times(n))
			instances += n
			sum += p.Price.PerHour(d.Each) * Money(n)
		}
		over := p.Capacity.MilliCPU > 0 && used.MilliCPU > p.Capacity.MilliCPU ||
			p.Capacity.Memory > 0 && used.Memory > p.Capacity.Memory || p.Instances > 0 && instances > p.Instances
		if u := got.Pools[j]; over || u.Used != used || u.Instances != instances || u.Share > 1 {
			t.Fatalf("pool %s holds %v in %d instances, told as %+v", p.Name, used, instances, u)
		}
	}
	if sum != got.PerHour {
		t.Fatalf("costs %s per hour, told as %s", sum, got.PerHour)
	}
}

// largeRequest is a fleet that fits barely, or not, by fill.
func largeRequest(seed uint64, services, pools int, fill float64) PlaceRequest {
	r := rand.New(rand.NewPCG(seed, 2))
	q := PlaceRequest{Previous: Counts{}}
	total := Resources{}
	for i := range services {
		d := Demand{
			Service: fmt.Sprintf("s%03d", i), Priority: r.IntN(3), Min: 1, Want: 1 + r.IntN(10),
			Each: Resources{int64(1+r.IntN(8)) * 250, int64(1+r.IntN(16)) << 28},
		}
		total = total.plus(d.Each.times(d.Want))
		q.Demands = append(q.Demands, d)
		q.Previous[d.Service] = map[string]int{fmt.Sprintf("pool%d", r.IntN(pools)): r.IntN(5)}
	}
	for j := range pools {
		q.Pools = append(q.Pools, Pool{
			Name:     fmt.Sprintf("pool%d", j),
			Capacity: Resources{int64(float64(total.MilliCPU) / fill / float64(pools)), int64(float64(total.Memory) / fill / float64(pools))},
			Price:    Price{CPUHour: 0.01 + r.Float64()/20, MemoryGiBHour: 0.001 + r.Float64()/200},
		})
	}
	return q
}

func TestPlaceLarge(t *testing.T) {
	for _, fill := range []float64{0.3, 0.9, 1.0, 2.0} {
		q := largeRequest(7, 200, 10, fill)
		got := Place(q)
		checkCapacity(t, q, got)
		for _, d := range q.Demands {
			total := 0
			for _, n := range got.Counts[d.Service] {
				total += n
			}
			if total < d.Min {
				t.Errorf("fill %v: %s has %d instances; want its minimum of %d", fill, d.Service, total, d.Min)
			}
		}
		if (fill < 0.95) != (len(got.Short) == 0) && fill != 1.0 {
			t.Errorf("fill %v: %d services go short", fill, len(got.Short))
		}
		// The same again, now that everything is where it should be, moves next to nothing.
		q.Previous = got.Counts
		if again := Place(q); again.PerHour > got.PerHour || again.Exact && again.PerHour == got.PerHour && again.Moves != 0 {
			t.Errorf("fill %v: placed again, it costs %s (before %s) and moves %d", fill, again.PerHour, got.PerHour, again.Moves)
		}
	}
}

func TestPlace(t *testing.T) {
	core := Resources{MilliCPU: 1000}
	cheap := Pool{Name: "spot", Capacity: Resources{MilliCPU: 2000}, Price: Price{CPUHour: 1}}
	dear := Pool{Name: "on-demand", Capacity: Resources{MilliCPU: 4000}, Price: Price{CPUHour: 3}}
	f := func(r PlaceRequest, want Counts, perHour Money) {
		t.Helper()
		got := Place(r)
		if !reflect.DeepEqual(got.Counts, want) || got.PerHour != perHour {
			t.Errorf("placed %v at %s; want %v at %s", got.Counts, got.PerHour, want, perHour)
		}
	}
	both := []Pool{dear, cheap}
	one := func(name string, want, min, priority int) Demand {
		return Demand{Service: name, Each: core, Want: want, Min: min, Priority: priority}
	}
	f(PlaceRequest{Pools: both}, Counts{}, 0)
	f(PlaceRequest{Demands: []Demand{one("a", 3, 0, 0)}}, Counts{}, 0)
	// Cheapest first, then what is left.
	f(PlaceRequest{Demands: []Demand{one("a", 3, 0, 0)}, Pools: both}, Counts{"a": {"spot": 2, "on-demand": 1}}, 5*Unit)
	// A minimum of the least important goes before a wish of the most important. What
	// is where already stays there.
	f(PlaceRequest{Demands: []Demand{one("a", 9, 0, 5), one("b", 4, 2, 0)}, Pools: both, Previous: Counts{"b": {"spot": 2}}},
		Counts{"a": {"on-demand": 4}, "b": {"spot": 2}}, 14*Unit)
	// Fair shares: each gets half of what it wants.
	f(PlaceRequest{Demands: []Demand{one("a", 8, 0, 0), one("b", 4, 0, 0)}, Pools: both, Previous: Counts{"a": {"spot": 2}}},
		Counts{"a": {"on-demand": 2, "spot": 2}, "b": {"on-demand": 2}}, 14*Unit)
	// Two that cost the same: nobody moves.
	same := []Pool{{Name: "east", Price: Price{CPUHour: 1}}, {Name: "west", Price: Price{CPUHour: 1}}}
	f(PlaceRequest{Demands: []Demand{one("a", 3, 0, 0)}, Pools: same, Previous: Counts{"a": {"west": 3}}}, Counts{"a": {"west": 3}}, 3*Unit)
	// A saving that is smaller than what a move is worth is left alone.
	f(PlaceRequest{Demands: []Demand{one("a", 1, 0, 0)}, Pools: both, Previous: Counts{"a": {"on-demand": 1}}, MoveCost: 3 * Unit}, Counts{"a": {"on-demand": 1}}, 3*Unit)
	f(PlaceRequest{Demands: []Demand{one("a", 1, 0, 0)}, Pools: both, Previous: Counts{"a": {"on-demand": 1}}, MoveCost: Unit}, Counts{"a": {"spot": 1}}, Unit)
}

func TestPlaceTellsWhoGoesShort(t *testing.T) {
	got := Place(PlaceRequest{
		Demands: []Demand{{Service: "a", Each: Resources{MilliCPU: 1500, Memory: 64 << 20}, Want: 3}, {Service: "b", Want: 1, Pools: []string{"gone"}}},
		Pools:   []Pool{{Name: "p", Capacity: Resources{MilliCPU: 3500}}},
	})
	want := []Short{
		{"a", 3, 2, "the pools it may use have no room for one more of 1.5 cores and 64 MiB"},
		{"b", 1, 0, "no pool named in resources.pool exists: [gone]"},
	}
	if !reflect.DeepEqual(got.Short, want) || got.Pools[0].Share != 3000.0/3500 {
		t.Errorf("short: %+v, pools %+v", got.Short, got.Pools)
	}
}
