package rollout

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestGoodVersionsGoIn rolls out the same version again and again, through all steps of a canary, while load,
// errors and latency swing and each revision now and then is six times slower for 4 s: at most 5 % may be rolled
// back, and all must end.
func TestGoodVersionsGoIn(t *testing.T) {
	t.Parallel()
	usual := logNormal(100, 1)
	a := DefaultAnalysis()
	plan := canaryPlan()
	plan.Steps = []CanaryStep{{Weight: 5, Duration: time.Minute}, {Weight: 25, Duration: 5 * time.Minute}, {Weight: 50, Duration: 5 * time.Minute}}
	plan.Analysis = &a
	back := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 17))
		s := simulated{rng: rng, rate: 25, swing: swings(0.2, 0.5), errors: [2]float64{0.005, 0.005}, latencyMs: [2][]float64{usual, usual}}
		st := rollThrough(t, &s, plan)
		switch {
		case st.Status == RolledBack:
			back++
		case st.Status != Completed:
			t.Fatalf("seed %d: %s: %s", seed, st.Status, st.Reason)
		}
	}
	t.Logf("%d of %d good versions were rolled back", back, runs)
	if back > runs*5/100 {
		t.Errorf("%d of %d good versions were rolled back; want at most 5%%", back, runs)
	}
}

// TestBadVersionGoesOutOfAWholeRollout is the other side: no such candidate may ever be promoted.
func TestBadVersionGoesOutOfAWholeRollout(t *testing.T) {
	usual := logNormal(100, 1)
	a := DefaultAnalysis()
	plan := canaryPlan()
	plan.Analysis = &a
	for seed := range uint64(50) {
		s := simulated{rng: rand.New(rand.NewPCG(seed, 19)), rate: 500, errors: [2]float64{0.005, 1}, latencyMs: [2][]float64{usual, usual}}
		st := rollThrough(t, &s, plan)
		if st.Status != RolledBack || st.End.Verdict == nil || st.End.Verdict.Evidence.Decided != TestErrorRate || !strings.Contains(st.Reason, "100% of the requests of v2 failed") {
			t.Fatalf("seed %d: %s: %s", seed, st.Status, st.Reason)
		}
		if n := st.Judge.Candidate.Requests; n > 50 {
			t.Errorf("seed %d: rolled back after %d requests; want at most 50, which is 2 s", seed, n)
		}
	}
}

// rollThrough steps a rollout to its end, with every instance ready as soon as it is asked for.
func rollThrough(t *testing.T, s *simulated, plan Plan) *State {
	t.Helper()
	now := time.Unix(0, 0)
	st := New("r1", plan, now)
	for !st.Status.Ended() {
		if now.Unix() > 10000 {
			t.Fatalf("the rollout does not end: %s", st.Reason)
		}
		s.weight = st.Wish.Weights.Candidate / 100
		s.span = 2 * time.Second
		if s.rate >= 100 {
			s.span = time.Second / 2
		}
		obs := s.tick()
		obs.Wanted, obs.Stable.Ready, obs.Candidate.Ready = 4, max(0, st.Wish.Stable), max(0, st.Wish.Candidate)
		now = now.Add(s.span)
		Step(st, *obs, now)
	}
	return st
}
