package scaler

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDecide is one round of decisions over 100 services of 100 instances each.
func BenchmarkDecide(b *testing.B) {
	f := func(name string, policies ...Policy) {
		b.Run(name, func(b *testing.B) {
			const services = 100
			now := monday
			spec := &Spec{Service: "shop", MinInstances: 1, MaxInstances: 200, Slots: 4, Policies: policies}
			states := make([]State, services)
			sample := busySample(100, now)
			tick := func() {
				now = now.Add(time.Second)
				for i := range sample.Instances {
					sample.Instances[i].CPU.At = now
					sample.Instances[i].Memory.At = now
				}
				for i := range states {
					Decide(spec, &states[i], sample, now)
				}
			}
			for range 100 {
				tick()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				tick()
			}
		})
	}
	cpu := Policy{Name: "cpu", Metric: MetricCPU, ScaleUpThreshold: 70, ScaleDownThreshold: 30, ScaleUpStep: 2, ScaleDownStep: 1, CooldownPeriod: time.Minute}
	busy := Policy{Name: "busy", Type: TypeTarget, Metric: MetricActiveConnections, Target: 3}
	hours := Policy{Name: "hours", Type: TypeSchedule, Cron: mustCron("0 8 * * 1-5", "Europe/Berlin"), Duration: 10 * time.Hour, MinInstances: 4}
	slo := Policy{Name: "slo", Type: TypeSLO, Objective: Objective{WaitBelow: 100 * time.Millisecond, Percent: 99}}
	f("threshold", cpu)
	f("target", busy)
	f("schedule", hours)
	f("slo", slo)
	f("all", cpu, busy, hours, slo)
}

// busySample is a second in the life of a service whose n instances are at work.
func busySample(n int, now time.Time) *Sample {
	s := &Sample{
		Span: time.Second, Arrivals: 15 * n, Completions: 15 * n, InFlight: 3 * n, BusySlots: float64(3 * n),
		ServiceTime: 200 * time.Millisecond, ServiceCV: 1, ResponseTime: Reading{250, now}, Ready: n,
	}
	for i := range n {
		s.Instances = append(s.Instances, InstanceSample{ID: fmt.Sprint(i), CPU: Reading{50, now}, Memory: Reading{50, now}})
	}
	return s
}

func mustCron(expr, zone string) Schedule {
	s, err := ParseCron(expr, zone)
	if err != nil {
		panic(err)
	}
	return s
}

// monday is noon of one.
var monday = time.Date(2024, 6, 3, 12, 0, 0, 0, time.UTC)
