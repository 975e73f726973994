package scaler

import "time"

// Direction is which way a decision goes.
type Direction string

// The directions of a decision.
const (
	Up   Direction = "up"
	Down Direction = "down"
	Stay Direction = "none"
)

// Decision is how many instances a service should run from now on, and why.
// It is a plain value: what it holds belongs to the caller.
type Decision struct {
	At        time.Time `json:"at"`
	Service   string    `json:"service"`
	From      int       `json:"from"` // what was wanted before
	Want      int       `json:"want"`
	Direction Direction `json:"direction"`
	// Reason says in one sentence why Want is what it is. While nothing but
	// the figures changes, its figures may be up to ten seconds old.
	Reason string `json:"reason"`
	// Policy is the name of the policy that asked for most; empty under a
	// manual hold, when scaling is off and when a bound alone decided.
	Policy   string       `json:"policy,omitempty"`
	Manual   bool         `json:"manual,omitempty"` // a hold decided
	Bounds   []Bound      `json:"bounds,omitempty"` // those that changed the number, in the order they applied
	Policies []PolicyWant `json:"policies,omitempty"`
}

// BoundName names what kept a decision from what the policies asked for.
type BoundName string

// The bounds, in the order in which they apply.
const (
	BoundWaiting      BoundName = "waiting-request" // there is something to do: at least one
	BoundIdle         BoundName = "idleTimeout"     // not without requests for long enough to have none
	BoundStale        BoundName = "stale-signal"    // a signal failed: no shrinking
	BoundBottleneck   BoundName = "bottleneck"      // more instances did not help: no growing
	BoundStartBackoff BoundName = "start-backoff"   // starts keep failing: no growing until later
	BoundMin          BoundName = "minInstances"
	BoundMax          BoundName = "maxInstances"
	BoundCap          BoundName = "resources" // Detail names the cap
	BoundCost         BoundName = "maxCostPerHour"
)

// Bound is a limit that changed the number.
type Bound struct {
	Name   BoundName `json:"name"`
	Detail string    `json:"detail,omitempty"` // which pool or limit, what the bottleneck is
	Wanted int       `json:"wanted"`           // what it was before
	Got    int       `json:"got"`              // what the bound made of it
}

// PolicyWant is what one policy asked for and what it saw.
type PolicyWant struct {
	Name string     `json:"name"`
	Type PolicyType `json:"type"`
	Want int        `json:"want"`
	// Stale says that the policy could not see what it needs; it
	// then asks for what there is and the service does not shrink.
	Stale bool `json:"stale,omitempty"`
	// Held names what kept the policy from asking for something else:
	// "cooldown", "stabilization", "step", "starting", "missing", "hysteresis" or nothing.
	Held   string  `json:"held,omitempty"`
	Metric Metric  `json:"metric,omitempty"`
	Value  float64 `json:"value,omitempty"`  // of Metric
	Limit  float64 `json:"limit,omitempty"`  // the threshold crossed or the target
	Absent int     `json:"absent,omitempty"` // ready instances without a fresh reading
	SLO    *Sizing `json:"slo,omitempty"`
}

// Sizing is what an slo policy calculated with.
type Sizing struct {
	Load        float64 `json:"load"`          // requests/s that came in lately
	Forecast    float64 `json:"forecast"`      // requests/s that are sized for
	Backlog     int     `json:"backlog"`       // waiting requests
	ServiceTime float64 `json:"serviceTimeMs"` // mean
	Horizon     float64 `json:"horizonS"`      // seconds that are looked ahead: the start-up delay and a tick
	SlowPercent float64 `json:"slowPercent"`   // measured, lately
	Margin      float64 `json:"margin"`        // factor on the forecast that the load stays below 24 times of 25
	Model       string  `json:"model"`         // the forecast that gave the number
}

// Cap is a limit to the number of instances that comes from outside the service.
type Cap struct {
	Bound     BoundName // BoundCap or BoundCost
	Name      string    // what it is, such as "pool on-demand: cpu"
	Instances int       // the most that it allows, 0 or more
}

// CostCap is the cap that a budget puts on a service of which one instance
// costs price per hour. used is what everything else in the budget costs per hour. A
// price of 0 is not capped: ok is false.
func CostCap(budget, used, price float64) (c Cap, ok bool) {
	if price <= 0 {
		return Cap{}, false
	}
	// The tiny excess lets a budget of 3 times the price pay for 3 instances.
	n := int((budget - used) / price * (1 + 1e-12))
	return Cap{Bound: BoundCost, Name: "resourceLimits.maxCostPerHour", Instances: max(n, 0)}, true
}
