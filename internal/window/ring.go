package window

import (
	"math"
	"time"
)

// Ring holds the sum, count, maximum and minimum of recorded values for each
// of its time buckets. Recording costs a few additions and allocates nothing;
// reading costs one pass over the buckets in question.
type Ring struct {
	b     buckets
	cells []cell
}

type cell struct {
	sum, max, min float64
	count         int64
}

// NewRing returns an empty ring of n buckets, each width long, so that
// it looks back over n*width. Both must be positive.
func NewRing(width time.Duration, n int) *Ring {
	r := &Ring{b: newBuckets(width, n), cells: make([]cell, n)}
	return r
}

// Record adds v at time now. A now that is older than the ring's reach is dropped;
// one that is older than the newest record but within reach still counts.
func (r *Ring) Record(now time.Time, v float64) { r.RecordN(now, v, 1) }

// RecordN adds a sum v that stands for n values; the extremes see v itself.
func (r *Ring) RecordN(now time.Time, v float64, n int64) {
	slot := r.b.advance(r.b.number(now), func(k int64) { r.cells[k] = cell{} })
	if slot < 0 {
		return
	}
	c := &r.cells[slot]
	if c.count == 0 && c.sum == 0 {
		c.max, c.min = v, v
	} else {
		c.max, c.min = math.Max(c.max, v), math.Min(c.min, v)
	}
	c.sum += v
	c.count += n
}

// Sum is the sum of what was recorded over the last d before now, in
// whole buckets, the one that now falls into included.
func (r *Ring) Sum(now time.Time, d time.Duration) float64 {
	s, _ := r.total(now, d)
	return s
}

// Count is the number of values recorded over the last d.
func (r *Ring) Count(now time.Time, d time.Duration) int64 {
	_, n := r.total(now, d)
	return n
}

// Mean is Sum by Count; ok is false when nothing was recorded.
func (r *Ring) Mean(now time.Time, d time.Duration) (mean float64, ok bool) {
	s, n := r.total(now, d)
	if n == 0 {
		return 0, false
	}
	return s / float64(n), true
}

// Rate is Sum per second over the time that the buckets cover: after the first record
// only the time since its bucket began counts, so that a young ring does not
// read too low. It is 0 when nothing was recorded.
func (r *Ring) Rate(now time.Time, d time.Duration) float64 {
	c := r.b.covered(now, d)
	if c <= 0 {
		return 0
	}
	return r.Sum(now, d) / c.Seconds()
}

// Max is the largest value recorded over the last d; ok is false when there was none.
func (r *Ring) Max(now time.Time, d time.Duration) (v float64, ok bool) {
	return r.extreme(now, d, func(c *cell, v float64) float64 { return math.Max(v, c.max) }, math.Inf(-1))
}

// Min is the smallest value recorded over the last d; ok is false when there was none.
func (r *Ring) Min(now time.Time, d time.Duration) (v float64, ok bool) {
	return r.extreme(now, d, func(c *cell, v float64) float64 { return math.Min(v, c.min) }, math.Inf(1))
}

// Covered is how much of the last d the ring can speak for.
func (r *Ring) Covered(now time.Time, d time.Duration) time.Duration { return r.b.covered(now, d) }

func (r *Ring) total(now time.Time, d time.Duration) (sum float64, count int64) {
	from, to := r.b.span(now, d)
	for k := from; k <= to; k++ {
		c := &r.cells[r.b.slot(k)]
		sum += c.sum
		count += c.count
	}
	return sum, count
}

func (r *Ring) extreme(now time.Time, d time.Duration, pick func(*cell, float64) float64, v float64) (float64, bool) {
	from, to := r.b.span(now, d)
	found := false
	for k := from; k <= to; k++ {
		if c := &r.cells[r.b.slot(k)]; c.count > 0 {
			v, found = pick(c, v), true
		}
	}
	if !found {
		return 0, false
	}
	return v, true
}
