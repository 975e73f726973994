package monitor

import (
	"fmt"
	"time"
)

const (
	metricErrorBudget   = "errorBudget"
	metricLatencyBudget = "latencyBudget"
)

// Objective is what a service promises over 30 days. An alert tells how many
// times too fast the share of requests that may be bad is being used up: a burn
// rate of 1 uses it up in exactly 30 days. (Google, The Site Reliability
// Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".)
type Objective struct {
	Service string
	Percent float64 // of the requests that must be good, in (0, 100)

	// LatencyBelow makes a request good when it is answered within it;
	// 0: a request is good when it does not fail.
	LatencyBelow time.Duration

	MinRequests uint64 // in the long window, below it nothing is said; 0: 100
	MinBad      uint64 // bad requests in the long window likewise; 0: 10
}

// burnRule raises when both windows burn at rate or faster. The short one ends
// the alert soon after the trouble ends.
type burnRule struct {
	severity    Severity
	rate        float64
	long, short time.Duration
}

// burnRules use up 2 %, 5 % and 10 % of a 30-day budget before they raise.
func burnRules() []burnRule {
	return []burnRule{
		{Page, 14.4, time.Hour, 5 * time.Minute},
		{Page, 6, 6 * time.Hour, 30 * time.Minute},
		{Warning, 1, 3 * 24 * time.Hour, 6 * time.Hour},
	}
}

func (r burnRule) name(metric string) string {
	return fmt.Sprintf("%s-%gx", metric, r.rate)
}

func (o Objective) withDefaults() Objective {
	o.MinRequests = orDefault(o.MinRequests, 100)
	o.MinBad = orDefault(o.MinBad, 10)
	return o
}

func (o Objective) validate() error {
	if o.Service == "" {
		return fmt.Errorf("no service")
	}
	if !(o.Percent > 0 && o.Percent < 100) {
		return fmt.Errorf("percent %v; want more than 0 and less than 100", o.Percent)
	}
	if o.LatencyBelow < 0 {
		return fmt.Errorf("latency below %v; want 0 or more", o.LatencyBelow)
	}
	return nil
}

func (o *Objective) metric() string {
	if o.LatencyBelow > 0 {
		return metricLatencyBudget
	}
	return metricErrorBudget
}

// burn is how many times too fast the budget went in (now-window, now], and the
// requests and bad requests it was worked out from.
func (o *Objective) burn(s *service, window time.Duration, now time.Time) (rate, requests, bad float64) {
	s.series.each(now.Add(-window), now, func(c *cell) {
		if o.LatencyBelow > 0 {
			requests += float64(c.latency.Count())
			bad += c.latency.Above(o.LatencyBelow)
			return
		}
		requests += float64(c.requests + c.rejected)
		bad += float64(c.errors + c.rejected)
	})
	if requests == 0 {
		return 0, 0, 0
	}
	return bad / requests / (1 - o.Percent/100), requests, bad
}
