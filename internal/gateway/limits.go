package gateway

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/cost"
	"gatewayd/events"
	"gatewayd/scaler"
)

// capsFor are the limits from outside the service that hold now: for its scaler, for people, for rollouts.
func (g *Gateway) capsFor(s *service) []scaler.Cap {
	p := &g.watchers.placing
	if !p.bounded() || s.runner == nil {
		return nil
	}
	others := g.usage(s)
	var caps []scaler.Cap
	if c, limited := g.poolCap(s, &others); limited {
		caps = append(caps, c)
	}
	if c, limited := g.limitCap(s, &others); limited {
		caps = append(caps, c)
	}
	if c, limited := g.costCap(s, &others); limited {
		caps = append(caps, c)
	}
	return caps
}

// staying counts the instances that are to stay.
func (s *service) staying() (n int) {
	s.each(func(_ *revision, i *instance) {
		if !i.going() {
			n++
		}
	})
	return n
}

// poolCap is the room in the pools. What is there stays, unless the placement gives its place to a service of higher priority or that has
// less of what it wants; and nobody gets a place before it is free.
func (g *Gateway) poolCap(s *service, others *usage) (scaler.Cap, bool) {
	p := &g.watchers.placing
	if len(p.pools) == 0 {
		return scaler.Cap{}, false
	}
	room, entitled, spare := 0, 0, 0
	names := make([]string, 0, len(p.pools))
	placed := p.placedUse(s)
	for _, c := range p.allowed(s) {
		names = append(names, c.Name)
		room += fits(c, others.pools[c.Name], s.size())
		entitled += p.counts[s.name][c.Name]
		own := p.counts[s.name][c.Name]
		spare += max(fits(c, placed[c.Name], s.size())-own, 0)
	}
	most := max(room, s.staying())
	if p.counts != nil {
		most = min(most, max(entitled+spare, 0))
	}
	if most >= unlimited || len(names) == 0 {
		return scaler.Cap{}, false
	}
	what := "pool " + names[0] + " has"
	if len(names) > 1 {
		what = "pools " + strings.Join(names, ", ") + " have"
	}
	return scaler.Cap{Bound: scaler.BoundCap, Name: fmt.Sprintf("%s room for %d", what, most), Instances: most}, true
}

// placedUse is what the placement gives to all services but one, by pool.
func (p *placing) placedUse(except *service) map[string]cost.Use {
	u := map[string]cost.Use{}
	for i := range p.request.Demands {
		d := &p.request.Demands[i]
		if d.Service == except.name {
			continue
		}
		for pool, n := range p.counts[d.Service] {
			u[pool] = u[pool].Plus(n, d.Each, 0)
		}
	}
	return u
}

// limitCap is the tightest of resourceLimits but the cost. It takes away nothing that runs.
func (g *Gateway) limitCap(s *service, others *usage) (scaler.Cap, bool) {
	limits := g.watchers.placing.limits
	limits.MaxCostPerHour = 0
	c := limits.Clamp(cost.Ask{Want: unlimited, Have: s.staying(), Each: s.size(), Others: others.all})
	if c.Instances == unlimited {
		return scaler.Cap{}, false
	}
	_, why, _ := strings.Cut(c.Reason, ": ")
	return scaler.Cap{Bound: scaler.BoundCap, Name: c.Held + ": " + why, Instances: c.Instances}, true
}

// unlimited is more than anybody asks for.
const unlimited = math.MaxInt32

// costCap is how many instances maxCostPerHour leaves, each at the price of the pool that it would go to. It takes away nothing that runs.
func (g *Gateway) costCap(s *service, others *usage) (scaler.Cap, bool) {
	p, each := &g.watchers.placing, s.size()
	budget := p.limits.MaxCostPerHour
	if budget <= 0 {
		return scaler.Cap{}, false
	}
	left, n := budget-others.all.PerHour, 0
	s.each(func(_ *revision, i *instance) {
		if p.placed(i) && !i.going() {
			left -= p.price(i.pool).PerHour(each)
			n++
		}
	})
	most := max(s.spec.Scaling.MaxInstances, s.totalWanted(), n)
	next := g.chooser(s)
	for k := 0; n < most; k, n = k+1, n+1 {
		pool := ""
		if k < len(s.reserved) {
			pool = s.reserved[k]
		} else {
			pool = next()
		}
		if left -= p.price(pool).PerHour(each); left < 0 {
			break
		}
	}
	if n == most && left >= 0 {
		return scaler.Cap{}, false
	}
	why := fmt.Sprintf("all services may cost %s per hour, the others cost %s", budget, others.all.PerHour)
	return scaler.Cap{Bound: scaler.BoundCost, Name: why, Instances: max(n, s.staying())}, true
}

// holdToLimits keeps a rollout from starting more than the limits allow: first the new revision waits, then those before it. What runs stays.
func (g *Gateway) holdToLimits(s *service) {
	if !g.watchers.placing.bounded() {
		return
	}
	defer g.reserve(s)
	if len(s.revisions) < 2 {
		return
	}
	wanted := s.totalWanted()
	allowed, why := wanted, scaler.Cap{}
	for _, c := range g.capsFor(s) {
		if c.Instances < allowed {
			allowed, why = c.Instances, c
		}
	}
	if allowed == wanted {
		return
	}
	excess := wanted - allowed
	for _, role := range []api.Role{api.RoleCandidate, api.RolePrevious, api.RoleStable} {
		for _, r := range s.revisions {
			if r.role != role {
				continue
			}
			cut := min(excess, max(r.want-r.staying(), 0))
			r.want -= cut
			excess -= cut
		}
	}
	if excess < wanted-allowed {
		b := scaler.Bound{Name: why.Bound, Detail: why.Name, Wanted: wanted, Got: wanted - (wanted - allowed - excess)}
		g.holdBack(s, b, g.now())
	}
}

func (r *revision) staying() (n int) {
	for _, i := range r.instances {
		if !i.going() {
			n++
		}
	}
	return n
}

// heldLimit is a limit that holds a service back.
type heldLimit struct {
	key  string // as in the config; "pool" for the capacity of pools
	last time.Time
}

// heldFor is how long a limit is taken to hold after it was last seen to, so that a wish that comes and goes is one story.
const heldFor = time.Minute

// holding is the key while the limit holds.
func (h heldLimit) holding(now time.Time) string {
	if h.key == "" || now.Sub(h.last) > 3*time.Second {
		return ""
	}
	return h.key
}

// noteLimits looks which services are held back.
func (g *Gateway) noteLimits(now time.Time) {
	for _, s := range g.ordered {
		d := s.scale.last
		if d == nil || s.scale.spec == nil {
			continue
		}
		for i := len(d.Bounds) - 1; i >= 0; i-- {
			if limiting(d.Bounds[i].Name) {
				g.holdBack(s, d.Bounds[i], now)
				break
			}
		}
	}
}

// holdBack tells once that a limit began to hold a service back.
func (g *Gateway) holdBack(s *service, b scaler.Bound, now time.Time) {
	held := g.watchers.held
	before, key := held[s.name], limitKey(b)
	held[s.name] = heldLimit{key, now}
	if before.key == key && now.Sub(before.last) <= heldFor {
		return
	}
	g.publishEvent(events.Event{Type: events.LimitReached, Service: s.name, Severity: events.Warning,
		Message: fmt.Sprintf("%s is to have %d instances and may have %d: %s", s.name, b.Wanted, b.Got, cmp.Or(b.Detail, key+" is reached")),
		Data:    map[string]any{"limit": key, "value": b.Got, "wanted": b.Wanted, "reason": b.String()}})
}

// limitKey is the config key of a bound, or "pool".
func limitKey(b scaler.Bound) string {
	switch {
	case b.Name == scaler.BoundMax:
		return string(scaler.BoundMax)
	case b.Name == scaler.BoundCost:
		return cost.HeldByCostPerHour
	case strings.HasPrefix(b.Detail, "pool"):
		return "pool"
	}
	key, _, _ := strings.Cut(b.Detail, ":")
	return key
}
