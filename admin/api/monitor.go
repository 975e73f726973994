package api

import "time"

// Figure is one measured value that supports a statement.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Finding is a bottleneck: what holds a service back, and what to do about it.
type Finding struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Service  string    `json:"service"`
	Instance string    `json:"instance,omitempty"`
	Severity string    `json:"severity"`
	Since    time.Time `json:"since"`
	Cause    string    `json:"cause"` // one sentence
	Evidence []Figure  `json:"evidence"`
	Advice   string    `json:"advice"`
	Command  string    `json:"command,omitempty"` // that does it, where gatewayd can
	Action   *Action   `json:"action,omitempty"`  // what Command calls; nil where that changes nothing
}

// Action is the call of this API that does what a command says.
type Action struct {
	Method string        `json:"method"`
	Path   string        `json:"path"`
	Body   *ScaleRequest `json:"body,omitempty"` // nil: none is needed
}

// Alert is a threshold that is crossed now.
type Alert struct {
	ID         string    `json:"id"`
	Metric     string    `json:"metric"`
	Service    string    `json:"service"`
	Revision   string    `json:"revision,omitempty"`
	Instance   string    `json:"instance,omitempty"`
	Severity   string    `json:"severity"`
	Since      time.Time `json:"since"`
	Value      float64   `json:"value"`
	Threshold  float64   `json:"threshold"`
	Unit       string    `json:"unit,omitempty"`
	Message    string    `json:"message"`
	Context    []string  `json:"context,omitempty"`    // what was done to the service within ten minutes, newest first
	SilencedBy string    `json:"silencedBy,omitempty"` // id of the silence that keeps it from being sent
}

// Silence keeps the alerts that it matches from being sent. They are shown all the same.
type Silence struct {
	ID      string     `json:"id"`
	Service string     `json:"service,omitempty"` // "shop-*" is all that begin so; "": all
	Metric  string     `json:"metric,omitempty"`  // likewise
	Below   string     `json:"below,omitempty"`   // only alerts less severe than this; "": all
	Since   *time.Time `json:"since,omitempty"`   // nil for those in the config file
	Until   time.Time  `json:"until"`
	Comment string     `json:"comment"`
	By      string     `json:"by"` // who made it; "config": it stands in the config file
}

// SilenceRequest makes a silence. Service or Metric is required; "*" matches everything.
type SilenceRequest struct {
	Service string   `json:"service,omitempty"`
	Metric  string   `json:"metric,omitempty"`
	Below   string   `json:"below,omitempty"`
	For     Duration `json:"for"`
	Comment string   `json:"comment"`
}

// Report is how the services did over a window.
type Report struct {
	From        time.Time       `json:"from"`
	To          time.Time       `json:"to"`
	Services    []ServiceReport `json:"services"`
	Scalings    []Scaled        `json:"scalings"` // oldest first
	Rollouts    []Rollout       `json:"rollouts"`
	Bottlenecks []Finding       `json:"bottlenecks"`
	Alerts      []Alert         `json:"alerts"`
	Currency    string          `json:"currency"`
	Cost        float64         `json:"cost"`   // of the window
	Advice      []string        `json:"advice"` // what is most worth doing, first things first
}

// Scaled is one change in the number of a service's instances.
type Scaled struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Text    string    `json:"text"` // from how many to how many, and why
}

// ServiceReport is one service's part of a Report.
type ServiceReport struct {
	Service          string  `json:"service"`
	Requests         uint64  `json:"requests"`
	RequestRate      float64 `json:"requestRate"`     // mean
	PeakRequestRate  float64 `json:"peakRequestRate"` // highest minute
	P50Ms            float64 `json:"p50Ms"`
	P95Ms            float64 `json:"p95Ms"`
	P99Ms            float64 `json:"p99Ms"`
	ErrorRate        float64 `json:"errorRate"`
	MinInstances     int     `json:"minInstances"`
	AverageInstances float64 `json:"averageInstances"`
	MaxInstances     int     `json:"maxInstances"`
	ScalingActions   int     `json:"scalingActions"`
	Cost             float64 `json:"cost"`
}
