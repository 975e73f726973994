package balancer

import "math"

// leastConnections takes the endpoint with the fewest requests in flight per weight. Up to scanAll members it looks at all of
// them, beyond that at a sample, so that a pick costs the same over a hundred and over ten thousand. Ties go to whoever's turn it
// is by weight: an idle pool is shared like with Weighted.
type leastConnections struct {
	pool   *Pool
	places []drawn
	starts []uint16 // turns as indexes into places; nil if all weights are equal
}

const (
	scanAll = 64
	// sampleSize: the best of 16 at random is one of the least loaded 15 % in 92 of 100 picks.
	sampleSize = 16
)

func newLeastConnections(p *Pool) picker {
	l := &leastConnections{pool: p}
	weights := make([]int, len(p.takers))
	even := true
	for i, m := range p.takers {
		weights[i] = m.Weight
		even = even && m.Weight == p.takers[0].Weight
		l.places = append(l.places, drawn{m.Endpoint, 1 / float64(m.Weight)})
	}
	if !even {
		l.starts = sequence(weights, maxTurns)
	}
	return l
}

func (l *leastConnections) pick(q *Query, _ int) *Endpoint {
	n := len(l.places)
	if n == 0 {
		return nil
	}
	if n <= scanAll {
		return l.least(q, l.start(q), 1, n)
	}
	return l.least(q, l.start(q), 1+scale(uint32(l.pool.random()>>32), n-1), sampleSize)
}

func (l *leastConnections) start(q *Query) int {
	if l.starts == nil {
		return int(l.pool.cursor.next(q.Shard, uint32(len(l.places))))
	}
	return int(l.starts[l.pool.cursor.next(q.Shard, uint32(len(l.starts)))])
}

// least looks at count places from start on, every stride-th.
func (l *leastConnections) least(q *Query, start, stride, count int) *Endpoint {
	var best *Endpoint
	lowest := math.Inf(1)
	r, slow := &l.pool.rules, l.pool.rules.slowAt(q.Now)
	for i := start; count > 0; count-- {
		pl := &l.places[i]
		if i += stride; i >= len(l.places) {
			i -= len(l.places)
		}
		e := pl.endpoint
		inFlight := e.InFlight()
		if !r.admits(e, q) || r.limit > 0 && inFlight >= r.limit {
			continue
		}
		load := float64(inFlight) * pl.inverse
		if slow {
			load = l.pool.slowLoad(e, pl.inverse, q)
		}
		if load < lowest {
			best, lowest = e, load
			if load == 0 {
				break // nobody has less
			}
		}
	}
	return best
}
