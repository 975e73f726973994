package events

import (
	"testing"
	"time"
)

func BenchmarkPublish(b *testing.B) {
	bus := New(Options{})
	now := time.Unix(0, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			bus.Publish(now, Event{Type: InstanceStarted, Service: "s", Message: "m"})
		}
	})
}
