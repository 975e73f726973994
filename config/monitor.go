package config

import "time"

// Monitor is what is watched and who hears of it.
type Monitor struct {
	// Alerts on metrics.
	Thresholds []Threshold `key:"thresholds" example:"[{metric: responseTime, warning: 1000, critical: 3000, unit: ms, for: 30s}]"`
	// Promises to clients; their error budgets raise alerts when they burn too fast.
	Objectives []ServiceObjective `key:"objectives" example:"[{service: shop, availabilityPercent: 99.9}]"`
	// How alerts are put together before they are sent.
	Group Group `key:"group" example:"{wait: 30s, interval: 5m, repeat: 4h}"`
	// Where alerts are sent.
	Notify []Notify `key:"notify" example:"[{type: webhook, url: \"${HOOK_URL}\", minSeverity: warning}]"`
	// Alerts that are not sent; they are still shown.
	Silences []Silence `key:"silences" example:"[{service: shop, until: 2030-01-01T00:00:00Z, reason: migration}]"`
	// Alerts that are not sent while another of the same service is firing. A critical alert always mutes the warning of the same metric.
	Inhibit []Inhibit `key:"inhibit" example:"[{source: errorRate, mute: [responseTime]}]"`
}

// Threshold raises an alert when a metric of a service stays above a value.
type Threshold struct {
	// The metric, in the units of scaling policies.
	Metric Metric `key:"metric" required:"true"`
	// The service. Left out: all.
	Service string `key:"service" example:"shop"`
	// Above it the alert is a warning; 0 is no warning.
	Warning float64 `key:"warning" default:"0" range:"0..1000000000000" example:"1000"`
	// Above it the alert is critical; 0 is never.
	Critical float64 `key:"critical" default:"0" range:"0..1000000000000" example:"3000"`
	// The unit of both values: ms or s for responseTime, "%" for cpu, memory and errorRate, "/s" for requestRate. Left out: the metric's own.
	Unit Unit `key:"unit" example:"ms"`
	// How long it must be above.
	For time.Duration `key:"for" default:"30s" range:"0s..24h"`
	// How far below its value it must fall to be resolved.
	ClearPercent Percent `key:"clearPercent" default:"10"`
	// How long it must be below that.
	ClearAfter time.Duration `key:"clearAfter" default:"60s" range:"0s..24h"`
}

// ServiceObjective is a promise to a service's clients.
type ServiceObjective struct {
	// The service.
	Service string `key:"service" required:"true" example:"shop"`
	// The share of requests that do not fail.
	AvailabilityPercent Percent `key:"availabilityPercent" required:"true" range:"50..99.999" example:"99.9"`
	// Slower responses count as failed; 0s: latency does not count.
	Latency time.Duration `key:"latency" default:"0s" range:"0s..1h"`
	// The time over which the promise holds.
	Window time.Duration `key:"window" default:"720h" range:"24h..8784h"`
	// Fewer requests than this in an hour raise no alert.
	MinRequests int `key:"minRequests" default:"100" range:"1..1000000000"`
}

// Group puts alerts of one service together.
type Group struct {
	// How long the first alert waits for others.
	Wait time.Duration `key:"wait" default:"30s" range:"0s..1h"`
	// The time between messages about changes in a group.
	Interval time.Duration `key:"interval" default:"5m" range:"1s..24h"`
	// After which time an alert that still fires is sent again.
	Repeat time.Duration `key:"repeat" default:"4h" range:"1m..720h"`
}

// Notify is a receiver of alerts.
type Notify struct {
	// webhook: JSON. slack: Slack's webhook format. alertmanager: the Alertmanager's v2 API.
	Type NotifyType `key:"type" required:"true"`
	// Where messages are posted.
	URL Secret `key:"url" required:"true" format:"url" example:"${HOOK_URL}"`
	// Header fields, such as an authorization.
	Headers map[string]Secret `key:"headers" format:"header" example:"{authorization: \"Bearer ${HOOK_TOKEN}\"}"`
	// The least severe alerts that are sent.
	MinSeverity Severity `key:"minSeverity" default:"warning"`
	// How long one delivery may take; failed ones are tried again.
	Timeout time.Duration `key:"timeout" default:"5s" range:"100ms..5m"`
}

// Silence keeps alerts from being sent for a time.
type Silence struct {
	// The service. Left out: all.
	Service string `key:"service" example:"shop"`
	// The metric. Left out: all.
	Metric Metric `key:"metric" example:"responseTime"`
	// When it begins, as in RFC 3339. Left out: now.
	From time.Time `key:"from" example:"2030-01-01T00:00:00Z"`
	// When it ends, as in RFC 3339.
	Until time.Time `key:"until" required:"true" example:"2030-01-01T02:00:00Z"`
	// Why.
	Reason string `key:"reason" example:"migration"`
}

// Inhibit mutes the alerts that follow from another.
type Inhibit struct {
	// The metric whose alert mutes.
	Source Metric `key:"source" required:"true"`
	// The metrics whose alerts are muted.
	Mute []Metric `key:"mute" required:"true" example:"[responseTime]"`
}

// Events is the delivery of events.
type Events struct {
	// Where events are posted as JSON, one request for each.
	Webhooks []EventWebhook `key:"webhooks" example:"[{url: \"https://ops.example.com/hook\", types: [component-scaled]}]"`
}

// EventWebhook gets the events of some types.
type EventWebhook struct {
	// Where they are posted.
	URL Secret `key:"url" required:"true" format:"url" example:"\"https://ops.example.com/hook\""`
	// Which ones. Left out: all.
	Types []EventType `key:"types" example:"[component-scaled, performance-alert]"`
	// The service. Left out: all.
	Service string `key:"service" example:"shop"`
	// Header fields, such as an authorization.
	Headers map[string]Secret `key:"headers" format:"header" example:"{authorization: \"Bearer ${HOOK_TOKEN}\"}"`
	// How long one delivery may take; failed ones are tried again.
	Timeout time.Duration `key:"timeout" default:"5s" range:"100ms..5m"`
}
