package scaler

import (
	"fmt"
	"time"
)

// Scaling watches whether more instances bring more throughput. By the universal
// scalability law (N. Gunther) throughput rises ever slower with the number of instances
// and, once they wait for something they share, falls again. Beyond that point
// growing harms. Only seconds in which the service was saturated tell: throughput then is
// what the instances can do, not what was asked of them.
type Scaling struct {
	Base Capacity `json:"base"` // the smallest pool that was seen saturated of late
	Now  Capacity `json:"now"`  // the present pool, while saturated

	Blocked time.Time `json:"blocked"` // until when growing is held back
	Because string    `json:"because,omitempty"`
}

// Capacity is what a saturated pool of some size did.
type Capacity struct {
	Instances  int       `json:"instances"`
	Throughput float64   `json:"throughput"` // requests/s
	Service    float64   `json:"service"`    // mean service time in seconds
	Seconds    float64   `json:"seconds"`    // how long it was seen so
	Last       time.Time `json:"last"`
}

const (
	saturated     = 0.95             // busy share of the slots from which the pool counts as full
	seenFor       = 10.0             // seconds of saturation that make a figure count
	capacityAge   = 10 * time.Minute // after which a figure is forgotten
	grownBy       = 1.2              // growth of the pool from which figures are compared
	gainedAtLeast = 0.25             // share of that growth that must show up as throughput
	slowedAtLeast = 0.5              // share of that growth that must show up as service time, to blame a bottleneck
	blockedFor    = 5 * time.Minute
)

func (sc *Scaling) observe(sp *Spec, s *Sample, t *ServiceTime, now time.Time) {
	if now.Sub(sc.Base.Last) > capacityAge {
		sc.Base = Capacity{}
	}
	if s.Ready == 0 || sp.Slots == 0 || s.Span <= 0 || s.Queue == 0 || s.busy() < saturated*float64(s.Ready*sp.Slots) {
		return
	}
	if sc.Now.Instances != s.Ready || now.Sub(sc.Now.Last) > capacityAge {
		if sc.Now.Seconds >= seenFor && (sc.Base.Instances == 0 || sc.Now.Instances < sc.Base.Instances || now.Sub(sc.Base.Last) > capacityAge) {
			sc.Base = sc.Now
		}
		sc.Now = Capacity{Instances: s.Ready}
	}
	sc.Now.add(s, now)
	sc.judge(now)
}

func (c *Capacity) add(s *Sample, now time.Time) {
	dt := s.Span.Seconds()
	c.Seconds += dt
	w := dt / min(c.Seconds, 3*seenFor)
	c.Throughput += w * (float64(s.Completions)/dt - c.Throughput)
	if s.ServiceTime > 0 {
		c.Service += w * (s.ServiceTime.Seconds() - c.Service)
	}
	c.Last = now
}

// judge compares the present pool with the base, once both were seen for long enough.
func (sc *Scaling) judge(now time.Time) {
	b, n := &sc.Base, &sc.Now
	if b.Seconds < seenFor || n.Seconds < seenFor || float64(n.Instances) < grownBy*float64(b.Instances) {
		return
	}
	growth := float64(n.Instances)/float64(b.Instances) - 1
	gain, slower := n.Throughput/b.Throughput-1, n.Service/b.Service-1
	if gain >= gainedAtLeast*growth || slower < slowedAtLeast*growth {
		if gain >= gainedAtLeast*growth {
			*b = *n
		}
		return
	}
	sc.Blocked = now.Add(blockedFor)
	sc.Because = fmt.Sprintf("%d instances do %.0f requests/s at %.0f ms each, %d did %.0f at %.0f ms: something that they share is the limit",
		n.Instances, n.Throughput, 1000*n.Service, b.Instances, b.Throughput, 1000*b.Service)
}

// bottleneck says why growing would not help now, or is empty.
func (sc *Scaling) bottleneck(now time.Time) string {
	if now.Before(sc.Blocked) {
		return sc.Because
	}
	return ""
}
