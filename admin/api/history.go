package api

import "time"

// History is how one service fared over a window that ends now.
type History struct {
	Service string    `json:"service"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Step    Duration  `json:"step"`   // between points
	Points  []Point   `json:"points"` // oldest first; the last may be of a step that is not over
}

// Point is one step of a History. Rates and percentiles are of the step, with steps of a second of the ten seconds before; the other
// figures are means over the step, and weights as at its end.
type Point struct {
	Time        time.Time          `json:"time"` // of the last look in it
	RequestRate float64            `json:"requestRate"`
	ErrorRate   float64            `json:"errorRate"`       // percent
	P50Ms       *float64           `json:"p50Ms,omitempty"` // percentiles are left out where there was no request
	P95Ms       *float64           `json:"p95Ms,omitempty"`
	P99Ms       *float64           `json:"p99Ms,omitempty"`
	InFlight    float64            `json:"inFlight"`
	QueueLength float64            `json:"queueLength"`
	Ready       float64            `json:"ready"`            // instances
	Target      float64            `json:"target"`           // instances wanted
	Demand      *float64           `json:"demand,omitempty"` // instances that the load alone would need; left out where nothing is scaled
	CPU         *float64           `json:"cpu,omitempty"`    // percent of what instances are given, their mean; left out where nobody tells
	Memory      *float64           `json:"memory,omitempty"` // likewise
	CostPerHour *float64           `json:"costPerHour,omitempty"`
	Weights     map[string]float64 `json:"weights"` // percent of the traffic, by version
}
