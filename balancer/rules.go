package balancer

import (
	"math"
	"slices"
)

// rules say which endpoint may be picked: the state bits that must be set among those that are looked at, the limit, and
// when slow start holds.
type rules struct {
	mask, want uint32
	limit      int64

	window             int64 // of slow start, nanoseconds
	slowFrom, slowTill int64
}

func newRules(takers []Member, o *Options) rules {
	r := rules{
		mask:   stateHealthy | stateEjected | stateDraining,
		want:   stateHealthy,
		limit:  o.MaxConcurrency,
		window: int64(o.SlowStart),
	}
	if belowThreshold(takers, o.PanicPercent) {
		return r.becomePanic()
	}
	r.findSlow(takers)
	return r
}

// becomePanic returns rules that use all that do not drain. One that was never healthy stays out: it is still starting, and
// no threshold makes it listen.
func (r *rules) becomePanic() rules {
	return rules{mask: stateSeen | stateDraining, want: stateSeen, limit: r.limit}
}

func (r *rules) panics() bool { return r.want == stateSeen }

// belowThreshold leaves out those that drain or never were healthy: neither says that the checks are wrong.
func belowThreshold(takers []Member, percent int) bool {
	eligible, all := 0, 0
	for _, m := range takers {
		state := m.Endpoint.state.Load()
		if state&(stateSeen|stateDraining) != stateSeen {
			continue
		}
		all++
		if state&(stateHealthy|stateEjected) == stateHealthy {
			eligible++
		}
	}
	return eligible*100 < all*percent
}

func (r *rules) uses(e *Endpoint) bool { return e.state.Load()&r.mask == r.want }

func (r *rules) admits(e *Endpoint, q *Query) bool { return r.uses(e) && !q.avoids(e) }

// Slow start. It protects a cold instance by means of the warm ones, so it makes no sense while most are cold: then the few
// warm ones would carry everything. At time t most are new when more than half became healthy after t-window; that ends when the
// median of those moments is a window old, and slow start as a whole ends a window after the last.
func (r *rules) findSlow(takers []Member) {
	if r.window <= 0 {
		return
	}
	var since []int64
	for _, m := range takers {
		if m.Endpoint.Eligible() {
			since = append(since, m.Endpoint.HealthySince())
		}
	}
	if len(since) < 2 {
		return
	}
	slices.Sort(since)
	r.slowFrom = since[(len(since)-1)/2] + r.window
	r.slowTill = since[len(since)-1] + r.window
}

func (r *rules) slowAt(now int64) bool { return now < r.slowTill && now >= r.slowFrom }

// slowStartFloor is the share of its weight that an endpoint begins with.
const slowStartFloor = 0.1

// warmth is the share of its weight that e has at now: from 0.1 to 1, linear over the window.
func (r *rules) warmth(e *Endpoint, now int64) float64 {
	age := now - e.HealthySince()
	if age >= r.window {
		return 1
	}
	return slowStartFloor + (1-slowStartFloor)*math.Max(float64(age), 0)/float64(r.window)
}

// warm accepts e with a probability of its warmth. For hashing algorithms the key is the chance: each key moves over once, and
// does not go back and forth.
func (p *Pool) warm(e *Endpoint, q *Query) bool {
	w := p.rules.warmth(e, q.Now)
	if w >= 1 {
		return true
	}
	if p.algorithm.hashes() {
		return unit(mix(q.Hash^e.key)) < w
	}
	return unit(p.random()) < w
}
