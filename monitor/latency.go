package monitor

import (
	"math"
	"time"
)

// The buckets of Latency grow by a fifth from 0.1 ms to beyond 100 s, so a
// quantile is off by at most a tenth of its value, interpolation aside.
const (
	latencyFirst   = 1e-4 // seconds, upper bound of bucket 0
	latencyGrowth  = 1.2
	latencyBuckets = 78
)

// Latency counts requests by how long they took. The zero value is empty.
// It holds only the span of buckets in use, so an idle second costs nothing.
type Latency struct {
	lowest int
	counts []uint32
	sum    float64 // seconds
	square float64 // seconds squared
	count  uint64
}

// Add counts n requests that took d. Below 0.1 ms and above 130 s
// the bucket is the outermost one; the mean stays exact.
func (l *Latency) Add(d time.Duration, n uint32) {
	if n == 0 {
		return
	}
	s := max(d.Seconds(), 0)
	i := latencyBucket(s)
	l.reach(i, i)
	l.counts[i-l.lowest] += n
	l.sum += s * float64(n)
	l.square += s * s * float64(n)
	l.count += uint64(n)
}

// Merge adds all that o counted. o stays the caller's.
func (l *Latency) Merge(o Latency) {
	if o.count == 0 {
		return
	}
	l.reach(o.lowest, o.lowest+len(o.counts)-1)
	for i, n := range o.counts {
		l.counts[o.lowest-l.lowest+i] += n
	}
	l.sum += o.sum
	l.square += o.square
	l.count += o.count
}

// Count is the number of requests.
func (l Latency) Count() uint64 { return l.count }

// Mean is 0 when nothing was counted.
func (l Latency) Mean() time.Duration {
	if l.count == 0 {
		return 0
	}
	return seconds(l.sum / float64(l.count))
}

// Quantile interpolates within the bucket that holds quantile q, 0 < q <= 1.
// It is 0 when nothing was counted.
func (l Latency) Quantile(q float64) time.Duration {
	rank := q * float64(l.count)
	for i, n := range l.counts {
		if n == 0 {
			continue
		}
		if rank <= float64(n) {
			low, high := latencyBounds(l.lowest + i)
			return seconds(low + (high-low)*max(rank, 0)/float64(n))
		}
		rank -= float64(n)
	}
	return 0
}

// Above is how many requests took longer than d, interpolated within d's bucket.
func (l Latency) Above(d time.Duration) float64 {
	s, at := d.Seconds(), latencyBucket(d.Seconds())
	var above float64
	for i, n := range l.counts {
		switch bucket := l.lowest + i; {
		case bucket > at:
			above += float64(n)
		case bucket == at:
			low, high := latencyBounds(bucket)
			above += float64(n) * min(max((high-s)/(high-low), 0), 1)
		}
	}
	return above
}

// variance is of single requests, in seconds squared.
func (l Latency) variance() float64 {
	if l.count < 2 {
		return 0
	}
	n := float64(l.count)
	return max(l.square/n-(l.sum/n)*(l.sum/n), 0)
}

func (l *Latency) reach(low, high int) {
	if len(l.counts) == 0 {
		l.lowest, l.counts = low, make([]uint32, high-low+1)
		return
	}
	end := l.lowest + len(l.counts) - 1
	if low >= l.lowest && high <= end {
		return
	}
	low, high = min(low, l.lowest), max(high, end)
	grown := make([]uint32, high-low+1)
	copy(grown[l.lowest-low:], l.counts)
	l.lowest, l.counts = low, grown
}

// reset empties l but keeps its memory for the next use of a ring's cell.
func (l *Latency) reset() {
	clear(l.counts)
	l.sum, l.square, l.count = 0, 0, 0
}

func latencyBucket(s float64) int {
	if s <= latencyFirst {
		return 0
	}
	i := int(math.Ceil(math.Log(s/latencyFirst)/math.Log(latencyGrowth) - 1e-9))
	return min(max(i, 0), latencyBuckets-1)
}

func latencyBounds(i int) (low, high float64) {
	high = latencyFirst * math.Pow(latencyGrowth, float64(i))
	if i == 0 {
		return 0, high
	}
	return high / latencyGrowth, high
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
