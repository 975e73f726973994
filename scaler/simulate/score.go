package simulate

import "time"

// Score is how an autoscaler fared. Costs are instance hours, billed from launch.
type Score struct {
	Name         string  `json:"name"`
	Cost         float64 `json:"costInstanceHours"`
	RelativeCost float64 `json:"relativeCost"` // to the clairvoyant reference's
	Requests     int     `json:"requests"`
	SlowPercent  float64 `json:"slowPercent"` // waited too long, or refused
	DropPercent  float64 `json:"dropPercent"` // refused
	FlipsPerHour float64 `json:"directionChangesPerHour"`
	Actions      int     `json:"scalingActions"`
	Most         int     `json:"mostInstances"`
	MeanReady    float64 `json:"meanReadyInstances"`
	// J = RelativeCost + 0.25 SlowPercent + DropPercent: lower is better.
	J float64 `json:"j"`

	Elasticity Elasticity `json:"elasticity"`

	// Of the faults, when there were any: by how many instances the size fell while nothing
	// could be seen, and the share of slow requests in the two minutes after a
	// rollout was aborted.
	FellWhileBlind int     `json:"fellWhileBlind,omitempty"`
	SlowAfterAbort float64 `json:"slowPercentAfterAbort,omitempty"`

	wants []int // per second
	ready []int
}

// Elasticity are the metrics of the SPEC research group (Herbst et al.), with the demand
// as in needs.
type Elasticity struct {
	UnderAccuracy float64 `json:"underAccuracyPercent"` // mean of missing instances by demand
	OverAccuracy  float64 `json:"overAccuracyPercent"`  // mean of surplus instances by demand
	UnderTime     float64 `json:"underTimePercent"`     // share of time with too few
	OverTime      float64 `json:"overTimePercent"`      // share of time with too many
	Instability   float64 `json:"instabilityPercent"`   // share of time in which supply and demand do not move alike
	Jitter        float64 `json:"jitterPerHour"`        // supply changes beyond those of the demand
}

// meter watches a run.
type meter struct {
	need         []int
	s            Score
	last         int
	up           int // direction of the last action: 1, -1 or 0
	flips        int
	prevNeed     int
	prevReady    int
	under, over  float64
	tooFew, many int
	unlike       int
	moved        int // supply changes less demand changes
	ticks        int
	slow, drop   int

	faults        Faults
	blindFrom     int // what was wanted when the blindness began
	after, afterN int // slow and all requests after the abort
}

func (m *meter) tick(second int, want, ready int, t tally) {
	m.s.Requests += t.arrivals
	m.slow += t.slow
	m.drop += t.dropped
	d := m.need[min(second, len(m.need)-1)]
	if dir := sign(want - m.last); dir != 0 && m.ticks > 0 {
		m.s.Actions++
		if m.up != 0 && dir != m.up {
			m.flips++
		}
		m.up = dir
	}
	if m.ticks > 0 {
		ds, dd := sign(ready-m.prevReady), sign(d-m.prevNeed)
		m.moved += ds*ds - dd*dd
		if ds != dd {
			m.unlike++
		}
	}
	if need := float64(max(d, 1)); ready < d {
		m.under += float64(d-ready) / need
		m.tooFew++
	} else if ready > d {
		m.over += float64(ready-d) / need
		m.many++
	}
	m.last, m.prevNeed, m.prevReady = want, d, ready
	m.s.Most = max(m.s.Most, want)
	m.s.MeanReady += float64(ready)
	m.ticks++
	m.s.wants = append(m.s.wants, want)
	m.s.ready = append(m.s.ready, ready)
}

// watchFaults notes what the faults of a given second did.
func (m *meter) watchFaults(second, want int, t tally) {
	at := time.Duration(second) * time.Second
	f := &m.faults
	if f.BlindFor > 0 && at >= f.BlindAt && at < f.BlindAt+f.BlindFor {
		m.blindFrom = max(m.blindFrom, want)
		m.s.FellWhileBlind = max(m.s.FellWhileBlind, m.blindFrom-want)
	}
	if ro := f.Rollout; ro != nil && at >= ro.Abort && at < ro.Abort+2*time.Minute {
		m.after += t.slow
		m.afterN += t.arrivals
	}
}

func (m *meter) score(billed, reference float64, ran time.Duration) Score {
	s := m.s
	n := float64(max(m.ticks, 1))
	s.Cost = billed / 3600
	s.RelativeCost = billed / max(reference, 1)
	s.SlowPercent = 100 * float64(m.slow) / float64(max(s.Requests, 1))
	s.DropPercent = 100 * float64(m.drop) / float64(max(s.Requests, 1))
	s.FlipsPerHour = float64(m.flips) / ran.Hours()
	s.MeanReady /= n
	s.SlowAfterAbort = 100 * float64(m.after) / float64(max(m.afterN, 1))
	s.J = s.RelativeCost + 0.25*s.SlowPercent + s.DropPercent
	s.Elasticity = Elasticity{
		UnderAccuracy: 100 * m.under / n, OverAccuracy: 100 * m.over / n,
		UnderTime: 100 * float64(m.tooFew) / n, OverTime: 100 * float64(m.many) / n,
		Instability: 100 * float64(m.unlike) / n, Jitter: float64(m.moved) / ran.Hours(),
	}
	return s
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}
