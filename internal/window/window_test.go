package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Unix(1_700_000_000, 0)

type record struct {
	at time.Time
	v  float64
}

// within is the dumb twin's idea of a span: whole buckets by number.
func within(recs []record, now time.Time, width, d time.Duration, n int) []float64 {
	number := func(t time.Time) int64 {
		return int64(math.Floor(float64(t.UnixNano()) / float64(width)))
	}
	k := min(max(int64(d/width), 1), int64(n))
	var out []float64
	for _, r := range recs {
		if b := number(r.at); b > number(now)-k && b <= number(now) {
			out = append(out, r.v)
		}
	}
	return out
}

func TestRingAgainstDumbTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		width := time.Duration(1+rng.IntN(20)) * 100 * time.Millisecond
		n := 1 + rng.IntN(30)
		r := NewRing(width, n)
		var recs []record
		now := epoch
		for range 200 {
			now = now.Add(time.Duration(rng.Int64N(int64(width) * 2)))
			if rng.IntN(50) == 0 {
				now = now.Add(width * time.Duration(n+rng.IntN(5)))
			}
			if rng.IntN(4) > 0 {
				v := math.Round(rng.NormFloat64() * 100)
				r.Record(now, v)
				recs = append(recs, record{now, v})
			}
			d := time.Duration(rng.Int64N(int64(width)*int64(n) + 1))
			compareRing(t, r, within(recs, now, width, d, n), now, d)
			if t.Failed() {
				t.Fatalf("round %d: width %v, %d buckets, look back %v", round, width, n, d)
			}
		}
	}
}

func compareRing(t *testing.T, r *Ring, want []float64, now time.Time, d time.Duration) {
	t.Helper()
	sum := 0.0
	for _, v := range want {
		sum += v
	}
	if got := r.Sum(now, d); math.Abs(got-sum) > 1e-6 {
		t.Errorf("Sum = %v; want %v", got, sum)
	}
	if got := r.Count(now, d); got != int64(len(want)) {
		t.Errorf("Count = %d; want %d", got, len(want))
	}
	mean, ok := r.Mean(now, d)
	hi, okHi := r.Max(now, d)
	lo, okLo := r.Min(now, d)
	if ok != (len(want) > 0) || okHi != ok || okLo != ok {
		t.Errorf("ok = %v %v %v with %d values", ok, okHi, okLo, len(want))
	}
	if len(want) > 0 && (hi != slices.Max(want) || lo != slices.Min(want) || math.Abs(mean-sum/float64(len(want))) > 1e-6) {
		t.Errorf("Max, Min, Mean = %v, %v, %v; want of %v", hi, lo, mean, want)
	}
}

func TestRingRateOfAYoungRing(t *testing.T) {
	f := func(after time.Duration, want float64) {
		t.Helper()
		r := NewRing(time.Second, 60)
		for i := time.Duration(0); i < after; i += 100 * time.Millisecond {
			r.Record(epoch.Add(i), 1)
		}
		if got := r.Rate(epoch.Add(after), time.Minute); math.Abs(got-want) > 0.2*want {
			t.Errorf("Rate after %v = %v; want about %v", after, got, want)
		}
	}
	f(500*time.Millisecond, 10)
	f(5*time.Second, 10)
	f(30*time.Second, 10)
	f(90*time.Second, 10)
	if got := NewRing(time.Second, 3).Rate(epoch, time.Second); got != 0 {
		t.Errorf("Rate of an empty ring = %v; want 0", got)
	}
}

func TestRingDropsWhatIsOlderThanItsReach(t *testing.T) {
	r := NewRing(time.Second, 5)
	r.Record(epoch, 1)
	r.Record(epoch.Add(10*time.Second), 2)
	r.Record(epoch.Add(3*time.Second), 4)
	r.Record(epoch.Add(8*time.Second), 8)
	if got := r.Sum(epoch.Add(10*time.Second), time.Minute); got != 10 {
		t.Errorf("Sum = %v; want 10: the late record counts, the one out of reach does not", got)
	}
}

func TestRingBefore1970(t *testing.T) {
	r := NewRing(time.Second, 4)
	at := time.Unix(-10, 0)
	for i := range 8 {
		r.Record(at.Add(time.Duration(i)*500*time.Millisecond), 1)
	}
	if got := r.Sum(at.Add(3900*time.Millisecond), 2*time.Second); got != 4 {
		t.Errorf("Sum = %v; want 4", got)
	}
}

func TestRowsAgainstDumbTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const columns = 7
	width := time.Second
	rows := NewRows(width, 10, columns)
	recs := make([][]record, columns)
	now := epoch
	dst := make([]uint64, columns)
	for range 3000 {
		now = now.Add(time.Duration(rng.Int64N(int64(width))))
		c := rng.IntN(columns)
		rows.Add(now, c, 3)
		recs[c] = append(recs[c], record{now, 3})
		d := time.Duration(rng.Int64N(int64(11 * width)))
		rows.Sum(now, d, dst)
		for i := range dst {
			if want := 3 * len(within(recs[i], now, width, d, 10)); dst[i] != uint64(want) {
				t.Fatalf("column %d over %v = %d; want %d", i, d, dst[i], want)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	f := func(counts []uint64, q float64, want int, wantOK bool) {
		t.Helper()
		if got, ok := Quantile(counts, q); got != want || ok != wantOK {
			t.Errorf("Quantile(%v, %v) = %d, %v; want %d, %v", counts, q, got, ok, want, wantOK)
		}
	}
	f(nil, 0.5, 0, false)
	f([]uint64{0, 0}, 0.5, 0, false)
	f([]uint64{0, 1}, 0, 1, true)
	f([]uint64{1, 0, 1}, 1, 2, true)
	f([]uint64{50, 45, 5}, 0.5, 1, true)
	f([]uint64{50, 45, 5}, 0.94, 1, true)
	f([]uint64{50, 45, 5}, 0.95, 2, true)
}

func TestExtremeAgainstDumbTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var hi, lo Extreme
	var seen []Point
	now := epoch
	const d = 30 * time.Second
	for range 5000 {
		now = now.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
		v := rng.IntN(20)
		seen = append(seen, Point{now, v})
		wantMax, wantMin := v, v
		for _, p := range seen {
			if !p.At.Before(now.Add(-d)) {
				wantMax, wantMin = max(wantMax, p.Value), min(wantMin, p.Value)
			}
		}
		if got := hi.Max(now, d, v); got != wantMax {
			t.Fatalf("Max = %d; want %d", got, wantMax)
		}
		if got := lo.Min(now, d, v); got != wantMin {
			t.Fatalf("Min = %d; want %d", got, wantMin)
		}
	}
}

func TestBadSizesPanic(t *testing.T) {
	f := func(name string, make func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		make()
	}
	f("no width", func() { NewRing(0, 1) })
	f("no buckets", func() { NewRing(time.Second, 0) })
	f("no columns", func() { NewRows(time.Second, 1, 0) })
}

func TestRecordAllocatesNothing(t *testing.T) {
	r, rows := NewRing(time.Second, 60), NewRows(time.Second, 60, 8)
	now := epoch
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(300 * time.Millisecond)
		r.Record(now, 1)
		rows.Add(now, 3, 1)
		r.Rate(now, time.Minute)
	}); n != 0 {
		t.Errorf("%v allocations per record; want 0", n)
	}
}
