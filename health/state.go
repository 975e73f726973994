package health

import (
	"fmt"
	"time"
)

// Status is what active checks say about an endpoint.
type Status string

// The statuses. Only Healthy is fit for traffic.
const (
	// Starting: no check was good yet. Nobody is sent there.
	Starting Status = "starting"
	// Healthy: good, or not failed often enough in a row to be anything else.
	Healthy Status = "healthy"
	// Unhealthy: failed UnhealthyThreshold times in a row, and since then not good often enough in a row.
	Unhealthy Status = "unhealthy"
)

// Result is the outcome of one check.
type Result struct {
	Err      error         // nil: good
	Duration time.Duration // from its start to its outcome
}

// Transition is what one result did to the status. From equals To when nothing changed.
type Transition struct {
	From, To Status
	At       time.Time
	Reason   string // one sentence for people, without a full stop; empty when nothing changed
}

// Changed tells whether the status is another one than before.
func (t Transition) Changed() bool { return t.From != t.To }

// Report is what people are shown of a State.
type Report struct {
	Status        Status
	Since         time.Time // of the status; zero before the first check
	LastCheck     time.Time // end of the last check; zero before the first
	LastDuration  time.Duration
	LastError     string // of the last failed check; kept while later ones are good, so that it can be looked up
	LastErrorAt   time.Time
	Successes     int // good checks in a row, up to now
	Failures      int // failed checks in a row, up to now
	Checks        uint64
	FailuresTotal uint64
}

// State is the health of one endpoint under one check. The zero value is not usable; make one with NewState. It is not
// safe for concurrent use.
type State struct {
	policy  Policy
	report  Report
	began   time.Time // of the first check; StartPeriod counts from it
	wasGood bool      // one good check was seen in this life of the endpoint
}

// NewState returns the state of an endpoint that was never checked. p must be valid.
func NewState(p Policy) State {
	return State{policy: p.WithDefaults(), report: Report{Status: Starting}}
}

// WithPolicy returns a copy of s that goes on under another policy: a changed interval or threshold must not make a
// healthy endpoint wait for its first good check again.
func (s *State) WithPolicy(p Policy) State {
	c := *s
	c.policy = p.WithDefaults()
	return c
}

// Report returns what s knows; the copy belongs to the caller.
func (s *State) Report() Report { return s.report }

// Status returns the present status.
func (s *State) Status() Status { return s.report.Status }

// Observe takes in the result of a check that ended at now and says what it did to the status. Calls come in the
// order in which the checks ended.
func (s *State) Observe(r Result, now time.Time) Transition {
	rp := &s.report
	if rp.Checks == 0 {
		s.began = now
		rp.Since = now
	}
	rp.Checks++
	rp.LastCheck, rp.LastDuration = now, r.Duration
	t := Transition{From: rp.Status, To: rp.Status, At: now}
	if r.Err == nil {
		rp.Successes++
		rp.Failures = 0
		s.maybeBecomeHealthy(&t)
	} else {
		rp.Failures++
		rp.FailuresTotal++
		rp.Successes = 0
		rp.LastError, rp.LastErrorAt = r.Err.Error(), now
		s.maybeBecomeUnhealthy(&t)
	}
	if t.Changed() {
		rp.Status, rp.Since = t.To, now
	}
	return t
}

func (s *State) maybeBecomeHealthy(t *Transition) {
	n := s.report.Successes
	switch {
	case t.From == Healthy:
	case !s.wasGood:
		s.wasGood = true
		t.To, t.Reason = Healthy, "its first good check"
	case n >= s.policy.HealthyThreshold:
		t.To, t.Reason = Healthy, fmt.Sprintf("%s good in a row", checks(n))
	}
}

func (s *State) maybeBecomeUnhealthy(t *Transition) {
	n := s.report.Failures
	if t.From == Unhealthy || n < s.policy.UnhealthyThreshold {
		return
	}
	if t.From == Starting {
		if waited := t.At.Sub(s.began); waited >= s.policy.StartPeriod {
			t.To = Unhealthy
			t.Reason = fmt.Sprintf("no good check in the first %s: %s", waited.Round(time.Millisecond), s.report.LastError)
		}
		return
	}
	t.To, t.Reason = Unhealthy, fmt.Sprintf("%s failed in a row: %s", checks(n), s.report.LastError)
}

// checks words a number of checks.
func checks(n int) string {
	if n == 1 {
		return "1 check"
	}
	return fmt.Sprintf("%d checks", n)
}

// Next returns when the next check should start, seen from now, the end of the last one. uniform returns numbers
// in [0, 1), such as rand.Float64.
//
// Before the first check that is now. After it a steady endpoint waits a random part of its interval once, so that
// endpoints that appeared together are spread over the interval; from then on each wait is the interval, stretched or
// shrunk by the jitter.
func (s *State) Next(now time.Time, uniform func() float64) time.Time {
	p := &s.policy
	if s.report.Checks == 0 {
		return now
	}
	wait := p.Interval
	switch {
	case s.report.Status == Starting:
		wait = p.StartInterval
	case s.changing():
		wait = time.Duration(float64(p.Interval) * p.FastFraction)
	case s.report.Checks == 1:
		const least = 0.1 // right after the first check a second one tells nothing new
		return now.Add(time.Duration(float64(p.Interval) * (least + (1-least)*uniform())))
	}
	return now.Add(time.Duration(float64(wait) * (1 + p.Jitter*(2*uniform()-1))))
}

// changing tells whether the last results contradict the status, without having turned it yet.
func (s *State) changing() bool {
	if s.report.Status == Healthy {
		return s.report.Failures > 0
	}
	return s.report.Successes > 0
}
