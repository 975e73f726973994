package window

import (
	"testing"
	"time"
)

func BenchmarkRingRecord(b *testing.B) {
	b.ReportAllocs()
	r, now := NewRing(time.Second, 60), epoch
	for b.Loop() {
		now = now.Add(time.Millisecond)
		r.Record(now, 1)
	}
}

func BenchmarkRingMean(b *testing.B) {
	b.ReportAllocs()
	r, now := NewRing(time.Second, 60), epoch
	for range 600 {
		now = now.Add(100 * time.Millisecond)
		r.Record(now, 1)
	}
	for b.Loop() {
		r.Mean(now, time.Minute)
	}
}
