package cost

import (
	"cmp"
	"fmt"
	"slices"
)

// Demand is what one service wants to run.
type Demand struct {
	Service  string
	Each     Resources // of one instance
	Want     int
	Min      int      // placed before anyone gets more than its minimum
	Priority int      // a higher one is served first
	Pools    []string // it may use; empty: all
}

// Counts is how many instances of a service are in a pool: by service, then by pool.
type Counts map[string]map[string]int

// PlaceRequest is the input of Place.
type PlaceRequest struct {
	Demands  []Demand
	Pools    []Pool
	Previous Counts // where instances are now

	// MoveCost is what starting an instance anew is worth per hour: a cheaper pool has
	// to save more than that. 0: any saving is worth a move.
	MoveCost Money

	// Effort bounds the search, in steps of about 0.1 microseconds; 0: 40,000. Small
	// cases are solved exactly long before; see Placement.Exact.
	Effort int
}

// Placement says where instances are to run.
type Placement struct {
	Counts  Counts    `json:"counts"`
	Short   []Short   `json:"short,omitempty"` // who gets less than it wants
	PerHour Money     `json:"perHour"`
	Moves   int       `json:"moves"` // instances to start and to stop
	Pools   []PoolUse `json:"pools"`
	Exact   bool      `json:"exact"` // proven: nobody could get more, and no placement is cheaper
}

// Short is a service that does not get what it wants.
type Short struct {
	Service string `json:"service"`
	Want    int    `json:"want"`
	Placed  int    `json:"placed"`
	Reason  string `json:"reason"`
}

// PoolUse is how full a pool is.
type PoolUse struct {
	Pool      string    `json:"pool"`
	Used      Resources `json:"used"`
	Capacity  Resources `json:"capacity"`
	Instances int       `json:"instances"`
	MaxInst   int       `json:"maxInstances,omitempty"`
	Share     float64   `json:"share"` // of the part that is fullest, in [0, 1]; 0 when nothing is limited
	PerHour   Money     `json:"perHour"`
}

// Place decides how many instances of each service run in which pool.
//
// How many: first the minimums, in the order of priority; then, priority by priority,
// one instance at a time for the service of that priority that has the smallest
// part of what it wants (ties by name), as long as all placed so far can still
// be packed into the pools. A service that cannot get one more is done.
//
// Where: of all packings of these counts the cheapest, MoveCost included; of equally
// cheap ones the one with the fewest starts and stops.
//
// Packing is NP-hard. Within Effort the answer is exact, and says so; beyond it the best that
// was found is returned. It never exceeds a pool.
func Place(r PlaceRequest) Placement {
	p := newPacker(r)
	p.admit()
	p.economise()
	return p.placement(r)
}

// option is a way to place instances of one service: those that are in a pool
// already, or new ones there.
type option struct {
	pool  int
	price Money
	limit int
}

// item is one demand as the packer sees it.
type item struct {
	Demand
	want, count int
	pools       []int   // allowed, cheapest first
	price       []Money // by pool
	previous    []int   // by pool
	had         int     // sum of previous over allowed pools
	options     []option
	done        bool
}

type packer struct {
	items  []*item
	pools  []Pool
	move   Money
	effort int
	placed [][]int // by item and pool
	rooms  []room
	exact  bool
}

func newPacker(r PlaceRequest) *packer {
	p := &packer{pools: r.Pools, move: r.MoveCost, effort: cmp.Or(r.Effort, 40_000), exact: true}
	for i := range r.Pools {
		p.rooms = append(p.rooms, r.Pools[i].room())
	}
	for _, d := range r.Demands {
		p.items = append(p.items, p.item(d, r.Previous[d.Service]))
	}
	slices.SortStableFunc(p.items, func(a, b *item) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Service, b.Service))
	})
	p.placed = p.nothing()
	return p
}

func (p *packer) nothing() [][]int {
	flat := make([]int, len(p.items)*len(p.pools))
	rows := make([][]int, len(p.items))
	for i := range rows {
		rows[i] = flat[i*len(p.pools) : (i+1)*len(p.pools) : (i+1)*len(p.pools)]
	}
	return rows
}

func (p *packer) item(d Demand, previous map[string]int) *item {
	it := &item{Demand: d, want: max(d.Want, d.Min, 0), price: make([]Money, len(p.pools)), previous: make([]int, len(p.pools))}
	for j := range p.pools {
		it.price[j] = p.pools[j].Price.PerHour(d.Each)
		it.previous[j] = previous[p.pools[j].Name]
		if len(d.Pools) > 0 && !slices.Contains(d.Pools, p.pools[j].Name) {
			continue
		}
		it.pools = append(it.pools, j)
		it.had += it.previous[j]
		it.options = append(it.options, option{j, it.price[j], it.previous[j]}, option{j, it.price[j] + p.move, 1 << 30})
	}
	slices.SortStableFunc(it.pools, func(a, b int) int { return cmp.Compare(it.price[a], it.price[b]) })
	slices.SortStableFunc(it.options, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.limit>>30, b.limit>>30))
	})
	return it
}

// put places up to n instances of item i by its options, and tells how many it could.
func (p *packer) put(i, n int) int {
	it, total := p.items[i], 0
	for _, o := range it.options {
		limit := o.limit
		if limit < 1<<30 {
			limit = max(limit-p.placed[i][o.pool], 0)
		}
		k := p.rooms[o.pool].fits(it.Each, min(n-total, limit))
		p.rooms[o.pool].take(it.Each, k)
		p.placed[i][o.pool] += k
		total += k
		if total == n {
			break
		}
	}
	return total
}

func (p *packer) placement(r PlaceRequest) Placement {
	out := Placement{Counts: Counts{}, Exact: p.exact}
	use := make([]PoolUse, len(p.pools))
	for i, it := range p.items {
		for j, n := range p.placed[i] {
			out.Moves += abs(n - it.previous[j])
			if n == 0 {
				continue
			}
			if out.Counts[it.Service] == nil {
				out.Counts[it.Service] = map[string]int{}
			}
			out.Counts[it.Service][p.pools[j].Name] = n
			use[j].Used = use[j].Used.plus(it.Each.times(n))
			use[j].Instances += n
			use[j].PerHour += it.price[j] * Money(n)
			out.PerHour += it.price[j] * Money(n)
		}
		if it.count < it.want {
			out.Short = append(out.Short, Short{it.Service, it.want, it.count, p.whyShort(it)})
		}
	}
	for j := range p.pools {
		use[j].fill(&p.pools[j])
	}
	out.Pools = use
	return out
}

func (p *packer) whyShort(it *item) string {
	if len(it.pools) == 0 {
		return fmt.Sprintf("no pool named in resources.pool exists: %v", it.Pools)
	}
	return fmt.Sprintf("the pools it may use have no room for one more of %s cores and %s MiB", trim(it.Each.Cores()), trim(float64(it.Each.Memory)/(1<<20)))
}

func (u *PoolUse) fill(p *Pool) {
	u.Pool, u.Capacity, u.MaxInst = p.Name, p.Capacity, p.Instances
	for _, part := range [][2]int64{{u.Used.MilliCPU, p.Capacity.MilliCPU}, {u.Used.Memory, p.Capacity.Memory}, {int64(u.Instances), int64(p.Instances)}} {
		if part[1] > 0 {
			u.Share = max(u.Share, float64(part[0])/float64(part[1]))
		}
	}
}

func abs(n int) int { return max(n, -n) }
