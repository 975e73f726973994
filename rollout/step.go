package rollout

import (
	"fmt"
	"math"
	"time"
)

// machine is one call of Step.
type machine struct {
	st      *State
	plan    *Plan
	obs     *Observation
	dt      time.Duration // observed time since the last step
	once    []Action      // what happens once, in order
	final   *Wish         // what is to hold at the end
	retired string        // the version that goes at the end: it is not scaled any more
}

// Step takes in what was seen since the last step and returns what is to be
// done now, in order. It changes st, which the owner stores before it carries the
// actions out. From the last step to this one no time has passed when now is before that
// step's, and at most MaxGap. After the end it returns nothing.
func Step(st *State, obs Observation, now time.Time) []Action {
	if st.Phase == PhaseDone {
		return nil
	}
	m := &machine{st: st, plan: &st.Plan, obs: &obs}
	first := st.Wish.Candidate < 0
	m.tick(now)
	m.see()
	if first {
		m.emit(EventStarted, "%s", m.opening())
	}
	for _, c := range obs.Commands {
		m.obey(c)
	}
	m.guard()
	m.advance()
	return m.finish()
}

// tick moves the clocks.
func (m *machine) tick(now time.Time) {
	now = now.Round(0).UTC()
	m.dt = max(0, min(now.Sub(m.st.Now), MaxGap))
	m.st.Now = now
	c := &m.st.Clocks
	if m.st.Status == Paused {
		c.Paused += m.dt
		return
	}
	c.Total += m.dt
	c.Phase += m.dt
}

// see takes in counts and traffic.
func (m *machine) see() {
	st, obs := m.st, m.obs
	obs.Wanted = max(obs.Wanted, 0)
	st.Load = m.load()
	st.Counts.Away = obs.ProviderAway
	if !obs.ProviderAway {
		c := &st.Counts
		c.Stable, c.Candidate = obs.Stable.Ready, obs.Candidate.Ready
		fresh := obs.Candidate.StartFailures - c.LastFailures
		if fresh < 0 {
			fresh = obs.Candidate.StartFailures
		}
		c.Failures += fresh
		c.LastFailures = obs.Candidate.StartFailures
	}
	switch w := st.Wish.Weights; {
	case !w.active():
		st.Judge.Learn(obs, m.dt.Seconds())
	case w.Candidate == 100 && obs.Stable.Traffic.Requests == 0:
		st.Judge.ObserveAlone(st.analysis(), obs, m.dt.Seconds())
	default:
		st.Judge.Observe(st.analysis(), obs, m.dt.Seconds())
	}
	if st.Wish.Weights.active() {
		st.StepSeen += obs.Candidate.Traffic.Requests
	}
	m.share()
}

// share smooths the share of the requests that the candidate gets, with a
// half-life of 10 s. The peak is what capacity goes by: it does not swing.
func (m *machine) share() {
	c, s := m.obs.Candidate.Traffic.Requests, m.obs.Stable.Traffic.Requests
	if c+s == 0 {
		return
	}
	keep := math.Exp2(-m.dt.Seconds() / 10)
	m.st.Share = keep*m.st.Share + (1-keep)*float64(c)/float64(c+s)
	m.st.PeakShare = max(m.st.PeakShare, m.st.Share)
}

// analysis is what the judge goes by; without one in the plan the default, for the figures.
func (st *State) analysis() Analysis {
	if st.Plan.Analysis != nil {
		return *st.Plan.Analysis
	}
	return DefaultAnalysis()
}

// verdict is what the judge says now.
func (st *State) verdict() Verdict {
	return st.Judge.Verdict(st.analysis(), Asked{Stable: st.Plan.Stable, Candidate: st.Plan.Version, StepSeen: st.StepSeen})
}

// obey carries out a command; one that Accepts refuses is ignored.
func (m *machine) obey(c Command) {
	st := m.st
	if st.Accepts(c) != nil {
		return
	}
	by := ""
	if c.By != "" {
		by = " by " + c.By
	}
	switch c.Kind {
	case Pause:
		m.becomePaused("paused"+by, false)
	case Resume:
		m.becomeRunning("resumed" + by)
	case Promote:
		m.promote(by)
	case Abort:
		m.becomeReturning(Return{Status: Aborted, Reason: "aborted" + by})
	case Rollback:
		m.becomeReturning(Return{Status: RolledBack, Reason: "rolled back" + by})
	case Supersede:
		m.becomeReturning(Return{Status: Aborted, Reason: "superseded by " + c.Version})
	}
}

// promote skips what the plan still wanted to see. Capacity is never skipped.
func (m *machine) promote(by string) {
	m.st.Promoted = true
	if m.st.Phase == PhaseWarm {
		m.st.Clocks.Step = m.plan.Warm
	}
	if m.st.Status == Paused {
		m.becomeRunning("promoted" + by)
		return
	}
	m.emit(EventStep, "promoted%s", by)
}

func (m *machine) becomePaused(why string, own bool) {
	st := m.st
	st.Status, st.PauseStep, st.Reason = Paused, own, why
	st.Clocks.Paused = 0
	m.emit(EventStep, "%s", why)
}

// becomeRunning ends a pause. A person who resumes has seen the verdict, so
// the judge begins anew; at the plan's own pause it goes on.
func (m *machine) becomeRunning(why string) {
	st := m.st
	own := st.PauseStep
	st.Status, st.PauseStep = Running, false
	m.emit(EventStep, "%s", why)
	if own {
		m.nextStep()
		return
	}
	if st.verdict().Outcome == Failing {
		st.Judge = &Judge{}
	}
	for i := range st.Checks {
		st.Checks[i].Failures = 0
	}
}

// enter begins a phase.
func (m *machine) enter(p Phase) {
	m.st.Phase = p
	m.st.Clocks.Phase, m.st.Clocks.Waiting = 0, 0
}

// advance goes through phases for as long as nothing is left to wait for.
func (m *machine) advance() {
	st := m.st
	for range 2*len(m.plan.Steps) + 20 {
		if st.Status == Paused || st.Phase == PhaseDone {
			return
		}
		phase, index, given := st.Phase, st.StepIndex, st.Given
		m.advanceOnce()
		m.dt = 0 // has been counted, for the phase in which it passed
		if st.Phase != phase || st.StepIndex != index || st.Given != given {
			continue
		}
		if st.Counts.Away && st.Phase != PhaseReturning {
			st.Reason = "the provider cannot be reached; everything stays as it is"
		}
		return
	}
	panic(fmt.Sprintf("BUG: rollout %s does not come to rest in phase %s", st.ID, st.Phase))
}

func (m *machine) advanceOnce() {
	switch m.st.Phase {
	case PhaseStarting:
		m.starting()
	case PhaseValidating:
		m.validating()
	case PhaseHolding:
		m.holding()
	case PhaseStepping:
		m.stepping()
	case PhaseBatches:
		m.batching()
	case PhaseFilling:
		m.filling()
	case PhaseWarm:
		m.warm()
	case PhaseReturning:
		m.returning()
	default:
		panic("BUG: unknown phase " + string(m.st.Phase))
	}
}

// finish turns what is wished for into actions: instances come before the
// weight that needs them, and go after the weight that used them.
func (m *machine) finish() []Action {
	st := m.st
	was, want := st.Wish, m.wish()
	var out []Action
	count := func(version string, from, to int, grow bool) {
		if from != to && grow == (to > from) && version != m.retired {
			out = append(out, m.action(Action{Kind: SetInstances, Version: version, Count: to}))
		}
	}
	count(m.plan.Stable, was.Stable, want.Stable, true)
	count(m.plan.Version, was.Candidate, want.Candidate, true)
	if was.Candidate < 0 || !was.Weights.same(want.Weights) {
		w := want.Weights
		out = append(out, m.action(Action{Kind: SetWeights, Weights: &w}))
	}
	count(m.plan.Stable, was.Stable, want.Stable, false)
	count(m.plan.Version, was.Candidate, want.Candidate, false)
	st.Wish = want
	st.Exposed = st.Exposed || want.Weights.active()
	for i := range m.once {
		m.once[i] = m.action(m.once[i])
	}
	st.Last = m.once
	return append(out, m.once...)
}

func (m *machine) action(a Action) Action {
	m.st.Seq++
	a.Seq = m.st.Seq
	return a
}

func (m *machine) do(a Action) { m.once = append(m.once, a) }

func (m *machine) emit(t EventType, format string, args ...any) {
	m.do(Action{Kind: Emit, Event: t, Text: fmt.Sprintf(format, args...)})
}

// opening is the sentence with which a rollout begins.
func (m *machine) opening() string {
	p := m.plan
	s := fmt.Sprintf("%s: %s goes in for %s, %s", p.Service, p.Version, p.Stable, p.Strategy)
	if n := len(p.Steps); n > 0 {
		s += " in " + plural(n, "step")
	}
	return s
}
