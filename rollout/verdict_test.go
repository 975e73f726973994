package rollout

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestJudgeVerdicts has loads without chance: each second the same.
func TestJudgeVerdicts(t *testing.T) {
	f := func(name string, a Analysis, seconds int, stable, candidate Traffic, want Outcome, sentence string) {
		t.Helper()
		var j Judge
		a = tolerant(a)
		for range seconds {
			j.Observe(a, &Observation{BoundsMs: []float64{10, 20, 40, 80}, Stable: RevisionSeen{Traffic: stable}, Candidate: RevisionSeen{Traffic: candidate}}, 1)
		}
		v := j.Verdict(a, Asked{"v1", "v2", j.Candidate.Requests})
		if v.Outcome != want || !strings.Contains(v.Sentence, sentence) {
			t.Errorf("%s: %s: %s\nwant %s: %s", name, v.Outcome, v.Sentence, want, sentence)
		}
		if again := j.Verdict(a, Asked{"v1", "v2", j.Candidate.Requests}); again.Sentence != v.Sentence {
			t.Errorf("%s: a second look changed the verdict", name)
		}
		if want == Failing && (v.Evidence.Decided == "" || v.Evidence.Candidate.Requests == 0) {
			t.Errorf("%s: a failing verdict without evidence: %+v", name, v.Evidence)
		}
	}
	good := Traffic{Requests: 100, Latency: []uint64{0, 100, 0, 0, 0}}
	part := Traffic{Requests: 5, Latency: []uint64{0, 5, 0, 0, 0}}
	f("nothing yet", Analysis{}, 0, good, part, Undecided, "0 of 200 requests of v2 seen, 200 missing")
	f("too few", Analysis{}, 10, good, part, Undecided, "50 of 200 requests of v2 seen, 150 missing")
	f("enough", Analysis{}, 40, good, part, Passing, "errors 0% against 0%, p95 20ms against 20ms")
	f("nine failures are too few even for a dead candidate", Analysis{}, 9, good, Traffic{Requests: 1, Errors: 1}, Undecided, "9 of 200")
	f("ten are enough", Analysis{}, 10, good, Traffic{Requests: 1, Errors: 1}, Failing, "100% of the requests of v2 failed against 0% of v1")
	f("both fail: something else is broken", Analysis{}, 60, Traffic{Requests: 100, Errors: 100}, Traffic{Requests: 5, Errors: 5}, Undecided, "no fewer of stable")
	f("no stable traffic, no comparison", Analysis{}, 60, Traffic{}, Traffic{Requests: 50, Errors: 10}, Passing, "no requests in the same seconds")
	f("no stable traffic, but a limit", Analysis{MaxErrorRate: 5}, 10, Traffic{}, Traffic{Requests: 50, Errors: 25}, Failing, "the limit is 5%")
	f("sure to be worse, but by less than is allowed", Analysis{MaxErrorRateIncrease: 10}, 600, good, Traffic{Requests: 50, Errors: 4}, Passing, "")
	f("by more than is allowed", Analysis{MaxErrorRateIncrease: 5}, 600, good, Traffic{Requests: 50, Errors: 4}, Failing, "up to 5 points more")
	f("slower", Analysis{MinRequests: 100}, 20, good, Traffic{Requests: 5, Latency: []uint64{0, 0, 0, 5, 0}}, Failing, "up to 25% more")
	f("slower by less than is allowed", Analysis{MaxLatencyIncreasePercent: 100}, 600, good, Traffic{Requests: 5, Latency: []uint64{0, 0, 5, 0, 0}}, Passing, "")
	f("a slow p95 of its own", Analysis{MaxP95Ms: 40, MaxLatencyIncreasePercent: 1e5}, 600, good, Traffic{Requests: 5, Latency: []uint64{0, 4, 0, 1, 0}}, Failing, "p95 of v2")
	f("a slow p99 of its own", Analysis{MaxP99Ms: 40, MaxLatencyIncreasePercent: 1e5}, 600, good, Traffic{Requests: 20, Latency: []uint64{0, 19, 0, 1, 0}}, Failing, "p99 of v2")
	f("nothing is tolerated", Analysis{MaxErrorRateIncrease: 1e-9}, 600, Traffic{Requests: 100, Errors: 1}, Traffic{Requests: 50, Errors: 2}, Failing, "up to 0 points more")
	f("latency is not known", Analysis{}, 60, Traffic{Requests: 100}, Traffic{Requests: 5}, Passing, "")
}

// TestOneRequestAMinute gives no verdict in an hour, however the few requests went.
func TestOneRequestAMinute(t *testing.T) {
	var j Judge
	a := DefaultAnalysis()
	for i := range 60 {
		obs := Observation{Stable: RevisionSeen{Traffic: Traffic{Requests: 1}}}
		if i%20 == 5 {
			obs = Observation{Candidate: RevisionSeen{Traffic: Traffic{Requests: 1, Errors: uint64(i % 2)}}}
		}
		j.Observe(a, &obs, 60)
		if v := j.Verdict(a, Asked{"v1", "v2", j.Candidate.Requests}); v.Outcome != Undecided || !strings.Contains(v.Sentence, "missing") {
			t.Fatalf("minute %d: %s: %s", i, v.Outcome, v.Sentence)
		}
	}
}

// TestTheUsualTestRaisesFalseAlarms shows that the simulations can fail: the textbook test
// for two error rates, at the same confidence and looked at as often, rolls
// back far more good candidates than 5 %.
func TestTheUsualTestRaisesFalseAlarms(t *testing.T) {
	alarms := 0
	for seed := range uint64(runs) {
		s := simulated{rng: rand.New(rand.NewPCG(seed, 4)), rate: 500, weight: 0.05, errors: [2]float64{0.02, 0.02}}
		var stable, candidate Tally
		for range 120 {
			obs := s.tick()
			stable.add(obs.Stable.Traffic)
			candidate.add(obs.Candidate.Traffic)
			a, b := stable.bad(), candidate.bad()
			pooled := (a.bad + b.bad) / (a.n + b.n)
			z := (b.bad/b.n - a.bad/a.n) / math.Sqrt(pooled*(1-pooled)*(1/a.n+1/b.n))
			if candidate.Requests >= 200 && z > 1.645 {
				alarms++
				break
			}
		}
	}
	t.Logf("the usual test rolled back %d of %d", alarms, runs)
	if alarms < runs/10 {
		t.Errorf("the usual test rolled back %d of %d: the simulated loads are too tame to show anything", alarms, runs)
	}
}

// TestJudgeSurvivesJSON: a judge that is stored and loaded goes on as if nothing had been.
func TestJudgeSurvivesJSON(t *testing.T) {
	usual := logNormal(100, 1)
	s := simulated{rng: rand.New(rand.NewPCG(1, 2)), rate: 100, weight: 0.2, errors: [2]float64{0.01, 0.03}, latencyMs: [2][]float64{usual, usual}}
	var j, stored Judge
	a := Analysis{MaxErrorRate: 10, MaxP95Ms: 500, MaxP99Ms: 1000}.withDefaults()
	for range 200 {
		obs := s.tick()
		j.Observe(a, obs, simTick)
		stored.Observe(a, obs, simTick)
		data, err := json.Marshal(&stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = Judge{}
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := json.Marshal(j.Verdict(a, Asked{"v1", "v2", 7}))
	got, _ := json.Marshal(stored.Verdict(a, Asked{"v1", "v2", 7}))
	if string(got) != string(want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestJudgeTakesNewBounds: other latency buckets begin anew and break nothing.
func TestJudgeTakesNewBounds(t *testing.T) {
	var j Judge
	a := tolerant(Analysis{MinRequests: 1})
	obs := Observation{BoundsMs: []float64{10, 20}}
	obs.Stable.Traffic = Traffic{Requests: 100, Latency: []uint64{0, 100, 0}}
	obs.Candidate.Traffic = Traffic{Requests: 10, Latency: []uint64{0, 10, 0}}
	j.Observe(a, &obs, 1)
	j.Observe(a, &obs, 1)
	obs.BoundsMs = []float64{5}
	obs.Stable.Traffic.Latency, obs.Candidate.Traffic.Latency = []uint64{100, 0}, []uint64{10, 0}
	j.Observe(a, &obs, 1)
	j.Observe(a, &obs, 1)
	v := j.Verdict(a, Asked{"v1", "v2", 40})
	if v.Outcome != Passing || v.Evidence.Candidate.P95Ms > 5 || v.Evidence.Candidate.Requests != 40 {
		t.Errorf("got %s, %+v; want passing, figures of the new buckets and all requests", v.Outcome, v.Evidence.Candidate)
	}
}

// TestOtherSecondsAreNotCompared: a block that waited too long for stable's requests is dropped.
func TestOtherSecondsAreNotCompared(t *testing.T) {
	f := func(wait int, want Outcome) {
		t.Helper()
		var j Judge
		a := tolerant(Analysis{MinRequests: 1})
		j.Observe(a, &Observation{Candidate: RevisionSeen{Traffic: Traffic{Requests: 50, Errors: 50}}}, 1)
		for range wait {
			j.Observe(a, &Observation{}, 1)
		}
		j.Observe(a, &Observation{Stable: RevisionSeen{Traffic: Traffic{Requests: 500}}, Candidate: RevisionSeen{Traffic: Traffic{Requests: 1}}}, 1)
		if v := j.Verdict(a, Asked{"v1", "v2", 51}); v.Outcome != want {
			t.Errorf("after %d s: %s: %s; want %s", wait, v.Outcome, v.Sentence, want)
		}
	}
	f(10, Failing)
	f(400, Passing)
}
