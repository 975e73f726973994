package scaler

import "time"

// fullLoad is what an unmeasured instance is taken to use when the question is
// whether to shrink, in percent.
const fullLoad = 100

// wantThreshold asks for ScaleUpStep more above one threshold and ScaleDownStep
// fewer below the other. Unmeasured instances count as idle when it would grow and as
// fully loaded when it would shrink, as in the Kubernetes HPA, so that a missing
// figure never moves the service in either direction by itself.
func wantThreshold(p *Policy, st *PolicyState, g signal, s *Sample, from int, now time.Time) PolicyWant {
	w := PolicyWant{Name: p.Name, Type: TypeThreshold, Metric: p.Metric, Want: from, Value: g.value, Absent: g.absent}
	if !g.ok {
		w.Stale = from > 0
		return w
	}
	switch {
	case g.value > p.ScaleUpThreshold:
		w.Limit, w.Want = p.ScaleUpThreshold, from+p.ScaleUpStep
		w.hold(growHeld(g, s, p.ScaleUpThreshold), from)
	case g.value < p.ScaleDownThreshold:
		w.Limit, w.Want = p.ScaleDownThreshold, max(from-p.ScaleDownStep, min(from, 1))
		w.hold(shrinkHeld(g, s, p.ScaleDownThreshold, fullLoadOf(p)), from)
	}
	if w.Want != from && st.cooling(p, now) {
		w.hold("cooldown", from)
	}
	return w
}

// growHeld names why a value above limit is no reason to grow now, or is empty.
func growHeld(g signal, s *Sample, limit float64) string {
	if !g.perInstance {
		// Nothing tells how far the instances that are on their way will bring
		// such a value down, so their effect is awaited.
		if s.Starting > 0 {
			return "starting"
		}
		return ""
	}
	if n := g.fresh + g.absent + s.Starting; n > 0 && g.sum/float64(n) > limit {
		return ""
	}
	if s.Starting > 0 {
		return "starting"
	}
	return "missing"
}

// shrinkHeld names why a value below limit is no reason to shrink now, or is empty.
func shrinkHeld(g signal, s *Sample, limit, assumed float64) string {
	if s.Starting > 0 {
		return "starting"
	}
	if n := g.fresh + g.absent; g.absent > 0 && (g.sum+float64(g.absent)*assumed)/float64(n) >= limit {
		return "missing"
	}
	return ""
}

func fullLoadOf(p *Policy) float64 { return max(fullLoad, p.ScaleUpThreshold, p.Target) }

// hold makes the policy ask for what there is, when there is a reason to.
func (w *PolicyWant) hold(why string, from int) {
	if why != "" {
		w.Held, w.Want = why, from
	}
}
