package monitor

import (
	"fmt"
	"slices"
	"time"
)

// The metrics that a Threshold may watch.
const (
	MetricCPU               = "cpu"               // percent, mean over the service's instances
	MetricMemory            = "memory"            // percent, mean over the service's instances
	MetricRequestRate       = "requestRate"       // per instance and second
	MetricResponseTime      = "responseTime"      // ms, 95th percentile
	MetricErrorRate         = "errorRate"         // percent of the requests sent to instances
	MetricActiveConnections = "activeConnections" // in flight per instance
	MetricQueueLength       = "queueLength"       // mean over the window
	MetricRejectedRate      = "rejectedRate"      // percent of the requests that came
	MetricRestarts          = "restarts"          // in the window
	MetricCostPerHour       = "costPerHour"
)

// Metrics are the names a Threshold may have as its Metric, sorted.
func Metrics() []string {
	list := []string{MetricCPU, MetricMemory, MetricRequestRate, MetricResponseTime, MetricErrorRate,
		MetricActiveConnections, MetricQueueLength, MetricRejectedRate, MetricRestarts, MetricCostPerHour}
	slices.Sort(list)
	return list
}

// Level is where a severity begins and ends. Clear lies on the healthy side of Raise:
// between the two, what fires goes on firing and what does not stays quiet.
type Level struct {
	Severity Severity
	Raise    float64
	Clear    float64 // 0: a tenth of Raise away from it
}

// Threshold is an alert rule on a metric of each service.
type Threshold struct {
	Name    string // an alert's ID is Name/Service; empty: the metric's name
	Metric  string
	Service string // empty: every service
	Unit    string
	Levels  []Level // one per severity
	Below   bool    // raise when the value is at or below, instead of at or above

	For         time.Duration // how long it must hold; 0: raised at once
	KeepFiring  time.Duration // how long it must be clear; 0: 5 minutes
	Window      time.Duration // the value is of so long; 0: 10 s
	MinRequests uint64        // in Window, for metrics made of requests; 0: 10
}

func (t Threshold) withDefaults() Threshold {
	t.Levels = slices.Clone(t.Levels)
	slices.SortFunc(t.Levels, func(a, b Level) int { return int(a.Severity) - int(b.Severity) })
	for i, l := range t.Levels {
		if l.Clear != 0 {
			continue
		}
		if t.Below {
			t.Levels[i].Clear = l.Raise * 1.1
		} else {
			t.Levels[i].Clear = l.Raise * 0.9
		}
	}
	if t.Name == "" {
		t.Name = t.Metric
	}
	t.KeepFiring = orDefault(t.KeepFiring, 5*time.Minute)
	t.Window = orDefault(t.Window, 10*time.Second)
	t.MinRequests = orDefault(t.MinRequests, 10)
	return t
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Validate tells the first thing that is wrong with p.
func (p Policy) Validate() error {
	for _, t := range p.Thresholds {
		if err := t.validate(); err != nil {
			return fmt.Errorf("cannot use threshold on %q: %w", t.Metric, err)
		}
	}
	for _, o := range p.Objectives {
		if err := o.validate(); err != nil {
			return fmt.Errorf("cannot use objective of service %q: %w", o.Service, err)
		}
	}
	return nil
}

func (t Threshold) validate() error {
	if !slices.Contains(Metrics(), t.Metric) {
		return fmt.Errorf("unknown metric; want one of %v", Metrics())
	}
	if len(t.Levels) == 0 {
		return fmt.Errorf("no level; want warning, critical or page")
	}
	t = t.withDefaults()
	for i, l := range t.Levels {
		healthy := l.Clear <= l.Raise
		if t.Below {
			healthy = l.Clear >= l.Raise
		}
		if !healthy {
			return fmt.Errorf("clear %v of %s is on the wrong side of %v", l.Clear, l.Severity, l.Raise)
		}
		if i == 0 {
			continue
		}
		before := t.Levels[i-1]
		if before.Severity == l.Severity {
			return fmt.Errorf("two levels of severity %s", l.Severity)
		}
		if t.Below == (l.Raise > before.Raise) && l.Raise != before.Raise {
			return fmt.Errorf("%s at %v comes before %s at %v; want the graver one further out", l.Severity, l.Raise, before.Severity, before.Raise)
		}
	}
	return nil
}

// beyond says whether v reaches limit on the unhealthy side.
func (t *Threshold) beyond(v, limit float64) bool {
	if t.Below {
		return v <= limit
	}
	return v >= limit
}

// cause groups metrics that tell of one and the same trouble.
func cause(metric string) string {
	switch metric {
	case MetricErrorRate, metricErrorBudget:
		return "errors"
	case MetricResponseTime, metricLatencyBudget:
		return "latency"
	case MetricQueueLength, MetricRejectedRate:
		return "queue"
	}
	return metric
}

// value is the metric over (now-window, now]; ok is false when there is too little to tell.
func (s *service) value(t *Threshold, now time.Time) (v float64, ok bool) {
	c := s.series.counts
	if t.Metric == MetricResponseTime {
		c = s.series.sum
	}
	sum := c(now.Add(-t.Window), now)
	if sum.ticks == 0 {
		return 0, false
	}
	instances := max(sum.instances.mean(), 1)
	switch t.Metric {
	case MetricCPU:
		v = sum.cpu.mean()
	case MetricMemory:
		v = sum.memory.mean()
	case MetricRequestRate:
		v = float64(sum.requests) / t.Window.Seconds() / instances
	case MetricResponseTime:
		v, ok = sum.latency.Quantile(0.95).Seconds()*1000, sum.latency.Count() >= t.MinRequests
		return v, ok
	case MetricErrorRate:
		return 100 * sum.errorShare(), sum.requests >= t.MinRequests
	case MetricActiveConnections:
		v = sum.inFlight.mean() / instances
	case MetricQueueLength:
		v = sum.queue.mean()
	case MetricRejectedRate:
		return 100 * float64(sum.rejected) / float64(max(sum.arrived, 1)), sum.arrived >= t.MinRequests
	case MetricRestarts:
		v = float64(sum.restarts)
	case MetricCostPerHour:
		v = sum.cost.mean()
	}
	return v, v == v
}
