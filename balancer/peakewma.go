package balancer

// newPeakEWMA takes the quicker of two.
func newPeakEWMA(p *Pool) picker {
	return &twoChoices{members: newAlias(p.takers), pool: p, latency: true}
}

// latencyOf is cost * (in flight + 1) / weight, with the cost of ewma.go. An endpoint whose cost is unknown, new or long unused, gets one
// request to measure it by and no second before the first is answered.
func (p *Pool) latencyOf(d *drawn, q *Query) float64 {
	e, inverse := d.endpoint, d.inverse
	inFlight, cost := float64(e.InFlight()), e.cost(q.Now)
	if cost == 0 {
		if inFlight == 0 {
			return 0
		}
		return unknownPenalty + inFlight
	}
	if p.rules.slowAt(q.Now) {
		inverse /= p.rules.warmth(e, q.Now)
	}
	return cost * (inFlight + 1) * inverse
}

// unknownPenalty, 13 days, is above any cost that is measured, and small enough that adding 1 still shows.
const unknownPenalty = 1 << 50
