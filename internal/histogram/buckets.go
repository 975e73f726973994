package histogram

import (
	"math/bits"
	"time"
)

// The buckets are decades of 32: ten of width 0.1 from 1 to 2, twelve of 0.25 from 2 to 5, ten of 0.5 from 5 to 10.
// Decades instead of octaves, because people and dashboards ask for 100ms and 2.5s, and only an edge answers exactly.
// Bucket i holds edge(i-1) < d <= edge(i), as Prometheus counts `le`; the first holds all up to Min, the last all above Max.
const (
	// Min is the upper edge of the first bucket.
	Min = 10 * time.Microsecond
	// Max is the lower edge of the last bucket.
	Max = 10 * time.Minute
	// NumBuckets includes the two that hold what is below and above the range.
	NumBuckets = numEdges + 1

	// MaxRelativeError bounds |Quantile - truth| / truth between Min and Max: (b-a)/(b+a) of the relatively widest
	// bucket, which is 2 to 2.25.
	MaxRelativeError = 0.25 / 4.25

	numEdges = 7*32 + 25 // 10µs to 100s are seven decades; 25 edges lead from there to 600s
)

// Cells find a bucket without a search: the length of the number and its next four bits name a cell, and a cell has
// at most two edges in it.
const (
	cellBits  = 4
	minLength = 14 // bits.Len64(10_000): Min in nanoseconds
	maxLength = 40 // bits.Len64(600_000_000_000): Max
	numCells  = (maxLength - minLength + 1) << cellBits
)

// Both tables are written once, here.
var (
	edges = makeEdges()
	cells = makeCells()
)

func makeEdges() (e [numEdges]uint64) {
	n := 0
	add := func(d uint64) {
		if n < numEdges {
			e[n] = d
			n++
		}
	}
	for base := uint64(Min); base <= uint64(Max); base *= 10 {
		for i := range uint64(10) {
			add(base * (10 + i) / 10)
		}
		for i := range uint64(12) {
			add(base * (8 + i) / 4)
		}
		for i := range uint64(10) {
			add(base * (10 + i) / 2)
		}
	}
	return e
}

// makeCells gives for each cell the bucket of its smallest number.
func makeCells() (c [numCells]uint8) {
	for i := range c {
		length := minLength + i>>cellBits
		lowest := uint64(1<<cellBits|i&(1<<cellBits-1)) << (length - 1 - cellBits)
		b := 0
		for b < numEdges && lowest >= edges[b] {
			b++
		}
		c[i] = uint8(b)
	}
	return c
}

// bucketOf wants d >= 0.
func bucketOf(d time.Duration) int {
	if d <= Min {
		return 0
	}
	if d > Max {
		return NumBuckets - 1
	}
	u := uint64(d) - 1 // turns the closed upper edge into an open one
	length := bits.Len64(u)
	cell := (length-minLength)<<cellBits | int(u>>(length-1-cellBits))&(1<<cellBits-1)
	b := int(cells[cell])
	for u >= edges[b] {
		b++
	}
	return b
}

// Edges returns the upper edges of all buckets but the last, ascending; the caller owns the slice.
func Edges() []time.Duration {
	all := make([]time.Duration, len(edges))
	for i, e := range edges {
		all[i] = time.Duration(e)
	}
	return all
}
