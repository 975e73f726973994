package gateway

import (
	"slices"

	"gatewayd/admin/api"
	"gatewayd/cost"
)

// poolView is what /api/v1/resources shows. It is immutable once stored.
type poolView struct{ resources api.Resources }

// taker is who takes something of a pool.
type taker struct{ pool, service, revision string }

// describeResources makes the view anew.
func (g *Gateway) describeResources() {
	p := &g.watchers.placing
	taken := map[taker]cost.Use{}
	var all cost.Use
	for _, s := range g.ordered {
		if !s.counted() {
			continue
		}
		each := s.size()
		s.each(func(r *revision, i *instance) {
			k := taker{i.pool, s.name, r.version}
			perHour := p.price(i.pool).PerHour(each)
			taken[k] = taken[k].Plus(1, each, perHour)
			all = all.Plus(1, each, perHour)
		})
	}
	v := &poolView{resources: api.Resources{Pools: []api.Pool{}, Limits: g.describeLimits(all)}}
	for i := range p.pools {
		v.resources.Pools = append(v.resources.Pools, describePool(&p.pools[i], taken))
	}
	g.watchers.resources.Store(v)
}

func describePool(p *cost.Pool, taken map[taker]cost.Use) api.Pool {
	out := api.Pool{Name: p.Name, Capacity: amounts(cost.Use{Resources: p.Capacity, Instances: p.Instances}), Allocations: []api.Allocation{}}
	var used cost.Use
	for k, u := range taken {
		if k.pool != p.Name {
			continue
		}
		used = used.Plus(1, u.Resources, u.PerHour)
		used.Instances += u.Instances - 1
		out.Allocations = append(out.Allocations, api.Allocation{Service: k.service, Revision: k.revision, Used: amounts(u)})
	}
	slices.SortFunc(out.Allocations, func(a, b api.Allocation) int { return compareKeys(a.Service, a.Revision, b.Service, b.Revision) })
	out.Used, out.PerHour = amounts(used), used.PerHour.Units()
	for _, part := range [][2]float64{{used.Cores(), p.Capacity.Cores()}, {float64(used.Memory), float64(p.Capacity.Memory)}, {float64(used.Instances), float64(p.Instances)}} {
		if part[1] > 0 {
			out.Utilisation = max(out.Utilisation, 100*part[0]/part[1])
		}
	}
	return out
}

func compareKeys(serviceA, revisionA, serviceB, revisionB string) int {
	switch {
	case serviceA < serviceB, serviceA == serviceB && revisionA < revisionB:
		return -1
	case serviceA == serviceB && revisionA == revisionB:
		return 0
	}
	return 1
}

func amounts(u cost.Use) api.Amounts {
	return api.Amounts{CPU: u.Cores(), MemoryBytes: uint64(u.Memory), Instances: u.Instances}
}

func (g *Gateway) describeLimits(used cost.Use) api.ResourceLimits {
	c := &g.cfg.ResourceLimits
	out := api.ResourceLimits{Used: amounts(used), PerHour: used.PerHour.Units()}
	if c.MaxCPU > 0 {
		out.MaxCPU = &c.MaxCPU
	}
	if c.MaxMemory > 0 {
		n := uint64(c.MaxMemory)
		out.MaxMemoryBytes = &n
	}
	if c.MaxInstances > 0 {
		out.MaxInstances = &c.MaxInstances
	}
	if c.MaxCostPerHour > 0 {
		out.MaxCostPerHour = &c.MaxCostPerHour
	}
	return out
}

// Resources implements admin.Resources.
func (p ports) Resources() api.Resources {
	r := p.g.watchers.resources.Load().resources
	r.Pools = slices.Clone(r.Pools)
	return r
}
