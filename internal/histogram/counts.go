package histogram

import (
	"math"
	"time"
)

// Counts is what a Histogram held at one moment, or the difference or sum of such moments. It is a plain value;
// its methods are not safe beside a writer.
type Counts struct {
	Buckets [NumBuckets]uint64
	Sum     uint64 // nanoseconds
	Count   uint64 // of all buckets
}

// Add adds o to c.
func (c *Counts) Add(o *Counts) {
	for i, n := range o.Buckets {
		c.Buckets[i] += n
	}
	c.Sum += o.Sum
	c.Count += o.Count
}

// Sub takes earlier away from c, which leaves what was observed in between. Earlier must be an older snapshot of the same
// histogram, or a sum of older snapshots of those summed in c.
func (c *Counts) Sub(earlier *Counts) {
	for i, n := range earlier.Buckets {
		c.Buckets[i] -= n
	}
	c.Sum -= earlier.Sum
	c.Count -= earlier.Count
}

// Mean is exact, and 0 when nothing was observed.
func (c *Counts) Mean() time.Duration {
	if c.Count == 0 {
		return 0
	}
	return time.Duration(c.Sum / c.Count)
}

// Quantile returns the q-th quantile (0 to 1) by nearest rank, off by at most MaxRelativeError between Min and Max;
// Min when it is below the range, Max when it is above, 0 when nothing was observed.
func (c *Counts) Quantile(q float64) time.Duration {
	if c.Count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(c.Count)))
	rank = min(max(rank, 1), c.Count)
	seen := uint64(0)
	for i, n := range c.Buckets {
		if seen += n; seen >= rank {
			return middle(i)
		}
	}
	panic("BUG: the buckets hold fewer observations than the count")
}

// middle is the harmonic mean of the bucket's edges: the one point from which both edges are equally far in relative terms.
func middle(bucket int) time.Duration {
	switch bucket {
	case 0:
		return Min
	case NumBuckets - 1:
		return Max
	}
	a, b := float64(edges[bucket-1]), float64(edges[bucket])
	return time.Duration(2 * a * b / (a + b))
}

// CountAbove returns how many observations were longer than d. It is exact where d is an edge (two significant digits
// below 2, and 2.25, 2.5, ... 5, 5.5, ... above); any other d is raised to the next edge.
func (c *Counts) CountAbove(d time.Duration) uint64 {
	n := uint64(0)
	for _, b := range c.Buckets[bucketOf(max(d, 0))+1:] {
		n += b
	}
	return n
}
