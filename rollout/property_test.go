package rollout

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRandomWorlds rolls out in worlds in which everything goes wrong at random, with the
// state sent through JSON before every step, and holds the promises against every action.
func TestRandomWorlds(t *testing.T) {
	ends := map[Status]int{}
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 11))
		w := newWorld(t, true)
		w.tick = time.Duration(1+rng.IntN(5)) * time.Second
		w.wanted = float64(rng.IntN(9))
		w.rate = float64(rng.IntN(100))
		plan := randomPlan(rng)
		w.ready[0], w.asked[0] = int(w.wanted), int(w.wanted)
		w.st = New("r1", plan, w.now)
		if errs := plan.Validate(); len(errs) > 0 {
			t.Fatalf("seed %d: random plan: %v", seed, errs)
		}
		p := &promises{w: w, plan: w.st.Plan, fail: func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, %+v:\n%s\n%s", seed, plan, w.out.String(), fmt.Sprintf(format, args...))
		}}
		for i := 0; !w.st.Status.Ended(); i++ {
			if i < 150 {
				p.disturb(rng)
			}
			if i == 150 {
				w.next.Commands = nil
			}
			if i > 3000 {
				p.fail("the rollout does not end: %s", w.st.Reason)
			}
			p.step()
		}
		p.ended()
		ends[w.st.Status]++
	}
	t.Log(ends)
	for _, s := range []Status{Completed, RolledBack, Failed, Aborted} {
		if ends[s] == 0 {
			t.Errorf("no rollout of %d ended %s: the worlds are too tame or too wild", runs, s)
		}
	}
}

func randomPlan(rng *rand.Rand) Plan {
	p := Plan{
		Service: "demo", Version: "v2", Stable: "v1", AutoRollback: rng.IntN(4) > 0, Validation: rng.IntN(3) == 0,
		Warm: 20 * time.Second, StartTimeout: 2 * time.Minute, Deadline: 20 * time.Minute, PauseLimit: 10 * time.Minute,
	}
	if rng.IntN(3) > 0 {
		p.Analysis = &Analysis{MinRequests: 1 + rng.IntN(50)}
	}
	if rng.IntN(3) == 0 {
		p.Checks = []Check{{Name: "a", Kind: CheckHTTP, URL: "http://127.0.0.1/"}}
	}
	switch rng.IntN(3) {
	case 0:
		p.Strategy = Canary
		weight := 0.0
		for range 1 + rng.IntN(4) {
			weight = math.Round(weight + rng.Float64()*(100-weight))
			s := CanaryStep{Weight: weight, Duration: time.Duration(rng.IntN(60)) * time.Second, Pause: rng.IntN(6) == 0 || weight == 0}
			if rng.IntN(5) == 0 {
				s.Cohort = &Cohort{Cookie: "beta", Value: "1"}
			}
			if rng.IntN(5) == 0 {
				s.Mirror = 20
			}
			p.Steps = append(p.Steps, s)
		}
	case 1:
		p.Strategy = BlueGreen
		p.ManualPromotion = rng.IntN(4) == 0
	default:
		p.Strategy = Rolling
		p.Warm = 0
		p.Rolling = &Batches{
			Size: Amount{Percent: float64(rng.IntN(101))}, Surge: Amount{Count: rng.IntN(3)},
			Unavailable: Amount{Percent: float64(rng.IntN(60))}, Interval: time.Duration(1+rng.IntN(20)) * time.Second,
		}
	}
	return p
}

// promises holds what a rollout must never do.
type promises struct {
	w    *world
	plan Plan
	fail func(format string, args ...any)

	steps     int
	weight    float64 // of the candidate, as last set
	count     [2]int
	returning bool
	retired   []string
	promoted  int
	finished  int
}

// disturb changes one thing, now and then.
func (p *promises) disturb(rng *rand.Rand) {
	w := p.w
	switch rng.IntN(40) {
	case 0:
		w.command([]string{"kill", "v1", "1"})
	case 1:
		w.command([]string{"kill", "v2", "1"})
	case 2, 3:
		w.starts = []string{"ok", "fail", "hang"}[rng.IntN(3)]
		w.down = [2]int{}
	case 4:
		w.provider = "away"
	case 5, 6:
		w.provider = "ok"
	case 7:
		w.wanted = float64(rng.IntN(12))
	case 8:
		w.errors = [2]float64{float64(rng.IntN(3)), float64(rng.IntN(100))}
	case 9:
		w.errors = [2]float64{}
	case 10:
		w.latency[1] = float64(20 + rng.IntN(100))
	case 11, 12:
		kinds := []CommandKind{Pause, Pause, Pause, Resume, Resume, Promote, "dance"}
		if rng.IntN(10) == 0 {
			kinds = []CommandKind{Abort, Rollback, Supersede}
		}
		w.next.Commands = append(w.next.Commands, Command{Kind: kinds[rng.IntN(len(kinds))], Version: "v3"})
	case 13:
		w.now = w.now.Add(-time.Minute) // the clock was set back
	}
	if rng.IntN(3) == 0 {
		r := CheckResult{OK: rng.IntN(8) > 0, Inconclusive: rng.IntN(4) == 0}
		w.next.Validation = &r
		r.Name = "a"
		w.next.Checks = append(w.next.Checks, r)
	}
}

func (p *promises) step() {
	w := p.w
	w.now = w.now.Add(w.tick)
	obs := w.observe()
	w.next = Observation{}
	w.st = w.roundTrip(w.st)
	actions := Step(w.st, obs, w.now)
	p.steps++
	if p.steps%5 == 0 {
		defer p.checkReissue(actions)
	}
	for _, a := range actions {
		w.printf("%s (wanted %d, ready %d %d, away %v) %s\n", clock(w.now.Sub(w.start)), obs.Wanted, obs.Stable.Ready, obs.Candidate.Ready, obs.ProviderAway, a)
		p.check(a, &obs)
		w.apply(a)
	}
	if p.returning && w.st.Phase != PhaseReturning && w.st.Phase != PhaseDone {
		p.fail("phase %s after returning", w.st.Phase)
	}
	p.returning = p.returning || w.st.Phase == PhaseReturning
}

// checkReissue: had the gateway crashed before it carried anything out, what Reissue returns would have
// led to the same.
func (p *promises) checkReissue(actions []Action) {
	w := p.w
	asked, weights := w.asked, w.weights
	again := Reissue(w.roundTrip(w.st))
	for _, a := range actions {
		if a.Kind == SetInstances || a.Kind == SetWeights {
			continue // checked by what they lead to
		}
		if !slices.ContainsFunc(again, func(b Action) bool { return a.Seq == b.Seq && a.String() == b.String() }) {
			p.fail("after a crash %q is lost", a)
		}
	}
	for _, a := range again {
		w.apply(a)
	}
	if w.asked != asked || !w.weights.same(weights) {
		p.fail("after a crash %v, %v; want %v, %v", w.asked, w.weights, asked, weights)
	}
}

func (p *promises) check(a Action, obs *Observation) {
	switch a.Kind {
	case SetInstances:
		role := strings.Index("v1v2", a.Version) / 2
		if a.Count < 0 || a.Count > 100 {
			p.fail("count %d", a.Count)
		}
		if role == 0 && p.plan.Strategy != Rolling && a.Count < obs.Wanted {
			p.fail("stable has fewer than the whole load needs")
		}
		if role == 1 && p.returning && a.Count > p.count[1] {
			p.fail("the candidate grows on the way back")
		}
		p.count[role] = a.Count
	case SetWeights:
		p.checkWeights(a.Weights, obs)
		p.weight = a.Weights.Candidate
	case PromoteVersion:
		p.promoted++
		if obs.ProviderAway || obs.Candidate.Ready < max(1, obs.Wanted) {
			p.fail("promoted without the capacity for the load")
		}
		if p.weight != 100 {
			p.fail("promoted at a weight of %g", p.weight)
		}
	case Retire:
		p.retired = append(p.retired, a.Version)
	case Finish:
		p.finished++
	}
}

func (p *promises) checkWeights(w *Weights, obs *Observation) {
	if !(w.Candidate >= 0 && w.Candidate <= 100 && w.Mirror >= 0 && w.Mirror <= 100) {
		p.fail("weights out of range: %v", w)
	}
	load := max(1, obs.Wanted)
	switch {
	case w.Candidate > p.weight:
		if obs.ProviderAway || obs.Candidate.Ready == 0 {
			p.fail("weight on a revision of which nothing is known to be ready")
		}
		if need := ceil(float64(load) * w.Candidate / 100); p.plan.Strategy != Rolling && obs.Candidate.Ready < need {
			p.fail("weight of %g%% on %d instances; want %d", w.Candidate, obs.Candidate.Ready, need)
		}
		if p.returning {
			p.fail("the weight rises on the way back")
		}
	case w.Candidate < p.weight && p.plan.Strategy != Rolling:
		st := p.w.st
		if st.Return == nil {
			p.fail("the weight falls on the way forward")
		}
		carries := 100 * float64(st.Counts.Stable) / math.Max(1, float64(obs.Wanted))
		late := st.Clocks.Phase >= p.plan.StartTimeout
		if obs.Wanted > 0 && 100-w.Candidate > carries+0.01 && !st.Return.Useless && !late {
			p.fail("stable gets %g%% and can carry %g%%", 100-w.Candidate, carries)
		}
	}
}

func (p *promises) ended() {
	st := p.w.st
	want := "v2"
	if st.Status == Completed {
		want = "v1"
	}
	if p.finished != 1 || len(p.retired) != 1 || p.retired[0] != want {
		p.fail("%s: %d finishes, retired %v; want one of each, and %s retired", st.Status, p.finished, p.retired, want)
	}
	if (p.promoted == 1) != (st.Status == Completed) {
		p.fail("%s, promoted %d times", st.Status, p.promoted)
	}
	if st.Status != Completed && p.weight != 0 {
		p.fail("%s with a weight of %g", st.Status, p.weight)
	}
	if st.End == nil || st.End.Reason == "" || st.End.Status != st.Status || st.View().Reason != st.End.Reason {
		p.fail("no reason for the end: %+v", st.End)
	}
	if more := Step(st, Observation{Commands: []Command{{Kind: Abort}}}, p.w.now.Add(time.Hour)); more != nil {
		p.fail("actions after the end: %v", more)
	}
}

// TestRandomObservations steps on figures that make no sense together.
func TestRandomObservations(t *testing.T) {
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 13))
		st := New("r1", randomPlan(rng), time.Unix(0, 0))
		now := time.Unix(0, 0)
		seen := func() RevisionSeen {
			return RevisionSeen{Ready: rng.IntN(12), StartFailures: rng.IntN(5), Traffic: Traffic{Requests: rng.Uint64N(300), Errors: rng.Uint64N(300)}}
		}
		for i := 0; !st.Status.Ended(); i++ {
			if i > 3000 {
				t.Fatalf("seed %d: the rollout does not end: %s", seed, st.Reason)
			}
			now = now.Add(time.Duration(rng.IntN(12)-1) * time.Second)
			obs := Observation{Stable: seen(), Candidate: seen(), Wanted: rng.IntN(12) - 1, ProviderAway: rng.IntN(5) == 0}
			for _, a := range Step(st, obs, now) {
				if w := a.Weights; w != nil && !(w.Candidate >= 0 && w.Candidate <= 100) {
					t.Fatalf("seed %d: %s", seed, a)
				}
				if a.Count < 0 {
					t.Fatalf("seed %d: %s", seed, a)
				}
			}
		}
	}
}
