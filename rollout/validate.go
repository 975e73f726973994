package rollout

import (
	"fmt"
	"time"
)

// FieldError says what is wrong with one field of a plan.
type FieldError struct {
	Field string `json:"field"` // as in the config and the API: steps[1].weight
	Text  string `json:"text"`  // what was found and what would be right
}

// Error is the field and the text.
func (e FieldError) Error() string { return e.Field + ": " + e.Text }

// Validate returns everything that is wrong with the plan, defaults not yet
// filled in; nothing when New may be called with it. Whether the version can be started at all
// only its start will show.
func (p Plan) Validate() []FieldError {
	v := &validator{}
	v.versions(p)
	v.fits(p)
	v.steps(p.Steps)
	if p.Rolling != nil {
		v.batches(*p.Rolling)
	}
	if p.Analysis != nil {
		v.analysis(*p.Analysis)
	}
	v.checks(p.Checks)
	v.duration("warm", p.Warm)
	v.duration("validationTimeout", p.ValidationTimeout)
	v.duration("startTimeout", p.StartTimeout)
	v.duration("deadline", p.Deadline)
	v.duration("pauseLimit", p.PauseLimit)
	return v.errs
}

type validator struct{ errs []FieldError }

func (v *validator) add(field, format string, args ...any) {
	v.errs = append(v.errs, FieldError{field, fmt.Sprintf(format, args...)})
}

func (v *validator) duration(field string, d time.Duration) {
	if d < 0 {
		v.add(field, "got %s; want a duration that is not negative", d)
	}
}

// within checks a percentage; 0 stands for the default or for none.
func (v *validator) within(field string, x, high float64) {
	if !(x >= 0 && x <= high) {
		v.add(field, "got %s; want a number in [0, %s]", number(x), number(high))
	}
}

func (v *validator) versions(p Plan) {
	if p.Service == "" {
		v.add("service", "is missing; want the name of the service")
	}
	if p.Static {
		v.add("service", "%q lists its instances by hand, so there is nothing to start a second version with; give it a provider", p.Service)
	}
	switch {
	case p.Version == "":
		v.add("version", "is missing; want the version to bring in")
	case p.Version == p.Stable:
		v.add("version", "%q runs already; want another version", p.Version)
	}
	if p.Stable == "" {
		v.add("stable", "service %q has no running version to replace; set its version in the config", p.Service)
	}
}

// fits checks that the strategy is known and that nothing is set which it has no use for.
func (v *validator) fits(p Plan) {
	switch p.Strategy {
	case Canary:
		if len(p.Steps) == 0 {
			v.add("steps", "is empty; want at least one step for a canary, such as {weight: 5, duration: 1m}")
		}
	case BlueGreen, Rolling:
	case "":
		v.add("strategy", "is missing; want canary, blue-green or rolling")
		return
	default:
		v.add("strategy", "got %q; want canary, blue-green or rolling", p.Strategy)
		return
	}
	if p.Strategy != Canary && len(p.Steps) > 0 {
		v.add("steps", "strategy %s has no steps; want none, or strategy canary", p.Strategy)
	}
	if p.Strategy != Rolling && p.Rolling != nil {
		v.add("rolling", "strategy %s has no batches; want none, or strategy rolling", p.Strategy)
	}
	if p.Strategy == Rolling && p.Warm != 0 {
		v.add("warm", "a rolling rollout keeps no old set; want none")
	}
	if p.Strategy != BlueGreen && p.ManualPromotion {
		v.add("manualPromotion", "is for blue-green; a canary waits in a step {pause: true}")
	}
}

func (v *validator) steps(steps []CanaryStep) {
	highest, from := 0.0, 0
	for i, s := range steps {
		field := fmt.Sprintf("steps[%d]", i)
		if s.Weight == 0 && s.Mirror == 0 && s.Cohort == nil && !s.Pause {
			v.add(field, "does nothing; want a weight, mirror, cohort or pause")
		}
		v.within(field+".weight", s.Weight, 100)
		v.within(field+".mirror", s.Mirror, 100)
		v.duration(field+".duration", s.Duration)
		if s.Cohort != nil {
			v.cohort(field+".cohort", *s.Cohort)
		}
		if s.Weight <= 0 {
			continue
		}
		if s.Weight < highest {
			v.add(field+".weight", "got %s; want at least %s, because steps[%d] was there already", number(s.Weight), number(highest), from)
			continue
		}
		highest, from = s.Weight, i
	}
}

func (v *validator) cohort(field string, c Cohort) {
	if (c.Header == "") == (c.Cookie == "") {
		v.add(field, "want either a header or a cookie")
	}
	if c.Value == "" {
		v.add(field+".value", "is missing; want the value that the header or cookie must have")
	}
	v.within(field+".percent", c.Percent, 100)
}

func (v *validator) batches(b Batches) {
	for _, a := range []struct {
		field string
		Amount
	}{{"rolling.size", b.Size}, {"rolling.surge", b.Surge}, {"rolling.unavailable", b.Unavailable}} {
		if a.Count < 0 {
			v.add(a.field, "got %d; want a count of instances that is not negative, or a percentage", a.Count)
		}
		v.within(a.field, a.Percent, 100)
	}
	v.duration("rolling.interval", b.Interval)
}

func (v *validator) analysis(a Analysis) {
	if a.MinRequests < 0 {
		v.add("analysis.minRequests", "got %d; want a positive count", a.MinRequests)
	}
	if a.Confidence != 0 && !(a.Confidence >= 0.5 && a.Confidence < 1) {
		v.add("analysis.confidence", "got %g; want a number in [0.5, 1), such as 0.95", a.Confidence)
	}
	v.within("analysis.maxErrorRateIncrease", a.MaxErrorRateIncrease, 100)
	v.within("analysis.maxLatencyIncreasePercent", a.MaxLatencyIncreasePercent, 1e6)
	v.within("analysis.maxErrorRate", a.MaxErrorRate, 100)
	v.within("analysis.maxP95Ms", a.MaxP95Ms, 1e9)
	v.within("analysis.maxP99Ms", a.MaxP99Ms, 1e9)
}

func (v *validator) checks(checks []Check) {
	seen := map[string]bool{}
	for i, c := range checks {
		field := fmt.Sprintf("checks[%d]", i)
		switch {
		case c.Name == "":
			v.add(field+".name", "is missing; want a name for messages")
		case seen[c.Name]:
			v.add(field+".name", "%q is taken by another check", c.Name)
		}
		seen[c.Name] = true
		v.check(field, c)
	}
}

func (v *validator) check(field string, c Check) {
	switch c.Kind {
	case CheckHTTP:
		if c.URL == "" {
			v.add(field+".url", "is missing; want the URL to ask")
		}
	case CheckExec:
		if len(c.Command) == 0 {
			v.add(field+".command", "is missing; want the command and its arguments")
		}
	case CheckPrometheus:
		if c.URL == "" {
			v.add(field+".url", "is missing; want the address of a Prometheus, such as http://127.0.0.1:9090")
		}
		if c.Query == "" {
			v.add(field+".query", "is missing; want a PromQL query with one value")
		}
		if c.Min == nil && c.Max == nil {
			v.add(field, "has no limit; want min, max or both")
		}
		if c.Min != nil && c.Max != nil && *c.Min > *c.Max {
			v.add(field+".min", "got %g; want at most max, which is %g", *c.Min, *c.Max)
		}
	default:
		v.add(field+".kind", "got %q; want http, exec or prometheus", c.Kind)
	}
	v.duration(field+".interval", c.Interval)
	if c.FailureLimit < 0 {
		v.add(field+".failureLimit", "got %d; want 0 or more", c.FailureLimit)
	}
}
