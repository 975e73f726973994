package rollout

import "fmt"

// pace is what a rolling rollout may do at once, in instances.
type pace struct{ load, size, surge, unavailable int }

func (m *machine) pace() pace {
	b := m.plan.Rolling
	n := m.load()
	p := pace{load: n, size: max(1, b.Size.up(n)), surge: b.Surge.up(n), unavailable: min(b.Unavailable.down(n), n)}
	if p.surge+p.unavailable == 0 {
		p.surge = 1 // a percentage that rounds to nothing would never move
	}
	return p
}

// goal is how many candidate instances there are after batch i.
func (p pace) goal(i int) int { return min(p.load, (i+1)*p.size) }

// batches is how many batches the load takes as it was last planned for.
func (st *State) batches() int {
	n := max(1, st.Load)
	size := max(1, st.Plan.Rolling.Size.up(n))
	return (n + size - 1) / size
}

// batching replaces instances batch by batch, and lets each show itself before the next.
func (m *machine) batching() {
	st := m.st
	p := m.pace()
	goal := p.goal(st.StepIndex)
	want := m.wishBatches()
	switch {
	case !m.ready(goal) || want.Stable > p.load-goal:
		st.Reason = fmt.Sprintf("%s: %d of %s of %s ready", m.batchName(), st.Counts.Candidate, instances(goal), m.plan.Version)
		return
	case !st.Given:
		st.Given = true
		m.emit(EventStep, "%s: %d of %s run %s", m.batchName(), goal, instances(p.load), m.plan.Version)
		return
	}
	st.Clocks.Step += m.dt
	m.askChecks()
	if !st.Promoted {
		if st.Clocks.Step < m.plan.Rolling.Interval {
			st.Reason = fmt.Sprintf("%s: %s of %s", m.batchName(), span(st.Clocks.Step.Round(second)), span(m.plan.Rolling.Interval))
			return
		}
		if missing := m.missing(); missing != "" {
			m.extend(m.batchName(), missing)
			return
		}
	}
	if goal < p.load {
		m.beginStep(st.StepIndex + 1)
		return
	}
	m.becomeCompleted()
}

func (m *machine) batchName() string {
	return fmt.Sprintf("batch %d of %d", m.st.StepIndex+1, max(m.st.batches(), m.st.StepIndex+1))
}

// wishBatches is how many instances of each there should be now on the way
// forward: as many of the candidate as the batch and the surge allow, and of
// stable as many as keep all but the unavailable ready. Weights follow what is ready.
func (m *machine) wishBatches() Wish {
	st := m.st
	p := m.pace()
	goal := p.goal(st.StepIndex)
	stable := p.load - p.unavailable - min(st.Counts.Candidate, goal)
	if st.Wish.Stable >= 0 {
		stable = min(stable, st.Wish.Stable)
	}
	w := Wish{Stable: max(stable, p.load-goal)}
	w.Candidate = min(goal, p.load+p.surge-w.Stable)
	if st.Phase == PhaseBatches {
		w.Weights.Candidate = m.shareOfReady(w)
	}
	return w
}

// wishBackwards is the same on the way back, the two revisions having changed places.
func (m *machine) wishBackwards() Wish {
	st := m.st
	p := m.pace()
	had := max(st.Wish.Candidate, 0)
	w := Wish{Candidate: max(0, min(had, p.load-p.unavailable-st.Counts.Stable))}
	w.Stable = max(st.Wish.Stable, min(st.Counts.Stable+p.size, p.load+p.surge-w.Candidate))
	w.Stable = min(w.Stable, p.load)
	return w
}

// shareOfReady is the candidate's share of the instances that are ready and stay, in percent.
func (m *machine) shareOfReady(w Wish) float64 {
	c := min(m.st.Counts.Candidate, w.Candidate)
	s := min(m.st.Counts.Stable, w.Stable)
	if c == 0 {
		return 0
	}
	return hundredth(100 * float64(c) / float64(c+s))
}
