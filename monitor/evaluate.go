package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Evaluate brings all alerts up to now and tells which began, which ended and
// what is to be sent. Call it about once a second, after the observations.
func (m *Monitor) Evaluate(now time.Time) Evaluation {
	before := m.alerts
	m.alerts = map[string]*Alert{}
	var pending []Alert
	for _, c := range m.candidates(now) {
		switch a := m.judge(c, before[c.id], now); {
		case a == nil:
		case a.State == Pending:
			pending = append(pending, *a)
		default:
			m.alerts[a.ID] = a
		}
	}
	m.raiseConditions(before, now)
	maps.DeleteFunc(m.machines, func(_ machineKey, s *machine) bool { return s.useless(now) })
	maps.DeleteFunc(m.silences, func(_ string, s Silence) bool { return !s.Until.After(now) })
	maps.DeleteFunc(m.grace, func(_ string, until time.Time) bool { return !until.After(now) })
	m.mute(now)

	var e Evaluation
	for _, a := range sorted(m.alerts) {
		e.Alerts = append(e.Alerts, *a)
		if was := before[a.ID]; was == nil || a.Severity > was.Severity {
			e.Raised = append(e.Raised, *a)
			m.history.raise(*a)
		}
	}
	e.Alerts = append(e.Alerts, pending...)
	for _, was := range sorted(before) {
		if m.alerts[was.ID] == nil {
			over := resolved(*was, now)
			e.Resolved = append(e.Resolved, over)
			m.history.resolve(over)
		}
	}
	e.Notifications = m.notify(now, e.Resolved)
	return e
}

func resolved(a Alert, now time.Time) Alert {
	a.State, a.ResolvedAt = Resolved, &now
	return a
}

// sorted puts the gravest alerts first, then by ID.
func sorted(alerts map[string]*Alert) []*Alert {
	return slices.SortedFunc(maps.Values(alerts), func(a, b *Alert) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.ID, b.ID))
	})
}

// candidate is one rule for one service, with all its levels.
type candidate struct {
	id       string
	metric   string
	service  string
	unit     string
	readings []reading
	summary  func(r reading) string
}

func (m *Monitor) candidates(now time.Time) []candidate {
	var list []candidate
	for _, s := range m.sortedServices() {
		for i := range m.policy.Thresholds {
			if t := &m.policy.Thresholds[i]; t.Service == "" || t.Service == s.name {
				list = append(list, t.candidate(s, now))
			}
		}
		for i := range m.policy.Objectives {
			if o := &m.policy.Objectives[i]; o.Service == s.name {
				list = append(list, o.candidate(s, now))
			}
		}
	}
	return list
}

func (t *Threshold) candidate(s *service, now time.Time) candidate {
	value, known := s.value(t, now)
	c := candidate{id: alertID(t.Name, s.name), metric: t.Metric, service: s.name, unit: t.Unit}
	for _, l := range t.Levels {
		c.readings = append(c.readings, reading{
			key:        machineKey{t.Name, s.name, l.Severity},
			value:      value,
			threshold:  l.Raise,
			known:      known,
			bad:        known && t.beyond(value, l.Raise),
			healthy:    !known || !t.beyond(value, l.Clear),
			wait:       t.For,
			keepFiring: t.KeepFiring,
		})
	}
	word := "at or above"
	if t.Below {
		word = "at or below"
	}
	c.summary = func(r reading) string {
		return fmt.Sprintf("%s of %s is %s%s, %s%s %s%s", t.Metric, s.name, number(r.value), unit(t.Unit),
			afterBeing(t.beyond(r.value, r.threshold)), word, number(r.threshold), unit(t.Unit))
	}
	return c
}

func (o *Objective) candidate(s *service, now time.Time) candidate {
	c := candidate{id: alertID(o.metric(), s.name), metric: o.metric(), service: s.name, unit: "x"}
	for _, rule := range burnRules() {
		long, requests, bad := o.burn(s, rule.long, now)
		short, _, _ := o.burn(s, rule.short, now)
		enough := requests >= float64(o.MinRequests) && bad >= float64(o.MinBad)
		c.readings = append(c.readings, reading{
			key:        machineKey{rule.name(o.metric()), s.name, rule.severity},
			value:      long,
			threshold:  rule.rate,
			known:      true,
			bad:        enough && long >= rule.rate && short >= rule.rate,
			healthy:    !enough || long < rule.rate || short < rule.rate,
			keepFiring: 5 * time.Minute,
		})
	}
	slices.SortStableFunc(c.readings, func(a, b reading) int {
		return cmp.Or(int(a.key.severity)-int(b.key.severity), cmp.Compare(a.threshold, b.threshold))
	})
	c.summary = func(r reading) string {
		return fmt.Sprintf("%s burns its error budget (%s%% over 30 days) %s times too fast, %sat or above %s",
			s.name, number(o.Percent), number(r.value), afterBeing(r.value >= r.threshold), number(r.threshold))
	}
	return c
}

// afterBeing tells that an alert goes on, or is over, with a value that would not raise it.
func afterBeing(beyond bool) string {
	if beyond {
		return ""
	}
	return "after being "
}

// judge steps all levels of c and makes its alert of the gravest one that fires,
// else of the gravest that is pending, else none. readings come mildest first.
func (m *Monitor) judge(c candidate, was *Alert, now time.Time) *Alert {
	var worst reading
	var state AlertState
	for _, r := range c.readings {
		key := r.key
		if m.machines[key] == nil {
			if !r.bad {
				continue
			}
			m.machines[key] = &machine{}
		}
		switch got := m.machines[key].step(r, now); {
		case got == Firing, got == Pending && state != Firing:
			worst, state = r, got
		}
	}
	if state == "" {
		return nil
	}
	a := &Alert{
		ID: c.id, Metric: c.metric, Service: c.service, Unit: c.unit, Cause: cause(c.metric),
		Severity: worst.key.severity, State: state, Since: m.machines[worst.key].Since,
		Value: worst.value, Threshold: worst.threshold, Summary: c.summary(worst),
	}
	if was != nil && state == Firing {
		a.Since = was.Since
	}
	if was != nil && !worst.known {
		a.Value, a.Summary = was.Value, was.Summary // the last that was known
	}
	return a
}

func (m *Monitor) raiseConditions(before map[string]*Alert, now time.Time) {
	for id, c := range m.conditions {
		a := &Alert{
			ID: id, Metric: c.Key, Service: c.Service, Severity: c.Severity, State: Firing, Since: now,
			Value: c.Value, Threshold: c.Threshold, Unit: c.Unit, Summary: c.Summary, Cause: c.Key,
		}
		if was := before[id]; was != nil {
			a.Since = was.Since
		}
		m.alerts[id] = a
	}
}

// mute works out which firing alerts are not to be notified, and gives all their context.
func (m *Monitor) mute(now time.Time) {
	list := sorted(m.alerts)
	for i, a := range list {
		a.Context = m.history.context(a.Service, now)
		for _, graver := range list[:i] {
			if graver.Service == a.Service && graver.Cause == a.Cause && graver.Severity > a.Severity {
				a.InhibitedBy = graver.ID
				break
			}
		}
		for _, id := range slices.Sorted(maps.Keys(m.silences)) {
			if m.silences[id].matches(a) {
				a.SilencedBy = id
				break
			}
		}
		if until := m.grace[a.Service]; a.Cause == "latency" && a.Severity <= Warning && until.After(now) {
			a.Held = &until
		}
	}
}

func (s Silence) matches(a *Alert) bool {
	return matches(s.Service, a.Service) && matches(s.Metric, a.Metric) && (s.Below == 0 || a.Severity < s.Below)
}

func matches(pattern, name string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == "" || pattern == name
}

// tellable is whether a may be in a notification.
func (a *Alert) tellable() bool { return a.InhibitedBy == "" && a.SilencedBy == "" && a.Held == nil }
