package scaler

import "time"

// Sizer answers how many instances a load needs, and what load instances carry, when
// Percent of the requests are to wait less than WaitBelow, by Erlang's C for
// exponential service times. For reports and references; Decide does its own sizing.
type Sizer struct {
	Slots       int           // per instance, 1 or more
	ServiceTime time.Duration // mean, above 0
	WaitBelow   time.Duration
	Percent     float64 // above 0, below 100
}

func (z Sizer) station() station {
	return station{slots: z.Slots, service: z.ServiceTime.Seconds(), cv2: 1, wait: z.WaitBelow.Seconds(), slow: 1 - z.Percent/100}
}

// Instances is the least number that carries rate requests per second.
func (z Sizer) Instances(rate float64) int {
	q := z.station()
	return q.instances(rate)
}

// Rate is the highest rate, in requests per second, that n instances carry.
func (z Sizer) Rate(n int) float64 {
	q := z.station()
	return q.rate(n)
}

// rate finds the load that n instances just carry by bisection; late rises with load.
func (q *station) rate(n int) float64 {
	if n <= 0 {
		return 0
	}
	low, high := 0.0, float64(n*q.slots)/q.service
	for range 50 {
		mid := (low + high) / 2
		if e := newErlang(mid*q.service, n*q.slots); q.late(&e) <= q.slow {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
