package scaler

import (
	"math"
	"time"

	"gatewayd/internal/window"
)

// settledAfter is how long a ready instance may lack a reading before it no longer
// counts as one of unknown load: what cannot be measured for
// that long must not keep the whole service from shrinking.
const settledAfter = 5 * time.Minute

// traffic is the recent past of what the data path saw, in buckets that
// together hold one metrics window. It is not kept over a restart.
type traffic struct {
	window                                             time.Duration
	span, arrivals, completions, errors, active, queue *window.Ring
}

const trafficBuckets = 60

func newTraffic(d time.Duration) *traffic {
	ring := func() *window.Ring { return window.NewRing(max(d/trafficBuckets, time.Millisecond), trafficBuckets) }
	return &traffic{d, ring(), ring(), ring(), ring(), ring(), ring()}
}

func (tr *traffic) record(s *Sample, now time.Time) {
	if s.Blind {
		return
	}
	tr.span.Record(now, s.Span.Seconds())
	tr.arrivals.Record(now, float64(s.Arrivals))
	tr.completions.Record(now, float64(s.Completions))
	tr.errors.Record(now, float64(s.Errors))
	tr.active.Record(now, s.busy()+float64(s.Queue))
	tr.queue.Record(now, float64(s.Queue))
}

// signal is what a metric says now. For a metric per instance, sum is over the fresh readings
// of fresh instances, and absent more are ready but unmeasured; for one of the service as a
// whole, value is it. ok is false when nothing can be said.
type signal struct {
	ok          bool
	perInstance bool
	value       float64
	sum         float64
	fresh       int
	absent      int
}

// read finds the signal of metric m, as it would be if no more instances were there than were decided on.
func (st *State) read(sp *Spec, m Metric, s *Sample, now time.Time) signal {
	g := st.measure(sp, m, s, now)
	if have := g.fresh + g.absent; st.Known && st.Target > 0 && g.perInstance && have > st.Target {
		g.fold(m, st.Target)
	}
	return g
}

// fold lays what the instances carry on n of them. A rollout runs more than that, and they are neither capacity nor demand: they take
// their part of the load, and go again. What an instance holds in memory it holds whether it has load or not.
func (g *signal) fold(m Metric, n int) {
	if m == MetricMemory {
		g.sum *= float64(n) / float64(g.fresh+g.absent)
	}
	g.absent = g.absent * n / (g.fresh + g.absent)
	g.fresh = n - g.absent
	g.value = g.sum / float64(max(g.fresh, 1))
}

// measure finds the signal as it is. A fresh pushed figure goes before what the gateway
// measured itself: whoever pushes knows better.
func (st *State) measure(sp *Spec, m Metric, s *Sample, now time.Time) signal {
	stale := now.Add(-sp.staleAfter())
	if r := s.Pushed.Of(m); usable(*r, stale) {
		if m == MetricCPU || m == MetricMemory || m == MetricRequestRate || m == MetricActiveConnections {
			return signal{ok: true, perInstance: true, value: r.Value, sum: r.Value * float64(s.Ready), fresh: s.Ready}
		}
		return signal{ok: true, value: r.Value}
	}
	switch m {
	case MetricCPU:
		return readInstances(s, now, stale, func(i *InstanceSample) Reading { return i.CPU })
	case MetricMemory:
		return readInstances(s, now, stale, func(i *InstanceSample) Reading { return i.Memory })
	}
	if s.Blind || st.traffic == nil {
		return signal{}
	}
	return st.readTraffic(sp, m, s, now, stale)
}

func (st *State) readTraffic(sp *Spec, m Metric, s *Sample, now, stale time.Time) signal {
	tr, d := st.traffic, sp.window()
	perReady := func(total float64) signal {
		return signal{ok: s.Ready > 0 || total == 0, perInstance: true, value: total / float64(max(s.Ready, 1)), sum: total, fresh: s.Ready}
	}
	switch m {
	case MetricRequestRate:
		return perReady(ratio(tr.arrivals.Sum(now, d), tr.span.Sum(now, d)))
	case MetricActiveConnections:
		mean, ok := tr.active.Mean(now, d)
		g := perReady(mean)
		g.ok = g.ok && ok
		return g
	case MetricQueueLength:
		mean, ok := tr.queue.Mean(now, d)
		return signal{ok: ok, value: mean}
	case MetricResponseTime:
		if usable(s.ResponseTime, stale) {
			return signal{ok: true, value: s.ResponseTime.Value}
		}
		return signal{ok: st.quiet(s, now, d)}
	case MetricErrorRate:
		if n := tr.completions.Sum(now, d); n > 0 {
			return signal{ok: true, value: 100 * tr.errors.Sum(now, d) / n}
		}
		return signal{ok: st.quiet(s, now, d)}
	}
	panic("BUG: unknown metric " + string(m))
}

// quiet says that no figure about responses is no failure to measure: there
// was nothing to respond to.
func (st *State) quiet(s *Sample, now time.Time, d time.Duration) bool {
	return s.InFlight+s.Queue == 0 && st.traffic.arrivals.Sum(now, d) == 0
}

func readInstances(s *Sample, now, stale time.Time, of func(*InstanceSample) Reading) signal {
	g := signal{perInstance: true}
	seen := 0
	for i := range s.Instances {
		in := &s.Instances[i]
		r := of(in)
		seen++
		switch {
		case usable(r, stale):
			g.sum += r.Value
			g.fresh++
		case now.Sub(later(r.At, in.ReadySince)) < settledAfter:
			g.absent++
		}
	}
	g.absent += max(s.Ready-seen, 0)
	g.ok = g.fresh > 0
	if g.ok {
		g.value = g.sum / float64(g.fresh)
	}
	return g
}

func usable(r Reading, stale time.Time) bool {
	return !r.At.IsZero() && !r.At.Before(stale) && !math.IsNaN(r.Value) && !math.IsInf(r.Value, 0) && r.Value >= 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
