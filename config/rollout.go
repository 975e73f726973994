package config

import "time"

// Rollout is how a new version goes in.
type Rollout struct {
	// canary: a growing share of the traffic. blue-green: a second full set, then all traffic at once. rolling: instance by instance.
	Strategy Strategy `key:"strategy" default:"canary"`
	// canary: the shares of traffic on the way to 100.
	Steps []RolloutStep `key:"steps" default:"[{weight: 5, duration: 1m}, {weight: 25, duration: 5m}, {weight: 50, duration: 5m}]"`
	// blue-green: waits for `gatewayd rollout promote` before the switch. A canary has steps with pause for that.
	ManualPromotion bool `key:"manualPromotion" default:"false"`
	// rolling: how many instances are exchanged at a time.
	Rolling Rolling `key:"rolling" example:"{batch: 25%, maxSurge: 25%, maxUnavailable: 0}"`
	// What the new version must pass before it gets traffic.
	Validation Validation `key:"validation" example:"{timeout: 2m, requests: [{path: /health}]}"`
	// canary and rolling: how the new version is judged by its traffic.
	Analysis Analysis `key:"analysis" example:"{minRequests: 200, maxErrorRateIncrease: 1, maxLatencyIncreasePercent: 25, confidence: 0.95}"`
	// true: a version that fails goes out by itself. false: the rollout pauses and waits for a person.
	AutoRollback bool `key:"autoRollback" default:"true"`
	// How long the old instances stay after they have lost their traffic, so that a rollback is at once. Left out: 30s for canary, 10m for blue-green.
	KeepPrevious time.Duration `key:"keepPrevious" range:"1s..168h" example:"10m"`
	// A rollout that has not ended by then is rolled back; pauses do not count. Left out: one hour and three times the durations of its steps.
	Deadline time.Duration `key:"deadline" range:"1s..720h" example:"2h"`
	// A pause that nobody ended by then is rolled back.
	PauseLimit time.Duration `key:"pauseLimit" default:"168h" range:"1s..8784h"`
}

// RolloutStep is a share of the traffic for a time. It has one or more of weight, mirror, cohort and pause.
type RolloutStep struct {
	// The share of requests that the new version answers; it holds until a later step changes it.
	Weight Percent `key:"weight" default:"0" example:"5"`
	// The share of requests that is copied to the new version during this step; clients see the old one's answers.
	Mirror Percent `key:"mirror" default:"0" example:"10"`
	// How long the step lasts at least; it is longer where too few requests came to judge by.
	Duration time.Duration `key:"duration" default:"0s" range:"0s..720h" example:"1m"`
	// Waits for `gatewayd rollout promote` or resume after the duration.
	Pause bool `key:"pause" default:"false"`
	// Clients that get the new version whatever the weight; it holds until a later step changes it.
	Cohort *Cohort `key:"cohort" example:"{header: x-canary, value: \"1\"}"`
}

// Cohort is a group of clients, told by either a header field or a cookie.
type Cohort struct {
	// The header field.
	Header string `key:"header" format:"header" example:"x-canary"`
	// Or the cookie.
	Cookie string `key:"cookie" format:"cookie-name" example:"canary"`
	// The value it must have.
	Value string `key:"value" required:"true" example:"\"1\""`
	// The share of the load that the group is expected to be; capacity is started for it beforehand.
	Percent Percent `key:"percent" default:"5" range:"0.01..100"`
}

// Rolling is the size of a batch.
type Rolling struct {
	// New instances added at a time, at least one, as a count or a percentage (rounded up).
	Batch Amount `key:"batch" default:"25%"`
	// Instances beyond the wanted number, as a count or a percentage (rounded up).
	MaxSurge Amount `key:"maxSurge" default:"25%"`
	// Instances that may be missing from the wanted number, as a count or a percentage (rounded down).
	MaxUnavailable Amount `key:"maxUnavailable" default:"0"`
	// How long a batch must be healthy before the next.
	Interval time.Duration `key:"interval" default:"10s" range:"1ms..24h"`
}

// Validation is done on the new instances before they get traffic.
type Validation struct {
	// By then the new instances must be healthy and have passed.
	Timeout time.Duration `key:"timeout" default:"2m" range:"1s..24h"`
	// Requests that each new instance must answer as expected.
	Requests []SmokeRequest `key:"requests" example:"[{path: /health, expectStatus: 200-299}]"`
}

// SmokeRequest is sent to a new instance.
type SmokeRequest struct {
	// The method.
	Method string `key:"method" default:"GET" format:"method"`
	// The path, with a query where needed.
	Path string `key:"path" required:"true" format:"path-query" example:"/health"`
	// Header fields.
	Headers map[string]string `key:"headers" format:"header" example:"{accept: application/json}"`
	// The request's body.
	Body string `key:"body" example:"\"{}\""`
	// The statuses that pass.
	ExpectStatus StatusRanges `key:"expectStatus" default:"200-399"`
	// What the response's body must contain.
	ExpectBody string `key:"expectBody" example:"ok"`
}

// Analysis judges the new version against the old one over the same time.
type Analysis struct {
	// Requests that each version must have answered before a verdict.
	MinRequests int `key:"minRequests" default:"200" range:"1..100000000"`
	// How many percentage points more errors than the old version are tolerated.
	MaxErrorRateIncrease float64 `key:"maxErrorRateIncrease" default:"1" range:"0..100"`
	// How much slower than the old version (p95) is tolerated.
	MaxLatencyIncreasePercent float64 `key:"maxLatencyIncreasePercent" default:"25" range:"0..10000"`
	// The certainty of a verdict, held although the figures are looked at all the time.
	Confidence float64 `key:"confidence" default:"0.95" range:"0.5..0.9999"`
	// The most errors in percent, whatever the old version does; 0 is no such limit.
	MaxErrorRate Percent `key:"maxErrorRate" default:"0"`
	// The longest 95th percentile of the response time, whatever the old version does; 0s is no such limit.
	MaxP95 time.Duration `key:"maxP95" default:"0s" range:"0s..1h"`
	// The longest 99th percentile likewise.
	MaxP99 time.Duration `key:"maxP99" default:"0s" range:"0s..1h"`
	// Checks of your own besides.
	Checks []AnalysisCheck `key:"checks" example:"[{name: orders, prometheus: {url: \"http://127.0.0.1:9090\", query: 'rate(orders_failed_total[1m])', max: 0.1}}]"`
}

// AnalysisCheck is a check of the user's; exactly one of http, exec and prometheus is given.
type AnalysisCheck struct {
	// The name that verdicts show.
	Name string `key:"name" required:"true" format:"name" example:"orders"`
	// A GET that must be answered with a status from 200 to 399.
	HTTP *HTTPCheck `key:"http" example:"{url: \"http://127.0.0.1:9200/check\"}"`
	// A command that must end with 0; GATEWAYD_SERVICE and GATEWAYD_VERSION (the new one) are in its environment.
	Exec *ExecCheck `key:"exec" example:"{command: [./check.sh]}"`
	// A query whose value must lie within bounds.
	Prometheus *PrometheusCheck `key:"prometheus" example:"{url: \"http://127.0.0.1:9090\", query: 'rate(orders_failed_total[1m])', max: 0.1}"`
	// From one run to the next.
	Interval time.Duration `key:"interval" default:"30s" range:"1s..1h"`
	// How many failures in a row are borne; one more fails the new version.
	FailureLimit int `key:"failureLimit" default:"0" range:"0..100"`
}

// HTTPCheck is passed by a status from 200 to 399.
type HTTPCheck struct {
	// What is asked for.
	URL Secret `key:"url" required:"true" format:"url" example:"\"http://127.0.0.1:9200/check\""`
}

// ExecCheck is passed by exit status 0.
type ExecCheck struct {
	// The program and its arguments. No shell is involved.
	Command []string `key:"command" required:"true" example:"[./check.sh]"`
}

// PrometheusCheck is passed by a value within the bounds that are given.
type PrometheusCheck struct {
	// The Prometheus.
	URL Secret `key:"url" required:"true" format:"url" example:"\"http://127.0.0.1:9090\""`
	// A query that gives one number; {{.Service}} and {{.Version}} (the new one) are filled in.
	Query string `key:"query" required:"true" format:"query-template" example:"rate(orders_failed_total[1m])"`
	// The least value that passes.
	Min *float64 `key:"min" example:"0.99"`
	// The largest value that passes.
	Max *float64 `key:"max" example:"0.1"`
}
