package balancer

// alias draws members by weight in constant time (A. J. Walker 1977, in M. D. Vose's form of 1991): each column holds one
// member up to a cut and another beyond it.
type alias struct {
	columns []column
	even    bool // all weights are equal: no cut to look at
}

type column struct {
	first, other drawn
	cut          uint32
}

// drawn is a member as a picker compares it.
type drawn struct {
	endpoint *Endpoint
	inverse  float64 // 1 / weight
}

func newAlias(takers []Member) alias {
	n := len(takers)
	a := alias{columns: make([]column, n), even: true}
	sum := 0
	for i, m := range takers {
		sum += m.Weight
		a.even = a.even && m.Weight == takers[0].Weight
		a.columns[i].first = drawn{m.Endpoint, 1 / float64(m.Weight)}
	}
	var small, large []int
	share := make([]float64, n)
	for i, m := range takers {
		share[i] = float64(m.Weight) * float64(n) / float64(sum)
		if share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		c := &a.columns[s]
		c.cut = uint32(share[s] * (1 << 32))
		c.other = a.columns[l].first
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // 1 but for rounding
		c := &a.columns[i]
		c.other = c.first
	}
	return a
}

// draw wants at least one column, and 64 random bits: half for the column, half for the cut.
func (a *alias) draw(r uint64) *drawn {
	c := &a.columns[scale(uint32(r>>32), len(a.columns))]
	if a.even || uint32(r) < c.cut {
		return &c.first
	}
	return &c.other
}
