package window

import "time"

// Rows holds one row of counters per time bucket, such as the bins of a latency
// histogram, so that the sum over the last while is again a histogram and
// quantiles can be read from it. What a column means is the caller's business.
type Rows struct {
	b       buckets
	columns int
	cells   []uint64 // slot-major
}

// NewRows returns an empty ring of n buckets, each width long, with
// the given number of columns. All must be positive.
func NewRows(width time.Duration, n, columns int) *Rows {
	if columns <= 0 {
		panic("BUG: a window of rows needs at least one column")
	}
	return &Rows{b: newBuckets(width, n), columns: columns, cells: make([]uint64, n*columns)}
}

// Add counts n in column at time now. Times out of the ring's reach are dropped.
func (r *Rows) Add(now time.Time, column int, n uint64) {
	slot := r.b.advance(r.b.number(now), func(k int64) { clear(r.row(k)) })
	if slot >= 0 {
		r.row(slot)[column] += n
	}
}

// Sum adds the counters of the last d before now into dst, one element
// per column; dst must have as many, and is overwritten.
func (r *Rows) Sum(now time.Time, d time.Duration, dst []uint64) {
	clear(dst)
	from, to := r.b.span(now, d)
	for k := from; k <= to; k++ {
		for i, v := range r.row(r.b.slot(k)) {
			dst[i] += v
		}
	}
}

func (r *Rows) row(slot int64) []uint64 {
	return r.cells[int(slot)*r.columns : (int(slot)+1)*r.columns]
}

// Quantile returns the column in which the q-quantile (0 to 1) of counts lies, the
// nearest-rank way; ok is false when all counts are 0.
func Quantile(counts []uint64, q float64) (column int, ok bool) {
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank := min(uint64(q*float64(total)), total-1)
	for i, n := range counts {
		if rank < n {
			return i, true
		}
		rank -= n
	}
	panic("BUG: the counts do not add up to their total")
}
