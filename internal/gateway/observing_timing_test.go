package gateway

import (
	"fmt"
	"testing"
	"time"

	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/internal/histogram"
	"gatewayd/scaler"
)

// BenchmarkLoopSecond is what monitoring and placing cost the control loop in a second with 100 services of ten instances.
func BenchmarkLoopSecond(b *testing.B) {
	g := newFleet(&testing.T{}, []config.ResourcePool{
		{Name: "p", Capacity: config.Capacity{CPU: 900}, Price: config.Price{CPUHour: 1}}, {Name: "q", Price: config.Price{CPUHour: 2}},
	}, config.ResourceLimits{MaxCostPerHour: 5000})
	for i := range 100 {
		s := g.add(fmt.Sprint("s", i), 10, 10, config.Resources{CPU: 1})
		s.scale.state = &scaler.State{}
	}
	b.ReportAllocs()
	for b.Loop() {
		g.place()
		g.noteLimits(g.now)
		for _, s := range g.ordered {
			s.look()
			g.capsFor(s) // of its decision
		}
	}
}

// BenchmarkLatency is what the watch does for one instance that served since the last look.
func BenchmarkLatency(b *testing.B) {
	e := balancer.NewEndpoint(balancer.Identity{})
	w := &watch{middles: bucketMiddles()}
	var before, now histogram.Counts
	for i := range 1000 {
		e.Observe(time.Duration(i)*time.Millisecond, int64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Latency(&now)
		w.latencySince(&now, &before)
	}
}
