package balancer

import (
	"math"
	"time"
)

// The peak-sensitive moving average of Finagle's PeakEwma: a sample above the average replaces it, one below moves it by
// w = e^(-elapsed/tau):
//
//	cost = rtt                      if rtt > cost
//	cost = cost*w + rtt*(1-w)       else
//
// So a spike counts at once and is forgotten over tau. Example: cost 100 ms, 10 s later a sample of 20 ms: w = 0.37, cost 49 ms.
//
// Cost (float32 nanoseconds) and stamp (ticks of about a millisecond, wrapping after 52 days) share a word, so that they
// always belong together. Within a tick only a new peak is written: the word is not fought over at high rates.
const (
	ewmaTau      = 10 * time.Second
	ewmaTickBits = 20 // nanoseconds in a tick, as a power of two
	ewmaTicksTau = float64(ewmaTau) / (1 << ewmaTickBits)

	// ewmaTicksBehind is how far, about a minute, a now may be behind the stamp and not be taken for 52 days later.
	ewmaTicksBehind = 1 << 16

	// ewmaForget is after how many tau without a sample a cost counts as unknown: the next sample stands alone.
	ewmaForget = 5
)

func packCost(cost float32, stamp uint32) uint64 {
	return uint64(math.Float32bits(cost))<<32 | uint64(stamp)
}

// elapsedTicks is the time from stamp to now. Clocks of two cores differ a little: a now behind the stamp counts as none.
func elapsedTicks(now int64, stamp uint32) float64 {
	d := uint32(now>>ewmaTickBits) - stamp
	if d > math.MaxUint32-ewmaTicksBehind {
		return 0
	}
	return float64(d)
}

func (e *Endpoint) observeCost(rtt time.Duration, now int64) {
	sample := float32(max(rtt, 1)) // 0 would mean unknown
	for {
		old := e.ewma.Load()
		cost, stamp := math.Float32frombits(uint32(old>>32)), uint32(old)
		next := packCost(sample, uint32(now>>ewmaTickBits))
		if sample <= cost {
			elapsed := elapsedTicks(now, stamp)
			if elapsed == 0 {
				return
			}
			if elapsed <= ewmaForget*ewmaTicksTau {
				w := float32(math.Exp(-elapsed / ewmaTicksTau))
				next = packCost(cost*w+sample*(1-w), uint32(now>>ewmaTickBits))
			}
		}
		if e.ewma.CompareAndSwap(old, next) {
			return
		}
	}
}

// cost returns the average in nanoseconds, faded towards 0 for the time since the last sample; 0 means unknown. The fading
// brings an endpoint that was slow once back to a request now and then, without which it would never show that it recovered.
func (e *Endpoint) cost(now int64) float64 {
	word := e.ewma.Load()
	cost := float64(math.Float32frombits(uint32(word >> 32)))
	if cost == 0 {
		return 0
	}
	elapsed := elapsedTicks(now, uint32(word))
	if elapsed == 0 {
		return cost
	}
	if elapsed > ewmaForget*ewmaTicksTau {
		return 0
	}
	return cost * math.Exp(-elapsed/ewmaTicksTau)
}
