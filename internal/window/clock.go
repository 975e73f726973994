package window

import "time"

// buckets does the arithmetic that Ring and Rows share: which slot of the
// ring a moment falls into, and which slots have to be emptied on the way there.
type buckets struct {
	width int64 // ns, above 0
	n     int64 // slots in the ring
	last  int64 // newest bucket number written or swept, valid when used
	first int64 // bucket number of the first write ever
	used  bool
}

func newBuckets(width time.Duration, n int) buckets {
	if width <= 0 || n <= 0 {
		panic("BUG: a window needs a positive bucket width and at least one bucket")
	}
	return buckets{width: int64(width), n: int64(n)}
}

// number is the bucket that now falls into, rounded down before 1970 as well.
func (b *buckets) number(now time.Time) int64 {
	ns := now.UnixNano()
	q := ns / b.width
	if ns%b.width < 0 {
		q--
	}
	return q
}

// advance makes number the newest bucket and calls clear for each slot that is
// taken over from an older turn of the ring. It returns the slot to write
// to, or -1 when number is older than everything the ring still holds.
func (b *buckets) advance(number int64, clear func(slot int64)) int64 {
	if !b.used {
		b.used, b.last, b.first = true, number, number
		return b.slot(number)
	}
	if number <= b.last-b.n {
		return -1
	}
	from := max(b.last+1, number-b.n+1)
	for k := from; k <= number; k++ {
		clear(b.slot(k))
	}
	b.last = max(b.last, number)
	return b.slot(number)
}

func (b *buckets) slot(number int64) int64 {
	s := number % b.n
	if s < 0 {
		s += b.n
	}
	return s
}

// span returns the bucket numbers, both inclusive, that a look back over d from
// now covers: the bucket of now and as many before it as d holds, at least one
// in all and never more than the ring has. Empty means from > to.
func (b *buckets) span(now time.Time, d time.Duration) (from, to int64) {
	if !b.used {
		return 1, 0
	}
	to = b.number(now)
	k := min(max(int64(d)/b.width, 1), b.n)
	from = to - k + 1
	return max(from, b.last-b.n+1, b.first), min(to, b.last)
}

// covered is the part of the last d that the buckets tell something about: from the
// start of the oldest bucket in the span, or of the first write, to now.
func (b *buckets) covered(now time.Time, d time.Duration) time.Duration {
	if !b.used {
		return 0
	}
	to := b.number(now)
	k := min(max(int64(d)/b.width, 1), b.n)
	from := max(to-k+1, b.first)
	return max(time.Duration(now.UnixNano()-from*b.width), 0)
}
