package histogram

import (
	"sync/atomic"
	"testing"
	"time"
)

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	for i := range b.N {
		h.Observe(time.Duration(i&0xffff) * time.Microsecond)
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			h.Observe(time.Duration(i&0xffff) * time.Microsecond)
		}
	})
}

func BenchmarkSnapshotQuantile(b *testing.B) {
	var h Histogram
	for i := range 10000 {
		h.Observe(time.Duration(i) * time.Microsecond)
	}
	var c Counts
	b.ReportAllocs()
	for range b.N {
		h.Snapshot(&c)
		if c.Quantile(0.99) == 0 {
			b.Fatal("no quantile")
		}
	}
}

func BenchmarkObserveSharded(b *testing.B) {
	var s Sharded
	var shards atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		shard := shards.Add(1)
		for i := 0; pb.Next(); i++ {
			s.Observe(shard, time.Duration(i&0xffff)*time.Microsecond)
		}
	})
}
