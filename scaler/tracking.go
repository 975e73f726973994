package scaler

import (
	"math"
	"time"
)

// tolerance is how far off its target a metric may be before target tracking
// acts, as in the Kubernetes HPA.
const tolerance = 0.1

// wantTarget asks for as many instances as bring the metric to its target: for a metric per
// instance the total over the target, for queueLength the queue over the
// target, for latency and errors the present number times value over target. What it
// asks for is then stabilised, cooled down and limited in steps.
func wantTarget(sp *Spec, p *Policy, st *PolicyState, g signal, s *Sample, from int, now time.Time) PolicyWant {
	w := PolicyWant{Name: p.Name, Type: TypeTarget, Metric: p.Metric, Want: from, Value: g.value, Limit: p.Target, Absent: g.absent}
	if !g.ok {
		w.Stale = from > 0
		return w
	}
	w.Want = trackTarget(p, g, s, from)
	switch {
	case w.Want > from:
		w.hold(growHeld(g, s, p.Target), from)
	case w.Want < from:
		w.hold(shrinkHeld(g, s, p.Target, fullLoadOf(p)), from)
	}
	w.stabilise(sp, st, from, now)
	if w.Want != from && st.cooling(p, now) {
		w.hold("cooldown", from)
	}
	w.limitStep(p, from)
	return w
}

// trackTarget is the number of instances that would bring g to the target.
func trackTarget(p *Policy, g signal, s *Sample, from int) int {
	total, have := g.sum, from
	switch {
	case p.Metric == MetricQueueLength:
		total = g.value
	case !g.perInstance:
		have = min(s.Ready, max(from, 1)) // the instances beyond are a rollout's
		total = g.value * float64(have)
	}
	need := total / p.Target
	if g.perInstance {
		// The unmeasured are taken to be at the target: they change nothing.
		need += float64(g.absent)
	}
	if have > 0 && math.Abs(need/float64(have)-1) <= tolerance {
		return from
	}
	return max(ceilInt(need), min(from, 1))
}

// stabilise replaces the want by the least of StabilizeUp when it grows and
// by the most of StabilizeDown when it shrinks.
func (w *PolicyWant) stabilise(sp *Spec, st *PolicyState, from int, now time.Time) {
	high := st.Highest.Max(now, sp.stabilizeDown(), w.Want)
	low := st.Lowest.Min(now, sp.StabilizeUp, w.Want)
	switch {
	case w.Want > from && low < w.Want:
		w.Want, w.Held = max(low, from), "stabilization"
	case w.Want < from && high > w.Want:
		w.Want, w.Held = min(high, from), "stabilization"
	}
}

func (w *PolicyWant) limitStep(p *Policy, from int) {
	if p.ScaleUpStep > 0 && w.Want > from+p.ScaleUpStep {
		w.Want, w.Held = from+p.ScaleUpStep, "step"
	}
	if p.ScaleDownStep > 0 && w.Want < from-p.ScaleDownStep {
		w.Want, w.Held = from-p.ScaleDownStep, "step"
	}
}

// ceilInt rounds up, but takes the rounding noise of 3.0000000001 for 3.
func ceilInt(x float64) int {
	const most = 1 << 30
	return int(math.Min(math.Ceil(x-1e-9), most))
}
