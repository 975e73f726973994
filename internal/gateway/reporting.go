package gateway

import (
	"context"
	"io"
	"math"
	"time"

	"gatewayd/admin/api"
	"gatewayd/monitor"
	"gatewayd/monitor/report"
)

// performance has the watch sum up the window that ends now.
func (g *Gateway) performance(ctx context.Context, window time.Duration) (r monitor.Report, err error) {
	advised := g.watchers.advice.Load().made
	err = g.watchers.mail.call(ctx, func() {
		w := g.watchers.watch
		now := g.now()
		q := monitor.ReportRequest{From: now.Add(-window), To: now}
		if len(w.cfg.ResourcePools) > 0 {
			q.Currency = w.cfg.Cost.Currency
			q.Costs = w.reportCosts()
		}
		for i := range advised {
			a := &advised[i]
			q.Recommendations = append(q.Recommendations, monitor.ReportRecommendation{
				Service: a.Service, What: a.What, Saving: a.Saving.Units(), Confidence: a.Confidence, Command: a.Command})
		}
		r = w.monitor.Report(q)
	})
	return r, err
}

func (w *watch) reportCosts() []monitor.ReportCost {
	var list []monitor.ReportCost
	for i := range w.statement.Services {
		e := &w.statement.Services[i]
		list = append(list, monitor.ReportCost{Service: e.Service, PerHour: e.PerHour.Units(), Today: e.Today.Units(), Month: e.Month.Units(),
			Forecast: e.Forecast.Units(), Per1000: units(e.Per1000), IdleShare: e.IdleShare})
	}
	return list
}

// Performance implements admin.Reports.
func (p ports) Performance(ctx context.Context, window time.Duration) (api.Report, error) {
	r, err := p.g.performance(ctx, window)
	if err != nil {
		return api.Report{}, err
	}
	out := api.Report{From: r.From, To: r.To, Services: []api.ServiceReport{}, Scalings: []api.Scaled{}, Rollouts: []api.Rollout{}, Bottlenecks: []api.Finding{},
		Alerts: []api.Alert{}, Currency: r.Currency, Advice: []string{}}
	for i := range r.Services {
		s := describeReport(&r.Services[i])
		out.Cost += s.Cost
		out.Services = append(out.Services, s)
	}
	for _, e := range r.Scalings {
		out.Scalings = append(out.Scalings, api.Scaled{Time: e.At, Service: e.Service, Text: e.Text})
	}
	for _, ro := range p.Rollouts() {
		if !ro.StartedAt.After(r.To) && (ro.EndedAt == nil || ro.EndedAt.After(r.From)) {
			out.Rollouts = append(out.Rollouts, ro)
		}
	}
	for i := range r.Findings {
		out.Bottlenecks = append(out.Bottlenecks, describeFinding(&r.Findings[i]))
	}
	for i := range r.Alerts {
		out.Alerts = append(out.Alerts, describeAlert(&r.Alerts[i]))
	}
	for _, d := range r.ToDo {
		text := d.What + " Because: " + d.Why
		if d.Command != "" {
			text += " Command: " + d.Command
		}
		out.Advice = append(out.Advice, text)
	}
	return out, nil
}

func describeReport(s *monitor.ServiceReport) api.ServiceReport {
	out := api.ServiceReport{
		Service: s.Service, Requests: s.Requests, RequestRate: s.MeanRate, PeakRequestRate: s.PeakRate, P50Ms: s.P50, P95Ms: s.P95, P99Ms: s.P99,
		ErrorRate: s.ErrorPercent, AverageInstances: s.Instances, ScalingActions: s.Scalings, Cost: s.Cost,
	}
	for i, p := range s.Points {
		n := int(math.Round(p.Instances))
		if i == 0 {
			out.MinInstances = n
		}
		out.MinInstances, out.MaxInstances = min(out.MinInstances, n), max(out.MaxInstances, n)
	}
	return out
}

// PerformanceHTML implements admin.Reports.
func (p ports) PerformanceHTML(ctx context.Context, window time.Duration, w io.Writer) error {
	r, err := p.g.performance(ctx, window)
	if err != nil {
		return err
	}
	return report.HTML(w, r, time.Local)
}
