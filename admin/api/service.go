package api

import "time"

// Service is a service with its revisions and instances.
type Service struct {
	Name         string       `json:"name"`
	Health       Health       `json:"health"`
	Reasons      []string     `json:"reasons"`
	Provider     string       `json:"provider"` // static, process, docker, exec, kubernetes
	Version      string       `json:"version"`  // of the stable revision
	Target       int          `json:"target"`   // instances wanted now
	Demand       float64      `json:"demand"`   // instances that the load alone would need
	MinInstances int          `json:"minInstances"`
	MaxInstances int          `json:"maxInstances"`
	RequestRate  float64      `json:"requestRate"` // rates and percentiles are over the last ten seconds
	P50Ms        float64      `json:"p50Ms"`
	P95Ms        float64      `json:"p95Ms"`
	P99Ms        float64      `json:"p99Ms"`
	ErrorRate    float64      `json:"errorRate"`
	InFlight     int64        `json:"inFlight"`
	QueueLength  int64        `json:"queueLength"`
	Revisions    []Revision   `json:"revisions"`
	Scaling      *Scaling     `json:"scaling,omitempty"` // nil: listed instances, not scaled
	Rollout      string       `json:"rollout,omitempty"` // id of the one under way
	Maintenance  *Maintenance `json:"maintenance,omitempty"`
}

// Role is what a revision is within its service.
type Role string

// The roles of a revision.
const (
	RoleStable    Role = "stable"
	RoleCandidate Role = "candidate"
	RolePrevious  Role = "previous" // kept warm for a rollback
)

// Revision is one version of a service.
type Revision struct {
	Version     string     `json:"version"`
	Role        Role       `json:"role"`
	Weight      float64    `json:"weight"` // percent of the service's traffic
	RequestRate float64    `json:"requestRate"`
	P50Ms       float64    `json:"p50Ms"`
	P95Ms       float64    `json:"p95Ms"`
	P99Ms       float64    `json:"p99Ms"`
	ErrorRate   float64    `json:"errorRate"`
	Instances   []Instance `json:"instances"`
}

// InstanceState is where an instance is in its life.
type InstanceState string

// The states of an instance.
const (
	StateStarting  InstanceState = "starting"
	StateReady     InstanceState = "ready"
	StateUnhealthy InstanceState = "unhealthy"
	StateEjected   InstanceState = "ejected"
	StateDraining  InstanceState = "draining"
)

// Instance is one running copy.
type Instance struct {
	ID          string        `json:"id"`
	Address     string        `json:"address"`
	Weight      int           `json:"weight"`
	Pool        string        `json:"pool,omitempty"` // resource pool that it takes its resources from
	State       InstanceState `json:"state"`
	Reason      string        `json:"reason,omitempty"` // why it is not ready
	InFlight    int64         `json:"inFlight"`
	RequestRate float64       `json:"requestRate"`
	P50Ms       float64       `json:"p50Ms"`
	P95Ms       float64       `json:"p95Ms"`
	P99Ms       float64       `json:"p99Ms"`
	ErrorRate   float64       `json:"errorRate"`
	CPU         *float64      `json:"cpu,omitempty"`    // percent of what it is given
	Memory      *float64      `json:"memory,omitempty"` // percent of what it is given
	StartedAt   *time.Time    `json:"startedAt,omitempty"`
	Restarts    int           `json:"restarts"`
}

// ScalingMode says who chooses the number of instances.
type ScalingMode string

// The modes of scaling.
const (
	ScalingAuto   ScalingMode = "auto"
	ScalingManual ScalingMode = "manual"
	ScalingPaused ScalingMode = "paused"
)

// Scaling is how a service is scaled and why as it is.
type Scaling struct {
	Mode ScalingMode `json:"mode"`
	Hold *Hold       `json:"hold,omitempty"` // with mode manual
	Last *Decision   `json:"last,omitempty"` // nil before the first decision
}

// Hold is a number of instances that somebody asked for.
type Hold struct {
	Instances int       `json:"instances"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	Since     time.Time `json:"since"`
}

// Decision is one decision of the scaler.
type Decision struct {
	Time   time.Time    `json:"time"`
	From   int          `json:"from"`
	Want   int          `json:"want"`
	Reason string       `json:"reason"`           // one sentence
	Policy string       `json:"policy,omitempty"` // that decided
	Bounds []string     `json:"bounds,omitempty"` // limits that held it back
	Wants  []PolicyWant `json:"wants,omitempty"`
}

// PolicyWant is what one policy wanted.
type PolicyWant struct {
	Policy string  `json:"policy"`
	Want   int     `json:"want"`
	Value  float64 `json:"value"` // of its metric
	Reason string  `json:"reason"`
}

// ScaleRequest sets a number of instances by hand, or gives scaling back to the policies.
type ScaleRequest struct {
	Instances *int   `json:"instances,omitempty"`
	Auto      bool   `json:"auto,omitempty"`
	Reason    string `json:"reason,omitempty"` // required with instances
}

// ScaleResult says what a ScaleRequest did.
type ScaleResult struct {
	Success   bool   `json:"success"`
	From      int    `json:"from"`
	To        int    `json:"to"`
	ClampedBy string `json:"clampedBy,omitempty"` // the limit that made To differ from what was asked for
}

// PushedMetrics are figures that the gateway cannot see itself, of a service or of
// one instance. What is nil is not changed.
type PushedMetrics struct {
	Instance          string     `json:"instance,omitempty"`
	CPU               *float64   `json:"cpu,omitempty"`    // percent
	Memory            *float64   `json:"memory,omitempty"` // percent
	RequestRate       *float64   `json:"requestRate,omitempty"`
	ResponseTime      *float64   `json:"responseTime,omitempty"` // ms
	ErrorRate         *float64   `json:"errorRate,omitempty"`    // percent
	ActiveConnections *float64   `json:"activeConnections,omitempty"`
	QueueLength       *float64   `json:"queueLength,omitempty"`
	Timestamp         *time.Time `json:"timestamp,omitempty"` // nil: when they arrived
}

// Done is the answer to a change that has nothing else to tell.
type Done struct {
	Success bool `json:"success"`
}
