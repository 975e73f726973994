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

func (u *usage) add(p *placing, pool string, n int, each cost.Resources) {
	if n <= 0 {
		return
	}
	perHour := p.price(pool).PerHour(each)
	u.all = u.all.Plus(n, each, perHour)
	if pool != "" {
		u.pools[pool] = u.pools[pool].Plus(n, each, perHour)
	}
}

// usage sums up what all services but one take: what runs, and what is still to be started.
func (g *Gateway) usage(except *service) usage {
	u := usage{pools: make(map[string]cost.Use, len(g.watchers.placing.pools))}
	for _, s := range g.ordered {
		if s != except && s.counted() {
			g.addUsage(&u, s)
		}
	}
	return u
}

func (g *Gateway) addUsage(u *usage, s *service) {
	p, each := &g.watchers.placing, s.size()
	for _, r := range s.revisions {
		staying := 0
		for _, i := range r.instances {
			if !i.leaving && !i.gone {
				staying++
			}
			u.add(p, cmp.Or(i.pool, s.nextPool), 1, each)
		}
		u.add(p, s.nextPool, r.want-staying, each)
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
		if i.pool != "" && !i.leaving && !i.gone {
			n[i.pool]++
		}
	})
	return n
}

// assignPools gives each instance without a pool one: where the placement wants more of them, else the cheapest with room.
func (g *Gateway) assignPools(s *service) {
	p := &g.watchers.placing
	if !s.counted() {
		s.nextPool = ""
		return
	}
	allowed := p.allowed(s)
	known := func(name string) bool {
		return slices.ContainsFunc(allowed, func(c *cost.Pool) bool { return c.Name == name })
	}
	s.each(func(_ *revision, i *instance) {
		if i.pool != "" && !known(i.pool) {
			i.pool = ""
		}
	})
	has := s.pooled()
	s.nextPool = g.choosePool(s, allowed, has)
	s.each(func(_ *revision, i *instance) {
		if i.pool == "" {
			i.pool = s.nextPool
			has[i.pool]++
			s.nextPool = g.choosePool(s, allowed, has)
		}
	})
}

func (g *Gateway) choosePool(s *service, allowed []*cost.Pool, has map[string]int) string {
	if len(allowed) == 0 {
		return ""
	}
	p := &g.watchers.placing
	for _, c := range allowed {
		if p.counts[s.name][c.Name] > has[c.Name] {
			return c.Name
		}
	}
	if len(allowed) > 1 {
		others := g.usage(s)
		for _, c := range allowed {
			if fits(c, others.pools[c.Name], s.size()) > has[c.Name] {
				return c.Name
			}
		}
	}
	return allowed[0].Name
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
