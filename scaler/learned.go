package scaler

import (
	"math"
	"time"
)

// Learned is what a service taught about itself. It survives restarts.
type Learned struct {
	Service ServiceTime `json:"service"`
	Scaling Scaling     `json:"scaling"`
	SLO     SLOState    `json:"slo"`
}

func (l *Learned) observe(sp *Spec, s *Sample, now time.Time) {
	if s.Blind {
		return
	}
	l.Service.observe(s)
	l.Scaling.observe(sp, s, &l.Service, now)
}

// ServiceTime is how long an instance works on a request. The mean is over many
// requests, so that its noise does not move decisions; when a mean over fewer
// is clearly somewhere else, after a release say, that one takes over.
type ServiceTime struct {
	Mean  float64 `json:"mean"`  // seconds; 0: not known
	CV2   float64 `json:"cv2"`   // squared coefficient of variation; 0: not known
	Count float64 `json:"count"` // of requests in Mean, up to slowMemory
	Fast  float64 `json:"fast"`  // seconds, over up to fastMemory requests
}

const (
	slowMemory = 50_000
	fastMemory = 3000
	clearly    = 5 // standard errors of Fast by which it must be off
)

func (t *ServiceTime) observe(s *Sample) {
	n, x := float64(s.Completions), s.ServiceTime.Seconds()
	if n == 0 || x <= 0 {
		return
	}
	t.Count = min(t.Count+n, slowMemory)
	t.Mean += n / t.Count * (x - t.Mean)
	t.Fast += n / min(t.Count, max(fastMemory, n)) * (x - t.Fast)
	if s.ServiceCV > 0 {
		if t.CV2 == 0 {
			t.CV2 = s.ServiceCV * s.ServiceCV
		}
		t.CV2 += n / t.Count * (s.ServiceCV*s.ServiceCV - t.CV2)
	}
	if math.Abs(t.Fast-t.Mean) > clearly*t.Mean*math.Sqrt(t.cv2()/fastMemory) {
		t.Mean, t.Count = t.Fast, min(t.Count, fastMemory)
	}
}

func (t *ServiceTime) cv2() float64 {
	if t.CV2 == 0 {
		return 1
	}
	return t.CV2
}

// station describes the service as a queueing system that has to meet o.
func (t *ServiceTime) station(sp *Spec, o Objective) station {
	return station{
		slots: sp.Slots, service: t.Mean, cv2: t.cv2(),
		wait: o.WaitBelow.Seconds(), slow: 1 - o.Percent/100,
	}
}
