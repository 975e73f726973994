package rollout

import (
	"fmt"
	"strings"
)

// ActionKind is what the owner is asked to do.
type ActionKind string

// The actions. Those marked with * describe a state to be reached and hold
// until the next of their kind; the others happen once, and a repeat carries
// the same Seq.
const (
	SetInstances    ActionKind = "set-instances"    // * Version, Count
	SetWeights      ActionKind = "set-weights"      // * Weights, in one snapshot
	StartValidation ActionKind = "start-validation" // Version: probe and smoke requests, result in Observation.Validation
	RunCheck        ActionKind = "run-check"        // Check, result in Observation.Checks
	PromoteVersion  ActionKind = "promote"          // Version is the service's stable version from now on
	Retire          ActionKind = "retire"           // * Version: drain and stop all its instances
	Emit            ActionKind = "emit"             // Event, Text
	Finish          ActionKind = "finish"           // End; Step returns nothing after it
)

// Action is one thing to do, in the order in which Step returned them. Seq
// rises by one with each action of a rollout; what was done may be told by it.
type Action struct {
	Seq     uint64     `json:"seq"`
	Kind    ActionKind `json:"kind"`
	Version string     `json:"version,omitempty"`
	Count   int        `json:"count,omitempty"`
	Weights *Weights   `json:"weights,omitempty"`
	Check   string     `json:"check,omitempty"`
	Event   EventType  `json:"event,omitempty"`
	Text    string     `json:"text,omitempty"` // one sentence
	End     *End       `json:"end,omitempty"`
}

// Weights says which requests go to the candidate; all others go to stable.
type Weights struct {
	Candidate float64 `json:"candidate"`        // percent, [0, 100]
	Mirror    float64 `json:"mirror,omitempty"` // percent of stable's requests copied to the candidate, [0, 100]
	Cohort    *Cohort `json:"cohort,omitempty"`
}

// active reports whether the candidate gets any requests.
func (w Weights) active() bool { return w.Candidate > 0 || w.Mirror > 0 || w.Cohort != nil }

func (w Weights) same(o Weights) bool {
	if w.Candidate != o.Candidate || w.Mirror != o.Mirror || (w.Cohort == nil) != (o.Cohort == nil) {
		return false
	}
	return w.Cohort == nil || *w.Cohort == *o.Cohort
}

// EventType is the type of an event, as in the event stream.
type EventType string

// The event types of a rollout.
const (
	EventStarted    EventType = "deployment-started"
	EventStep       EventType = "deployment-step"
	EventCompleted  EventType = "deployment-completed"
	EventRolledBack EventType = "deployment-rolled-back"
	EventFailed     EventType = "deployment-failed"
)

// End is how a rollout ended.
type End struct {
	Status Status `json:"status"`
	Reason string `json:"reason"` // one sentence
	// Verdict is what the judge said last; nil when there was nothing to judge.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// String is the action on one line, as transcripts show it.
func (a Action) String() string {
	switch a.Kind {
	case SetInstances:
		return fmt.Sprintf("%s %s %d", a.Kind, a.Version, a.Count)
	case SetWeights:
		return fmt.Sprintf("%s %s", a.Kind, a.Weights)
	case RunCheck:
		return fmt.Sprintf("%s %s", a.Kind, a.Check)
	case Emit:
		return fmt.Sprintf("%s %s: %s", a.Kind, a.Event, a.Text)
	case Finish:
		return fmt.Sprintf("%s %s: %s", a.Kind, a.End.Status, a.End.Reason)
	default:
		return fmt.Sprintf("%s %s", a.Kind, a.Version)
	}
}

// String is the weights on one line.
func (w Weights) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "candidate %s%%", number(w.Candidate))
	if w.Mirror > 0 {
		fmt.Fprintf(&b, ", mirror %s%%", number(w.Mirror))
	}
	if c := w.Cohort; c != nil {
		fmt.Fprintf(&b, ", %s", c)
	}
	return b.String()
}

// String is the cohort as a person would say it.
func (c Cohort) String() string {
	if c.Header != "" {
		return fmt.Sprintf("header %s: %s", c.Header, c.Value)
	}
	return fmt.Sprintf("cookie %s=%s", c.Cookie, c.Value)
}
