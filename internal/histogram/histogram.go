// Package histogram counts latencies in fixed log-linear buckets.
//
// Observe is lock-free and allocates nothing; a Counts is a plain copy that can be added, subtracted and asked for
// quantiles, so that windows are differences of two copies. All histograms have the same buckets, hence any two can
// be added. The package starts no goroutine, reads no clock and knows nothing of metric names.
package histogram

import (
	"sync/atomic"
	"time"
)

// Histogram counts observations; any number of goroutines may write to it and read from it. The zero value is ready.
// It takes 2,008 bytes and must not be copied after first use.
type Histogram struct {
	sum     atomic.Uint64 // nanoseconds
	buckets [NumBuckets]atomic.Uint64
}

// Observe counts d. Durations below zero count as zero; those beyond the range are held in the outermost buckets.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)].Add(1)
	h.sum.Add(uint64(d))
}

// Snapshot overwrites dst with what was counted so far. Observations that run at the same time may be in it in part
// (in a bucket and not in the sum, or the reverse); the next snapshot has them whole.
func (h *Histogram) Snapshot(dst *Counts) {
	dst.Sum = h.sum.Load()
	dst.Count = 0
	for i := range h.buckets {
		n := h.buckets[i].Load()
		dst.Buckets[i] = n
		dst.Count += n
	}
}
