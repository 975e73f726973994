package scaler

import "math"

const (
	lateSteps = 64
	// overload is how much worse than late it is to be without room at all, per load that does not fit.
	overload = 1.5
	// negligible is the logarithm of a share that is not worth working out.
	negligible = -14
)

// lateTable answers how many requests wait too long, for any number of instances and load,
// from rows that are calculated when they are first needed. It holds for
// one station; small changes of the service time keep it.
type lateTable struct {
	q    station
	rows []*[lateSteps + 1]float64 // by instances; the logarithm of the share at load k/lateSteps of the slots
}

// fit makes the table one for q, if it is not close to that already.
func (lt *lateTable) fit(q station) {
	near := func(a, b float64) bool { return math.Abs(a-b) <= 0.05*b }
	old := lt.q
	if old.slots == q.slots && near(old.wait/old.service, q.wait/q.service) && near(1+old.cv2, 1+q.cv2) {
		return
	}
	lt.q = q
	clear(lt.rows)
}

// share is the part of requests that wait too long when load erlangs are
// offered to n instances. Beyond full load it goes on rising: what cannot be served
// piles up and is still there later.
func (lt *lateTable) share(n int, load float64) float64 {
	c := float64(n * lt.q.slots)
	x := load / c
	if x >= 1 {
		return 1 + overload*(x-1)
	}
	row := lt.row(n)
	pos := x * lateSteps
	k := int(pos)
	if row[k+1] < negligible {
		return 0
	}
	f := pos - float64(k)
	return math.Exp(row[k]*(1-f) + row[k+1]*f)
}

func (lt *lateTable) row(n int) *[lateSteps + 1]float64 {
	for len(lt.rows) <= n {
		lt.rows = append(lt.rows, nil)
	}
	if r := lt.rows[n]; r != nil {
		return r
	}
	r := new([lateSteps + 1]float64)
	c := n * lt.q.slots
	for k := range r {
		p := 1.0
		if k == 0 {
			p = 0
		} else if k < lateSteps {
			e := newErlang(float64(c)*float64(k)/lateSteps, c)
			p = lt.q.late(&e)
		}
		r[k] = math.Log(max(p, 1e-12))
	}
	lt.rows[n] = r
	return r
}
