package histogram

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func TestBucketOf(t *testing.T) {
	f := func(d time.Duration, want int) {
		t.Helper()
		if got := bucketOf(d); got != want {
			t.Fatalf("bucketOf(%s) = %d; want %d", d, got, want)
		}
	}
	f(0, 0)
	f(1, 0)
	f(Min, 0)
	f(Min+1, 1)
	f(11*time.Microsecond, 1)
	f(11*time.Microsecond+1, 2)
	f(100*time.Microsecond, 32)
	f(100*time.Microsecond+1, 33)
	f(Max, NumBuckets-2)
	f(Max+1, NumBuckets-1)
	f(math.MaxInt64, NumBuckets-1)
}

// The dumb twin walks the edges.
func TestBucketOfTwin(t *testing.T) {
	twin := func(d time.Duration) int {
		for i, e := range edges {
			if uint64(d) <= e {
				return i
			}
		}
		return len(edges)
	}
	check := func(d time.Duration) {
		t.Helper()
		if got, want := bucketOf(d), twin(d); got != want {
			t.Fatalf("bucketOf(%d) = %d; want %d", d, got, want)
		}
	}
	for _, e := range edges {
		for d := time.Duration(e) - 2; d <= time.Duration(e)+2; d++ {
			check(d)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(time.Duration(math.Exp(r.Float64() * math.Log(2*float64(Max)))))
	}
}

func TestEdges(t *testing.T) {
	if edges[0] != uint64(Min) || edges[numEdges-1] != uint64(Max) {
		t.Fatalf("edges reach from %d to %d; want %d to %d", edges[0], edges[numEdges-1], Min, Max)
	}
	for i := 1; i < numEdges; i++ {
		a, b := float64(edges[i-1]), float64(edges[i])
		if err := (b - a) / (a + b); a >= b || err > MaxRelativeError+1e-12 {
			t.Fatalf("bucket %d from %v to %v may be off by %v; want at most %v", i, a, b, err, MaxRelativeError)
		}
	}
}

func TestBounds(t *testing.T) {
	for i := range NumBounds {
		if !slices.Contains(edges[:], uint64(Bound(i))) {
			t.Errorf("bound %s is not an edge", Bound(i))
		}
		if i > 0 && Bound(i) <= Bound(i-1) {
			t.Errorf("bound %s does not ascend", Bound(i))
		}
		seconds, err := strconv.ParseFloat(LE(i), 64)
		if err != nil || seconds != Bound(i).Seconds() {
			t.Errorf("LE(%d) = %q; want %v", i, LE(i), Bound(i).Seconds())
		}
	}
}

func TestQuantileTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 50 {
		var h Histogram
		values := make([]time.Duration, 1+r.IntN(2000))
		spread := math.Log(float64(Max) / float64(Min))
		for i := range values {
			values[i] = time.Duration(float64(Min) * math.Exp(r.Float64()*spread))
			h.Observe(values[i])
		}
		slices.Sort(values)
		var c Counts
		h.Snapshot(&c)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 1} {
			rank := max(int(math.Ceil(q*float64(len(values)))), 1)
			want, got := float64(values[rank-1]), float64(c.Quantile(q))
			if math.Abs(got-want)/want > MaxRelativeError+1e-6 {
				t.Fatalf("round %d: quantile %v = %v; want %v within %v", round, q, got, want, MaxRelativeError)
			}
		}
		sum := time.Duration(0)
		for _, v := range values {
			sum += v
		}
		if got, want := c.Mean(), sum/time.Duration(len(values)); got != want {
			t.Fatalf("mean = %s; want %s", got, want)
		}
	}
}

func TestCountsOutsideTheRange(t *testing.T) {
	var h Histogram
	h.Observe(-time.Second)
	h.Observe(0)
	h.Observe(time.Hour)
	var c Counts
	h.Snapshot(&c)
	if c.Count != 3 || c.Sum != uint64(time.Hour) {
		t.Fatalf("count %d, sum %d; want 3, %d", c.Count, c.Sum, time.Hour)
	}
	if got := c.Quantile(0.5); got != Min {
		t.Fatalf("median = %s; want %s", got, Min)
	}
	if got := c.Quantile(1); got != Max {
		t.Fatalf("maximum = %s; want %s", got, Max)
	}
	if got := c.CountAbove(Max); got != 1 {
		t.Fatalf("above %s: %d; want 1", Max, got)
	}
}

func TestEmptyCounts(t *testing.T) {
	var c Counts
	if c.Quantile(0.5) != 0 || c.Mean() != 0 || c.CountAbove(0) != 0 {
		t.Fatalf("empty: quantile %s, mean %s, above 0: %d; want 0, 0, 0", c.Quantile(0.5), c.Mean(), c.CountAbove(0))
	}
}

func TestCountAbove(t *testing.T) {
	var h Histogram
	for _, ms := range []int{50, 100, 101, 200, 300} {
		h.Observe(time.Duration(ms) * time.Millisecond)
	}
	var c Counts
	h.Snapshot(&c)
	f := func(d time.Duration, want uint64) {
		t.Helper()
		if got := c.CountAbove(d); got != want {
			t.Fatalf("CountAbove(%s) = %d; want %d", d, got, want)
		}
	}
	f(-1, 5)
	f(40*time.Millisecond, 5)
	f(50*time.Millisecond, 4)
	f(100*time.Millisecond, 3)
	f(101*time.Millisecond, 2) // as if 110ms
	f(200*time.Millisecond, 1)
	f(time.Second, 0)
}

func TestCumulative(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var h Histogram
	var want [NumBounds]uint64
	for range 5000 {
		d := time.Duration(math.Exp(r.Float64() * math.Log(float64(5*time.Minute))))
		if r.IntN(4) == 0 {
			d = Bound(r.IntN(NumBounds)) // at most: le includes its bound
		}
		h.Observe(d)
		for i := range want {
			if d <= Bound(i) {
				want[i]++
			}
		}
	}
	var c Counts
	h.Snapshot(&c)
	var got [NumBounds]uint64
	c.Cumulative(&got)
	if got != want {
		t.Fatalf("cumulative = %v; want %v", got, want)
	}
}

func TestAddSub(t *testing.T) {
	var h Histogram
	var before, after, window Counts
	h.Observe(time.Millisecond)
	h.Snapshot(&before)
	h.Observe(time.Second)
	h.Observe(2 * time.Second)
	h.Snapshot(&after)
	window = after
	window.Sub(&before)
	if window.Count != 2 || window.Mean() != 1500*time.Millisecond || window.CountAbove(time.Millisecond) != 2 {
		t.Fatalf("window: count %d, mean %s; want 2, 1.5s", window.Count, window.Mean())
	}
	window.Add(&before)
	if window != after {
		t.Fatalf("window + before = %v; want %v", window, after)
	}
}

func TestObserveConcurrently(t *testing.T) {
	var h Histogram
	var s Sharded
	const writers, each = 4, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				h.Observe(time.Duration(i) * time.Microsecond)
				s.Observe(uint32(w), time.Duration(i)*time.Microsecond)
			}
		})
	}
	wg.Wait()
	var plain, sharded Counts
	h.Snapshot(&plain)
	s.Snapshot(&sharded)
	if plain.Count != writers*each || plain.Sum != writers*each*(each-1)/2*1000 {
		t.Fatalf("count %d, sum %d; want %d, %d", plain.Count, plain.Sum, writers*each, writers*each*(each-1)/2*1000)
	}
	if plain != sharded {
		t.Fatalf("sharded differs from plain")
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	var h Histogram
	var c Counts
	if n := testing.AllocsPerRun(100, func() {
		h.Observe(time.Millisecond)
		h.Snapshot(&c)
	}); n != 0 {
		t.Fatalf("%v allocations; want 0", n)
	}
}

func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Histogram{}); size != 2008 {
		t.Fatalf("a histogram takes %d bytes; want 2008", size)
	}
}

func FuzzBucketOf(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(Min))
	f.Add(int64(Max))
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(max(n, 0))
		b := bucketOf(d)
		if b > 0 && uint64(d) <= edges[b-1] || b < numEdges && uint64(d) > edges[b] {
			t.Fatalf("%d is not in bucket %d", d, b)
		}
	})
}
