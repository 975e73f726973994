package cost

import (
	"math/bits"
	"time"
)

// amount is money with the part of a billionth that hours leave over, so that a
// million short intervals sum to exactly what one long one would.
type amount struct {
	Whole int64  `json:"billionths"`
	Rest  uint64 `json:"rest"` // in billionths times nanoseconds of an hour
}

const nanosPerHour = uint64(time.Hour)

// charge adds what perHour comes to in d. Both are 0 or more, and an interval costs
// at most what Money holds.
func (a *amount) charge(perHour Money, d time.Duration) {
	high, low := bits.Mul64(uint64(perHour), uint64(d))
	low, carry := bits.Add64(low, a.Rest, 0)
	high += carry
	if high >= nanosPerHour {
		panic("BUG: cost of one interval exceeds Money")
	}
	whole, rest := bits.Div64(high, low, nanosPerHour)
	a.Whole += int64(whole)
	a.Rest = rest
}

func (a *amount) add(o amount) {
	a.Whole += o.Whole
	a.Rest += o.Rest
	if a.Rest >= nanosPerHour {
		a.Whole++
		a.Rest -= nanosPerHour
	}
}

// money rounds down to a billionth.
func (a amount) money() Money { return Money(a.Whole) }

// account is what was booked for one key on one day.
type account struct {
	Cost     amount `json:"cost"`     // by max(request, usage)
	Used     amount `json:"used"`     // by usage, where it is known; else as Cost
	Nanos    uint64 `json:"nanos"`    // instance time
	Requests uint64 `json:"requests"` // served
}

func (a *account) merge(o *account) {
	a.Cost.add(o.Cost)
	a.Used.add(o.Used)
	a.Nanos += o.Nanos
	a.Requests += o.Requests
}

// rate is what one instance costs per hour, by what it is given or uses, whichever
// is more, and by what it uses alone. (OpenCost specification, "Workload Costs":
// max(request, usage) by resource.)
type rate struct {
	Cost Money `json:"cost"`
	Used Money `json:"used"`
}

func rateOf(i Instance) rate {
	usage := i.Given
	if i.Usage != nil {
		usage = *i.Usage
	}
	r := rate{Cost: i.Price.PerHour(i.Given.max(usage)), Used: i.Price.PerHour(usage)}
	r.Cost = max(r.Cost, 0)
	r.Used = min(max(r.Used, 0), r.Cost)
	return r
}
