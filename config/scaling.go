package config

import "time"

// Scaling is how many instances a service has. Policies are combined by
// maximum; the bounds apply after them.
type Scaling struct {
	// false: policies are not evaluated; the count stays what it is, within the bounds.
	Enabled bool `key:"enabled" default:"true"`
	// Instances that run at all times. 0 lets the service sleep: the next requests wait in the queue while an instance starts.
	MinInstances int `key:"minInstances" default:"1" range:"0..100000"`
	// Instances that run at most.
	MaxInstances int `key:"maxInstances" default:"10" range:"1..100000"`
	// From one decision to the next.
	EvaluationInterval time.Duration `key:"evaluationInterval" default:"1s" range:"100ms..10m"`
	// The time over which metrics are averaged for threshold and target policies.
	MetricsWindow time.Duration `key:"metricsWindow" default:"60s" range:"1s..1h"`
	// An increase must be wanted for so long.
	ScaleUpStabilization time.Duration `key:"scaleUpStabilization" default:"0s" range:"0s..1h"`
	// A decrease must be wanted for so long: the largest count wanted within it holds.
	ScaleDownStabilization time.Duration `key:"scaleDownStabilization" default:"5m" range:"0s..24h"`
	// The time from start to ready that is planned with until enough starts were measured.
	StartDelay time.Duration `key:"startDelay" default:"10s" range:"10ms..1h"`
	// With minInstances 0: how long without any request before the last instance goes.
	ScaleToZeroAfter time.Duration `key:"scaleToZeroAfter" default:"5m" range:"1s..24h"`
	// What the count follows. Left out: minInstances, and manual scaling.
	Policies []Policy `key:"policies" example:"[{name: cpu, targetMetric: cpu, scaleUpThreshold: 70, scaleDownThreshold: 30, scaleUpStep: 2, scaleDownStep: 1, cooldownPeriod: 300s}, {name: busy, type: target, targetMetric: activeConnections, target: 8}, {name: slo, type: slo, objective: {waitBelow: 100ms, percent: 99}}, {name: office-hours, type: schedule, cron: \"0 8 * * 1-5\", timezone: Europe/Berlin, minInstances: 4, duration: 10h}]"`
}

// Policy is one rule for the number of instances. Its type says which of
// the other keys belong to it.
type Policy struct {
	// The name that decisions and metrics show.
	Name string `key:"name" required:"true" format:"name" example:"busy"`
	// threshold: steps beyond two thresholds. target: as many instances as bring the metric to its target. slo: as many as queueing theory says that the objective needs. schedule: at least so many at certain times.
	Type PolicyType `key:"type" default:"threshold"`
	// false: it is not evaluated.
	Enabled bool `key:"enabled" default:"true"`
	// threshold and target: cpu and memory in percent of what an instance is given, requestRate per instance and second, responseTime in ms (p95), errorRate in percent, activeConnections in flight per instance, queueLength in requests.
	TargetMetric Metric `key:"targetMetric" for:"threshold,target" example:"cpu"`
	// threshold: above it scaleUpStep instances are added.
	ScaleUpThreshold float64 `key:"scaleUpThreshold" for:"threshold" range:"0.000001..1000000000" example:"70"`
	// threshold: below it scaleDownStep instances are removed; 0 is never.
	ScaleDownThreshold float64 `key:"scaleDownThreshold" for:"threshold" default:"0" range:"0..1000000000" example:"30"`
	// threshold and target: how many instances are added at a time. Left out: 1 for threshold, any number for target.
	ScaleUpStep int `key:"scaleUpStep" for:"threshold,target" range:"1..100000" example:"2"`
	// threshold and target: how many instances are removed at a time. Left out: 1 for threshold, any number for target.
	ScaleDownStep int `key:"scaleDownStep" for:"threshold,target" range:"1..100000" example:"1"`
	// threshold: after a step of this policy it takes no other for so long.
	CooldownPeriod time.Duration `key:"cooldownPeriod" for:"threshold" default:"300s" range:"0s..24h"`
	// target: the value per instance that the metric is kept at.
	Target float64 `key:"target" for:"target" range:"0.000001..1000000000" example:"8"`
	// slo: what requests are promised.
	Objective Objective `key:"objective" for:"slo" example:"{waitBelow: 100ms, percent: 99}"`
	// schedule: when it begins, as minute, hour, day of month, month, day of week.
	Cron string `key:"cron" for:"schedule" format:"cron" example:"0 8 * * 1-5"`
	// schedule: the time zone of cron, as in the IANA database.
	Timezone string `key:"timezone" for:"schedule" default:"UTC" format:"timezone"`
	// schedule: how long it holds.
	Duration time.Duration `key:"duration" for:"schedule" range:"1m..8784h" example:"10h"`
	// schedule: at least so many instances while it holds.
	MinInstances int `key:"minInstances" for:"schedule" range:"1..100000" example:"4"`
}

func (p *Policy) kind() string { return string(p.Type) }

// Objective is what requests are promised: a share of them waits for a free
// instance for less than a time.
type Objective struct {
	// The wait in the gateway.
	WaitBelow time.Duration `key:"waitBelow" default:"100ms" range:"1ms..10m"`
	// The share of requests that keep below it.
	Percent Percent `key:"percent" default:"99" range:"50..99.999"`
}
