package balancer

import "math"

// newPeakEWMA takes the quicker of two: cost * (in flight + 1) / weight, with the cost of ewma.go. An endpoint whose cost is unknown,
// new or long unused, gets one request to measure it by and no second before the first is answered.
func newPeakEWMA(p *Pool) picker {
	t := &twoChoices{members: newAlias(p.takers), rules: &p.rules, random: p.random}
	t.cost = func(e *Endpoint, inverseWeight float64, q *Query) float64 {
		inFlight := float64(e.InFlight())
		cost := e.cost(q.Now)
		if cost == 0 {
			if inFlight == 0 {
				return 0
			}
			return unknownPenalty + inFlight
		}
		if p.rules.slowAt(q.Now) {
			inverseWeight /= p.rules.warmth(e, q.Now)
		}
		return cost * (inFlight + 1) * inverseWeight
	}
	return t
}

// unknownPenalty is above any cost that was measured.
const unknownPenalty = math.MaxFloat64 / (1 << 32)
