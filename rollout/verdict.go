package rollout

import "fmt"

// Outcome is what the judge can say so far.
type Outcome string

// The outcomes.
const (
	Undecided Outcome = "undecided" // too few requests to say anything
	Passing   Outcome = "passing"   // enough requests, and nothing against the candidate
	Failing   Outcome = "failing"   // the candidate is worse than the plan allows
)

// Test names one of the judge's tests.
type Test string

// The tests.
const (
	TestErrorRate    Test = "error-rate"     // against stable over the same seconds
	TestLatency      Test = "latency"        // against stable over the same seconds
	TestAlone        Test = "alone"          // errors against stable's before it lost its traffic
	TestMaxErrorRate Test = "max-error-rate" // against the absolute limit
	TestMaxP95       Test = "max-p95"        // against the absolute limit
	TestMaxP99       Test = "max-p99"        // against the absolute limit
)

// Verdict is what the judge says of the candidate, and the figures it rests on.
type Verdict struct {
	Outcome  Outcome  `json:"outcome"`
	Sentence string   `json:"sentence"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is the figures behind a verdict.
type Evidence struct {
	// Of all requests since the judge began.
	Stable    Figures `json:"stable"`
	Candidate Figures `json:"candidate"`
	Seconds   float64 `json:"seconds"` // observed
	// Of the last minutes: a request of a minute ago counts for half.
	RecentStable    Figures `json:"recentStable"`
	RecentCandidate Figures `json:"recentCandidate"`
	// Tests are all tests that ran; a test fails the candidate when Value reaches Threshold.
	Tests []TestFigure `json:"tests"`
	// Decided is the test that failed the candidate; empty otherwise.
	Decided         Test    `json:"decided,omitempty"`
	Confidence      float64 `json:"confidence"`
	MinRequests     int     `json:"minRequests"`
	MissingRequests int     `json:"missingRequests"` // of the present step
}

// TestFigure is one test's value.
type TestFigure struct {
	Test Test `json:"test"`
	// Value is an e-value: were the candidate within its limits, a value of x or
	// more would ever be seen with a probability of at most 1/x. Cut off at 1e12.
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
}

// Figures is what one revision did.
type Figures struct {
	Version   string  `json:"version"`
	Requests  float64 `json:"requests"` // whole unless recent
	Errors    float64 `json:"errors"`
	ErrorRate float64 `json:"errorRate"` // percent
	P50Ms     float64 `json:"p50Ms"`     // 0: not known
	P80Ms     float64 `json:"p80Ms"`
	P95Ms     float64 `json:"p95Ms"`
	P99Ms     float64 `json:"p99Ms"`
}

// Asked says for whom and for which step a verdict is asked.
type Asked struct {
	Stable    string // version
	Candidate string // version
	StepSeen  uint64 // candidate requests that the step has seen
}

// Verdict says what the figures so far come to. It may be asked at any time
// and as often as wanted without harm to the confidence.
func (j *Judge) Verdict(a Analysis, q Asked) Verdict {
	a = a.withDefaults()
	v := Verdict{Outcome: Passing, Evidence: j.evidence(a, q)}
	e := &v.Evidence
	for _, t := range e.Tests {
		if t.Value < t.Threshold {
			continue
		}
		if why := j.confirm(a, t.Test, e); why != "" {
			v.Outcome, e.Decided = Failing, t.Test
			v.Sentence = fmt.Sprintf("%s (%s requests of %s, e-value %s, %s needed)",
				why, number(e.Candidate.Requests), q.Candidate, eValue(t.Value), number(t.Threshold))
			return v
		}
	}
	if e.MissingRequests > 0 {
		v.Outcome = Undecided
		v.Sentence = fmt.Sprintf("no verdict: %d of %d requests of %s seen, %d missing",
			q.StepSeen, a.MinRequests, q.Candidate, e.MissingRequests)
		return v
	}
	if j.useless() {
		v.Outcome = Undecided
		v.Sentence = "no verdict: " + failsNow(q.Candidate)
		return v
	}
	v.Sentence = fmt.Sprintf("%s holds its limits: errors %s against %s, p95 %s against %s",
		q.Candidate, percent(e.Candidate.ErrorRate), percent(e.Stable.ErrorRate), ms(e.Candidate.P95Ms), ms(e.Stable.P95Ms))
	if e.Stable.Requests == 0 {
		v.Sentence = fmt.Sprintf("%s had errors of %s and a p95 of %s; %s had no requests in the same seconds to compare with",
			q.Candidate, percent(e.Candidate.ErrorRate), ms(e.Candidate.P95Ms), q.Stable)
	}
	return v
}

// reached reports whether a test is at its threshold: without it no verdict can be failing.
func (j *Judge) reached(a Analysis) bool {
	for _, t := range j.tests(a) {
		if t.Value >= t.Threshold {
			return true
		}
	}
	return false
}

// tests returns the tests that the plan asks for, which share its confidence evenly.
func (j *Judge) tests(a Analysis) []TestFigure {
	tests := make([]TestFigure, 0, 5)
	add := func(t Test, m *Mixture, asked bool) {
		if asked {
			tests = append(tests, TestFigure{Test: t, Value: m.value()})
		}
	}
	add(TestErrorRate, &j.ErrorRate, true)
	add(TestLatency, &j.Latency, true)
	add(TestAlone, &j.AloneTest, true)
	add(TestMaxErrorRate, &j.MaxErrorRate, a.MaxErrorRate > 0)
	add(TestMaxP95, &j.MaxP95, a.MaxP95Ms > 0)
	add(TestMaxP99, &j.MaxP99, a.MaxP99Ms > 0)
	for i := range tests {
		tests[i].Threshold = rounded(float64(len(tests)) / (1 - a.withDefaults().Confidence))
	}
	return tests
}

func (j *Judge) evidence(a Analysis, q Asked) Evidence {
	a = a.withDefaults()
	return Evidence{
		Stable:          j.Stable.figures(q.Stable, j.BoundsMs),
		Candidate:       j.Candidate.figures(q.Candidate, j.BoundsMs),
		RecentStable:    j.RecentStable.figures(q.Stable, j.BoundsMs),
		RecentCandidate: j.RecentCandidate.figures(q.Candidate, j.BoundsMs),
		Seconds:         rounded(j.Seconds),
		Tests:           j.tests(a),
		Confidence:      a.Confidence,
		MinRequests:     a.MinRequests,
		MissingRequests: max(0, a.MinRequests-int(min(q.StepSeen, 1<<31))),
	}
}

// confirm returns why a test that reached its threshold fails the candidate, or nothing while the
// figures themselves do not: a verdict needs the limit to be exceeded by what was
// counted, over all requests or over the last minutes, and MinRequests unless
// the candidate fails outright.
func (j *Judge) confirm(a Analysis, t Test, e *Evidence) string {
	if t == TestAlone {
		return j.alone(a, e)
	}
	c := e.Candidate
	if c.Requests < float64(a.MinRequests) && !j.outright() {
		return ""
	}
	spans := []struct {
		text string
		s, c Figures
	}{{"", e.Stable, c}, {"lately ", e.RecentStable, e.RecentCandidate}}
	for _, p := range spans {
		if why := exceeded(a, t, p.s, p.c); why != "" {
			return p.text + why
		}
	}
	return ""
}

// alone is confirm for the time in which the candidate had all the traffic.
func (j *Judge) alone(a Analysis, e *Evidence) string {
	before := j.RecentStable.percent()
	limit := before + max(100*aloneIncrease, a.MaxErrorRateIncrease)
	text := "%s of the requests of %s failed %s, against %s of %s before"
	if now := j.AloneSeen.percent(); j.AloneSeen.Requests >= outrightRequests && now > limit {
		return fmt.Sprintf(text, percent(now), e.Candidate.Version, "since it has all of them", percent(before), e.Stable.Version)
	}
	if now := j.NowCandidate.percent(); j.NowCandidate.Requests >= outrightRequests && now > limit {
		return fmt.Sprintf(text, percent(now), e.Candidate.Version, "in the last seconds", percent(before), e.Stable.Version)
	}
	return ""
}

// useless reports whether most of what the candidate answered in the last seconds were failures.
func (j *Judge) useless() bool {
	c := j.NowCandidate
	return c.Requests >= 5 && 2*c.Errors >= c.Requests
}

// outright reports whether the candidate does hardly anything but fail.
func (j *Judge) outright() bool {
	c := j.Candidate
	return c.Requests >= outrightRequests && 2*c.Errors >= c.Requests
}

// exceeded returns which limit of test t the figures exceed, as half a sentence.
func exceeded(a Analysis, t Test, s, c Figures) string {
	switch t {
	case TestErrorRate:
		if c.ErrorRate-s.ErrorRate > a.MaxErrorRateIncrease {
			return fmt.Sprintf("%s of the requests of %s failed against %s of %s; up to %s more is allowed",
				percent(c.ErrorRate), c.Version, percent(s.ErrorRate), s.Version, points(a.MaxErrorRateIncrease))
		}
	case TestLatency:
		return slower(a, s, c)
	case TestMaxErrorRate:
		if c.ErrorRate > a.MaxErrorRate {
			return fmt.Sprintf("%s of the requests of %s failed; the limit is %s", percent(c.ErrorRate), c.Version, percent(a.MaxErrorRate))
		}
	case TestMaxP95:
		if c.P95Ms > a.MaxP95Ms {
			return fmt.Sprintf("p95 of %s is %s; the limit is %s", c.Version, ms(c.P95Ms), ms(a.MaxP95Ms))
		}
	case TestMaxP99:
		if c.P99Ms > a.MaxP99Ms {
			return fmt.Sprintf("p99 of %s is %s; the limit is %s", c.Version, ms(c.P99Ms), ms(a.MaxP99Ms))
		}
	}
	return ""
}

// failsNow is why a candidate that is no worse than stable does not pass either.
func failsNow(version string) string {
	return fmt.Sprintf("most requests of %s fail at this moment, and no fewer of stable", version)
}

func slower(a Analysis, s, c Figures) string {
	factor := 1 + a.MaxLatencyIncreasePercent/100
	for _, q := range []struct {
		name string
		s, c float64
	}{{"p50", s.P50Ms, c.P50Ms}, {"p80", s.P80Ms, c.P80Ms}, {"p95", s.P95Ms, c.P95Ms}} {
		if q.s > 0 && q.c > factor*q.s {
			return fmt.Sprintf("%s of %s is %s against %s of %s; up to %s more is allowed",
				q.name, c.Version, ms(q.c), ms(q.s), s.Version, percent(a.MaxLatencyIncreasePercent))
		}
	}
	return ""
}

func (t *Tally) figures(version string, bounds []float64) Figures {
	counts := make([]float64, len(t.Latency))
	for i, n := range t.Latency {
		counts[i] = float64(n)
	}
	r := Recent{Requests: float64(t.Requests), Errors: float64(t.Errors), Latency: counts}
	return r.figures(version, bounds)
}

func (r *Recent) figures(version string, bounds []float64) Figures {
	at := func(q float64) float64 { return rounded(quantile(bounds, r.Latency, q)) }
	return Figures{
		Version: version, Requests: rounded(r.Requests), Errors: rounded(r.Errors), ErrorRate: rounded(r.percent()),
		P50Ms: at(0.5), P80Ms: at(0.8), P95Ms: at(0.95), P99Ms: at(0.99),
	}
}
