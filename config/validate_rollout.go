package config

import "fmt"

func (v *validator) rollout(path string, r *Rollout) {
	if len(r.Steps) == 0 && r.Strategy == StrategyCanary && v.sound(path+".steps") {
		v.fail(path+".steps", "got an empty list", "at least one step")
	}
	v.steps(path+".steps", r.Steps)
	if r.Rolling.MaxSurge == (Amount{}) && r.Rolling.MaxUnavailable == (Amount{}) {
		v.fail(path+".rolling.maxSurge", "got 0 while maxUnavailable is 0", "one of them above 0, or no instance can ever be exchanged")
	}
	names := map[string]string{}
	for i := range r.Analysis.Checks {
		c, at := &r.Analysis.Checks[i], index(path+".analysis.checks", i)
		v.unique(names, c.Name, at+".name")
		v.exactlyOne(at, "http", "exec", "prometheus")
		if p := c.Prometheus; p != nil && v.sound(at+".prometheus", at+".prometheus.min", at+".prometheus.max") {
			v.bounds(at+".prometheus", p)
		}
	}
}

func (v *validator) bounds(path string, p *PrometheusCheck) {
	switch {
	case p.Min == nil && p.Max == nil:
		v.fail(path, "got neither min nor max", "one of them, or both")
	case p.Min != nil && p.Max != nil && *p.Min > *p.Max:
		v.fail(path+".min", fmt.Sprintf("got %g, and max is %g", *p.Min, *p.Max), "max or less")
	}
}

// steps checks that the weights of a canary rise, and that each step does something.
func (v *validator) steps(path string, steps []RolloutStep) {
	var weight Percent
	for i := range steps {
		s, at := &steps[i], index(path, i)
		if s.Weight > 0 && s.Weight < weight && v.sound(at+".weight") {
			v.fail(at+".weight", fmt.Sprintf("got %s after %s", s.Weight, weight), "weights that rise")
		}
		weight = max(weight, s.Weight)
		if s.Weight == 0 && s.Mirror == 0 && s.Cohort == nil && !s.Pause && v.sound(at, at+".weight", at+".mirror", at+".cohort", at+".pause") {
			v.fail(at, "got a step that does nothing", "weight, mirror, cohort or pause")
		}
		if s.Cohort != nil && v.sound(at+".cohort") {
			v.exactlyOne(at+".cohort", "header", "cookie")
		}
	}
}
