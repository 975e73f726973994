package config

import "time"

// Monitor is what is watched and who hears of it.
type Monitor struct {
	// Alerts on metrics.
	Thresholds []Threshold `key:"thresholds" example:"[{metric: responseTime, warning: 1000, critical: 3000, unit: ms, for: 30s}]"`
	// Promises to clients; their error budgets raise alerts when they burn too fast.
	Objectives []ServiceObjective `key:"objectives" example:"[{service: shop, percent: 99.9}]"`
	// How alerts are put together before they are sent.
	Group Group `key:"group" example:"{wait: 10s, interval: 5m, repeat: 4h}"`
	// Where alerts are sent.
	Notify []Notify `key:"notify" example:"[{type: webhook, url: \"${HOOK_URL}\", minSeverity: warning}]"`
	// Alerts that are not sent; they are still shown.
	Silences []Silence `key:"silences" example:"[{service: shop, until: 2030-01-01T00:00:00Z, reason: migration}]"`
}

// Threshold raises an alert when a metric of a service stays above a value.
type Threshold struct {
	// The metric: those of scaling policies, rejectedRate in percent of the requests that came, restarts within the window, and costPerHour.
	Metric AlertMetric `key:"metric" required:"true"`
	// The service. Left out: all.
	Service string `key:"service" example:"shop"`
	// From it on the alert is for information; 0 is never.
	Info float64 `key:"info" default:"0" range:"0..1000000000000" example:"500"`
	// From it on the alert is a warning; 0 is never.
	Warning float64 `key:"warning" default:"0" range:"0..1000000000000" example:"1000"`
	// From it on the alert is critical; 0 is never.
	Critical float64 `key:"critical" default:"0" range:"0..1000000000000" example:"3000"`
	// From it on somebody is to be woken; 0 is never.
	Page float64 `key:"page" default:"0" range:"0..1000000000000" example:"10000"`
	// The unit, for the reader: ms for responseTime, "%" for cpu, memory, errorRate and rejectedRate, "/s" for requestRate. It must be the metric's own.
	Unit Unit `key:"unit" example:"ms"`
	// The time over which the value is taken.
	Window time.Duration `key:"window" default:"10s" range:"1s..1h"`
	// How long it must hold.
	For time.Duration `key:"for" default:"30s" range:"0s..24h"`
	// How far below its value it must fall to be resolved.
	ClearPercent Percent `key:"clearPercent" default:"10"`
	// How long it must be below that.
	KeepFiring time.Duration `key:"keepFiring" default:"5m" range:"1s..24h"`
	// Fewer requests within the window raise no alert on a metric that is made of requests.
	MinRequests int `key:"minRequests" default:"10" range:"1..1000000000"`
}

// ServiceObjective is a promise to a service's clients, over 30 days.
type ServiceObjective struct {
	// The service.
	Service string `key:"service" required:"true" example:"shop"`
	// The share of requests that must be good.
	Percent Percent `key:"percent" required:"true" range:"50..99.999" example:"99.9"`
	// A request is good when it is answered within this; 0s: when it does not fail.
	LatencyBelow time.Duration `key:"latencyBelow" default:"0s" range:"0s..1h"`
	// Fewer requests than this within the time of a rule raise no alert.
	MinRequests int `key:"minRequests" default:"100" range:"1..1000000000"`
}

// Group puts alerts of one service together.
type Group struct {
	// How long the first alert waits for others.
	Wait time.Duration `key:"wait" default:"10s" range:"0s..1h"`
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
	// The service; "shop-*" is all that begin so. Left out: all.
	Service string `key:"service" example:"shop"`
	// The metric. Left out: all.
	Metric AlertMetric `key:"metric" example:"responseTime"`
	// When it ends, as in RFC 3339.
	Until time.Time `key:"until" required:"true" example:"2030-01-01T02:00:00Z"`
	// Why.
	Reason string `key:"reason" example:"migration"`
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
