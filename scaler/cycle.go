package scaler

import (
	"math"
	"time"
)

// cycle is a period after which loads tend to come back.
type cycle struct {
	length time.Duration
	slots  int
	window time.Duration // over which the load is measured: not longer than a slot
	weight float64       // of the latest time round
	of     func(*outlook) *profile
}

var (
	daily  = cycle{24 * time.Hour, 288, shortMean, 1. / 2, func(o *outlook) *profile { return &o.Day }}
	hourly = cycle{time.Hour, 120, 4 * time.Second, 1. / 3, func(o *outlook) *profile { return &o.Hour }}
)

func (c *cycle) slot() time.Duration { return c.length / time.Duration(c.slots) }

// into is how long before t the cycle began (UTC).
func (c *cycle) into(t time.Time) time.Duration {
	n := t.UnixNano() % int64(c.length)
	return time.Duration((n + int64(c.length)) % int64(c.length))
}

// profile is the mean rate by the point in a cycle, later times round counting for more.
type profile struct {
	Rates []float64 `json:"rates,omitempty"` // per second; 0: not known

	slot int
	sum  float64
	n    int
}

func (p *profile) record(c *cycle, sr *series, now time.Time) {
	if slot := int(c.into(now) / c.slot()); slot != p.slot {
		p.keep(c)
		p.slot, p.sum, p.n = slot, 0, 0
	}
	p.sum += sr.mean(c.window)
	p.n++
}

func (p *profile) keep(c *cycle) {
	if p.n == 0 {
		return
	}
	if len(p.Rates) != c.slots {
		p.Rates = make([]float64, c.slots)
	}
	r := &p.Rates[p.slot]
	if m := p.sum / float64(p.n); *r == 0 {
		*r = m
	} else {
		*r += (m - *r) * c.weight
	}
}

// at is the rate usual at t, linear between the middles of the slots; 0 where nothing is known.
func (p *profile) at(c *cycle, t time.Time) float64 {
	if len(p.Rates) != c.slots {
		return 0
	}
	x := float64(c.into(t))/float64(c.slot()) - 0.5
	k := int(math.Floor(x))
	a, b := p.Rates[(k+c.slots)%c.slots], p.Rates[(k+1)%c.slots]
	if a == 0 || b == 0 {
		return 0
	}
	f := x - float64(k)
	return a*(1-f) + b*f
}
