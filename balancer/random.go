package balancer

// randomPicker draws by weight.
type randomPicker struct {
	members alias
	random  func() uint64
}

func newRandomPicker(p *Pool) picker {
	return &randomPicker{members: newAlias(p.takers), random: p.random}
}

func (r *randomPicker) pick(_ *Query, _ int) *Endpoint {
	if len(r.members.columns) == 0 {
		return nil
	}
	return r.members.draw(r.random()).endpoint
}
