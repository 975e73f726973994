package balancer

import "math"

// twoChoices draws two different members by weight and takes the one with the lower cost (M. Mitzenmacher, "The power of two choices
// in randomized load balancing", 1996): nearly as even as looking at all of them, at the price of two. Ties go to the one drawn first,
// so that an idle pool is shared by weight.
type twoChoices struct {
	members alias
	pool    *Pool
	latency bool // cost is by latency: see peakewma.go; else by requests in flight
}

// newP2C compares requests in flight per weight.
func newP2C(p *Pool) picker { return &twoChoices{members: newAlias(p.takers), pool: p} }

func (t *twoChoices) pick(q *Query, _ int) *Endpoint {
	n := len(t.members.columns)
	if n < 2 {
		if n == 0 {
			return nil
		}
		return t.members.columns[0].first.endpoint
	}
	a, b := t.drawTwo(n)
	if t.cost(b, q) < t.cost(a, q) {
		return b.endpoint
	}
	return a.endpoint
}

// cost is infinite for an endpoint that cannot be used.
func (t *twoChoices) cost(d *drawn, q *Query) float64 {
	e, r := d.endpoint, &t.pool.rules
	inFlight := e.InFlight()
	switch {
	case !r.admits(e, q) || r.limit > 0 && inFlight >= r.limit:
		return math.Inf(1)
	case t.latency:
		return t.pool.latencyOf(d, q)
	case r.slowAt(q.Now):
		return t.pool.slowLoad(e, d.inverse, q)
	}
	return float64(inFlight) * d.inverse
}

// drawTwo returns two different members. With even weights the second is drawn from the n-1 others.
func (t *twoChoices) drawTwo(n int) (a, b *drawn) {
	r := t.pool.random()
	if !t.members.even {
		return t.drawUneven(r, n)
	}
	i, j := scale(uint32(r>>32), n), scale(uint32(r), n-1)
	if j >= i {
		j++
	}
	return &t.members.columns[i].first, &t.members.columns[j].first
}

// drawUneven draws the second anew until it differs; after a few times it is a neighbour, else one of great weight would make it endless.
func (t *twoChoices) drawUneven(r uint64, n int) (a, b *drawn) {
	a = t.members.draw(r)
	for range 4 {
		if b = t.members.draw(t.pool.random()); b.endpoint != a.endpoint {
			return a, b
		}
	}
	i := scale(uint32(t.pool.random()>>32), n)
	if b = &t.members.columns[i].first; b.endpoint == a.endpoint {
		b = &t.members.columns[(i+1)%n].first
	}
	return a, b
}
