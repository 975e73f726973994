package simulate

import (
	"fmt"
	"time"

	"gatewayd/scaler"
)

// own drives scaler.Decide as the gateway does.
type own struct {
	spec  scaler.Spec
	state scaler.State
	slots int // of the plant
	notes []string
	last  scaler.Decision
}

// newOwn takes a copy of sp without the policies on metrics that the plant does not have.
func newOwn(sp *scaler.Spec, slots int) *own {
	o := &own{spec: *sp, slots: slots}
	o.spec.Policies = append([]scaler.Policy(nil), sp.Policies...)
	for i := range o.spec.Policies {
		p := &o.spec.Policies[i]
		if watches(p) && !p.Disabled && (p.Metric == scaler.MetricMemory || p.Metric == scaler.MetricErrorRate || p.Metric == scaler.MetricResponseTime) {
			p.Disabled = true
			o.notes = append(o.notes, fmt.Sprintf("policy %s is left out: the model has no %s", p.Name, p.Metric))
		}
	}
	return o
}

func watches(p *scaler.Policy) bool {
	return p.Type == scaler.TypeThreshold || p.Type == scaler.TypeTarget || p.Type == ""
}

func (o *own) want(s *scaler.Sample, now time.Time) int {
	// The model's cpu is the busy share of the slots.
	if s.Ready > 0 && !s.Blind {
		s.Pushed.CPU = scaler.Reading{Value: 100 * s.BusySlots / float64(s.Ready*o.slots), At: now}
	}
	o.last = scaler.Decide(&o.spec, &o.state, s, now)
	return o.last.Want
}
