package rollout

import "math"

const (
	// halfLife of the recent figures, in seconds.
	halfLife = 60.0
	// nowHalfLife is that of the figures that say whether the candidate is of any use at this moment.
	nowHalfLife = 1.0
	// blockLimit is how long a block may wait for requests of both revisions, in
	// seconds. One that waited longer no longer is the same seconds.
	blockLimit = 300.0
	// blockSeconds is the least time that one block of the comparison spans.
	blockSeconds = 0.25
	// latencyPerSecond is how many requests per second at most count as
	// independent in the latency tests. What slows one request slows its neighbours (a
	// pause of the collector, a cold cache, a queue), and a test that took each
	// of them for news of its own would take one hiccup for a slow version.
	latencyPerSecond = 3.0
	// outrightRequests is how many requests a candidate must have seen, at least half of
	// them failed, to fail before MinRequests.
	outrightRequests = 10
	// aloneIncrease is how much higher than stable's last error rate, as a rate,
	// that of a candidate with all the traffic must be. It is wide because other
	// seconds are a weak standard.
	aloneIncrease = 0.1
)

// Judge compares the candidate with the stable revision. It is part of State
// and a plain value like it; the zero value has seen nothing.
//
// Feed it with Observe as traffic comes in, and ask Verdict as often as you like:
// the probability that a candidate which is within its limits is ever called
// failing is at most 1 - Confidence.
type Judge struct {
	Stable    Tally   `json:"stable"`
	Candidate Tally   `json:"candidate"`
	Seconds   float64 `json:"seconds"` // observed

	RecentStable    Recent `json:"recentStable"`
	RecentCandidate Recent `json:"recentCandidate"`
	NowCandidate    Recent `json:"nowCandidate"` // without latency

	BoundsMs []float64 `json:"boundsMs,omitempty"`
	Block    Block     `json:"block"` // not yet compared

	ErrorRate    Mixture `json:"errorRateTest"`
	Latency      Mixture `json:"latencyTest"`
	MaxErrorRate Mixture `json:"maxErrorRateTest"`
	MaxP95       Mixture `json:"maxP95Test"`
	MaxP99       Mixture `json:"maxP99Test"`
	AloneTest    Mixture `json:"aloneTest"`
	AloneSeen    Tally   `json:"aloneSeen"` // the candidate's requests while it had all
}

// Tally counts requests.
type Tally struct {
	Requests uint64   `json:"requests"`
	Errors   uint64   `json:"errors"`
	Latency  []uint64 `json:"latency,omitempty"` // by bucket
}

// Recent counts requests too, older ones for less.
type Recent struct {
	Requests float64   `json:"requests"`
	Errors   float64   `json:"errors"`
	Latency  []float64 `json:"latency,omitempty"`
}

// Block is the requests of both revisions over the same seconds.
type Block struct {
	Stable    Tally   `json:"stable"`
	Candidate Tally   `json:"candidate"`
	Seconds   float64 `json:"seconds"`
}

// The rates that the tests bet on: by how much of what lies between its limit and 1 the candidate
// is above the limit. A test's e-value is the mean over its bets.
func errorBets() [8]float64   { return [8]float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.95} }
func latencyBets() [3]float64 { return [3]float64{0.05, 0.2, 0.6} }

// The quantiles of stable's latency at which the two revisions are compared.
func latencyPoints() [3]float64 { return [3]float64{0.5, 0.8, 0.95} }

// Learn takes in stable's traffic of some seconds in which the candidate had
// none: nothing to compare, but the tests know what to expect.
func (j *Judge) Learn(obs *Observation, seconds float64) {
	j.rebucket(obs.BoundsMs)
	var t Tally
	t.add(obs.Stable.Traffic)
	j.RecentStable.add(&t, math.Exp2(-seconds/halfLife))
}

// Observe takes in the traffic of the last seconds (>= 0) of both revisions. The tests
// weigh it by what was known before it.
func (j *Judge) Observe(a Analysis, obs *Observation, seconds float64) {
	j.rebucket(obs.BoundsMs)
	stable, candidate := obs.Stable.Traffic, obs.Candidate.Traffic
	j.Seconds += seconds
	j.Stable.add(stable)
	j.Candidate.add(candidate)
	j.NowCandidate.add(&Tally{Requests: candidate.Requests, Errors: candidate.Errors}, math.Exp2(-seconds/nowHalfLife))
	j.limits(a, candidate, math.Max(seconds, blockSeconds))

	j.Block.Stable.add(stable)
	j.Block.Candidate.add(candidate)
	j.Block.Seconds += seconds
	if j.Block.Seconds < blockSeconds-0.01 || j.Block.Stable.Requests == 0 || j.Block.Candidate.Requests == 0 {
		if j.Block.Seconds > blockLimit {
			j.Block = Block{}
		}
		return
	}
	j.compare(a)
	fade := math.Exp2(-j.Block.Seconds / halfLife)
	j.RecentStable.add(&j.Block.Stable, fade)
	j.RecentCandidate.add(&j.Block.Candidate, fade)
	j.Block = Block{}
}

// ObserveAlone is Observe for seconds in which the candidate had all the
// traffic, so that there is only stable's error rate of before to compare with.
func (j *Judge) ObserveAlone(a Analysis, obs *Observation, seconds float64) {
	j.Observe(a, obs, seconds)
	j.Block = Block{}
	t := obs.Candidate.Traffic
	var tally Tally
	tally.add(t)
	j.RecentCandidate.add(&tally, math.Exp2(-seconds/halfLife))
	j.AloneSeen.add(Traffic{Requests: t.Requests, Errors: t.Errors})
	if t.Requests > 0 {
		limit := clampRate(j.RecentStable.errorRate() + max(aloneIncrease, a.MaxErrorRateIncrease/100))
		j.AloneTest.addLimit(t, limit, j.Seconds)
	}
}

// compare lets the two comparing tests see the block.
func (j *Judge) compare(a Analysis) {
	blk := &j.Block
	margin := errorMargin(a)
	base := j.RecentStable.errorRate()
	var logs [8]float64
	for i, f := range errorBets() {
		bet := rates{stable: base, candidate: above(base+margin, f)}
		logs[i] = logE(blk.Stable.bad(), blk.Candidate.bad(), bet, margin)
	}
	j.ErrorRate.add(logs[:], j.Seconds)

	if j.RecentStable.answered() < 20 || len(j.BoundsMs) == 0 {
		return
	}
	factor := 1 + a.MaxLatencyIncreasePercent/100
	var slow []float64
	for _, q := range latencyPoints() {
		at := j.RecentStable.bucketOf(q)
		limit := bucketAbove(j.BoundsMs, at, factor)
		sa, sb := blk.Stable.slower(at), blk.Candidate.slower(limit)
		temper := 1.0
		if sb.n > 0 {
			temper = math.Min(1, latencyPerSecond*blk.Seconds/sb.n)
		}
		base := j.RecentStable.slowerShare(at)
		for _, f := range latencyBets() {
			bet := rates{stable: base, candidate: above(base, f)}
			slow = append(slow, temper*logE(sa, sb, bet, 0))
		}
	}
	j.Latency.add(slow, j.Seconds)
}

// limits lets the tests against absolute limits see the candidate's requests.
func (j *Judge) limits(a Analysis, t Traffic, seconds float64) {
	if a.MaxErrorRate > 0 && t.Requests > 0 {
		j.MaxErrorRate.addLimit(t, clampRate(a.MaxErrorRate/100), j.Seconds)
	}
	j.slowLimit(&j.MaxP95, t, latencyLimit{a.MaxP95Ms, 0.05, seconds})
	j.slowLimit(&j.MaxP99, t, latencyLimit{a.MaxP99Ms, 0.01, seconds})
}

// addLimit multiplies in the errors of t against a limit of their rate.
func (m *Mixture) addLimit(t Traffic, limit, seconds float64) {
	var logs [8]float64
	for i, f := range errorBets() {
		logs[i] = logELimit(sample{float64(t.Requests), float64(min(t.Errors, t.Requests))}, above(limit, f), limit)
	}
	m.add(logs[:], seconds)
}

// latencyLimit allows a share of the requests of some seconds to be slower than ms.
type latencyLimit struct{ ms, share, seconds float64 }

func (j *Judge) slowLimit(m *Mixture, t Traffic, l latencyLimit) {
	if l.ms <= 0 || len(t.Latency) == 0 {
		return
	}
	tally := Tally{Latency: t.Latency}
	s := tally.slower(bucketAbove(j.BoundsMs, -1, l.ms))
	if s.n == 0 {
		return
	}
	temper := math.Min(1, latencyPerSecond*l.seconds/s.n)
	var logs [3]float64
	for i, f := range latencyBets() {
		logs[i] = temper * logELimit(s, above(l.share, f), l.share)
	}
	m.add(logs[:], j.Seconds)
}

// rebucket drops what is known of latency when the bounds change.
func (j *Judge) rebucket(bounds []float64) {
	if len(bounds) == 0 || sameBounds(j.BoundsMs, bounds) {
		return
	}
	j.BoundsMs = append([]float64(nil), bounds...)
	for _, t := range []*Tally{&j.Stable, &j.Candidate, &j.Block.Stable, &j.Block.Candidate} {
		t.Latency = nil
	}
	j.RecentStable.Latency, j.RecentCandidate.Latency = nil, nil
}

func sameBounds(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// errorMargin is the increase, as a rate, up to which a candidate is surely borne with: half of
// what the plan allows. Between the half and the whole lies the zone in which
// either verdict is right; without one the test could not tell the two apart in bounded time.
func errorMargin(a Analysis) float64 { return a.MaxErrorRateIncrease / 200 }

// above is the rate that lies f of the way from base to 1.
func above(base, f float64) float64 { return clampRate(base + (1-base)*f) }

func clampRate(r float64) float64 { return math.Min(math.Max(r, 1e-5), 1-1e-5) }
