package monitor

import (
	"fmt"
	"testing"
)

// A second of a gateway with 200 services of five instances.
func BenchmarkSecond(b *testing.B) {
	m := New(Policy{Thresholds: []Threshold{
		{Metric: MetricErrorRate, Levels: []Level{{Warning, 2, 0}, {Critical, 5, 0}}},
		{Metric: MetricResponseTime, Levels: []Level{{Warning, 1000, 0}}},
	}})
	world := newModel(1)
	now := 0.0
	second := func() {
		now++
		o := world.step()
		for i := range 200 {
			o.Service = fmt.Sprintf("service-%d", i)
			m.Observe(o)
		}
		m.Evaluate(at(now))
		m.Diagnose(at(now))
	}
	for range 60 {
		second()
	}
	b.ReportAllocs()
	for b.Loop() {
		second()
	}
}

func BenchmarkObserve(b *testing.B) {
	m := New(Policy{})
	world := newModel(1)
	o := world.step()
	b.ReportAllocs()
	for b.Loop() {
		o.At = o.At.Add(1e9)
		m.Observe(o)
	}
}
