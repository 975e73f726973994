package rollout

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// simulated is a random load on two revisions. The latency of a request is one of
// simBounds; the shares of the buckets are given per revision.
type simulated struct {
	rng       *rand.Rand
	rate      float64 // requests per second, both revisions
	weight    float64 // candidate's share, [0, 1]
	errors    [2]float64
	latencyMs [2][]float64 // share of each bucket
	// swing, if set, is asked before each tick for factors on the load and the
	// error rates of both, and for a latency shift of each revision in buckets.
	span  time.Duration // of one tick; 0: simTick
	swing func(rng *rand.Rand) (load, errors float64, shift [2]int)
}

const simTick = 0.5

// simBounds are the bounds of the latency buckets: 25 % apart, 10 ms to about 5 s.
var simBounds = func() []float64 {
	b := []float64{10}
	for b[len(b)-1] < 5000 {
		b = append(b, b[len(b)-1]*1.25)
	}
	return b
}()

// logNormal is the shares of the buckets for a lognormal latency.
func logNormal(meanMs, cv float64) []float64 {
	sigma := math.Sqrt(math.Log(1 + cv*cv))
	mu := math.Log(meanMs) - sigma*sigma/2
	return shares(func(x float64) float64 { return 0.5 * math.Erfc(-(math.Log(x)-mu)/(sigma*math.Sqrt2)) })
}

// pareto is the shares of the buckets for a latency without a finite variance.
func pareto(lowMs, alpha float64) []float64 {
	return shares(func(x float64) float64 { return max(0, 1-math.Pow(lowMs/x, alpha)) })
}

func shares(cdf func(float64) float64) []float64 {
	out, last := make([]float64, len(simBounds)+1), 0.0
	for i, b := range simBounds {
		out[i] = cdf(b) - last
		last = cdf(b)
	}
	out[len(simBounds)] = 1 - last
	return out
}

func (s *simulated) tick() *Observation {
	load, bad, shift := 1.0, 1.0, [2]int{}
	if s.swing != nil {
		load, bad, shift = s.swing(s.rng)
	}
	span := simTick
	if s.span > 0 {
		span = s.span.Seconds()
	}
	n := s.rate * span * load
	obs := &Observation{BoundsMs: simBounds}
	obs.Stable.Traffic = s.traffic(0, n*(1-s.weight), bad, shift[0])
	obs.Candidate.Traffic = s.traffic(1, n*s.weight, bad, shift[1])
	return obs
}

func (s *simulated) traffic(i int, mean, bad float64, shift int) Traffic {
	n := poisson(s.rng, mean)
	failed := binomial(s.rng, n, min(1, s.errors[i]*bad))
	t := Traffic{Requests: uint64(n), Errors: uint64(failed), Latency: make([]uint64, len(simBounds)+1)}
	left, rest := n-failed, 1.0
	for b, p := range s.latencyMs[i] {
		if left == 0 || rest <= 0 {
			break
		}
		k := binomial(s.rng, left, min(1, p/rest))
		t.Latency[min(max(b+shift, 0), len(simBounds))] += uint64(k)
		left -= k
		rest -= p
	}
	return t
}

func poisson(rng *rand.Rand, mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
	}
	k, p, limit := 0, rng.Float64(), math.Exp(-mean)
	for p > limit {
		p *= rng.Float64()
		k++
	}
	return k
}

// binomial draws exactly where it matters, and from the normal distribution where both tails are far.
func binomial(rng *rand.Rand, n int, p float64) int {
	switch {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(rng, n, 1-p)
	case float64(n)*p > 15:
		sd := math.Sqrt(float64(n) * p * (1 - p))
		return min(n, max(0, int(math.Round(float64(n)*p+sd*rng.NormFloat64()))))
	}
	// Skip from success to success: the gaps are geometric.
	k, at, scale := 0, 0.0, 1/math.Log1p(-p)
	for {
		at += math.Floor(math.Log(1-rng.Float64())*scale) + 1
		if at > float64(n) {
			return k
		}
		k++
	}
}

// play looks at the judge after every tick and returns after how many seconds and candidate
// requests it called the candidate failing; -1 if it never did.
func (s *simulated) play(a Analysis, seconds float64) (float64, uint64) {
	var j Judge
	a = tolerant(a)
	for range 20 { // stable had traffic before the canary
		obs := s.tick()
		j.Learn(obs, simTick)
	}
	for at := simTick; at <= seconds; at += simTick {
		j.Observe(a, s.tick(), simTick)
		if j.reached(a) && j.Verdict(a, Asked{"v1", "v2", j.Candidate.Requests}).Outcome == Failing {
			return at, j.Candidate.Requests
		}
	}
	return -1, j.Candidate.Requests
}

// tolerant fills in what is tolerated by default.
func tolerant(a Analysis) Analysis {
	d := DefaultAnalysis()
	if a.MaxErrorRateIncrease == 0 {
		a.MaxErrorRateIncrease = d.MaxErrorRateIncrease
	}
	if a.MaxLatencyIncreasePercent == 0 {
		a.MaxLatencyIncreasePercent = d.MaxLatencyIncreasePercent
	}
	return a.withDefaults()
}

// TestJudgeFalseAlarms rolls out the same version 1000 times (100 under the race detector) in loads of all
// kinds, looks at the judge twice a second, and counts rollbacks.
func TestJudgeFalseAlarms(t *testing.T) {
	usual := logNormal(100, 1)
	f := func(name string, a Analysis, seconds float64, make func(rng *rand.Rand) simulated) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alarms := 0
			for seed := range uint64(runs) {
				rng := rand.New(rand.NewPCG(seed, 4))
				s := make(rng)
				s.rng = rng
				if at, _ := s.play(a, seconds); at >= 0 {
					alarms++
				}
			}
			t.Logf("%d of %d good candidates rolled back", alarms, runs)
			if alarms > runs*5/100 {
				t.Errorf("%d of %d good candidates rolled back; want at most 5%%", alarms, runs)
			}
		})
	}
	same := func(errors float64, latency []float64) ([2]float64, [2][]float64) {
		return [2]float64{errors, errors}, [2][]float64{latency, latency}
	}
	plain := func(rate, weight, errors float64, latency []float64) func(*rand.Rand) simulated {
		return func(*rand.Rand) simulated {
			s := simulated{rate: rate, weight: weight}
			s.errors, s.latencyMs = same(errors, latency)
			return s
		}
	}
	f("plain", Analysis{}, 90, plain(500, 0.05, 0.005, usual))
	f("half of the traffic", Analysis{}, 60, plain(200, 0.5, 0.005, usual))
	f("heavy tail", Analysis{}, 60, plain(500, 0.05, 0.005, pareto(20, 1.1)))
	f("low traffic", Analysis{MinRequests: 20}, 300, plain(2, 0.2, 0.02, usual))
	f("many errors", Analysis{}, 60, plain(500, 0.05, 0.2, usual))
	f("all limits", Analysis{MaxErrorRate: 0.5, MaxP95Ms: 300, MaxP99Ms: 600}, 60, plain(500, 0.05, 0.005, usual))
	// Without a tolerance to hide behind, the bound itself is tested.
	f("no tolerance", Analysis{MaxErrorRateIncrease: 1e-4, MaxLatencyIncreasePercent: 1e-4, MinRequests: 1}, 60, plain(500, 0.05, 0.02, usual))

	f("load and errors swing together", Analysis{}, 90, func(rng *rand.Rand) simulated {
		s := simulated{rate: 500, weight: 0.05, swing: swings(0, 1)}
		s.errors, s.latencyMs = same(0.005, usual)
		return s
	})
	f("each revision has hiccups of its own", Analysis{}, 90, func(rng *rand.Rand) simulated {
		s := simulated{rate: 500, weight: 0.05, swing: swings(1, 0.3)}
		s.errors, s.latencyMs = same(0.005, usual)
		return s
	})
}

// swings is a load whose size, error rate and latency wander with a memory of about 10 s, both revisions
// alike; and about once per 25 s, times hiccups, each revision alone is six times slower for a second.
func swings(hiccups, size float64) func(*rand.Rand) (float64, float64, [2]int) {
	x := 0.0
	slow := [2]int{}
	return func(rng *rand.Rand) (float64, float64, [2]int) {
		x = 0.95*x + 0.31*rng.NormFloat64()
		shift := [2]int{int(math.Round(2 * size * x)), int(math.Round(2 * size * x))}
		for i := range slow {
			slow[i]--
			if hiccups > 0 && slow[i] < 0 && rng.Float64() < 0.02*hiccups {
				slow[i] = 1
			}
			if slow[i] >= 0 {
				shift[i] += 8
			}
		}
		return math.Exp(0.4 * size * x), math.Exp(size * x), shift
	}
}

// TestJudgePower has as many candidates that are worse, at 5 % of 500 requests/s.
func TestJudgePower(t *testing.T) {
	usual := logNormal(100, 1)
	f := func(name string, s simulated, caught func(at float64, n uint64) bool, want float64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hits, sum := 0, 0.0
			for seed := range uint64(runs) {
				run := s
				run.rng = rand.New(rand.NewPCG(seed, 7))
				run.rate, run.weight = 500, 0.05
				at, n := run.play(Analysis{}, 120)
				if at >= 0 && caught(at, n) {
					hits++
					sum += at
				}
			}
			t.Logf("%d of %d caught in time, after %.1f s in the mean", hits, runs, sum/float64(hits))
			if float64(hits) < want*runs {
				t.Errorf("%d of %d caught in time; want %g%%", hits, runs, 100*want)
			}
		})
	}
	within := func(s float64) func(float64, uint64) bool {
		return func(at float64, _ uint64) bool { return at <= s }
	}
	f("2% more errors before 3000 requests", simulated{errors: [2]float64{0.005, 0.025}, latencyMs: [2][]float64{usual, usual}},
		func(_ float64, n uint64) bool { return n < 3000 }, 0.9)
	f("nothing but errors within 2 s", simulated{errors: [2]float64{0.005, 1}, latencyMs: [2][]float64{usual, usual}}, within(2), 1)
	f("half errors within 3 s", simulated{errors: [2]float64{0.005, 0.6}, latencyMs: [2][]float64{usual, usual}}, within(3), 0.95)
	f("three times the latency within 10 s", simulated{errors: [2]float64{0.005, 0.005}, latencyMs: [2][]float64{usual, logNormal(300, 1)}}, within(10), 0.98)
	f("a tail of its own within a minute", simulated{errors: [2]float64{0.005, 0.005}, latencyMs: [2][]float64{usual, mix(usual, logNormal(3000, 0.2), 0.15)}}, within(60), 0.95)
}

// mix is a latency that with probability p is of the second kind.
func mix(a, b []float64, p float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = (1-p)*a[i] + p*b[i]
	}
	return out
}
