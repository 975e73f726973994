package monitor

import "fmt"

// RemedyVerb names what gatewayd can do about a finding.
type RemedyVerb string

// The verbs of remedies, as on the command line.
const (
	RemedyScale    RemedyVerb = "scale"    // to Instances, for Reason
	RemedyDrain    RemedyVerb = "drain"    // Instance
	RemedyRollback RemedyVerb = "rollback" // to the revision before
	RemedyCost     RemedyVerb = "cost"     // changes nothing: look at what could cost less
)

// Remedy is what gatewayd can do by itself about a finding of one service. The zero value is nothing.
type Remedy struct {
	Verb      RemedyVerb `json:"verb"`
	Service   string     `json:"service,omitempty"`
	Instance  string     `json:"instance,omitempty"`
	Instances int        `json:"instances,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

// Command is the command line that does it; empty for the zero value.
func (r Remedy) Command() string {
	switch r.Verb {
	case "":
		return ""
	case RemedyScale:
		return fmt.Sprintf("gatewayd scale %s %d --reason %s", quoteArg(r.Service), r.Instances, quoteArg(r.Reason))
	case RemedyDrain:
		return fmt.Sprintf("gatewayd drain %s %s", quoteArg(r.Service), quoteArg(r.Instance))
	case RemedyRollback:
		return fmt.Sprintf("gatewayd rollback %s", quoteArg(r.Service))
	case RemedyCost:
		return "gatewayd cost"
	}
	panic(fmt.Sprintf("BUG: a remedy with the verb %q", r.Verb))
}

func (v *view) scale(instances int, reason string) Remedy {
	return Remedy{Verb: RemedyScale, Service: v.name, Instances: instances, Reason: reason}
}

func (v *view) drain(instance string) Remedy {
	return Remedy{Verb: RemedyDrain, Service: v.name, Instance: instance}
}
