package health

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkStreak(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			o := NewOutlier(DefaultOutlierPolicy())
			now := time.Unix(1000, 0)
			o.SetMembers(pool(n), now)
			for b.Loop() {
				o.Streak("0", 4, FailureStatus, now)
			}
		})
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			o := NewOutlier(DefaultOutlierPolicy())
			now := time.Unix(1000, 0)
			ids := pool(n)
			o.SetMembers(ids, now)
			windows := make([]Window, n)
			for i, id := range ids {
				windows[i] = Window{ID: id, Requests: 1000, Failures: i % 3}
			}
			for b.Loop() {
				o.Evaluate(windows, now)
			}
		})
	}
}
