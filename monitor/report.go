package monitor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// reportPoints is how many points a chart has at most.
const reportPoints = 120

// ReportRequest is what a report is to be about, and what a Monitor cannot know itself.
type ReportRequest struct {
	From, To        time.Time
	Costs           []ReportCost           // by service; nil where there are no prices
	Recommendations []ReportRecommendation // for less cost
	Currency        string                 // printed with amounts; may be empty
}

// ReportCost is what one service costs, in units of the currency.
type ReportCost struct {
	Service   string   `json:"service"`
	PerHour   float64  `json:"perHour"`
	Today     float64  `json:"today"`
	Month     float64  `json:"month"`
	Forecast  float64  `json:"forecast"`
	Per1000   *float64 `json:"per1000,omitempty"`
	IdleShare float64  `json:"idleShare"`
}

// ReportRecommendation is a way to pay less.
type ReportRecommendation struct {
	Service    string  `json:"service"`
	What       string  `json:"what"`
	Saving     float64 `json:"savingPerMonth"`
	Confidence float64 `json:"confidence"`
	Command    string  `json:"command,omitempty"`
}

// Report is how all services fared in a window.
type Report struct {
	From            time.Time              `json:"from"`
	To              time.Time              `json:"to"`
	Currency        string                 `json:"currency,omitempty"`
	ToDo            []ToDo                 `json:"toDo"` // what is most worth doing, three at most
	Services        []ServiceReport        `json:"services"`
	Scalings        []Event                `json:"scalings"`
	Rollouts        []Event                `json:"rollouts"`
	Findings        []Finding              `json:"findings"`
	Alerts          []Alert                `json:"alerts"`
	Costs           []ReportCost           `json:"costs"`
	Recommendations []ReportRecommendation `json:"recommendations"`
}

// ServiceReport is one service's part of a report. Latencies are in milliseconds.
type ServiceReport struct {
	Service      string       `json:"service"`
	Requests     uint64       `json:"requests"`
	Rejected     uint64       `json:"rejected"`
	Errors       uint64       `json:"errors"`
	ErrorPercent float64      `json:"errorPercent"`
	MeanRate     float64      `json:"meanRate"` // per second
	PeakRate     float64      `json:"peakRate"` // of a point of Points
	P50          float64      `json:"p50Ms"`
	P95          float64      `json:"p95Ms"`
	P99          float64      `json:"p99Ms"`
	Instances    float64      `json:"instances"`     // mean
	CPU          *float64     `json:"cpu,omitempty"` // percent, mean; nil: unknown
	Memory       *float64     `json:"memory,omitempty"`
	MaxQueue     float64      `json:"maxQueue"`
	Scalings     int          `json:"scalings"`
	Cost         float64      `json:"cost"` // of the time that was watched; 0 where no prices are set
	Points       []ChartPoint `json:"points"`
}

// ChartPoint is one step of a chart.
type ChartPoint struct {
	At           time.Time `json:"at"`
	Rate         float64   `json:"rate"` // requests per second
	ErrorPercent float64   `json:"errorPercent"`
	P50          float64   `json:"p50Ms"`
	P95          float64   `json:"p95Ms"`
	P99          float64   `json:"p99Ms"`
	Instances    float64   `json:"instances"`
	Wanted       float64   `json:"wanted"`
	Queue        float64   `json:"queue"`
}

// ToDo is one thing worth doing.
type ToDo struct {
	What    string  `json:"what"`
	Why     string  `json:"why"`
	Command string  `json:"command,omitempty"`
	worth   float64 // orders them
}

// Report sums up (From, To]. What lies before the reach of the windows is not in it: a
// week, in steps of an hour beyond the last day.
func (m *Monitor) Report(q ReportRequest) Report {
	r := Report{
		From: q.From, To: q.To, Currency: q.Currency, Costs: q.Costs, Recommendations: q.Recommendations,
		Services: []ServiceReport{}, Scalings: []Event{}, Rollouts: []Event{}, Findings: []Finding{}, Alerts: []Alert{},
	}
	scalings := map[string]int{}
	for _, e := range m.history.Events {
		if !e.At.After(q.From) || e.At.After(q.To) {
			continue
		}
		if e.Kind == EventScaled {
			scalings[e.Service]++
			r.Scalings = append(r.Scalings, e)
		} else {
			r.Rollouts = append(r.Rollouts, e)
		}
	}
	for _, f := range m.history.Findings {
		if overlaps(f.Since, f.ResolvedAt, q) {
			r.Findings = append(r.Findings, f)
		}
	}
	for _, a := range m.history.Alerts {
		if overlaps(a.Since, a.ResolvedAt, q) {
			r.Alerts = append(r.Alerts, a)
		}
	}
	for _, s := range m.sortedServices() {
		sr := s.report(q)
		sr.Scalings = scalings[s.name]
		r.Services = append(r.Services, sr)
	}
	r.ToDo = r.mostWorthDoing()
	return r
}

func overlaps(since time.Time, until *time.Time, q ReportRequest) bool {
	return !since.After(q.To) && (until == nil || until.After(q.From))
}

func (s *service) report(q ReportRequest) ServiceReport {
	sum := s.series.sum(q.From, q.To)
	r := ServiceReport{
		Service: s.name, Requests: sum.requests, Rejected: sum.rejected, Errors: sum.errors,
		ErrorPercent: 100 * sum.errorShare(), P50: millis(sum.latency, 0.5), P95: millis(sum.latency, 0.95), P99: millis(sum.latency, 0.99),
		Instances: zeroNaN(sum.instances.mean()), CPU: known(sum.cpu.mean()), Memory: known(sum.memory.mean()), MaxQueue: float64(sum.queue.max),
		Cost: zeroNaN(sum.cost.mean()) * float64(sum.ticks) / 3600, // one tick is a second
	}
	r.Points = s.points(q)
	if begin := later(q.From, s.series.first); q.To.After(begin) {
		r.MeanRate = float64(sum.requests) / q.To.Sub(begin).Seconds()
	}
	for _, p := range r.Points {
		r.PeakRate = max(r.PeakRate, p.Rate)
	}
	return r
}

// points are of equal widths, made of the cells of one ring.
func (s *service) points(q ReportRequest) []ChartPoint {
	points := []ChartPoint{}
	t := s.series.tierFor(q.To.Sub(q.From), q.To)
	width := max(q.To.Sub(q.From)/reportPoints, t.step).Truncate(t.step)
	var sum cell
	var slot int64 = -1
	flush := func() {
		if slot < 0 || sum.ticks == 0 {
			return
		}
		points = append(points, ChartPoint{
			At: time.Unix(0, slot*int64(width)), Rate: float64(sum.requests) / math.Max(float64(sum.ticks), 1),
			ErrorPercent: 100 * sum.errorShare(), P50: millis(sum.latency, 0.5), P95: millis(sum.latency, 0.95), P99: millis(sum.latency, 0.99),
			Instances: zeroNaN(sum.instances.mean()), Wanted: zeroNaN(sum.wanted.mean()), Queue: zeroNaN(sum.queue.mean()),
		})
	}
	t.each(q.From, q.To, func(c *cell) {
		if at := t.start(c).UnixNano() / int64(width); at != slot {
			flush()
			slot, sum = at, cell{}
		}
		sum.merge(c)
		sum.latency.Merge(c.latency)
	})
	flush()
	return points
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func millis(l Latency, q float64) float64 { return round3(l.Quantile(q).Seconds() * 1000) }

func zeroNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	v = round3(v)
	return &v
}

// mostWorthDoing takes the three that weigh most: findings and alerts by severity and
// by how long they lasted, those that still last before those that are over; then savings.
func (r *Report) mostWorthDoing() []ToDo {
	var list []ToDo
	seen := map[string]bool{}
	explained := map[string]bool{}
	for _, f := range r.Findings {
		explained[f.Service] = true
		key := string(f.Type) + f.Service + f.Instance
		if seen[key] {
			continue
		}
		seen[key] = true
		list = append(list, ToDo{What: f.Advice, Why: f.Cause, Command: f.Command, worth: weight(f.Severity, f.Since, f.ResolvedAt, r.To)})
	}
	for _, a := range r.Alerts {
		if explained[a.Service] || seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		list = append(list, ToDo{What: fmt.Sprintf("Look at %s of %s.", a.Metric, cmp.Or(a.Service, "the gateway")), Why: a.Summary, worth: weight(a.Severity, a.Since, a.ResolvedAt, r.To)})
	}
	for _, c := range r.Recommendations {
		saving := c.Saving * c.Confidence
		list = append(list, ToDo{What: c.What, Why: fmt.Sprintf("saves %s %s a month", number(c.Saving), r.Currency), Command: c.Command, worth: saving / (saving + 1000)})
	}
	slices.SortStableFunc(list, func(a, b ToDo) int { return cmp.Compare(b.worth, a.worth) })
	return list[:min(len(list), 3)]
}

// weight is above 1 for all that is wrong, so that it comes before what only saves money.
func weight(s Severity, since time.Time, until *time.Time, now time.Time) float64 {
	w := 100 * float64(s)
	end := now
	if until != nil {
		w, end = w/10, *until
	}
	return 1 + w + math.Log1p(max(end.Sub(since).Minutes(), 0))
}
