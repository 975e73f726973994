package monitor

import "time"

// FindingType names a kind of bottleneck.
type FindingType string

// The kinds of bottlenecks.
const (
	Capacity             FindingType = "capacity"
	ConcurrencyLimit     FindingType = "concurrency-limit"
	Dependency           FindingType = "dependency"
	CPU                  FindingType = "cpu"
	Memory               FindingType = "memory"
	ErrorsAfterRelease   FindingType = "errors-after-release"
	SlowInstance         FindingType = "slow-instance"
	FailingInstance      FindingType = "failing-instance"
	UnevenLoad           FindingType = "uneven-load"
	ConnectionExhaustion FindingType = "connection-exhaustion"
	ScalingLimit         FindingType = "scaling-limit"
	CostLimit            FindingType = "cost-limit"
	MoreDoNotHelp        FindingType = "more-instances-do-not-help"
	Gateway              FindingType = "gateway"
)

// Figure is one piece of evidence.
type Figure struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit,omitempty"`
	Usual *float64 `json:"usual,omitempty"` // what it is compared to: before, or with the peers
}

// Evidence is what a finding rests on.
type Evidence struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Figures []Figure  `json:"figures"`
}

// Finding is one bottleneck.
type Finding struct {
	ID       string      `json:"id"`
	Type     FindingType `json:"type"`
	Service  string      `json:"service"` // empty: the gateway itself
	Instance string      `json:"instance,omitempty"`
	Severity Severity    `json:"severity"`
	Since    time.Time   `json:"since"`
	Cause    string      `json:"cause"` // one sentence
	Evidence Evidence    `json:"evidence"`
	Advice   string      `json:"advice"`
	Remedy   Remedy      `json:"remedy,omitzero"`   // what gatewayd can do about it; zero: nothing
	Command  string      `json:"command,omitempty"` // Remedy as a command line

	ResolvedAt *time.Time `json:"resolvedAt,omitempty"`
}

// Diagnosis is what one Diagnose found.
type Diagnosis struct {
	Findings []Finding // all that hold, gravest first
	Raised   []Finding // those that are new
	Resolved []Finding // those that are over
}
