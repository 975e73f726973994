package gateway

import (
	"math"
	"time"

	"gatewayd/admin/api"
)

// trend is what the charts of one service begin with: four rings of points, one each second for five minutes, every ten seconds for an
// hour, every minute for six hours, and every five minutes for a day. It belongs to the control loop; what it gives out are copies.
//
// It is full after a day and then takes about 105 KB: 1,308 points of 72 bytes, and five tallies of 2 KB. The weights of a point are
// shared with the point before while they stay the same. It does not outlive the process: what reports and burn rates need over
// days is kept by the monitor.
type trend struct {
	rings [len(trendRings)]ring
	last  trendSample
}

// trendRings are the steps, finest first. No answer has more points than its ring, and the point of the step that is not over.
var trendRings = [...]struct {
	step   time.Duration
	points int
}{{time.Second, 300}, {10 * time.Second, 360}, {time.Minute, 360}, {5 * time.Minute, 288}}

// The figures of which a point has the mean over its step.
const (
	gaugeInFlight = iota
	gaugeQueue
	gaugeReady
	gaugeTarget
	gaugeDemand
	gaugeCPU
	gaugeMemory
	gaugeCost
	numGauges
)

// trendSample is what is seen of a service at one time.
type trendSample struct {
	at      time.Time
	counted tally              // totals, which never fall
	recent  rates              // over the last ten seconds
	gauges  [numGauges]float64 // NaN: nobody knows
	weights map[string]float64 // percent by version; never written to again
}

// trendPoint is one step of time. Four-byte floats keep seven digits, more than any of these figures has.
type trendPoint struct {
	at                          int64 // of the last sample in it, in nanoseconds since 1970
	rate, errors, p50, p95, p99 float32
	gauges                      [numGauges]float32
	weights                     map[string]float64
}

// ring holds the points of one step, and what was seen since the newest of them.
type ring struct {
	points []trendPoint // it grows to its length and is written round from then on
	next   int          // where the next point goes

	open   bool      // a step has begun
	index  int64     // of the step that is open, in steps since 1970
	began  time.Time // of the last sample before it
	before tally     // as of then
	sum    [numGauges]float64
	known  [numGauges]uint32 // samples that knew the figure
}

// add takes in what was seen. When the clock was set back all begins anew, so that points stay in order.
func (t *trend) add(s *trendSample) {
	if s.at.Before(t.last.at) {
		*t = trend{}
	}
	for i := range t.rings {
		r := &t.rings[i]
		switch index := s.at.UnixNano() / int64(trendRings[i].step); {
		case !r.open:
			r.open, r.index, r.began, r.before = true, index, s.at, s.counted
		case index > r.index:
			r.push(t.current(i), trendRings[i].points)
			*r = ring{points: r.points, next: r.next, open: true, index: index, began: t.last.at, before: t.last.counted}
		}
		for k, v := range s.gauges {
			if !math.IsNaN(v) {
				r.sum[k] += v
				r.known[k]++
			}
		}
	}
	t.last = *s
}

// current is the point of the step that is open in ring i, as far as it has come.
func (t *trend) current(i int) trendPoint {
	r := &t.rings[i]
	over := ratesBetween(&r.before, &t.last.counted, t.last.at.Sub(r.began))
	if i == 0 {
		over = t.last.recent // a second holds too few requests for percentiles
	}
	p := trendPoint{at: t.last.at.UnixNano(), rate: float32(over.requestRate), errors: float32(over.errorRate),
		p50: float32(over.p50Ms), p95: float32(over.p95Ms), p99: float32(over.p99Ms), weights: t.last.weights}
	for k := range p.gauges {
		p.gauges[k] = float32(r.sum[k] / float64(r.known[k])) // NaN where nobody knew
	}
	return p
}

func (r *ring) push(p trendPoint, most int) {
	switch n := len(r.points); {
	case n == most:
		r.points[r.next] = p
	case n == cap(r.points):
		grown := make([]trendPoint, n, min(max(2*n, 16), most))
		copy(grown, r.points)
		r.points = grown
		fallthrough
	default:
		r.points = append(r.points, p)
	}
	r.next = (r.next + 1) % most
}

// trendView is a copy of what a ring holds.
type trendView struct {
	from, to time.Time
	step     time.Duration
	points   []trendPoint // oldest first
}

// view copies the points of the last window from the finest ring whose step is at least that, and which reaches back that far; from
// the coarsest where none does.
func (t *trend) view(window, step time.Duration) trendView {
	i := 0
	for i < len(trendRings)-1 && (trendRings[i].step < step || trendRings[i].step*time.Duration(trendRings[i].points) < window) {
		i++
	}
	v := trendView{from: t.last.at.Add(-window), to: t.last.at, step: trendRings[i].step}
	r := &t.rings[i]
	if !r.open {
		return v
	}
	v.points = make([]trendPoint, 0, len(r.points)+1)
	for k := range r.points {
		if p := &r.points[(r.next+k)%len(r.points)]; p.at > v.from.UnixNano() {
			v.points = append(v.points, *p)
		}
	}
	v.points = append(v.points, t.current(i))
	return v
}

func (v *trendView) describe(service string) api.History {
	h := api.History{Service: service, From: v.from, To: v.to, Step: api.Duration(v.step), Points: make([]api.Point, len(v.points))}
	for i := range v.points {
		h.Points[i] = describePoint(&v.points[i])
	}
	return h
}

func describePoint(p *trendPoint) api.Point {
	g := func(k int) float64 { return digits(p.gauges[k]) }
	return api.Point{
		Time: time.Unix(0, p.at).UTC(), RequestRate: digits(p.rate), ErrorRate: digits(p.errors),
		P50Ms: known(p.p50, p.p50 > 0), P95Ms: known(p.p95, p.p95 > 0), P99Ms: known(p.p99, p.p99 > 0),
		InFlight: g(gaugeInFlight), QueueLength: g(gaugeQueue), Ready: g(gaugeReady), Target: g(gaugeTarget),
		Demand: measured(p.gauges[gaugeDemand]), CPU: measured(p.gauges[gaugeCPU]), Memory: measured(p.gauges[gaugeMemory]),
		CostPerHour: measured(p.gauges[gaugeCost]), Weights: p.weights,
	}
}

// measured is nil for what nobody knew.
func measured(v float32) *float64 { return known(v, v == v) }

func known(v float32, is bool) *float64 {
	if !is {
		return nil
	}
	d := digits(v)
	return &d
}

// digits drops what is behind the fifth digit: no measurement has more.
func digits(v float32) float64 {
	f := float64(v)
	if f == 0 || math.IsNaN(f) {
		return f
	}
	unit := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(f))))
	return math.Round(f*unit) / unit
}
