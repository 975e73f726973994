package rollout

import (
	"fmt"
	"strings"
	"time"
)

// starting waits for the first instances of the candidate.
func (m *machine) starting() {
	n := m.first()
	if !m.ready(n) {
		m.st.Reason = fmt.Sprintf("waiting for %s: %d of %s ready", m.plan.Version, m.st.Counts.Candidate, instances(n))
		return
	}
	if m.plan.Validation {
		m.st.Phase = PhaseValidating // its clock goes on: the timeout is for both
		m.do(Action{Kind: StartValidation, Version: m.plan.Version})
		return
	}
	m.validated()
}

// validating waits for the result of the validation.
func (m *machine) validating() {
	m.st.Reason = fmt.Sprintf("validating %s", m.plan.Version)
	r := m.obs.Validation
	switch {
	case r != nil && r.OK:
		m.emit(EventStep, "%s passed its validation%s", m.plan.Version, detail(r.Detail))
		m.validated()
	case r != nil && !r.Inconclusive:
		m.becomeReturning(Return{Status: RolledBack, Reason: fmt.Sprintf("%s failed its validation%s", m.plan.Version, detail(r.Detail))})
	case r != nil:
		m.do(Action{Kind: StartValidation, Version: m.plan.Version})
	}
}

// validated begins what the strategy does with a candidate that works.
func (m *machine) validated() {
	switch m.plan.Strategy {
	case Canary:
		m.enter(PhaseStepping)
		m.beginStep(0)
	case BlueGreen:
		m.enter(PhaseHolding)
	default:
		m.enter(PhaseBatches)
		m.beginStep(0)
	}
}

// beginStep begins a step or batch. Its weight is given once its capacity is there.
func (m *machine) beginStep(i int) {
	st := m.st
	st.StepIndex, st.Given, st.Extended = i, false, false
	st.StepSeen, st.Clocks.Step, st.Clocks.Waiting = 0, 0, 0
	m.beginChecks()
}

// stepping gives a step its weight once the capacity is there, and watches it.
func (m *machine) stepping() {
	st := m.st
	if st.Promoted {
		m.enter(PhaseFilling)
		return
	}
	step := m.plan.Steps[st.StepIndex]
	weights := st.stepWeights(st.StepIndex)
	n := m.need(weights)
	switch {
	case !m.ready(n):
		st.Reason = fmt.Sprintf("%s: waiting for %s, %d of %s ready", m.stepName(), m.plan.Version, st.Counts.Candidate, instances(n))
	case !st.Given:
		st.Given = true
		m.emit(EventStep, "%s: %s", m.stepName(), stepText(step, weights, m.plan.Version))
	case !m.stableHolds():
		st.Reason = fmt.Sprintf("%s: waiting for %s, %d of %s ready", m.stepName(), m.plan.Stable, st.Counts.Stable, instances(m.obs.Wanted))
	default:
		m.watchStep(step, weights)
	}
}

// watchStep counts a step's time and ends the step once nothing is missing.
func (m *machine) watchStep(step CanaryStep, weights Weights) {
	st := m.st
	st.Clocks.Step += m.dt
	m.askChecks()
	if st.Clocks.Step < step.Duration {
		st.Reason = fmt.Sprintf("%s: %s of %s", m.stepName(), span(st.Clocks.Step.Round(time.Second)), span(step.Duration))
		return
	}
	pureGate := step.Pause && step.Duration == 0
	if !pureGate && weights.active() {
		if missing := m.missing(); missing != "" {
			m.extend(m.stepName(), missing)
			return
		}
	}
	if step.Pause {
		m.becomePaused(fmt.Sprintf("%s waits for resume or promote", m.stepName()), true)
		return
	}
	m.nextStep()
}

// nextStep goes on after a step of a canary.
func (m *machine) nextStep() {
	if m.st.Phase != PhaseStepping {
		return
	}
	if m.st.StepIndex+1 < len(m.plan.Steps) {
		m.beginStep(m.st.StepIndex + 1)
		return
	}
	m.enter(PhaseFilling)
}

// missing says what a step still needs besides time, or nothing.
func (m *machine) missing() string {
	var parts []string
	if a := m.plan.Analysis; a != nil && !m.st.Promoted {
		if want := uint64(a.MinRequests); m.st.StepSeen < want {
			text := fmt.Sprintf("%d of %d requests of %s seen, %d missing", m.st.StepSeen, want, m.plan.Version, want-m.st.StepSeen)
			parts = append(parts, text+m.outlook(want-m.st.StepSeen))
		}
	}
	if m.plan.Analysis != nil && m.st.Judge.useless() && !m.st.Promoted {
		parts = append(parts, failsNow(m.plan.Version))
	}
	if text := m.missingChecks(); text != "" && !m.st.Promoted {
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// outlook says how long the missing requests would take at the step's rate so far.
func (m *machine) outlook(missing uint64) string {
	elapsed := m.st.Clocks.Step
	if m.st.StepSeen == 0 || elapsed <= 0 {
		return ""
	}
	more := time.Duration(float64(elapsed) * float64(missing) / float64(m.st.StepSeen))
	unit := time.Second
	if more > time.Hour {
		unit = time.Minute
	}
	return fmt.Sprintf(", about %s more at this rate", span(more.Round(unit)))
}

// extend keeps a step or batch going beyond its time, and says so once.
func (m *machine) extend(name, missing string) {
	m.st.Reason = fmt.Sprintf("%s is extended: %s", name, missing)
	if !m.st.Extended {
		m.st.Extended = true
		m.emit(EventStep, "%s", m.st.Reason)
	}
}

// filling grows the candidate to the whole load before it gets all of it.
func (m *machine) filling() {
	n := m.load()
	if !m.ready(n) {
		m.st.Reason = fmt.Sprintf("waiting for %s to hold the whole load: %d of %s ready", m.plan.Version, m.st.Counts.Candidate, instances(n))
		return
	}
	m.becomeWarm()
}

// weights is what the present step gives: its own once its capacity was there, else those before it.
func (m *machine) weights() Weights {
	if m.st.Given {
		return m.st.stepWeights(m.st.StepIndex)
	}
	w := m.st.Wish.Weights
	w.Mirror = 0 // held for the step before only
	return w
}

// stepWeights adds the steps up to i together.
func (st *State) stepWeights(i int) Weights {
	var w Weights
	for _, s := range st.Plan.Steps[:i+1] {
		if s.Weight > 0 {
			w.Candidate = s.Weight
		}
		if s.Cohort != nil {
			w.Cohort = s.Cohort
		}
		w.Mirror = s.Mirror
	}
	return w
}

func (m *machine) stepName() string {
	return fmt.Sprintf("step %d of %d", m.st.StepIndex+1, len(m.plan.Steps))
}

// stepText says what a step gives to the candidate.
func stepText(s CanaryStep, w Weights, version string) string {
	var parts []string
	if w.Candidate > 0 {
		parts = append(parts, percent(w.Candidate)+" of the requests")
	}
	if w.Cohort != nil {
		parts = append(parts, "those with "+w.Cohort.String())
	}
	if w.Mirror > 0 {
		parts = append(parts, "copies of "+percent(w.Mirror))
	}
	if len(parts) == 0 {
		return version + " gets no requests yet"
	}
	text := version + " gets " + strings.Join(parts, " and ")
	if s.Duration > 0 {
		text += " for " + span(s.Duration)
	}
	return text
}

func detail(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}
