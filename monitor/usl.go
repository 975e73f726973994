package monitor

import (
	"math"
	"time"
)

// Curve is the universal scalability law: with n instances the throughput is at most
//
//	X(n) = Rate n / (1 + Contention (n-1) + Coherence n (n-1))
//
// Contention is the share of the work that only one instance at a time can do,
// Coherence what each pair of instances costs one another. (N. Gunther,
// "Guerrilla Capacity Planning", chapter 4.) Rate 100, Contention 1 and Coherence 0 is
// a lock shared by all: 100 requests per second, however many instances.
type Curve struct {
	Rate       float64 `json:"rate"`
	Contention float64 `json:"contention"`
	Coherence  float64 `json:"coherence"`
	Misfit     float64 `json:"misfit"` // standard error of the points, relative: 0.1 is off by a tenth
}

// At is the throughput with n instances.
func (c Curve) At(n float64) float64 {
	return c.Rate * n / (1 + c.Contention*(n-1) + c.Coherence*n*(n-1))
}

// Next is what one more instance adds, as a share of what each of n instances does now.
func (c Curve) Next(n float64) float64 {
	now := c.At(n)
	if now <= 0 {
		return 0
	}
	return (c.At(n+1) - now) / (now / n)
}

// Peak is the number of instances beyond which throughput falls; +Inf if there is none.
func (c Curve) Peak() float64 {
	if c.Coherence <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt(max(1-c.Contention, 0) / c.Coherence)
}

// ScalePoint is the throughput that a number of instances reached while saturated.
type ScalePoint struct {
	Instances  float64
	Throughput float64
}

// FitCurve fits the law to points by least squares over relative errors. ok is false
// for fewer than three different numbers of instances, or when the law fits with no
// positive rate.
//
// n/X(n) = a + b(n-1) + c n(n-1) with a = 1/Rate is linear in its unknowns, which may
// not be negative: of all choices of unknowns that are zero, the one with the smallest
// misfit whose others are positive. Unknowns as many as points would fit anything, so three points
// have either contention or coherence.
func FitCurve(points []ScalePoint) (curve Curve, ok bool) {
	distinct := map[float64]bool{}
	var usable []ScalePoint
	for _, p := range points {
		if p.Instances >= 1 && p.Throughput > 0 {
			distinct[p.Instances] = true
			usable = append(usable, p)
		}
	}
	if len(distinct) < 3 {
		return Curve{}, false
	}
	best := math.Inf(1)
	for _, use := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		if use[0] && use[1] && len(distinct) < 4 {
			continue
		}
		coef, solved := solveScale(usable, use[0], use[1])
		if !solved || coef[0] <= 0 || coef[1] < 0 || coef[2] < 0 {
			continue
		}
		c := Curve{Rate: 1 / coef[0], Contention: coef[1] / coef[0], Coherence: coef[2] / coef[0]}
		c.Misfit = c.misfit(usable, use)
		if c.Misfit < best {
			best, curve, ok = c.Misfit, c, true
		}
	}
	return curve, ok
}

func (c Curve) misfit(points []ScalePoint, use [2]bool) float64 {
	sum, free := 0.0, float64(len(points)-1)
	for _, p := range points {
		e := c.At(p.Instances)/p.Throughput - 1
		sum += e * e
	}
	for _, u := range use {
		if u {
			free--
		}
	}
	return math.Sqrt(sum / free)
}

// solveScale solves the normal equations for the unknowns in use; the others are zero.
func solveScale(points []ScalePoint, contention, coherence bool) (coef [3]float64, ok bool) {
	var m [3][4]float64
	for _, p := range points {
		n := p.Instances
		y := n / p.Throughput
		row := [4]float64{1, n - 1, n * (n - 1), y}
		if !contention {
			row[1] = 0
		}
		if !coherence {
			row[2] = 0
		}
		for i := range 3 {
			for j := range 4 {
				m[i][j] += row[i] * row[j] / (y * y)
			}
		}
	}
	for i, used := range [3]bool{true, contention, coherence} {
		if !used {
			m[i] = [4]float64{}
			m[i][i] = 1
		}
	}
	return eliminate(m)
}

// eliminate is Gauss-Jordan with pivoting; ok is false for a singular system.
func eliminate(m [3][4]float64) (x [3]float64, ok bool) {
	for col := range 3 {
		pivot := col
		for r := col + 1; r < 3; r++ {
			if math.Abs(m[r][col]) > math.Abs(m[pivot][col]) {
				pivot = r
			}
		}
		if math.Abs(m[pivot][col]) < 1e-12 {
			return x, false
		}
		m[col], m[pivot] = m[pivot], m[col]
		for r := range 3 {
			if r == col {
				continue
			}
			f := m[r][col] / m[col][col]
			for k := col; k < 4; k++ {
				m[r][k] -= f * m[col][k]
			}
		}
	}
	for i := range 3 {
		x[i] = m[i][3] / m[i][i]
	}
	return x, true
}

// scalingCurve keeps the throughput a service reached at each number of instances
// while it was saturated, for an hour.
type scalingCurve struct {
	points map[int]scalingPoint
}

type scalingPoint struct {
	throughput float64
	at         time.Time
}

const (
	curveMemory = time.Hour
	curvePoints = 64
)

func (c *scalingCurve) note(n int, throughput float64, now time.Time) {
	if c.points == nil {
		c.points = map[int]scalingPoint{}
	}
	if _, known := c.points[n]; known || len(c.points) < curvePoints {
		c.points[n] = scalingPoint{throughput, now}
	}
}

func (c *scalingCurve) fit(now time.Time) (Curve, bool) {
	var points []ScalePoint
	for n, p := range c.points {
		if now.Sub(p.at) > curveMemory {
			delete(c.points, n)
			continue
		}
		points = append(points, ScalePoint{float64(n), p.throughput})
	}
	return FitCurve(points)
}
