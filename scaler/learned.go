package scaler

import "time"

// Learned is what a service taught about itself. It survives restarts.
type Learned struct {
	Service ServiceTime `json:"service"`
	Scaling Scaling     `json:"scaling"`
}

func (l *Learned) observe(sp *Spec, s *Sample, now time.Time) {
	if s.Blind {
		return
	}
	l.Service.observe(s)
	l.Scaling.observe(sp, s, &l.Service, now)
}

// ServiceTime is how long an instance works on a request, averaged over about the
// last memory's worth of requests.
type ServiceTime struct {
	Mean  float64 `json:"mean"`  // seconds; 0: not known
	CV2   float64 `json:"cv2"`   // squared coefficient of variation
	Count float64 `json:"count"` // of requests in the mean, up to serviceMemory
}

const serviceMemory = 4000

func (t *ServiceTime) observe(s *Sample) {
	n, x := float64(s.Completions), s.ServiceTime.Seconds()
	if n == 0 || x <= 0 {
		return
	}
	t.Count = min(t.Count+n, serviceMemory)
	w := min(n/t.Count, 1)
	t.Mean += w * (x - t.Mean)
	if s.ServiceCV > 0 {
		if t.CV2 == 0 {
			t.CV2 = s.ServiceCV * s.ServiceCV
		}
		t.CV2 += w * (s.ServiceCV*s.ServiceCV - t.CV2)
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
