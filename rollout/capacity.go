package rollout

// load is how many instances the whole load needs, at least one.
func (m *machine) load() int { return max(1, m.obs.Wanted) }

// need is how many candidate instances the weights need: their share of the
// load, rounded up, and never none.
func (m *machine) need(w Weights) int {
	share := w.Candidate + (100-w.Candidate)*w.Mirror/100
	if w.Cohort != nil {
		share += (100 - share) * w.Cohort.Percent / 100
		share = max(share, 100*m.st.PeakShare)
	}
	return max(1, ceil(float64(m.load())*min(share, 100)/100))
}

// wish is what should hold in the present phase.
func (m *machine) wish() Wish {
	st := m.st
	if m.final != nil {
		return *m.final
	}
	if st.Counts.Away && st.Phase != PhaseReturning && st.Wish.Candidate >= 0 {
		return st.Wish // counts that nobody can reach are left as they are
	}
	if st.Phase == PhaseReturning {
		return m.wishReturning()
	}
	if m.plan.Strategy == Rolling {
		return m.wishBatches()
	}
	w := Wish{Stable: m.obs.Wanted, Weights: st.Wish.Weights}
	switch st.Phase {
	case PhaseStepping:
		w.Weights = m.weights()
		w.Candidate = m.need(st.stepWeights(st.StepIndex))
	case PhaseFilling:
		w.Candidate = m.load()
		w.Weights.Mirror = 0
	case PhaseWarm:
		w.Candidate = m.load()
		w.Weights = Weights{Candidate: 100}
	default:
		w.Candidate = m.first()
	}
	return w
}

// first is how many candidate instances there must be before the candidate gets its first request.
func (m *machine) first() int {
	switch {
	case m.plan.Strategy == Canary:
		return m.need(m.st.stepWeights(0))
	case m.plan.Strategy == Rolling:
		return 1
	default:
		return m.load()
	}
}

// ready reports whether n instances of the candidate are known to be ready. While they are not, time is
// counted against StartTimeout.
func (m *machine) ready(n int) bool {
	c := &m.st.Counts
	if c.Away {
		return false
	}
	if c.Candidate >= n {
		m.st.Clocks.Waiting = 0
		c.Failures = 0
		return true
	}
	m.st.Clocks.Waiting += m.dt
	return false
}

// stableHolds reports whether stable is known to have the instances for what the candidate does not get.
func (m *machine) stableHolds() bool {
	rest := 100 - m.st.Wish.Weights.Candidate
	return !m.st.Counts.Away && m.st.Counts.Stable >= int(float64(m.obs.Wanted)*rest/100)
}
