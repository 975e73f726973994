package gateway

import (
	"encoding/json"
	"math"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
	"gatewayd/internal/metrics"
	"gatewayd/monitor"
)

// watchView is what the watch concluded. It is immutable once stored.
type watchView struct {
	alerts   []api.Alert
	findings []api.Finding
	health   map[string]judgement // by service, "" is the gateway itself; healthy ones are left out
	cost     api.Cost
	perHour  []poolCost
	firing   map[firingKey]int
	services []string
}

type judgement struct {
	health  api.Health
	reasons []string
}

// troubles are what is wrong with one service.
type troubles struct {
	alerts   []monitor.Alert
	findings []monitor.Finding
}

type firingKey struct{ service, severity string }

// conclude works out alerts and findings and tells everyone.
func (w *watch) conclude(now time.Time) {
	e := w.monitor.Evaluate(now)
	d := w.monitor.Diagnose(now)
	for _, a := range e.Raised {
		w.tellAlert(events.PerformanceAlert, &a, a.Summary)
	}
	for _, a := range e.Resolved {
		w.tellAlert(events.AlertResolved, &a, "over: "+a.Summary)
	}
	for _, f := range d.Raised {
		w.tellFinding(events.BottleneckDetected, &f, f.Cause)
	}
	for _, f := range d.Resolved {
		w.tellFinding(events.BottleneckResolved, &f, "over: "+f.Cause)
	}
	for _, n := range e.Notifications {
		w.g.watchers.sender.Notify(n)
	}
	v := &watchView{alerts: []api.Alert{}, findings: []api.Finding{}, health: map[string]judgement{}, firing: map[firingKey]int{}, services: w.monitor.Services()}
	for i := range e.Alerts {
		if a := &e.Alerts[i]; a.State == monitor.Firing {
			v.alerts = append(v.alerts, describeAlert(a))
			v.firing[firingKey{a.Service, a.Severity.String()}]++
		}
	}
	for i := range d.Findings {
		v.findings = append(v.findings, describeFinding(&d.Findings[i]))
	}
	v.judge(e.Alerts, d.Findings)
	v.cost = w.describeCost()
	v.perHour = w.poolCosts()
	w.g.watchers.view.Store(v)
}

// judge sums up, service by service.
func (v *watchView) judge(alerts []monitor.Alert, findings []monitor.Finding) {
	byService := map[string]*troubles{}
	of := func(name string) *troubles {
		if byService[name] == nil {
			byService[name] = &troubles{}
		}
		return byService[name]
	}
	for _, a := range alerts {
		if a.Metric != configCondition { // which the status tells anyway
			of(a.Service).alerts = append(of(a.Service).alerts, a)
		}
	}
	for _, f := range findings {
		of(f.Service).findings = append(of(f.Service).findings, f)
	}
	for name, all := range byService {
		overall, reasons := monitor.Judge(all.alerts, all.findings)
		switch overall {
		case monitor.Degraded:
			v.health[name] = judgement{api.Degraded, reasons}
		case monitor.Broken:
			v.health[name] = judgement{api.Critical, reasons}
		}
	}
}

// addJudgement adds to a status what the watch found.
func (g *Gateway) addJudgement(st *api.Status) {
	v := g.watchers.view.Load()
	for i := range st.Services {
		s := &st.Services[i]
		j, found := v.health[s.Name]
		if !found {
			continue
		}
		s.Health = worse(s.Health, j.health)
		s.Reasons = append(s.Reasons, j.reasons...)
		st.Overall = worse(st.Overall, j.health)
		for _, r := range j.reasons {
			st.Reasons = append(st.Reasons, s.Name+": "+r)
		}
	}
	if j, found := v.health[""]; found {
		st.Overall = worse(st.Overall, j.health)
		st.Reasons = append(st.Reasons, j.reasons...)
	}
}

func (w *watch) tellAlert(t events.Type, a *monitor.Alert, message string) {
	e := events.Event{Type: t, Service: a.Service, Severity: events.Severity(a.Severity.String()), Message: message, Data: asData(describeAlert(a))}
	if t == events.AlertResolved {
		e.Severity = events.Info
	}
	w.g.publishEvent(e)
}

func (w *watch) tellFinding(t events.Type, f *monitor.Finding, message string) {
	e := events.Event{Type: t, Service: f.Service, Instance: f.Instance, Severity: events.Severity(f.Severity.String()), Message: message, Data: asData(describeFinding(f))}
	if t == events.BottleneckResolved {
		e.Severity = events.Info
	}
	w.g.publishEvent(e)
}

// asData is a document as the data of an event.
func asData(doc any) map[string]any {
	b, err := json.Marshal(doc)
	if err != nil {
		panic("BUG: a document of the admin API cannot be encoded: " + err.Error())
	}
	var data map[string]any
	if err := json.Unmarshal(b, &data); err != nil {
		panic("BUG: a document of the admin API is no object: " + err.Error())
	}
	return data
}

func describeAlert(a *monitor.Alert) api.Alert {
	message := a.Summary
	if a.ResolvedAt != nil {
		message += "; over since " + a.ResolvedAt.Format(time.TimeOnly)
	}
	// More than three decimals of a measurement tell nothing.
	return api.Alert{ID: a.ID, Metric: a.Metric, Service: a.Service, Severity: a.Severity.String(), Since: a.Since, Value: math.Round(a.Value*1000) / 1000,
		Threshold: a.Threshold, Unit: a.Unit, Message: message, Context: a.Context, SilencedBy: a.SilencedBy}
}

func describeFinding(f *monitor.Finding) api.Finding {
	out := api.Finding{ID: f.ID, Type: string(f.Type), Service: f.Service, Instance: f.Instance, Severity: f.Severity.String(), Since: f.Since,
		Cause: f.Cause, Evidence: []api.Figure{}, Advice: f.Advice, Command: f.Command, Action: actionOf(f.Remedy)}
	if f.ResolvedAt != nil {
		out.Cause += " Over since " + f.ResolvedAt.Format(time.TimeOnly) + "."
		out.Action = nil
	}
	for _, e := range f.Evidence.Figures {
		if !finite(e.Value) {
			continue // nobody measured it
		}
		out.Evidence = append(out.Evidence, api.Figure{Name: e.Name, Value: e.Value, Unit: e.Unit})
		if e.Usual != nil && finite(*e.Usual) {
			out.Evidence = append(out.Evidence, api.Figure{Name: e.Name + ", usual", Value: *e.Usual, Unit: e.Unit})
		}
	}
	return out
}

func finite(v float64) bool { return v-v == 0 }

// Alerts implements admin.Alerts.
func (p ports) Alerts() []api.Alert { return p.g.watchers.view.Load().listAlerts() }

// Bottlenecks implements admin.Bottlenecks.
func (p ports) Bottlenecks() []api.Finding {
	return append([]api.Finding{}, p.g.watchers.view.Load().findings...)
}

func (v *watchView) listAlerts() []api.Alert { return append([]api.Alert{}, v.alerts...) }

// watchCollector writes what the watch knows to /metrics.
type watchCollector struct{ w *watchers }

// Collect implements metrics.Collector.
func (c watchCollector) Collect(out *metrics.Writer) {
	v := c.w.view.Load()
	for _, service := range v.services {
		for s := monitor.Info; s <= monitor.Page; s++ {
			out.Gauge("gatewayd_alerts", "Alerts that fire.", float64(v.firing[firingKey{service, s.String()}]),
				label("service", service), label("severity", s.String()))
		}
	}
	for k, n := range v.firing {
		if k.service == "" {
			out.Gauge("gatewayd_alerts", "Alerts that fire.", float64(n), label("service", ""), label("severity", k.severity))
		}
	}
	for _, p := range v.perHour {
		out.Gauge("gatewayd_cost_per_hour", "What the instances cost per hour now, in cost.currency.", p.perHour,
			label("service", p.service), label("pool", p.pool))
	}
	for id, n := range c.w.sender.Counts() {
		receiver := label("receiver", id)
		const name, help = "gatewayd_messages_total", "Attempts to deliver alerts and events, by receiver and what became of them."
		out.Counter(name, help, float64(n.Delivered), receiver, label("result", "delivered"))
		out.Counter(name, help, float64(n.Retried), receiver, label("result", "retried"))
		out.Counter(name, help, float64(n.GivenUp), receiver, label("result", "given-up"))
		out.Gauge("gatewayd_messages_queued", "Alert messages that wait to be delivered.", float64(n.Queued), receiver)
	}
}
