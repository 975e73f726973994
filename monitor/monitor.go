package monitor

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Policy is what a Monitor watches for. The zero value keeps windows and
// diagnoses; it raises no alert.
type Policy struct {
	Thresholds []Threshold
	Objectives []Objective
	Notify     NotifyPolicy
}

// Monitor holds all that was observed and what was concluded from it. It is not
// safe for use from several goroutines; what its methods return is the caller's.
type Monitor struct {
	policy     Policy
	services   map[string]*service
	gateway    gateway
	machines   map[machineKey]*machine
	alerts     map[string]*Alert // firing, by ID
	conditions map[string]Condition
	silences   map[string]Silence
	groups     map[string]*group
	grace      map[string]time.Time // by service: latency warnings wait until then
	claims     map[claimKey]*onset
	diagnosed  time.Time // when Diagnose was last called
	before     time.Time // and when the time before
	history    history
}

// New makes a Monitor that has seen nothing. Policy must be valid (see Policy.Validate).
func New(p Policy) *Monitor {
	p.Notify = p.Notify.withDefaults()
	p.Thresholds = slices.Clone(p.Thresholds)
	for i := range p.Thresholds {
		p.Thresholds[i] = p.Thresholds[i].withDefaults()
	}
	p.Objectives = slices.Clone(p.Objectives)
	for i := range p.Objectives {
		p.Objectives[i] = p.Objectives[i].withDefaults()
	}
	return &Monitor{
		policy:     p,
		services:   map[string]*service{},
		machines:   map[machineKey]*machine{},
		alerts:     map[string]*Alert{},
		conditions: map[string]Condition{},
		silences:   map[string]Silence{},
		groups:     map[string]*group{},
		grace:      map[string]time.Time{},
		claims:     map[claimKey]*onset{},
	}
}

// SetPolicy replaces what is watched for; windows, silences and the alerts
// that the new policy still has stay as they are.
func (m *Monitor) SetPolicy(p Policy) {
	m.policy = New(p).policy
}

// Observe takes in what was seen of one service. Observations of a service must
// not go back in time; one that does is counted where the windows still reach.
func (m *Monitor) Observe(o Observation) {
	s := m.services[o.Service]
	if s == nil {
		s = newService(o.Service, o.At)
		m.services[o.Service] = s
	}
	s.observe(o)
}

// ObserveGateway takes in what the gateway saw of itself.
func (m *Monitor) ObserveGateway(o GatewayObservation) { m.gateway.observe(o) }

// Note takes in something that was done, for the context of alerts and for reports.
func (m *Monitor) Note(e Event) {
	m.history.note(e)
	if e.Grace > 0 && !e.At.Before(m.grace[e.Service]) {
		m.grace[e.Service] = e.At.Add(e.Grace)
	}
}

// Forget drops a service that is no longer configured, its alerts and findings included.
// Groups that were notified of its alerts are told at the next Evaluate that these ended.
func (m *Monitor) Forget(name string) {
	delete(m.services, name)
	delete(m.grace, name)
	for key := range m.machines {
		if key.service == name {
			delete(m.machines, key)
		}
	}
	for key := range m.claims {
		if key.service == name {
			delete(m.claims, key)
		}
	}
}

// Services are the names of all that were observed, sorted.
func (m *Monitor) Services() []string { return slices.Sorted(maps.Keys(m.services)) }

// sortedServices gives every walk over services the same order, so the same
// observations always give the same transcript.
func (m *Monitor) sortedServices() []*service {
	return slices.SortedFunc(maps.Values(m.services), func(a, b *service) int {
		return cmp.Compare(a.name, b.name)
	})
}
