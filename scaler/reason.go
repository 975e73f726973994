package scaler

import (
	"fmt"
	"strings"
	"time"
)

// sayAgain is after what time the sentence for an unchanged decision gets fresh figures.
const sayAgain = 10 * time.Second

// say returns the sentence for d. While what it is about stays the same it is only
// written anew now and then, so that a service at rest makes no garbage.
func (st *State) say(sp *Spec, d *Decision) string {
	now := said{policy: d.Policy, want: d.Want}
	for i := range d.Bounds {
		now.bounds[min(i, boundCount-1)] = d.Bounds[i].Name
	}
	for i := range d.Policies {
		if w := &d.Policies[i]; w.Name == d.Policy {
			now.held, now.limit, now.stale = w.Held, w.Limit, w.Stale
		}
	}
	if d.Manual {
		now.policy = "\x00" + st.Hold.Reason
	} else if sp.Disabled || st.Paused {
		now.policy = "\x00off"
	}
	now.reason, now.at = st.said.reason, st.said.at
	if now == st.said && d.Direction == Stay && now.reason != "" && d.At.Sub(now.at) < sayAgain {
		return now.reason
	}
	now.reason, now.at = reason(sp, st, d), d.At
	st.said = now
	return now.reason
}

func reason(sp *Spec, st *State, d *Decision) string {
	var b strings.Builder
	switch {
	case d.Manual:
		fmt.Fprintf(&b, "held at %d by hand since %s", max(st.Hold.Instances, 0), st.Hold.Since.UTC().Format(time.RFC3339))
		if st.Hold.Reason != "" {
			fmt.Fprintf(&b, ": %s", st.Hold.Reason)
		}
	case st.Paused:
		b.WriteString("scaling is paused")
	case sp.Disabled:
		b.WriteString("scaling is disabled (scaling.enabled is false)")
	case d.Policy == "" && len(d.Policies) > 0:
		b.WriteString("no requests, nothing to run for")
	case d.Policy == "":
		b.WriteString("no policy is enabled")
	default:
		for i := range d.Policies {
			if w := &d.Policies[i]; w.Name == d.Policy {
				w.explain(&b)
			}
		}
	}
	for _, bound := range d.Bounds {
		b.WriteString("; ")
		b.WriteString(bound.String())
	}
	return b.String()
}

// explain says what the policy saw and asked for.
func (w *PolicyWant) explain(b *strings.Builder) {
	fmt.Fprintf(b, "policy %s wants %d", w.Name, w.Want)
	switch {
	case w.Stale:
		b.WriteString(", what there is: its signal is missing")
		return
	case w.Type == TypeSchedule:
		b.WriteString(" at this hour")
	case w.SLO != nil:
		w.SLO.explain(b)
	case w.Type == TypeSLO:
		b.WriteString(": no response was seen yet, so it goes by what is there at one moment")
	case w.Limit == 0 && w.Type != TypeTarget:
		fmt.Fprintf(b, ": %s is %s, between its thresholds", w.Metric, w.Metric.format(w.Value))
	case w.Type == TypeTarget:
		fmt.Fprintf(b, ": %s is %s, target %s", w.Metric, w.Metric.format(w.Value), w.Metric.format(w.Limit))
	case w.Value > w.Limit:
		fmt.Fprintf(b, ": %s is %s, above %s", w.Metric, w.Metric.format(w.Value), w.Metric.format(w.Limit))
	default:
		fmt.Fprintf(b, ": %s is %s, below %s", w.Metric, w.Metric.format(w.Value), w.Metric.format(w.Limit))
	}
	if w.Held != "" {
		fmt.Fprintf(b, " (%s)", w.heldText())
	}
}

func (w *PolicyWant) heldText() string {
	switch w.Held {
	case "starting":
		return "waits for instances that are starting"
	case "missing":
		return fmt.Sprintf("%d instances without a fresh reading count against it", w.Absent)
	case "cooldown":
		return "in its cooldown"
	case "step":
		return "limited by its step"
	case "stabilization":
		return "stabilised over its recent wants"
	}
	return w.Held
}

func (z *Sizing) explain(b *strings.Builder) {
	fmt.Fprintf(b, ": %.0f requests/s, %.0f to %.0f expected in %.0f s (%s), %.0f ms each", z.Load, z.Forecast, z.Forecast*max(z.Margin, 1), z.Horizon, z.Model, z.ServiceTime)
	if z.Backlog > 0 {
		fmt.Fprintf(b, ", %d waiting", z.Backlog)
	}
}

func (m Metric) format(v float64) string {
	switch m {
	case MetricCPU, MetricMemory, MetricErrorRate:
		return fmt.Sprintf("%.1f %%", v)
	case MetricResponseTime:
		return fmt.Sprintf("%.0f ms", v)
	case MetricRequestRate:
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprintf("%.1f", v)
}
