package rollout

import "fmt"

// holding is the last moment before the switch of a blue-green rollout: the
// whole new set is ready and validated, and has no traffic.
func (m *machine) holding() {
	st := m.st
	if m.plan.ManualPromotion && !st.Promoted {
		m.becomePaused(fmt.Sprintf("%s is ready beside %s and waits for promote", m.plan.Version, m.plan.Stable), true)
		return
	}
	if n := m.load(); !m.ready(n) {
		st.Reason = fmt.Sprintf("waiting for %s before the switch: %d of %s ready", m.plan.Version, st.Counts.Candidate, instances(n))
		return
	}
	m.becomeWarm()
}

// becomeWarm gives all traffic to the candidate, whose capacity is there, and
// begins the time during which stable could take it back at once.
func (m *machine) becomeWarm() {
	st := m.st
	m.enter(PhaseWarm)
	st.StepSeen, st.Clocks.Step = 0, 0
	st.Promoted = st.Promoted && m.plan.Strategy != BlueGreen // that promote was for the switch
	m.beginChecks()
	m.emit(EventStep, "%s gets all requests; %s stays ready for %s", m.plan.Version, m.plan.Stable, span(m.plan.Warm))
}

// warm keeps the old set until its time is over and the candidate has shown that it holds the load.
func (m *machine) warm() {
	st := m.st
	n := m.load()
	if !m.ready(n) {
		st.Reason = fmt.Sprintf("%s has all requests but %d of %s ready", m.plan.Version, st.Counts.Candidate, instances(n))
		return
	}
	st.Clocks.Step += m.dt
	m.askChecks()
	if st.Clocks.Step < m.plan.Warm {
		left := (m.plan.Warm - st.Clocks.Step).Round(second)
		st.Reason = fmt.Sprintf("%s has all requests; %s stays ready for %s more", m.plan.Version, m.plan.Stable, span(left))
		return
	}
	if text := m.missingChecks(); text != "" && !st.Promoted {
		st.Reason = fmt.Sprintf("%s has all requests; %s stays ready: %s", m.plan.Version, m.plan.Stable, text)
		return
	}
	m.becomeCompleted()
}

// becomeCompleted makes the candidate the stable version.
func (m *machine) becomeCompleted() {
	reason := fmt.Sprintf("%s has replaced %s", m.plan.Version, m.plan.Stable)
	var verdict *Verdict
	if m.st.Judge.Candidate.Requests > 0 {
		v := m.st.verdict()
		v.Evidence.MissingRequests = 0
		verdict = &v
		if m.plan.Analysis != nil && v.Outcome == Passing {
			reason += ": " + v.Sentence
		}
	}
	m.do(Action{Kind: PromoteVersion, Version: m.plan.Version})
	m.retire(m.plan.Stable)
	m.end(End{Status: Completed, Reason: reason, Verdict: verdict}, EventCompleted)
}

// retire lets a version go for good.
func (m *machine) retire(version string) {
	m.retired = version
	m.do(Action{Kind: Retire, Version: version})
}

// end is the last thing that a rollout does.
func (m *machine) end(e End, t EventType) {
	st := m.st
	want := m.wish()
	m.final = &want
	st.Phase, st.Status, st.Reason, st.End = PhaseDone, e.Status, e.Reason, &e
	m.emit(t, "%s", e.Reason)
	m.do(Action{Kind: Finish, End: &e})
}
