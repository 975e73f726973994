package rollout

import (
	"fmt"
	"math"
)

// startAttempts is how many failed starts, without one instance ready, are taken as proof that the
// candidate does not start.
const startAttempts = 3

// guard looks for what ends a rollout whatever its phase.
func (m *machine) guard() {
	st := m.st
	if st.Phase == PhaseReturning {
		return
	}
	if why := m.hopeless(); why != "" {
		m.becomeReturning(Return{Status: RolledBack, Reason: why})
		return
	}
	m.takeChecks()
	if st.Promoted || st.Phase == PhaseReturning {
		return
	}
	if m.plan.Analysis != nil && st.Judge.reached(*m.plan.Analysis) {
		if v := st.verdict(); v.Outcome == Failing {
			m.condemn(v.Sentence, &v)
		}
	}
}

// hopeless returns why the rollout cannot go on, or nothing.
func (m *machine) hopeless() string {
	st, c := m.st, &m.st.Counts
	version := m.plan.Version
	switch {
	case !c.Away && c.Candidate == 0 && st.Wish.Weights.active():
		return fmt.Sprintf("every instance of %s is gone while it had traffic%s", version, detail(m.obs.Candidate.Detail))
	case !c.Away && c.Candidate == 0 && c.Failures >= startAttempts:
		return fmt.Sprintf("%d starts of %s failed and none became ready%s", c.Failures, version, detail(m.obs.Candidate.Detail))
	case m.validatesLate():
		if st.Phase == PhaseValidating {
			return fmt.Sprintf("the validation of %s did not end within %s", version, span(m.plan.ValidationTimeout))
		}
		return fmt.Sprintf("%s was not ready within its validation timeout of %s: %d of %s%s", version, span(m.plan.ValidationTimeout),
			c.Candidate, instances(m.first()), detail(m.obs.Candidate.Detail))
	case st.Clocks.Waiting >= m.plan.StartTimeout:
		return fmt.Sprintf("not enough instances of %s became ready within %s: %d of %d%s",
			version, span(m.plan.StartTimeout), c.Candidate, max(st.Wish.Candidate, 1), detail(m.obs.Candidate.Detail))
	case st.Status == Paused && st.Clocks.Paused >= m.plan.PauseLimit:
		return fmt.Sprintf("nobody resumed within %s: %s", span(m.plan.PauseLimit), st.Reason)
	case st.Clocks.Total >= m.plan.Deadline:
		return fmt.Sprintf("the deadline of %s passed: %s", span(m.plan.Deadline), st.Reason)
	}
	return ""
}

// validatesLate reports whether the time is over by which the candidate had to be ready and to have passed its validation.
func (m *machine) validatesLate() bool {
	st := m.st
	return !st.Counts.Away && m.obs.Validation == nil && (st.Phase == PhaseStarting || st.Phase == PhaseValidating) && st.Clocks.Phase >= m.plan.ValidationTimeout
}

// condemn goes back because of a bad candidate, or leaves that to a person.
func (m *machine) condemn(why string, v *Verdict) {
	if m.plan.AutoRollback {
		m.becomeReturning(Return{Status: RolledBack, Reason: why, Verdict: v})
		return
	}
	if m.st.Status != Paused {
		m.becomePaused("paused, because autoRollback is off: "+why, false)
	}
}

// becomeReturning begins the way back to stable. There is no way forward from it.
func (m *machine) becomeReturning(r Return) {
	st := m.st
	if st.Phase == PhaseReturning {
		return
	}
	if r.Status == RolledBack && !st.Exposed {
		r.Status = Failed
	}
	if r.Verdict == nil && st.Judge.Candidate.Requests > 0 {
		v := st.verdict()
		r.Verdict = &v
	}
	st.Return, st.Status, st.Reason = &r, Running, r.Reason
	m.enter(PhaseReturning)
}

// returning ends the rollout once stable has all the traffic.
func (m *machine) returning() {
	st, r := m.st, m.st.Return
	r.Useless = r.Useless || !st.Counts.Away && st.Counts.Candidate == 0 || st.Judge.useless()
	want := m.wishReturning()
	if want.Weights.active() {
		reason := fmt.Sprintf("going back to %s: %s", m.plan.Stable, r.Reason)
		if st.Reason != reason {
			st.Reason = reason
			m.emit(EventStep, "%s", reason)
		}
		return
	}
	reason := r.Reason
	if m.plan.Stable != "" && m.returnLate() && st.Counts.Stable < m.obs.Wanted {
		reason += fmt.Sprintf("; %s got its traffic back with %d of %s ready after %s",
			m.plan.Stable, st.Counts.Stable, instances(m.obs.Wanted), span(m.plan.StartTimeout))
	}
	event := EventRolledBack
	if r.Status == Failed {
		event = EventFailed
	}
	m.retire(m.plan.Version)
	m.end(End{Status: r.Status, Reason: reason, Verdict: r.Verdict}, event)
}

// returnLate reports whether stable had all the time there is to become ready.
func (m *machine) returnLate() bool { return m.st.Clocks.Phase >= m.plan.StartTimeout }

// wishReturning gives stable its capacity for the whole load, and the weight
// as far as that capacity is ready. Weights only fall here.
func (m *machine) wishReturning() Wish {
	st := m.st
	w := Wish{Stable: m.obs.Wanted, Candidate: max(st.Wish.Candidate, 0)}
	if m.plan.Strategy == Rolling && !st.Return.Useless {
		w = m.wishBackwards()
	}
	w.Weights.Candidate = min(st.Wish.Weights.Candidate, m.keeps(w))
	return w
}

// keeps is the weight that the candidate must keep on the way back, in percent.
func (m *machine) keeps(w Wish) float64 {
	c := &m.st.Counts
	switch {
	case c.Stable >= m.obs.Wanted || m.returnLate():
		return 0
	case c.Stable == 0:
		return 100 // there is nowhere to go back to yet
	case m.st.Return.Useless:
		return 0
	case m.plan.Strategy == Rolling:
		return m.shareOfReady(w)
	}
	return hundredth(100 - 100*float64(c.Stable)/float64(m.obs.Wanted))
}

func hundredth(x float64) float64 { return math.Round(x*100) / 100 }
