package balancer

// roundRobin gives equal turns to all with a weight. An endpoint that cannot be used loses its turn to whoever is next, and that one's
// turn is consumed as well: those left still get equal shares.
type roundRobin struct {
	turns  []*Endpoint
	cursor *cursor
}

func newRoundRobin(takers []Member, c *cursor) picker {
	r := &roundRobin{cursor: c}
	for _, m := range takers {
		r.turns = append(r.turns, m.Endpoint)
	}
	return r
}

func (r *roundRobin) pick(q *Query, _ int) *Endpoint {
	if len(r.turns) == 0 {
		return nil
	}
	return r.turns[r.cursor.next(q.Shard, uint32(len(r.turns)))]
}

// newWeighted gives turns by weight, spread as evenly as they can be; see sequence.go.
func newWeighted(takers []Member, c *cursor) picker {
	weights := make([]int, len(takers))
	for i, m := range takers {
		weights[i] = m.Weight
	}
	r := &roundRobin{cursor: c}
	for _, i := range sequence(weights, maxTurns) {
		r.turns = append(r.turns, takers[i].Endpoint)
	}
	return r
}

// maxTurns bounds a weighted pool's sequence; one with more members takes one turn each.
const maxTurns = 4096
