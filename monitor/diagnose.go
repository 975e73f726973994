package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	onsetAfter = 8 * time.Second         // a claim becomes a finding when it held so long
	onsetGap   = 1500 * time.Millisecond // and missed no more than one diagnosis: from the last that it held in to the one before now
	clearAfter = 30 * time.Second        // a finding is over when it did not hold for so long
)

// claim is what a classifier makes of the present; it becomes a finding if it lasts.
type claim struct {
	kind     FindingType
	instance string // part of its identity
	severity Severity
	cause    string
	figures  []Figure
	from     time.Time // of the evidence
	advice   string
	remedy   Remedy
}

type claimKey struct {
	kind              FindingType
	service, instance string
}

// onset follows one claim through time.
type onset struct {
	first, last time.Time // that it held
	finding     *Finding  // nil: not one yet
	raised      bool      // told in a Diagnosis
}

// classifiers are asked in this order; the order has no meaning otherwise.
func classifiers() []func(*view) []claim {
	return []func(*view) []claim{
		limits, capacity, concurrencyLimit, moreDoNotHelp, dependency, hotCPU,
		memory, errorsAfterRelease, failingInstances, slowInstances, unevenLoad, connections,
	}
}

// explains says which kinds are mere consequences of a kind, so that a service with
// both shows the root only.
func explains(root FindingType) []FindingType {
	switch root {
	case CostLimit:
		return []FindingType{ScalingLimit, Capacity, CPU}
	case ScalingLimit:
		return []FindingType{Capacity, CPU}
	case MoreDoNotHelp:
		return []FindingType{ScalingLimit, CostLimit, Capacity, CPU, ConcurrencyLimit, Dependency}
	case Memory:
		return []FindingType{SlowInstance, CPU}
	case ErrorsAfterRelease:
		return []FindingType{FailingInstance, SlowInstance, UnevenLoad, Dependency}
	case ConnectionExhaustion:
		return []FindingType{FailingInstance, SlowInstance, Dependency, ConcurrencyLimit, Capacity, UnevenLoad}
	case FailingInstance:
		return []FindingType{SlowInstance, UnevenLoad, Dependency, Capacity, ConcurrencyLimit}
	case SlowInstance:
		return []FindingType{UnevenLoad, Dependency, Capacity, ConcurrencyLimit, CPU}
	case UnevenLoad:
		return []FindingType{ConcurrencyLimit}
	case Capacity:
		return []FindingType{CPU, Dependency, UnevenLoad}
	case Dependency:
		return []FindingType{ConcurrencyLimit}
	case Gateway:
		return []FindingType{Dependency, ConcurrencyLimit, Capacity}
	}
	return nil
}

// Diagnose brings all findings up to now. Call it about once a second, after the observations.
func (m *Monitor) Diagnose(now time.Time) Diagnosis {
	held := map[claimKey]bool{}
	m.before, m.diagnosed = m.diagnosed, now
	gateway := m.gateway.claims(now, m.activeIn(""))
	m.hold(held, "", gateway, now)
	for _, s := range m.sortedServices() {
		if now.Sub(s.last.At) > recent {
			continue // nobody looks at it any more
		}
		v := s.view(now, m.activeIn(s.name))
		v.lag = m.gateway.lag(now)
		s.noteScaling(v)
		var claims []claim
		for _, classify := range classifiers() {
			claims = append(claims, classify(v)...)
		}
		m.hold(held, s.name, rootsOnly(claims, gateway), now)
		if len(claims) == 0 && !m.troubled(s.name) {
			s.updateUsual(now)
		}
	}
	return m.settle(held, now)
}

func (m *Monitor) activeIn(service string) func(FindingType, string) bool {
	return func(t FindingType, instance string) bool {
		o := m.claims[claimKey{t, service, instance}]
		return o != nil && o.finding != nil
	}
}

func (m *Monitor) troubled(service string) bool {
	for key, o := range m.claims {
		if key.service == service && o.finding != nil {
			return true
		}
	}
	return false
}

// rootsOnly drops the claims that another claim, or the gateway's trouble, explains.
// Of two that explain one another the earlier in claims is the root.
func rootsOnly(claims, gateway []claim) []claim {
	dropped := map[FindingType]bool{}
	if len(gateway) > 0 {
		for _, t := range explains(Gateway) {
			dropped[t] = true
		}
	}
	for _, c := range claims {
		if dropped[c.kind] {
			continue
		}
		for _, t := range explains(c.kind) {
			dropped[t] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return dropped[c.kind] })
}

// hold notes the claims that hold now and turns those that held long enough into findings.
func (m *Monitor) hold(held map[claimKey]bool, service string, claims []claim, now time.Time) {
	for _, c := range claims {
		key := claimKey{c.kind, service, c.instance}
		held[key] = true
		o := m.claims[key]
		if o == nil || o.finding == nil && m.before.Sub(o.last) > onsetGap {
			o = &onset{first: now}
			m.claims[key] = o
		}
		o.last = now
		if o.finding == nil && now.Sub(o.first) < onsetAfter {
			continue
		}
		o.tell(c, key, now)
	}
}

// tell makes or updates the finding. Its severity only rises while it lasts.
func (o *onset) tell(c claim, key claimKey, now time.Time) {
	if o.finding == nil {
		o.finding = &Finding{ID: findingID(key, o.first), Type: c.kind, Service: key.service, Instance: c.instance, Since: o.first}
	}
	f := o.finding
	f.Severity = max(f.Severity, c.severity)
	f.Cause, f.Advice, f.Remedy, f.Command = c.cause, c.advice, c.remedy, c.remedy.Command()
	f.Evidence = Evidence{From: c.from, To: now, Figures: c.figures}
}

func findingID(key claimKey, since time.Time) string {
	id := string(key.kind)
	for _, part := range []string{key.service, key.instance} {
		if part != "" {
			id += "-" + part
		}
	}
	return fmt.Sprintf("%s-%s", id, since.UTC().Format("20060102T150405Z"))
}

// settle ends what no longer holds and sorts what does.
func (m *Monitor) settle(held map[claimKey]bool, now time.Time) Diagnosis {
	var d Diagnosis
	for key, o := range m.claims {
		quiet := now.Sub(o.last)
		if !held[key] && (o.finding == nil && m.before.Sub(o.last) > onsetGap || quiet >= clearAfter || m.superseded(key, held)) {
			if o.finding != nil {
				over := *o.finding
				over.ResolvedAt = &now
				d.Resolved = append(d.Resolved, over)
				m.history.find(over)
			}
			delete(m.claims, key)
			continue
		}
		if o.finding == nil {
			continue
		}
		d.Findings = append(d.Findings, *o.finding)
		if !o.raised {
			o.raised = true
			d.Raised = append(d.Raised, *o.finding)
		}
		m.history.find(*o.finding)
	}
	for _, list := range [][]Finding{d.Findings, d.Raised, d.Resolved} {
		slices.SortFunc(list, func(a, b Finding) int {
			return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.ID, b.ID))
		})
	}
	return d
}

// superseded is whether a root was found for what key is a consequence of.
func (m *Monitor) superseded(key claimKey, held map[claimKey]bool) bool {
	for root := range maps.Keys(held) {
		if root.service != key.service && root.service != "" || m.claims[root] == nil || m.claims[root].finding == nil {
			continue
		}
		if slices.Contains(explains(root.kind), key.kind) {
			return true
		}
	}
	return false
}
