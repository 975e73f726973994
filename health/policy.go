package health

import (
	"fmt"
	"time"
)

// Policy says how active checks are spaced and how many of them turn a state. Where a default is named, the zero value stands for it.
type Policy struct {
	// Interval is the time between two checks while nothing changes. Default 2s.
	Interval time.Duration
	// HealthyThreshold is how many good checks in a row make an unhealthy endpoint healthy. The very first
	// good check of an endpoint always suffices. Default 2.
	HealthyThreshold int
	// UnhealthyThreshold is how many failed checks in a row make an endpoint unhealthy. Default 3.
	UnhealthyThreshold int
	// StartPeriod is how long, from its first check, an endpoint that never was good stays in starting
	// instead of unhealthy, and is checked every StartInterval. Default 1m.
	StartPeriod time.Duration
	// StartInterval is the time between two checks in starting; never more than Interval. Default 200ms: an
	// instance that came up is seen within that.
	StartInterval time.Duration
	// FastFraction is the part of Interval, in (0, 1], between two checks while results contradict the
	// state. Default 0.25.
	FastFraction float64
	// Jitter is how far, as a fraction in [0, 1), an interval may be stretched or shrunk at random, so that
	// checks that once fell together drift apart. 0 is no jitter.
	Jitter float64
}

// WithDefaults returns p with its zero fields filled in.
func (p Policy) WithDefaults() Policy {
	p.Interval = orDuration(p.Interval, 2*time.Second)
	p.StartPeriod = orDuration(p.StartPeriod, time.Minute)
	p.StartInterval = min(orDuration(p.StartInterval, 200*time.Millisecond), p.Interval)
	if p.HealthyThreshold == 0 {
		p.HealthyThreshold = 2
	}
	if p.UnhealthyThreshold == 0 {
		p.UnhealthyThreshold = 3
	}
	if p.FastFraction == 0 {
		p.FastFraction = 0.25
	}
	return p
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Validate says what is wrong with p, naming the field as the config file does, or returns nil. Zero fields are
// right: they mean their default.
func (p Policy) Validate() error {
	switch {
	case p.Interval < 0:
		return fmt.Errorf("interval: got %s; want more than 0s", p.Interval)
	case p.HealthyThreshold < 0:
		return fmt.Errorf("healthyThreshold: got %d; want 1 or more", p.HealthyThreshold)
	case p.UnhealthyThreshold < 0:
		return fmt.Errorf("unhealthyThreshold: got %d; want 1 or more", p.UnhealthyThreshold)
	case p.StartPeriod < 0:
		return fmt.Errorf("startPeriod: got %s; want more than 0s", p.StartPeriod)
	case p.StartInterval < 0:
		return fmt.Errorf("startInterval: got %s; want more than 0s", p.StartInterval)
	case p.FastFraction < 0 || p.FastFraction > 1:
		return fmt.Errorf("fastFraction: got %v; want a number in (0, 1]", p.FastFraction)
	case p.Jitter < 0 || p.Jitter >= 1:
		return fmt.Errorf("jitter: got %v; want a number in [0, 1)", p.Jitter)
	}
	return nil
}
