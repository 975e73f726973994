package gateway

import (
	"testing"
	"time"
)

func BenchmarkTrendAdd(b *testing.B) {
	k := &trendKit{now: time.Unix(1_000_000_000, 0)}
	k.second([]time.Duration{time.Millisecond}, 0, 1)
	s := k.trend.last
	b.ReportAllocs()
	for b.Loop() {
		s.at = s.at.Add(time.Second)
		k.trend.add(&s)
	}
}

func BenchmarkTrendView(b *testing.B) {
	k := &trendKit{now: time.Unix(1_000_000_000, 0)}
	for range 400 {
		k.second(nil, 0, 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		k.trend.view(5*time.Minute, 0)
	}
}
