package scaler

import (
	"fmt"
	"math"
	"time"
)

// Decide says how many instances the service should run. It takes the sample into
// st, lets every policy say what it wants, takes the largest want and applies the bounds in
// their order. The policies' own limits (steps, cooldown, stabilisation) are part
// of what they want. Calls for one service must come with a now that rises. It allocates
// only for what it returns.
func Decide(sp *Spec, st *State, s *Sample, now time.Time) Decision {
	st.observe(sp, s, now)
	d := Decision{At: now, Service: sp.Service, From: st.from(sp, s)}
	switch {
	case st.Hold != nil:
		d.Manual = true
		d.Want = max(st.Hold.Instances, 0)
	case sp.Disabled || st.Paused:
		d.Want = d.From
	default:
		d.decide(sp, st, s, now)
	}
	d.clamp(sp, s.Caps)
	d.Direction = direction(d.From, d.Want)
	d.Reason = st.say(sp, &d)
	st.becomes(&d, now)
	return d
}

// from is the number that the decision starts from: what was wanted last, or at first
// what there is.
func (st *State) from(sp *Spec, s *Sample) int {
	if st.Known {
		return st.Target
	}
	return max(s.Ready+s.Starting+s.Failed, min(sp.MinInstances, sp.MaxInstances))
}

// decide lets the policies speak and combines what they want.
func (d *Decision) decide(sp *Spec, st *State, s *Sample, now time.Time) {
	s = withPending(s, d.From)
	stale := s.Blind
	d.Policies = make([]PolicyWant, 0, len(sp.Policies))
	for i := range sp.Policies {
		p := &sp.Policies[i]
		if p.Disabled {
			continue
		}
		w := p.want(sp, st, s, d.From, now)
		stale = stale || w.Stale
		d.Policies = append(d.Policies, w)
	}
	if d.idle(sp, st, s, now) && !stale {
		d.Want = d.floor()
	} else {
		d.largest(sp)
		switch {
		case d.Want >= 1:
		case !s.Blind && s.Arrivals+s.InFlight+s.Queue > 0:
			d.bound(BoundWaiting, "", 1)
		case d.From > 0:
			d.bound(BoundIdle, "", 1)
		}
	}
	if stale && d.Want < d.From {
		d.bound(BoundStale, "", d.From)
	}
	if d.Want > d.From && d.From > 0 {
		d.holdGrowth(st, s, now)
	}
}

// withPending counts instances that were asked for and are not yet seen by anybody as
// starting, so that nothing is asked for twice while a provider gets going.
func withPending(s *Sample, from int) *Sample {
	seen := *s
	seen.Starting += max(from-s.Ready-s.Starting-s.Failed, 0)
	return &seen
}

func (p *Policy) want(sp *Spec, st *State, s *Sample, from int, now time.Time) PolicyWant {
	ps := st.policy(p.Name)
	switch p.Type {
	case TypeTarget:
		return wantTarget(sp, p, ps, st.read(sp, p.Metric, s, now), s, from, now)
	case TypeSchedule:
		return wantSchedule(p, &ps.schedule, now, st.Starts.Delay(sp.StartDelay))
	case TypeSLO:
		return wantSLO(sp, p, st, s, from, now)
	case TypeThreshold, "":
		return wantThreshold(p, ps, st.read(sp, p.Metric, s, now), s, from, now)
	}
	panic("BUG: unknown policy type " + string(p.Type))
}

// largest combines the policies by maximum. Without any policy it is MinInstances, and
// where that is 0 one instance for as long as the service is used.
func (d *Decision) largest(sp *Spec) {
	if len(d.Policies) == 0 {
		d.Want = max(sp.MinInstances, min(d.From, 1))
		return
	}
	for i := range d.Policies {
		if w := &d.Policies[i]; i == 0 || w.Want > d.Want {
			d.Want, d.Policy = w.Want, w.Name
		}
	}
}

// idle says that the service may go to zero: it is allowed to and nobody asked
// for anything during the idle timeout.
func (d *Decision) idle(sp *Spec, st *State, s *Sample, now time.Time) bool {
	if sp.MinInstances > 0 || s.Blind || s.Arrivals+s.InFlight+s.Queue > 0 {
		return false
	}
	return d.From == 0 || now.Sub(st.LastRequest) >= sp.idleTimeout(st.Starts.Delay(sp.StartDelay))
}

// floor is what remains when nobody uses the service: what the schedules ask for.
func (d *Decision) floor() int {
	n := 0
	for i := range d.Policies {
		if w := &d.Policies[i]; w.Type == TypeSchedule && w.Want > n {
			n, d.Policy = w.Want, w.Name
		}
	}
	return n
}

// holdGrowth keeps a service from growing where that cannot help.
func (d *Decision) holdGrowth(st *State, s *Sample, now time.Time) {
	if st.Starts.backingOff(now) {
		d.bound(BoundStartBackoff, fmt.Sprintf("%d starts failed in a row", st.Starts.Failures), d.From)
		return
	}
	if what := st.Learned.Scaling.bottleneck(now); what != "" {
		d.bound(BoundBottleneck, what, d.From)
	}
}

// becomes makes the decision what the next one starts from.
func (st *State) becomes(d *Decision, now time.Time) {
	st.Target, st.Known = d.Want, true
	if d.Direction == Stay {
		return
	}
	for i := range d.Policies {
		w := &d.Policies[i]
		if direction(d.From, w.Want) == d.Direction {
			st.policy(w.Name).LastChange = now
		}
	}
}

func direction(from, want int) Direction {
	switch {
	case want > from:
		return Up
	case want < from:
		return Down
	}
	return Stay
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
