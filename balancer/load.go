package balancer

// slowLoad is the load during slow start. A reduced weight alone says nothing while an endpoint is idle, as 0 in flight per any weight is 0;
// so it counts as idle only as often as its warmth says, and as if it held one more request the rest of the time.
func (p *Pool) slowLoad(e *Endpoint, inverseWeight float64, q *Query) float64 {
	inFlight, warmth := float64(e.InFlight()), p.rules.warmth(e, q.Now)
	if warmth < 1 && unit(p.random()) >= warmth {
		inFlight++
	}
	return inFlight * inverseWeight / warmth
}
