package scaler

import (
	"fmt"
	"time"
)

// FieldError names a setting that makes no sense, by its path below the
// service's scaling key in the config, such as "policies[0].scaleUpStep".
type FieldError struct {
	Field string
	What  string // what it is and what would be right
}

func (e FieldError) Error() string { return e.Field + ": " + e.What }

// Validate returns everything that is wrong with the settings, in the order of the fields;
// nil when Decide can work with them. now is needed to find schedules that never begin.
func (sp *Spec) Validate(now time.Time) []FieldError {
	v := validation{}
	v.check(sp.MinInstances >= 0, "minInstances", "got %d; want 0 or more", sp.MinInstances)
	v.check(sp.MaxInstances >= 1, "maxInstances", "got %d; want 1 or more", sp.MaxInstances)
	v.check(sp.MaxInstances < 1 || sp.MinInstances <= sp.MaxInstances, "minInstances", "%d is above maxInstances %d; want at most that", sp.MinInstances, sp.MaxInstances)
	v.notNegative("evaluationInterval", sp.EvaluationInterval)
	v.notNegative("metricsWindow", sp.MetricsWindow)
	v.check(sp.MetricsWindow <= 0 || sp.MetricsWindow >= sp.EvaluationInterval, "metricsWindow", "%v is shorter than evaluationInterval %v; want at least that", sp.MetricsWindow, sp.EvaluationInterval)
	v.notNegative("stabilizeUp", sp.StabilizeUp)
	v.notNegative("idleTimeout", sp.IdleTimeout)
	v.notNegative("startDelay", sp.StartDelay)
	names := make(map[string]int)
	slo := -1
	for i := range sp.Policies {
		p := &sp.Policies[i]
		v.prefix = fmt.Sprintf("policies[%d].", i)
		v.check(p.Name != "", "name", "is empty; want a name that is unique within the service")
		if first, twice := names[p.Name]; twice && p.Name != "" {
			v.check(false, "name", "%q is the name of policies[%d] too; want a unique one", p.Name, first)
		}
		names[p.Name] = i
		v.policy(sp, p, now)
		if p.Type == TypeSLO && !p.Disabled {
			v.check(slo < 0, "type", "policies[%d] is an slo policy already; want at most one, with the stricter objective", slo)
			slo = i
		}
	}
	return v.errs
}

type validation struct {
	prefix string
	errs   []FieldError
}

func (v *validation) check(ok bool, field, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, FieldError{v.prefix + field, fmt.Sprintf(format, args...)})
	}
}

func (v *validation) notNegative(field string, d time.Duration) {
	v.check(d >= 0, field, "got %v; want 0 or more", d)
}

func (v *validation) policy(sp *Spec, p *Policy, now time.Time) {
	v.notNegative("cooldownPeriod", p.CooldownPeriod)
	switch p.Type {
	case TypeThreshold, "":
		v.metric(p)
		v.threshold(p)
	case TypeTarget:
		v.metric(p)
		v.check(finite(p.Target) && p.Target > 0, "target", "got %v; want a number above 0", p.Target)
		v.steps(p, 0)
	case TypeSchedule:
		v.schedule(sp, p, now)
	case TypeSLO:
		v.check(p.Objective.WaitBelow > 0, "objective.waitBelow", "got %v; want a duration above 0", p.Objective.WaitBelow)
		v.check(p.Objective.Percent > 0 && p.Objective.Percent < 100, "objective.percent", "got %v; want a number above 0 and below 100", p.Objective.Percent)
		v.check(sp.Slots > 0, "type", "slo needs to know how many requests an instance works on at a time; want limits.maxConcurrencyPerInstance of 1 or more")
	default:
		v.check(false, "type", "got %q; want threshold, target, schedule or slo", p.Type)
	}
}

func (v *validation) metric(p *Policy) {
	v.check(knownMetric(p.Metric), "targetMetric", "got %q; want one of %s", p.Metric, metricNames())
}

func (v *validation) threshold(p *Policy) {
	up, down := p.ScaleUpThreshold, p.ScaleDownThreshold
	v.check(finite(up) && up > 0, "scaleUpThreshold", "got %v; want a number above 0", up)
	v.check(finite(down) && down >= 0, "scaleDownThreshold", "got %v; want a number of 0 or more", down)
	v.check(!(down >= up), "scaleDownThreshold", "%v is not below scaleUpThreshold %v; want less, or the service would grow and shrink in turns", down, up)
	// Memory may be above 100 for a moment, but no service can be meant to live there.
	if p.Metric == MetricErrorRate || p.Metric == MetricCPU || p.Metric == MetricMemory {
		v.check(!(up > 100), "scaleUpThreshold", "got %v; want a percentage of at most 100", up)
	}
	v.steps(p, 1)
}

func (v *validation) steps(p *Policy, least int) {
	v.check(p.ScaleUpStep >= least, "scaleUpStep", "got %d; want %d or more", p.ScaleUpStep, least)
	v.check(p.ScaleDownStep >= least, "scaleDownStep", "got %d; want %d or more", p.ScaleDownStep, least)
}

func (v *validation) schedule(sp *Spec, p *Policy, now time.Time) {
	switch {
	case p.Cron == nil:
		v.check(false, "cron", "%q is no cron expression; want five fields, such as \"0 8 * * 1-5\"", p.CronText)
	case p.Cron.Next(now).IsZero():
		v.check(false, "cron", "%q never fires; want a date that exists", p.CronText)
	}
	v.check(p.Duration > 0, "duration", "got %v; want a duration above 0", p.Duration)
	v.check(p.MinInstances >= 1, "minInstances", "got %d; want 1 or more", p.MinInstances)
	v.check(p.MinInstances <= sp.MaxInstances, "minInstances", "%d is above the service's maxInstances %d; want at most that", p.MinInstances, sp.MaxInstances)
}
