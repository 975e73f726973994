package histogram

import "time"

// NumBounds is how many `le` boundaries there are, +Inf not counted.
const NumBounds = 16

// Written once, here. Every bound is an edge of a bucket, which a test holds.
var (
	bounds = [NumBounds]time.Duration{
		500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
		10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
		250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
		5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	}
	boundTexts = [NumBounds]string{
		"0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
		"0.25", "0.5", "1", "2.5", "5", "10", "30", "60",
	}
)

// Bound returns the i-th `le` boundary, ascending, 0 <= i < NumBounds.
func Bound(i int) time.Duration { return bounds[i] }

// LE returns the i-th boundary as the value of the label le, in seconds.
func LE(i int) string { return boundTexts[i] }

// Cumulative fills dst with how many observations were at most Bound(i), exactly. The bucket +Inf is c.Count, the sum in
// seconds is c.Sum / 1e9.
func (c *Counts) Cumulative(dst *[NumBounds]uint64) {
	n, next := uint64(0), 0
	for i := range dst {
		for last := bucketOf(bounds[i]); next <= last; next++ {
			n += c.Buckets[next]
		}
		dst[i] = n
	}
}
