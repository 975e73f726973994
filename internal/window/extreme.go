package window

import "time"

// Extreme is the exact maximum (or minimum) of integers seen within a sliding
// window. It keeps only candidates that can still become the answer: after a
// larger value nothing smaller before it matters, so that the list is
// monotone and the answer stands at its head (the monotonic-queue algorithm). Fields are
// exported so that a window survives a restart as JSON. The zero value is empty.
type Extreme struct {
	Points []Point `json:"points,omitempty"`
}

// Point is a value and when it was seen.
type Point struct {
	At    time.Time `json:"at"`
	Value int       `json:"value"`
}

// Max records v at now and returns the largest value of the last d, v included. Calls
// must come with rising now; one Extreme is used for Max or for Min, never for both.
func (e *Extreme) Max(now time.Time, d time.Duration, v int) int {
	return e.record(now, d, v, func(old int) bool { return old <= v })
}

// Min records v at now and returns the smallest value of the last d, v included.
func (e *Extreme) Min(now time.Time, d time.Duration, v int) int {
	return e.record(now, d, v, func(old int) bool { return old >= v })
}

func (e *Extreme) record(now time.Time, d time.Duration, v int, beaten func(old int) bool) int {
	p := e.Points
	for len(p) > 0 && beaten(p[len(p)-1].Value) {
		p = p[:len(p)-1]
	}
	p = append(p, Point{At: now, Value: v})
	gone := 0
	for p[gone].At.Before(now.Add(-d)) {
		gone++
	}
	if gone > 0 {
		p = p[:copy(p, p[gone:])]
	}
	e.Points = p
	return p[0].Value
}
