package rollout

import (
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	f := func(counts []float64, q, want float64) {
		t.Helper()
		if got := quantile([]float64{10, 20, 40}, counts, q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile(%v, %g) = %g; want %g", counts, q, got, want)
		}
	}
	f(nil, 0.5, 0)
	f([]float64{0, 0, 0, 0}, 0.5, 0)
	f([]float64{10, 0, 0, 0}, 0.5, 5)
	f([]float64{0, 10, 0, 0}, 0.5, 15)
	f([]float64{5, 5, 0, 0}, 0.5, 10)
	f([]float64{5, 0, 5, 0}, 0.9, 36)
	f([]float64{0, 0, 0, 3}, 0.5, 40) // above all bounds
	f([]float64{10, 0, 0, 0}, 1, 10)
}

func TestBucketAbove(t *testing.T) {
	f := func(at int, factor float64, want int) {
		t.Helper()
		if got := bucketAbove([]float64{10, 20, 40}, at, factor); got != want {
			t.Errorf("bucketAbove(%d, %g) = %d; want %d", at, factor, got, want)
		}
	}
	f(0, 1, 0)
	f(0, 1.25, 1) // 12.5 is within the bucket up to 20
	f(0, 2, 1)
	f(1, 2.5, 3) // above all bounds: nothing counts as slower
	f(3, 1.25, 3)
	f(-1, 15, 1) // 15 ms
	f(-1, 40, 2)
	f(-1, 41, 3)
}

func TestTallyAdd(t *testing.T) {
	var a Tally
	a.add(Traffic{Requests: 3, Errors: 5, Latency: []uint64{1, 2}})
	a.add(Traffic{Requests: 1})
	if a.Requests != 4 || a.Errors != 3 || a.slower(0) != (sample{3, 2}) {
		t.Errorf("got %+v; want 4 requests, errors cut to 3, 2 of 3 slower than the first bucket", a)
	}
	var r Recent
	r.add(&a, 1)
	r.add(&Tally{Requests: 2, Latency: []uint64{0, 0, 4}}, 0.5)
	if r.Requests != 4 || r.answered() != 5.5 || r.bucketOf(0.5) != 2 || r.percent() != 37.5 {
		t.Errorf("got %+v; want what was there for half", r)
	}
}

func TestSpan(t *testing.T) {
	f := func(seconds, want string, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q; want %q", seconds, got, want)
		}
	}
	f("0", "0s", span(0))
	f("0.25", "250ms", span(second/4))
	f("10", "10s", span(10*second))
	f("60", "1m", span(60*second))
	f("100", "1m40s", span(100*second))
	f("3600", "1h", span(3600*second))
	f("3610", "1h0m10s", span(3610*second))
	f("5400", "1h30m", span(5400*second))
	f("36000", "10h", span(36000*second))
}
