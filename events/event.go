package events

import (
	"slices"
	"time"
)

// Type says what kind of thing happened.
type Type string

// The types of events. Data names what Event.Data holds for each type; more
// keys may join.
const (
	ComponentScaled      Type = "component-scaled"       // Data: from, to, reason
	InstanceStarted      Type = "instance-started"       // Data: address
	InstanceStopped      Type = "instance-stopped"       // Data: reason
	InstanceHealthy      Type = "instance-healthy"       //
	InstanceUnhealthy    Type = "instance-unhealthy"     // Data: reason
	InstanceEjected      Type = "instance-ejected"       // Data: reason, for
	InstanceDraining     Type = "instance-draining"      // Data: deadline
	BottleneckDetected   Type = "bottleneck-detected"    // Data: the finding
	BottleneckResolved   Type = "bottleneck-resolved"    // Data: the finding
	PerformanceAlert     Type = "performance-alert"      // Data: the alert
	AlertResolved        Type = "alert-resolved"         // Data: the alert
	DeploymentStarted    Type = "deployment-started"     // Data: id, version, strategy
	DeploymentStep       Type = "deployment-step"        // Data: id, step, steps, weight
	DeploymentCompleted  Type = "deployment-completed"   // Data: id
	DeploymentRolledBack Type = "deployment-rolled-back" // Data: id, reason
	DeploymentFailed     Type = "deployment-failed"      // Data: id, reason
	ConfigReloaded       Type = "config-reloaded"        // Data: generation
	ConfigRejected       Type = "config-rejected"        // Data: errors
	LimitReached         Type = "limit-reached"          // Data: limit, value
	MaintenanceChanged   Type = "maintenance-changed"    // Data: mode
	StateSetAside        Type = "state-set-aside"        // Data: path
	Audit                Type = "audit"                  // Data: who, role, from, action, reason, status
)

// Types returns all types, in the order in which they are declared.
func Types() []Type {
	return []Type{
		ComponentScaled, InstanceStarted, InstanceStopped, InstanceHealthy, InstanceUnhealthy, InstanceEjected,
		InstanceDraining, BottleneckDetected, BottleneckResolved, PerformanceAlert, AlertResolved,
		DeploymentStarted, DeploymentStep, DeploymentCompleted, DeploymentRolledBack, DeploymentFailed,
		ConfigReloaded, ConfigRejected, LimitReached, MaintenanceChanged, StateSetAside, Audit,
	}
}

// Valid reports whether t is one of Types.
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// Severity orders events by how soon somebody should look.
type Severity string

// The severities, from least to most urgent.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
	Page     Severity = "page"
)

// Rank returns 0 for Info up to 3 for Page, and -1 for anything else.
func (s Severity) Rank() int {
	return slices.Index([]Severity{Info, Warning, Critical, Page}, s)
}

// Event is one thing that happened. It is never written to after Publish.
type Event struct {
	ID       uint64         `json:"id"`
	Type     Type           `json:"type"`
	Time     time.Time      `json:"time"`
	Service  string         `json:"service,omitempty"`
	Revision string         `json:"revision,omitempty"`
	Instance string         `json:"instance,omitempty"`
	Severity Severity       `json:"severity"`
	Message  string         `json:"message"` // one sentence for people
	Data     map[string]any `json:"data,omitempty"`
}
