package rollout

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkStep is one step of a canary under traffic.
func BenchmarkStep(b *testing.B) {
	st, s := busy(b)
	obs := s.tick()
	obs.Wanted, obs.Stable.Ready, obs.Candidate.Ready = 10, 10, 1
	now := st.Now
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second / 4)
		if out := Step(st, *obs, now); len(out) > 0 {
			b.Fatalf("unexpected actions: %v", out)
		}
	}
}

// BenchmarkStore is what storing the state costs.
func BenchmarkStore(b *testing.B) {
	st, _ := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		data, err := json.Marshal(st)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}

func busy(b *testing.B) (*State, *simulated) {
	b.Helper()
	usual := logNormal(100, 1)
	s := &simulated{rng: rand.New(rand.NewPCG(1, 1)), rate: 500, weight: 0.05, errors: [2]float64{0.005, 0.005}, latencyMs: [2][]float64{usual, usual}}
	p := canaryPlan()
	p.Steps[0].Duration = 1e6 * time.Hour
	p.Deadline = 1e6 * time.Hour
	a := DefaultAnalysis()
	p.Analysis = &a
	st := New("r1", p, time.Unix(0, 0))
	for i := range 100 {
		obs := s.tick()
		obs.Wanted, obs.Stable.Ready, obs.Candidate.Ready = 10, 10, min(i, 1)
		Step(st, *obs, time.Unix(int64(i), 0))
	}
	if !st.Given {
		b.Fatalf("the step was not given: %s", st.Reason)
	}
	return st, s
}
