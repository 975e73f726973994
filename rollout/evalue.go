package rollout

import "math"

// logE is the natural logarithm of an e-value for two samples of yes-or-no
// outcomes that were taken over the same seconds: na and nb requests, of which
// xa and xb were bad. It bets on the rates ta (stable) and tb (candidate)
// against every pair of rates with b <= a + margin.
//
// The e-value is p_{ta,tb}(data) / p_{t0,t0+margin}(data), t0 being the rate that brings the
// denominator as near to the numerator (in Kullback-Leibler divergence, na and nb weighing the
// two) as the null allows. With ca = (ta-t0)/(t0(1-t0)), and cb in the same way for the
// candidate, its expectation for rates a and b is (1+ca(a-t0))^na (1+cb(b-t0-margin))^nb <=
// exp(na ca(a-t0) + nb cb(b-t0-margin)), and that is at most 1 for all b <= a + margin since t0
// is the minimum. It does so for any na and nb, and as long as ta and tb were chosen before the
// data were seen. Rates that differ from request to request enter by their mean.
//
// Source: Turner, Ly, Grünwald, "Generic E-variables for exact sequential
// k-sample tests that allow for optional stopping", JSPI 230 (2024); with a
// margin: Turner, Grünwald, arXiv 2203.09785.
func logE(a, b sample, bet rates, margin float64) float64 {
	if bet.candidate <= bet.stable+margin || a.n == 0 || b.n == 0 {
		return 0
	}
	t0 := nearestNull(a.n, b.n, bet, margin)
	return logRatio(a, bet.stable, t0) + logRatio(b, bet.candidate, t0+margin)
}

// sample is n requests of which bad were bad.
type sample struct{ n, bad float64 }

// rates is a pair of rates that a test bets on.
type rates struct{ stable, candidate float64 }

// logRatio is log p_t(s) / p_t0(s).
func logRatio(s sample, t, t0 float64) float64 {
	return s.bad*math.Log(t/t0) + (s.n-s.bad)*math.Log((1-t)/(1-t0))
}

// nearestNull returns stable's rate t0 in the pair (t0, t0+margin) that minimises
// na KL(bet.stable || t0) + nb KL(bet.candidate || t0+margin). The divergence is
// convex, so that its slope has one root, between the two rates that suit one side each.
func nearestNull(na, nb float64, bet rates, margin float64) float64 {
	if margin == 0 {
		return (na*bet.stable + nb*bet.candidate) / (na + nb)
	}
	low, high := bet.stable, bet.candidate-margin
	t := (na*low + nb*high) / (na + nb)
	for range 50 {
		u := t + margin
		slope := na*(t-bet.stable)/(t*(1-t)) + nb*(u-bet.candidate)/(u*(1-u))
		if slope > 0 {
			high = t
		} else {
			low = t
		}
		curve := na*(bet.stable/(t*t)+(1-bet.stable)/((1-t)*(1-t))) +
			nb*(bet.candidate/(u*u)+(1-bet.candidate)/((1-u)*(1-u)))
		next := t - slope/curve // Newton's step, or the middle where that leads outside
		if next <= low || next >= high {
			next = (low + high) / 2
		}
		if math.Abs(next-t) < 1e-12 {
			break
		}
		t = next
	}
	return t
}

// logELimit is the e-value of one sample against every rate of at most limit: the likelihood
// ratio of t, above limit, and limit.
func logELimit(b sample, t, limit float64) float64 {
	if t <= limit || b.n == 0 {
		return 0
	}
	return logRatio(b, t, limit)
}

// restartEvery is how often a mixture begins anew, in seconds.
const restartEvery = 30.0

// Mixture is an e-process: a weighted mean of products of e-values, over the
// bets of a test and over the times at which the product may begin. The r-th
// beginning (every 30 s, from r = 0) has the weight 1/((r+1)(r+2)), which adds up to 1;
// what has not begun yet counts as 1. So a candidate that was good for
// an hour has not built up credit against what it does then (a mixture form of the e-detector of
// Shin, Ramdas, Rinaldo, arXiv 2203.03532, that keeps the bound of Ville's inequality).
type Mixture struct {
	Logs    []float64 `json:"logs,omitempty"` // per bet: log of the sum over the beginnings so far
	Restart int       `json:"restart"`        // the last beginning
}

// add multiplies in the e-values (logarithms) of one block of requests; seconds
// is the time that all blocks so far span.
func (m *Mixture) add(logs []float64, seconds float64) {
	if m.Logs == nil {
		m.Logs = make([]float64, len(logs))
		for i := range m.Logs {
			m.Logs[i] = math.Log(0.5)
		}
	}
	if r := int(seconds / restartEvery); r > m.Restart {
		weight := math.Log(1/float64(m.Restart+2) - 1/float64(r+2))
		for i, l := range m.Logs {
			m.Logs[i] = logSum(l, weight)
		}
		m.Restart = r
	}
	for i, l := range logs {
		m.Logs[i] = math.Max(m.Logs[i]+l, -700)
	}
}

// value is the e-value of everything so far, cut off at 1e12.
func (m *Mixture) value() float64 {
	if len(m.Logs) == 0 {
		return 1
	}
	sum := 0.0
	for _, l := range m.Logs {
		sum += math.Exp(math.Min(l, 60))
	}
	return math.Min(sum/float64(len(m.Logs))+1/float64(m.Restart+2), 1e12)
}

// logSum is log(exp(a) + exp(b)).
func logSum(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}
