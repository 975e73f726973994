package scaler

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := func() *Spec {
		return &Spec{Service: "shop", MinInstances: 1, MaxInstances: 10, Slots: 4, Policies: allPolicies()}
	}
	if errs := good().Validate(monday); len(errs) != 0 {
		t.Fatalf("a good spec has errors: %v", errs)
	}
	f := func(spoil func(sp *Spec), want ...string) {
		t.Helper()
		sp := good()
		spoil(sp)
		var got []string
		for _, e := range sp.Validate(monday) {
			got = append(got, e.Error())
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(func(sp *Spec) { sp.MinInstances = 11 }, "minInstances: 11 is above maxInstances 10; want at most that")
	f(func(sp *Spec) { sp.MinInstances = -1 }, "minInstances: got -1; want 0 or more")
	f(func(sp *Spec) { sp.MinInstances, sp.MaxInstances, sp.Policies = 0, 0, nil }, "maxInstances: got 0; want 1 or more")
	f(func(sp *Spec) { sp.EvaluationInterval, sp.MetricsWindow = time.Minute, time.Second },
		"metricsWindow: 1s is shorter than evaluationInterval 1m0s; want at least that")
	f(func(sp *Spec) { sp.StartDelay = -1 }, "startDelay: got -1ns; want 0 or more")
	f(func(sp *Spec) { sp.Policies[0].ScaleDownThreshold = 80 },
		"policies[0].scaleDownThreshold: 80 is not below scaleUpThreshold 70; want less, or the service would grow and shrink in turns")
	f(func(sp *Spec) { sp.Policies[0].ScaleUpThreshold = math.NaN() }, "policies[0].scaleUpThreshold: got NaN; want a number above 0")
	f(func(sp *Spec) { sp.Policies[0].ScaleUpThreshold = 120 }, "policies[0].scaleUpThreshold: got 120; want a percentage of at most 100")
	f(func(sp *Spec) { sp.Policies[0].ScaleUpStep, sp.Policies[0].ScaleDownStep = 0, -1 },
		"policies[0].scaleUpStep: got 0; want 1 or more", "policies[0].scaleDownStep: got -1; want 1 or more")
	f(func(sp *Spec) { sp.Policies[0].CooldownPeriod = -time.Second }, "policies[0].cooldownPeriod: got -1s; want 0 or more")
	f(func(sp *Spec) { sp.Policies[0].Metric = "load" },
		`policies[0].targetMetric: got "load"; want one of cpu, memory, requestRate, responseTime, errorRate, activeConnections, queueLength`)
	f(func(sp *Spec) { sp.Policies[1].Target = 0 }, "policies[1].target: got 0; want a number above 0")
	f(func(sp *Spec) { sp.Policies[1].Name = "cpu" }, `policies[1].name: "cpu" is the name of policies[0] too; want a unique one`)
	f(func(sp *Spec) { sp.Policies[1].Name = "" }, "policies[1].name: is empty; want a name that is unique within the service")
	f(func(sp *Spec) {
		sp.Policies[2].Cron, sp.Policies[2].CronText = mustCron("0 0 30 2 *", ""), "0 0 30 2 *"
	},
		`policies[2].cron: "0 0 30 2 *" never fires; want a date that exists`)
	f(func(sp *Spec) { sp.Policies[2].Cron, sp.Policies[2].CronText = nil, "every day" },
		`policies[2].cron: "every day" is no cron expression; want five fields, such as "0 8 * * 1-5"`)
	f(func(sp *Spec) { sp.Policies[2].Duration, sp.Policies[2].MinInstances = 0, 11 },
		"policies[2].duration: got 0s; want a duration above 0",
		"policies[2].minInstances: 11 is above the service's maxInstances 10; want at most that")
	f(func(sp *Spec) { sp.Policies[3].Objective = Objective{} },
		"policies[3].objective.waitBelow: got 0s; want a duration above 0",
		"policies[3].objective.percent: got 0; want a number above 0 and below 100")
	f(func(sp *Spec) { sp.Slots = 0 },
		"policies[3].type: slo needs to know how many requests an instance works on at a time; want limits.maxConcurrencyPerInstance of 1 or more")
	f(func(sp *Spec) { p := sp.Policies[3]; p.Name = "second"; sp.Policies = append(sp.Policies, p) },
		"policies[4].type: policies[3] is an slo policy already; want at most one, with the stricter objective")
	f(func(sp *Spec) { sp.Policies[3].Type = "magic" }, `policies[3].type: got "magic"; want threshold, target, schedule or slo`)
}

func TestParseCron(t *testing.T) {
	f := func(expr, zone, want string) {
		t.Helper()
		s, err := ParseCron(expr, zone)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = s.Next(monday).UTC().Format(time.RFC3339)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("ParseCron(%q, %q) gives %q; want %q", expr, zone, got, want)
		}
	}
	f("0 8 * * 1-5", "Europe/Berlin", "2024-06-04T06:00:00Z")
	f("0 8 * * 1-5", "", "2024-06-04T08:00:00Z")
	f("@daily", "America/New_York", "2024-06-04T04:00:00Z")
	f("0 8 * *", "", `cannot parse cron "0 8 * *": `)
	f("0 8 * * *", "Mars/Olympus", `cannot load timezone "Mars/Olympus": `)
}

func TestCheckPushed(t *testing.T) {
	f := func(values map[Metric]float64, age time.Duration, want string) {
		t.Helper()
		err := CheckPushed(PushedFigures{Timestamp: monday.Add(-age), Values: values}, monday)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckPushed(%v, %v ago) = %q; want %q", values, age, got, want)
		}
	}
	cpu := func(v float64) map[Metric]float64 { return map[Metric]float64{MetricCPU: v} }
	f(cpu(75.5), 0, "")
	f(cpu(130), time.Minute, "")
	f(cpu(0), -5*time.Second, "")
	f(cpu(math.NaN()), 0, "cannot accept cpu: NaN is no finite number; want 0 or more")
	f(cpu(math.Inf(1)), 0, "cannot accept cpu: +Inf is no finite number; want 0 or more")
	f(map[Metric]float64{MetricCPU: 1, MetricQueueLength: -3}, 0, "cannot accept queueLength: -3 is negative; want 0 or more")
	f(map[Metric]float64{MetricErrorRate: 101}, 0, "cannot accept errorRate: 101 is above 100; want a percentage")
	f(cpu(1), 6*time.Minute, "cannot accept timestamp: 2024-06-03T11:54:00Z is 6m0s ago; want at most 5m0s")
	f(cpu(1), -time.Minute, "cannot accept timestamp: 2024-06-03T12:01:00Z lies 1m0s in the future; want at most 10s")
	f(nil, 0, "cannot accept metrics: no figure given; want at least one of "+metricNames())
	f(map[Metric]float64{"disk": 1, MetricCPU: 1, "aaa": 2}, 0, "cannot accept aaa: unknown metric; want one of "+metricNames())
	if err := CheckPushed(PushedFigures{Values: cpu(1)}, monday); err != nil {
		t.Errorf("without a timestamp: %v", err)
	}
}
