package monitor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLatencyAgainstSortedList(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var parts [3]Latency
		var all []time.Duration
		for range 3000 {
			d := seconds(0.02 * math.Exp(1.5*r.NormFloat64()))
			parts[r.IntN(3)].Add(d, 1)
			all = append(all, d)
		}
		var sum Latency
		for _, p := range parts {
			sum.Merge(p)
		}
		slices.Sort(all)
		if sum.Count() != uint64(len(all)) {
			t.Fatalf("counted %d of %d", sum.Count(), len(all))
		}
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			want := all[min(int(q*float64(len(all))), len(all)-1)].Seconds()
			if got := sum.Quantile(q).Seconds(); math.Abs(got-want) > 0.2*want+1e-4 {
				t.Errorf("seed %d: quantile %v is %v; want %v", seed, q, got, want)
			}
		}
		var total time.Duration
		above := 0.0
		limit := all[r.IntN(len(all))]
		for _, d := range all {
			total += d
			if d > limit {
				above++
			}
		}
		if mean := total / time.Duration(len(all)); math.Abs(sum.Mean().Seconds()-mean.Seconds()) > 1e-6 {
			t.Errorf("seed %d: mean %v; want %v", seed, sum.Mean(), mean)
		}
		if got := sum.Above(limit); math.Abs(got-above) > 0.05*float64(len(all)) {
			t.Errorf("seed %d: %v above %v; want %v", seed, got, limit, above)
		}
	}
}

func TestLatencyAtItsEnds(t *testing.T) {
	f := func(d, low, high time.Duration) {
		t.Helper()
		var l Latency
		l.Add(d, 7)
		l.Add(d, 0)
		if got := l.Quantile(1); got < low || got > high || l.Count() != 7 {
			t.Errorf("%v comes back as %v, %d times", d, got, l.Count())
		}
	}
	f(-time.Second, 0, 100*time.Microsecond)
	f(0, 0, 100*time.Microsecond)
	f(100*time.Microsecond, 0, 100*time.Microsecond)
	f(time.Second, time.Second, 1200*time.Millisecond)
	f(time.Hour, 100*time.Second, 150*time.Second)
	var empty Latency
	if empty.Mean() != 0 || empty.Quantile(0.5) != 0 || empty.Above(0) != 0 || empty.variance() != 0 {
		t.Error("an empty one has figures")
	}
}

// seriesTwin keeps every observation.
type seriesTwin struct {
	at []time.Time
	n  []uint64
}

func TestSeriesAgainstList(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		s, twin := newSeries(serviceWidths()), seriesTwin{}
		now := at(0)
		for range 5000 {
			step := time.Duration(1+r.IntN(3)) * time.Second
			if r.IntN(300) == 0 {
				step = time.Duration(r.IntN(7200)) * time.Second
			}
			now = now.Add(step)
			n := r.Uint64N(100)
			s.add(now, &cell{ticks: 1, requests: n})
			twin.at, twin.n = append(twin.at, now), append(twin.n, n)
		}
		for _, window := range []time.Duration{time.Second, 10 * time.Second, 90 * time.Second, 5 * time.Minute, time.Hour, 24 * time.Hour, 72 * time.Hour} {
			from := now.Add(-window)
			got := s.counts(from, now).requests
			// A coarser ring begins with a whole cell: what it may add or leave out is in the
			// one step around from.
			step := s.tierFor(window, now).step
			least, most := twin.sum(from.Add(step), now), twin.sum(from.Add(-step), now)
			if got < least || got > most {
				t.Errorf("seed %d: %v holds %d; want %d to %d", seed, window, got, least, most)
			}
		}
	}
}

func (w *seriesTwin) sum(from, to time.Time) (n uint64) {
	for i, at := range w.at {
		if at.After(from) && !at.After(to) {
			n += w.n[i]
		}
	}
	return n
}

func TestTrend(t *testing.T) {
	f := func(value func(x float64) float64, slope, zLow, zHigh float64) {
		t.Helper()
		var points []point
		for x := range 40 {
			points = append(points, point{float64(x), value(float64(x))})
		}
		got, z := trend(points)
		if math.Abs(got-slope) > 0.05 || z < zLow || z > zHigh {
			t.Errorf("slope %v, z %v; want %v and %v to %v", got, z, slope, zLow, zHigh)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	f(func(x float64) float64 { return 5 + 2*x }, 2, 8, 20)
	f(func(x float64) float64 { return -x }, -1, -20, -8)
	f(func(x float64) float64 { return 3 }, 0, 0, 0)
	f(func(x float64) float64 { return r.NormFloat64() }, 0, -3, 3)
	// A third of the points are wild.
	f(func(x float64) float64 {
		if int(x)%4 == 0 {
			return 500 * r.Float64()
		}
		return x
	}, 1, 2, 20)
	if slope, z := trend([]point{{1, 1}, {2, 2}}); slope != 0 || z != 0 {
		t.Error("two points make a trend")
	}
}

func TestFitCurve(t *testing.T) {
	f := func(truth Curve, noise float64, instances []float64, ok bool) Curve {
		t.Helper()
		r := rand.New(rand.NewPCG(7, 7))
		var points []ScalePoint
		for _, n := range instances {
			points = append(points, ScalePoint{n, truth.At(n) * (1 + noise*r.NormFloat64())})
		}
		got, fits := FitCurve(points)
		if fits != ok {
			t.Fatalf("fits %v; want %v", fits, ok)
		}
		if ok && (math.Abs(got.Contention-truth.Contention) > 0.03+3*noise || math.Abs(got.Coherence-truth.Coherence) > 0.01+noise || got.Misfit > 2*noise+1e-6) {
			t.Errorf("%+v; want %+v", got, truth)
		}
		return got
	}
	many := []float64{1, 2, 4, 8, 16}
	f(Curve{Rate: 100}, 0, many, true)
	f(Curve{Rate: 100, Contention: 0.1}, 0, many, true)
	f(Curve{Rate: 100, Contention: 0.05, Coherence: 0.01}, 0.02, many, true)
	f(Curve{Rate: 100, Contention: 1}, 0.01, []float64{1, 2, 3, 4, 6, 9}, true)
	f(Curve{Rate: 100, Contention: 0.1}, 0, []float64{2, 2, 4}, false)
	f(Curve{Rate: 100, Contention: 0.1}, 0, nil, false)
	if c := f(Curve{Rate: 100, Contention: 0.05, Coherence: 0.01}, 0, many, true); math.Abs(c.Peak()-math.Sqrt(0.95/0.01)) > 0.1 || c.Next(20) >= 0 || c.Next(1) < 0.8 {
		t.Errorf("peak %v, next %v and %v", c.Peak(), c.Next(1), c.Next(20))
	}
	if !math.IsInf((Curve{Rate: 1}).Peak(), 1) || (Curve{}).Next(3) != 0 {
		t.Error("a curve without coherence has a peak")
	}
	// Scattered points do not fit, and say so.
	if c, ok := FitCurve([]ScalePoint{{1, 100}, {2, 10}, {3, 300}, {4, 5}}); ok && c.Misfit < 0.3 {
		t.Errorf("misfit %v", c.Misfit)
	}
}
