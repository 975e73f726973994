package balancer

// twoChoices draws two different members by weight and takes the one with the lower cost (M. Mitzenmacher, "The power of two choices
// in randomized load balancing", 1996): nearly as even as looking at all of them, at the price of two.
type twoChoices struct {
	members alias
	rules   *rules
	random  func() uint64
	cost    func(e *Endpoint, inverseWeight float64, q *Query) float64
}

// newP2C compares requests in flight per weight. Ties go to the one drawn first, so that an idle pool is shared by weight.
func newP2C(p *Pool) picker {
	t := &twoChoices{members: newAlias(p.takers), rules: &p.rules, random: p.random}
	t.cost = func(e *Endpoint, inverseWeight float64, q *Query) float64 {
		return p.loadOf(e, inverseWeight, q)
	}
	return t
}

func (t *twoChoices) pick(q *Query, _ int) *Endpoint {
	n := len(t.members.columns)
	if n == 0 {
		return nil
	}
	if n == 1 {
		return t.members.columns[0].endpoint
	}
	a, b := t.drawTwo()
	switch {
	case !t.rules.free(b.endpoint, q):
		return a.endpoint
	case !t.rules.free(a.endpoint, q):
		return b.endpoint
	case t.cost(b.endpoint, b.inverse, q) < t.cost(a.endpoint, a.inverse, q):
		return b.endpoint
	}
	return a.endpoint
}

// drawTwo returns two different members. With even weights the second is drawn from the n-1 others; with uneven ones it is drawn anew
// until it differs, and after a few times it is the neighbour.
func (t *twoChoices) drawTwo() (a, b drawn) {
	n, r := len(t.members.columns), t.random()
	if t.members.even {
		i, j := scale(uint32(r>>32), n), scale(uint32(r), n-1)
		if j >= i {
			j++
		}
		return t.members.at(i, 0), t.members.at(j, 0)
	}
	a = t.members.draw(r)
	for range 4 {
		if b = t.members.draw(t.random()); b.endpoint != a.endpoint {
			return a, b
		}
	}
	i := scale(uint32(r>>32), n)
	for b.endpoint == a.endpoint {
		i = (i + 1) % n
		b = drawn{t.members.columns[i].endpoint, t.members.columns[i].inverse}
	}
	return a, b
}
