package scaler

import (
	"testing"
	"time"
)

// What a rollout runs beyond what was decided is neither demand nor capacity: 6 instances run where 4 were decided on, and the load,
// which does not change, is decided on as if they were 4.
func TestSurgeIsNeitherDemandNorCapacity(t *testing.T) {
	t0 := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := func(p Policy, fill func(s *Sample, now time.Time), want int) {
		t.Helper()
		sp := &Spec{MinInstances: 1, MaxInstances: 20, MetricsWindow: 10 * time.Second, StabilizeDown: -1, Policies: []Policy{p}}
		st := &State{Target: 4, Known: true}
		var d Decision
		for i := range 3 {
			now := t0.Add(time.Duration(i) * time.Second)
			s := Sample{Span: time.Second, Ready: 6, BusySlots: -1, Arrivals: 100, Completions: 100}
			fill(&s, now)
			d = Decide(sp, st, &s, now)
		}
		if d.Want != want {
			t.Errorf("got %d instances; want %d: %s", d.Want, want, d.Reason)
		}
	}
	inFlight := func(n int) func(*Sample, time.Time) {
		return func(s *Sample, _ time.Time) { s.InFlight = n }
	}
	latency := func(ms float64) func(*Sample, time.Time) {
		return func(s *Sample, now time.Time) { s.ResponseTime = Reading{Value: ms, At: now} }
	}
	usage := func(cpu, memory float64) func(*Sample, time.Time) {
		return func(s *Sample, now time.Time) {
			for range s.Ready {
				s.Instances = append(s.Instances, InstanceSample{ReadySince: t0.Add(-time.Hour), CPU: Reading{cpu, now}, Memory: Reading{memory, now}})
			}
		}
	}
	busy := Policy{Name: "busy", Type: TypeThreshold, Metric: MetricActiveConnections, ScaleUpThreshold: 5, ScaleDownThreshold: 1, ScaleUpStep: 1, ScaleDownStep: 1, CooldownPeriod: time.Hour}
	f(busy, inFlight(24), 5) // 6 for each of 4
	f(busy, inFlight(20), 4)
	f(busy, inFlight(5), 4) // 1.25 for each of 4
	target := func(m Metric, v float64) Policy {
		return Policy{Name: "t", Type: TypeTarget, Metric: m, Target: v, CooldownPeriod: time.Hour}
	}
	f(target(MetricResponseTime, 100), latency(100), 4)
	f(target(MetricResponseTime, 100), latency(150), 6)
	f(target(MetricResponseTime, 100), latency(80), 4)
	f(target(MetricCPU, 60), usage(60, 0), 6)
	f(target(MetricCPU, 60), usage(40, 0), 4)
	f(target(MetricMemory, 60), usage(0, 60), 4)
	f(target(MetricMemory, 60), usage(0, 75), 5)
}
