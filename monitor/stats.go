package monitor

import (
	"math"
	"slices"
)

// median is the lower one of an even count, NaN of none. It sorts its argument.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// point is a figure at a time in seconds.
type point struct{ at, value float64 }

// trend is the Theil-Sen slope per second, the median of the slopes of all pairs, and
// the z score of the Mann-Kendall test that there is a trend at all. One in
// four points may be wild without moving the slope far. It takes time quadratic in
// len(points); the callers keep that below 80.
func trend(points []point) (slope, z float64) {
	n := len(points)
	if n < 3 {
		return 0, 0
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	s := 0.0
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.at == a.at {
				continue
			}
			v := (b.value - a.value) / (b.at - a.at)
			slopes = append(slopes, v)
			switch {
			case v > 0:
				s++
			case v < 0:
				s--
			}
		}
	}
	f := float64(n)
	deviation := math.Sqrt(f * (f - 1) * (2*f + 5) / 18)
	switch {
	case s > 0:
		z = (s - 1) / deviation
	case s < 0:
		z = (s + 1) / deviation
	}
	return median(slopes), z
}

// shareZ is how many standard errors the share a/n lies above the share b/m, both
// pooled, after Laplace's correction so that no errors at all do not look certain.
func shareZ(a, n, b, m float64) float64 {
	if n == 0 || m == 0 {
		return 0
	}
	pooled := (a + b + 1) / (n + m + 2)
	return (a/n - b/m) / math.Sqrt(pooled*(1-pooled)*(1/n+1/m))
}
