package config

import "fmt"

func (v *validator) scaling(path string, s *Service) {
	sc := &s.Scaling
	if sc.MinInstances > sc.MaxInstances && v.sound(path+".minInstances", path+".maxInstances") {
		v.fail(path+".minInstances", fmt.Sprintf("got %d, and maxInstances is %d", sc.MinInstances, sc.MaxInstances), "maxInstances or less")
	}
	if sc.EvaluationInterval > sc.MetricsWindow && v.sound(path+".evaluationInterval", path+".metricsWindow") {
		v.fail(path+".metricsWindow", fmt.Sprintf("got %s, less than evaluationInterval %s", short(sc.MetricsWindow), short(sc.EvaluationInterval)), "evaluationInterval or more")
	}
	names := map[string]string{}
	for i := range sc.Policies {
		p, at := &sc.Policies[i], index(path+".policies", i)
		v.unique(names, p.Name, at+".name")
		if v.sound(at, at+".type") {
			v.policy(at, p, s)
		}
	}
}

// policy checks one policy by its type.
func (v *validator) policy(path string, p *Policy, s *Service) {
	v.kinds(path, p)
	switch p.Type {
	case PolicyThreshold:
		p.ScaleUpStep, p.ScaleDownStep = max(1, p.ScaleUpStep), max(1, p.ScaleDownStep)
		v.needs(path+".targetMetric", "the metric that the thresholds are for")
		v.needs(path+".scaleUpThreshold", "the value above which instances are added")
		v.percentMetric(path, "scaleUpThreshold", p.TargetMetric, p.ScaleUpThreshold)
		up, down := path+".scaleUpThreshold", path+".scaleDownThreshold"
		if p.ScaleDownThreshold >= p.ScaleUpThreshold && v.sound(up, down) {
			v.fail(down, fmt.Sprintf("got %g, and scaleUpThreshold is %g", p.ScaleDownThreshold, p.ScaleUpThreshold),
				"less than scaleUpThreshold, or the service would never rest")
		}
	case PolicyTarget:
		v.needs(path+".targetMetric", "the metric that the target is for")
		v.needs(path+".target", "the value that the metric is kept at")
		v.percentMetric(path, "target", p.TargetMetric, p.Target)
	case PolicySLO:
		if s.Limits.MaxConcurrencyPerInstance == 0 {
			v.fail(path+".type", "got slo while limits.maxConcurrencyPerInstance is 0",
				"a limit there; without one no request ever waits")
		}
	case PolicySchedule:
		v.needs(path+".cron", "when it begins")
		v.needs(path+".duration", "how long it holds")
		v.needs(path+".minInstances", "the least number of instances while it holds")
		if p.MinInstances > s.Scaling.MaxInstances {
			v.fail(path+".minInstances", fmt.Sprintf("got %d, and maxInstances is %d", p.MinInstances, s.Scaling.MaxInstances), "maxInstances or less")
		}
	}
}

// percentMetric reports a value that a metric in percent never reaches.
func (v *validator) percentMetric(path, key string, m Metric, value float64) {
	if (m == MetricCPU || m == MetricMemory || m == MetricErrorRate) && value > 100 {
		v.fail(path+"."+key, fmt.Sprintf("got %g for %s", value, m), "a percentage from 0 to 100")
	}
}
