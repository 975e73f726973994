package simulate

import (
	"gatewayd/scaler"
)

// needs is, per second, the least number of instances with which at most 1 % of the
// requests wait too long by Erlang's C at the true rate: the demand that all autoscalers are
// measured by.
func needs(pl Plant, rates []float64, l limits) []int {
	top := 0.0
	for _, r := range rates {
		top = max(top, r)
	}
	size := scaler.Sizer{Slots: pl.Slots, ServiceTime: pl.ServiceTime, WaitBelow: pl.WaitBelow, Percent: 99}
	// carries[n] is the highest rate that n instances carry.
	carries := []float64{0}
	for carries[len(carries)-1] < top {
		carries = append(carries, size.Rate(len(carries)))
	}
	need := make([]int, len(rates))
	n := 0
	for i, r := range rates {
		for n > 0 && carries[n-1] >= r {
			n--
		}
		for carries[n] < r {
			n++
		}
		need[i] = l.clamp(n)
	}
	return need
}

// clairvoyant is the cheapest way to have need ready at every moment when the
// future is known: the k-th instance runs while at least k are needed, and on through gaps
// that are no longer than the start-up delay, because starting it again would cost as
// much. That is optimal for instances billed from launch. ready is what runs ready
// per second, launched what is launched by then and billed; cost is in instance
// seconds.
func clairvoyant(need []int, delay int) (launched []int, cost float64) {
	launched = make([]int, len(need))
	top := 0
	for _, n := range need {
		top = max(top, n)
	}
	for k := 1; k <= top; k++ {
		begin, end := -1, -1 // of the run of level k
		for i, n := range need {
			if n < k {
				continue
			}
			if begin >= 0 && i-end > delay {
				cost += bill(launched, begin, end, delay)
				begin = -1
			}
			if begin < 0 {
				begin = i
			}
			end = i + 1
		}
		if begin >= 0 {
			cost += bill(launched, begin, end, delay)
		}
	}
	return launched, cost
}

// bill adds a run of one instance that is ready within [begin, end).
func bill(launched []int, begin, end, delay int) float64 {
	from := max(begin-delay, 0) // what is needed from the first second on is there
	for i := from; i < end; i++ {
		launched[i]++
	}
	return float64(end - from)
}
