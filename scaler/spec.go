package scaler

import "time"

// Spec is how one service is to be scaled. It is read only; whoever built it may
// share it between goroutines. Validate says whether it makes sense.
type Spec struct {
	Service string // its name, for reasons and errors

	// Disabled leaves the number of instances where it is, within
	// MinInstances and MaxInstances. Manual holds still apply.
	Disabled bool

	MinInstances int // 0 allows scale to zero
	MaxInstances int // at least 1 and not below MinInstances

	// EvaluationInterval is how often the caller means to decide. It is planned with as
	// the delay of the next decision; Decide may be called at any other pace. 0: 1 s.
	EvaluationInterval time.Duration
	// MetricsWindow is what threshold and target policies average over, and the
	// age from which a reading counts as stale (at least 10 s). 0: 60 s.
	MetricsWindow time.Duration
	// StabilizeUp and StabilizeDown hold target policies back: they grow to the
	// least that they asked for within StabilizeUp and shrink to the most within
	// StabilizeDown. A StabilizeDown of 0 means 5 minutes; below 0 means none.
	StabilizeUp, StabilizeDown time.Duration
	// IdleTimeout is how long a service without a request keeps its last instance when
	// MinInstances is 0. 0: 5 minutes, or ten start-up delays where that is more.
	IdleTimeout time.Duration
	// StartDelay is the time from start to ready that is planned with until enough
	// starts were measured. 0: 10 s.
	StartDelay time.Duration
	// Slots is how many requests one instance works on at a time
	// (limits.maxConcurrencyPerInstance). 0: unknown, and no slo policy is possible.
	Slots int

	Policies []Policy
}

// PolicyType says by which rule a policy arrives at its number.
type PolicyType string

// The types of policy.
const (
	TypeThreshold PolicyType = "threshold" // a step up above one value, a step down below another
	TypeTarget    PolicyType = "target"    // as many instances as keep the metric at a value
	TypeSchedule  PolicyType = "schedule"  // at least so many during certain hours
	TypeSLO       PolicyType = "slo"       // as many as keep a share of requests from waiting
)

// Policy is one rule. Which fields count depends on Type; an empty Type
// is TypeThreshold.
type Policy struct {
	Name     string // unique within the service
	Type     PolicyType
	Disabled bool

	// Metric, in its own unit, for TypeThreshold and TypeTarget.
	Metric Metric
	// A value above ScaleUpThreshold adds ScaleUpStep instances, one below
	// ScaleDownThreshold takes ScaleDownStep away. For TypeTarget the steps limit how far
	// one decision goes; 0 leaves it free.
	ScaleUpThreshold, ScaleDownThreshold float64
	ScaleUpStep, ScaleDownStep           int
	// CooldownPeriod is how long the policy asks for no other change after one that
	// it brought about.
	CooldownPeriod time.Duration

	Target float64 // of Metric, for TypeTarget

	// Cron begins, in the time zone it was parsed with, spans of Duration in which at
	// least MinInstances run, for TypeSchedule. They are started one start-up delay early.
	Cron         Schedule
	CronText     string // as configured, for reasons and errors
	Duration     time.Duration
	MinInstances int

	Objective Objective // for TypeSLO
}

// Objective is what an slo policy holds: at least Percent of the requests wait
// less than WaitBelow for a free slot.
type Objective struct {
	WaitBelow time.Duration
	Percent   float64 // above 0, below 100
}

// Schedule tells when a span begins: the first moment after t, or the
// zero time when there is none. The schedules of github.com/robfig/cron/v3 are such.
type Schedule interface {
	Next(t time.Time) time.Time
}

// Metric is something a threshold or target policy looks at.
type Metric string

// The metrics and their units. Those per instance are means over the ready instances.
const (
	MetricCPU               Metric = "cpu"               // percent of what an instance is given
	MetricMemory            Metric = "memory"            // percent of what an instance is given
	MetricRequestRate       Metric = "requestRate"       // requests per second and instance
	MetricResponseTime      Metric = "responseTime"      // ms, 95th percentile
	MetricErrorRate         Metric = "errorRate"         // percent of the responses
	MetricActiveConnections Metric = "activeConnections" // requests in flight or waiting, per instance
	MetricQueueLength       Metric = "queueLength"       // requests waiting, of the whole service
)

// Metrics returns the names of all metrics, in the order of documentation.
func Metrics() []Metric {
	return []Metric{MetricCPU, MetricMemory, MetricRequestRate, MetricResponseTime,
		MetricErrorRate, MetricActiveConnections, MetricQueueLength}
}

// WaitBelow is the wait above which the caller counts a request as slow in
// Sample.Slow: the strictest objective of the enabled slo policies, 0 without one.
func (sp *Spec) WaitBelow() time.Duration {
	var d time.Duration
	for i := range sp.Policies {
		p := &sp.Policies[i]
		if p.Type == TypeSLO && !p.Disabled && (d == 0 || p.Objective.WaitBelow < d) {
			d = p.Objective.WaitBelow
		}
	}
	return d
}

func (sp *Spec) interval() time.Duration { return orElse(sp.EvaluationInterval, time.Second) }

func (sp *Spec) window() time.Duration { return orElse(sp.MetricsWindow, time.Minute) }

func (sp *Spec) staleAfter() time.Duration { return max(sp.window(), 10*time.Second) }

func (sp *Spec) stabilizeDown() time.Duration {
	return max(orElse(sp.StabilizeDown, 5*time.Minute), 0)
}

func (sp *Spec) idleTimeout(start time.Duration) time.Duration {
	return orElse(sp.IdleTimeout, max(5*time.Minute, 10*start))
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
