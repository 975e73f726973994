package gateway

import (
	"cmp"
	"math"
	"reflect"
	"slices"

	"gatewayd/config"
	"gatewayd/cost"
)

// placing is what the loop knows of the resource pools and of the limits on all services together.
type placing struct {
	pools   []cost.Pool
	limits  cost.Limits
	request cost.PlaceRequest // of the placement
	counts  cost.Counts       // where instances are to run, by service and pool; nil before the first placement
}

// stayWhere keeps instances where they are: a pool is no better for being cheaper once an instance runs in another.
const stayWhere = 1000 * cost.Unit

// placeEffort bounds the search for a placement to about two milliseconds.
const placeEffort = 20_000

func (p *placing) configure(cfg *config.Config) {
	*p = placing{limits: cost.Limits{
		MaxCPU: milli(cfg.ResourceLimits.MaxCPU), MaxMemory: int64(cfg.ResourceLimits.MaxMemory),
		MaxInstances: cfg.ResourceLimits.MaxInstances, MaxCostPerHour: cost.FromUnits(cfg.ResourceLimits.MaxCostPerHour),
	}}
	for _, c := range cfg.ResourcePools {
		p.pools = append(p.pools, cost.Pool{Name: c.Name, Capacity: cost.Resources{MilliCPU: milli(c.Capacity.CPU), Memory: int64(c.Capacity.Memory)},
			Instances: c.Capacity.Instances, Price: cost.Price(c.Price)})
	}
}

// bounded tells whether anything is limited or paid for.
func (p *placing) bounded() bool { return len(p.pools) > 0 || p.limits != cost.Limits{} }

func milli(cores float64) int64 { return int64(math.Round(cores * 1000)) }

func (p *placing) pool(name string) *cost.Pool {
	for i := range p.pools {
		if p.pools[i].Name == name {
			return &p.pools[i]
		}
	}
	return nil
}

func (p *placing) price(pool string) cost.Price {
	if found := p.pool(pool); found != nil {
		return found.Price
	}
	return cost.Price{}
}

// size is what one instance of the service takes.
func (s *service) size() cost.Resources { return eachOf(s.spec) }

func eachOf(spec *config.Service) cost.Resources {
	return cost.Resources{MilliCPU: milli(spec.Resources.CPU), Memory: int64(spec.Resources.Memory)}
}

// counted tells whether the service's instances take anything of pools and limits. Listed ones run elsewhere, unless a pool is named.
func (s *service) counted() bool { return s.runner != nil || s.spec.Resources.Pool != "" }

// allowed are the pools that the service may use, the cheapest first.
func (p *placing) allowed(s *service) []*cost.Pool {
	if name := s.spec.Resources.Pool; name != "" {
		if found := p.pool(name); found != nil {
			return []*cost.Pool{found}
		}
		return nil
	}
	list := make([]*cost.Pool, len(p.pools))
	for i := range p.pools {
		list[i] = &p.pools[i]
	}
	slices.SortStableFunc(list, func(a, b *cost.Pool) int { return cmp.Compare(a.Price.PerHour(s.size()), b.Price.PerHour(s.size())) })
	return list
}

// usage is what services take, in all and by pool.
type usage struct {
	all   cost.Use
	pools map[string]cost.Use
}

func (u *usage) add(p *placing, t taken, each cost.Resources) {
	perHour := p.price(t.pool).PerHour(each)
	u.all = u.all.Plus(t.instances, each, perHour)
	if t.pool != "" {
		u.pools[t.pool] = u.pools[t.pool].Plus(t.instances, each, perHour)
	}
}

// taken is how many instances of a service are in a pool.
type taken struct {
	pool      string
	instances int
}

// count adds one more.
func count(list []taken, pool string) []taken {
	for k := range list {
		if list[k].pool == pool {
			list[k].instances++
			return list
		}
	}
	return append(list, taken{pool, 1})
}

// usage sums up what all services but one take: what runs, and what is still to be started. Of that one it counts what is about to
// go, unless that would come back before anything new is started.
func (g *Gateway) usage(except *service) usage {
	p := &g.watchers.placing
	u := usage{pools: make(map[string]cost.Use, len(p.pools))}
	for _, s := range g.ordered {
		if !s.counted() {
			continue
		}
		var list []taken
		if s == except {
			list = s.leavingPools(p)
		} else {
			list = g.takenBy(s)
		}
		for _, t := range list {
			u.add(p, t, s.size())
		}
	}
	return u
}

// takenBy is what a service takes. It is worked out once in a turn of the loop, and again when something was reserved.
func (g *Gateway) takenBy(s *service) []taken {
	if s.takenAt == g.ticks+1 {
		return s.taken
	}
	s.takenAt, s.taken = g.ticks+1, s.taken[:0]
	s.each(func(_ *revision, i *instance) {
		if g.watchers.placing.placed(i) {
			s.taken = count(s.taken, i.pool)
		}
	})
	for _, pool := range s.reserved {
		s.taken = count(s.taken, pool)
	}
	return s.taken
}

// leavingPools is what a service that has several revisions takes for what is about to go.
func (s *service) leavingPools(p *placing) (list []taken) {
	if len(s.revisions) < 2 {
		return nil
	}
	s.each(func(_ *revision, i *instance) {
		if p.placed(i) && i.going() {
			list = count(list, i.pool)
		}
	})
	return list
}

// placed tells whether it is known where the instance takes its resources from.
func (p *placing) placed(i *instance) bool { return i.pool != "" || len(p.pools) == 0 }

// going tells whether the instance is about to end.
func (i *instance) going() bool { return i.leaving || i.gone }

// reserve chooses the pools of what is to be started and of what has no pool yet, so that nobody else is given the same room.
func (g *Gateway) reserve(s *service) {
	defer func() { s.takenAt = 0 }()
	missing := g.watchers.placing.missing(s)
	if len(s.reserved) >= missing {
		s.reserved = s.reserved[:missing]
		return
	}
	next := g.chooser(s)
	for len(s.reserved) < missing {
		s.reserved = append(s.reserved, next())
	}
}

// missing counts the instances that are to be started and those without a pool.
func (p *placing) missing(s *service) (n int) {
	if !s.counted() {
		return 0
	}
	for _, r := range s.revisions {
		n += max(r.want-r.staying(), 0)
		for _, i := range r.instances {
			if !p.placed(i) {
				n++
			}
		}
	}
	return n
}

// chooser returns a function that says where one more instance goes than are reserved, and then one more: where the placement wants it, if there is room by
// now, else the cheapest pool with room.
func (g *Gateway) chooser(s *service) func() string {
	p := &g.watchers.placing
	allowed := p.allowed(s)
	switch len(allowed) {
	case 0:
		return func() string { return "" }
	case 1:
		return func() string { return allowed[0].Name }
	}
	others, has := g.usage(s), s.pooled()
	for _, pool := range s.reserved {
		has[pool]++
	}
	return func() string {
		best := ""
		for _, c := range allowed {
			if fits(c, others.pools[c.Name], s.size()) <= has[c.Name] {
				continue
			}
			if p.counts[s.name][c.Name] > has[c.Name] {
				best = c.Name
				break
			}
			best = cmp.Or(best, c.Name)
		}
		best = cmp.Or(best, allowed[0].Name)
		has[best]++
		return best
	}
}

// place decides once a second where instances are to run, and to which pool each of those that run belongs.
func (g *Gateway) place() {
	p := &g.watchers.placing
	if len(p.pools) > 0 {
		request := g.placeRequest()
		if !reflect.DeepEqual(request, p.request) {
			p.request, p.counts = request, cost.Place(request).Counts
		}
	}
	for _, s := range g.ordered {
		g.assignPools(s)
	}
	g.describeResources()
}

func (g *Gateway) placeRequest() cost.PlaceRequest {
	p := &g.watchers.placing
	r := cost.PlaceRequest{Pools: p.pools, Previous: cost.Counts{}, MoveCost: stayWhere, Effort: placeEffort}
	for _, s := range g.ordered {
		if !s.counted() {
			continue
		}
		d := cost.Demand{Service: s.name, Each: s.size(), Want: max(s.wish(), s.totalWanted()), Priority: s.spec.Resources.Priority}
		if s.runner != nil {
			d.Min = s.spec.Scaling.MinInstances
		} else {
			d.Want = len(s.spec.Instances)
			d.Min = d.Want
		}
		if s.spec.Resources.Pool != "" {
			d.Pools = []string{s.spec.Resources.Pool}
		}
		r.Demands = append(r.Demands, d)
		r.Previous[s.name] = s.pooled()
	}
	return r
}

// pooled counts the service's instances by pool.
func (s *service) pooled() map[string]int {
	n := map[string]int{}
	s.each(func(_ *revision, i *instance) {
		if i.pool != "" && !i.going() {
			n[i.pool]++
		}
	})
	return n
}

// assignPools gives each instance that has none the pool that was reserved for it.
func (g *Gateway) assignPools(s *service) {
	p := &g.watchers.placing
	allowed := p.allowed(s)
	s.each(func(_ *revision, i *instance) {
		if !s.counted() || !slices.ContainsFunc(allowed, func(c *cost.Pool) bool { return c.Name == i.pool }) {
			i.pool = ""
		}
	})
	g.reserve(s)
	if len(allowed) == 0 || !s.counted() {
		return
	}
	s.each(func(_ *revision, i *instance) {
		if i.pool == "" {
			i.pool, s.reserved = s.reserved[0], s.reserved[1:]
		}
	})
	s.takenAt = 0
}

// fits is how many instances have room in what others leave of a pool.
func fits(p *cost.Pool, others cost.Use, each cost.Resources) int {
	n := math.MaxInt32
	tighten := func(capacity, used, each int64) {
		if capacity > 0 && each > 0 {
			n = min(n, int(max(capacity-used, 0)/each))
		}
	}
	tighten(int64(p.Instances), int64(others.Instances), 1)
	tighten(p.Capacity.MilliCPU, others.MilliCPU, each.MilliCPU)
	tighten(p.Capacity.Memory, others.Memory, each.Memory)
	return n
}
