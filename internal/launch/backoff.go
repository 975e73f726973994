// Package launch holds what providers that start instances have in common: which instances there are and which are started or stopped
// next (Fleet), how starts that fail are spaced, and the templates of what is started. It starts nothing, reads no clock, takes no
// locks and has no goroutines.
package launch

import (
	"fmt"
	"time"
)

// Backoff spaces the starts of a revision that fails. The wait after the n-th failure in a row is random, between Base and
// Base * 2^n, and at most Max.
type Backoff struct {
	Base time.Duration // default 500ms
	Max  time.Duration // default 1m
	// ResetAfter is how long an instance must have run for its end not to count as one more failure in a row. Default 30s.
	ResetAfter time.Duration
}

// WithDefaults returns o with its zero fields filled in; longest stands for Max, unless Base is longer.
func (o Backoff) WithDefaults(base, longest time.Duration) Backoff {
	if o.Base == 0 {
		o.Base = base
	}
	if o.Max == 0 {
		o.Max = max(longest, o.Base)
	}
	if o.ResetAfter == 0 {
		o.ResetAfter = 30 * time.Second
	}
	return o
}

// Validate returns an error when o, with its defaults, cannot be used.
func (o Backoff) Validate() error {
	if o.Base < 0 || o.Max < o.Base || o.ResetAfter < 0 {
		return fmt.Errorf("cannot use backoff %+v: want 0 < base <= max", o)
	}
	return nil
}

// Wait returns how long to wait after the n-th failure in a row, n >= 1. uniform is in [0, 1).
func (o Backoff) Wait(n int, uniform float64) time.Duration {
	top := o.Max
	if n < 32 && o.Base<<n > 0 {
		top = min(o.Max, o.Base<<n)
	}
	return o.Base + time.Duration(uniform*float64(top-o.Base))
}

// Streak counts the failures of one revision. It is shared by its instances: when all of them die of the same cause, that is one
// failure, not one each. It is not safe for concurrent use.
type Streak struct {
	Failures  int       // in a row
	NotBefore time.Time // the latest retry given: new instances of the revision wait for it too
	raisedAt  time.Time // when Failures was raised last
}

// Fail takes in the end, at now, of an attempt that began at begun, and returns when to try again. uniform is in [0, 1).
func (s *Streak) Fail(o Backoff, begun, now time.Time, uniform float64) time.Time {
	if now.Sub(begun) >= o.ResetAfter {
		s.Failures = 0
	}
	if s.Failures == 0 || begun.After(s.raisedAt) {
		s.Failures++
		s.raisedAt = now
	}
	retry := now.Add(o.Wait(s.Failures, uniform))
	if retry.After(s.NotBefore) {
		s.NotBefore = retry
	}
	return retry
}
