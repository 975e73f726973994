package gateway

import (
	"fmt"
	"slices"
	"strconv"

	"gatewayd/admin/api"
	"gatewayd/rollout"
)

// rolloutHistory keeps the rollouts that have ended, the newest first.
type rolloutHistory struct {
	ended []*rollout.State
	seq   uint64
	// resume are those that were under way when the last run ended, until their services are there.
	resume []*rollout.State
}

// keepEnded puts a rollout into the history.
func (g *Gateway) keepEnded(s *service, st *rollout.State) {
	g.rollouts.ended = append([]*rollout.State{st}, g.rollouts.ended...)
	g.forgetOldRollouts(s)
}

// forgetOldRollouts keeps as many ended rollouts of a service as are to be kept.
func (g *Gateway) forgetOldRollouts(s *service) {
	n := 0
	g.rollouts.ended = slices.DeleteFunc(g.rollouts.ended, func(st *rollout.State) bool {
		if st.Plan.Service != s.name {
			return false
		}
		if n++; n <= g.cfg.State.Retention.Rollouts {
			return false
		}
		if err := g.kept.rollouts.Delete(st.ID); err != nil {
			g.log.Warn("cannot forget an old rollout", "rollout", st.ID, "err", err)
		}
		return true
	})
}

// restoreRollouts reads what earlier runs kept: the history, and what was under way, which goes on where it was.
func (g *Gateway) restoreRollouts() {
	all, err := g.kept.rollouts.All()
	if err != nil {
		g.log.Warn("cannot read all rollouts of earlier runs", "err", err)
	}
	for id, st := range all {
		if dash := lastDash(id); dash >= 0 {
			if n, err := strconv.ParseUint(id[dash+1:], 10, 64); err == nil {
				g.rollouts.seq = max(g.rollouts.seq, n)
			}
		}
		if st.End != nil {
			g.rollouts.ended = append(g.rollouts.ended, &st)
			continue
		}
		g.rollouts.resume = append(g.rollouts.resume, &st)
	}
	slices.SortFunc(g.rollouts.ended, func(a, b *rollout.State) int { return b.Started.Compare(a.Started) })
	slices.SortFunc(g.rollouts.resume, func(a, b *rollout.State) int { return a.Started.Compare(b.Started) })
}

func lastDash(id string) int {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '-' {
			return i
		}
	}
	return -1
}

// resumeRollout goes on with the rollout of a service that was under way when an earlier run ended.
func (g *Gateway) resumeRollout(s *service) {
	for _, st := range g.rollouts.resume {
		if st.Plan.Service != s.name {
			continue
		}
		if s.deploy != nil {
			s.deploy.next = st // a newer version waited for it to go back
			continue
		}
		s.deploy = newDeployment(st)
		s.deploy.wanted, s.deploy.resumedAt, s.resumed = s.scale.state.Target, g.now(), true
		for _, version := range []string{st.Plan.Stable, st.Plan.Version} {
			if s.revision(version) == nil {
				s.addRevision(version, api.RoleCandidate)
			}
		}
		g.log.Info("a rollout goes on where it was", "service", s.name, "rollout", st.ID, "phase", st.Phase)
		for _, a := range rollout.Reissue(st) {
			g.carryOut(s, s.deploy, a)
		}
	}
	g.rollouts.resume = slices.DeleteFunc(g.rollouts.resume, func(st *rollout.State) bool { return st.Plan.Service == s.name })
}

// describeRollouts is all rollouts, those under way first, then the newest first.
func (g *Gateway) describeRollouts() []api.Rollout {
	list := []api.Rollout{}
	for _, s := range g.ordered {
		if s.deploy == nil {
			continue
		}
		list = append(list, describeRollout(s.deploy.st))
		if next := s.deploy.next; next != nil {
			r := describeRollout(next)
			r.Reason = fmt.Sprintf("waits until rollout %s has gone back", s.deploy.st.ID)
			list = append(list, r)
		}
	}
	for _, st := range g.rollouts.ended {
		list = append(list, describeRollout(st))
	}
	return list
}

// describeRollout is a rollout as the API shows it.
func describeRollout(st *rollout.State) api.Rollout {
	v := st.View()
	out := api.Rollout{ID: v.ID, Service: v.Service, Version: v.Version, From: v.Stable, Strategy: string(v.Strategy),
		Status: api.RolloutStatus(v.Status), Step: v.Step, Steps: v.Steps, Weight: v.Weight, Reason: v.Reason,
		StartedAt: v.StartedAt, Evidence: []api.Evidence{}}
	if st.End != nil {
		at := v.UpdatedAt
		out.EndedAt = &at
	}
	if v.Evidence == nil {
		return out
	}
	e := v.Evidence.Evidence
	verdict := map[rollout.Outcome]string{rollout.Passing: "pass", rollout.Failing: "fail", rollout.Undecided: "undecided"}[v.Evidence.Outcome]
	figure := func(metric, unit string, stable, candidate float64, tests ...rollout.Test) {
		ev := api.Evidence{Metric: metric, Unit: unit, Stable: stable, Candidate: candidate, StableRequests: uint64(e.Stable.Requests),
			CandidateRequests: uint64(e.Candidate.Requests), Verdict: verdict, Detail: v.Evidence.Sentence}
		if verdict == "fail" && e.Decided != "" && !slices.Contains(tests, e.Decided) {
			ev.Verdict, ev.Detail = "undecided", ""
		}
		for _, t := range e.Tests {
			if slices.Contains(tests, t.Test) && ev.Detail == "" {
				ev.Detail = fmt.Sprintf("test value %.3g of %.3g", t.Value, t.Threshold)
			}
		}
		out.Evidence = append(out.Evidence, ev)
	}
	figure("errorRate", "%", e.Stable.ErrorRate, e.Candidate.ErrorRate, rollout.TestErrorRate, rollout.TestMaxErrorRate, rollout.TestAlone)
	figure("responseTime", "ms", e.Stable.P95Ms, e.Candidate.P95Ms, rollout.TestLatency, rollout.TestMaxP95, rollout.TestMaxP99)
	return out
}
