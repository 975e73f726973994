package simulate

import (
	"time"

	"gatewayd/scaler"
)

// Faults are what goes wrong in a simulation.
type Faults struct {
	FailedStarts float64       // share of starts that fail, 0 to 1
	BlindAt      time.Duration // from when the gateway's figures are missing
	BlindFor     time.Duration // 0: never
	Rollout      *Rollout
}

// Rollout is one that is aborted: the canary takes a tenth of the traffic at Start, half
// of it half way to Abort, and is gone at Abort, with its instances.
type Rollout struct {
	Start, Abort time.Duration
}

type fault struct {
	Faults
	m *meter
}

func newFault(f Faults, m *meter) *fault { return &fault{f, m} }

// seen is the sample as the autoscaler gets it in a given second.
func (f *fault) seen(s *scaler.Sample, second int) *scaler.Sample {
	t := time.Duration(second) * time.Second
	if f.BlindFor > 0 && t >= f.BlindAt && t < f.BlindAt+f.BlindFor {
		return &scaler.Sample{Span: s.Span, Blind: true, Ready: s.Ready, Starting: s.Starting, StartDelays: s.StartDelays, StartFailures: s.StartFailures}
	}
	return s
}

// apply brings the wanted number about, split over the revisions as the rollout has it.
func (f *fault) apply(p *plant, second, want int) {
	t := time.Duration(second) * time.Second
	ro := f.Rollout
	if ro == nil || t < ro.Start {
		p.scale(&p.stable, want)
		return
	}
	if t >= ro.Abort {
		if p.weight > 0 {
			p.abort()
		}
		p.scale(&p.stable, want)
		return
	}
	weight := 0.1
	if t >= ro.Start+(ro.Abort-ro.Start)/2 {
		weight = 0.5
	}
	plan := scaler.Plan(want, []scaler.Share{{Weight: 1 - weight, Stable: true}, {Weight: weight}}, true)
	p.scale(&p.stable, plan[0])
	p.scale(&p.canary, plan[1])
	// Weight goes to the canary only once it can carry it.
	if p.canary.ready >= plan[1] {
		p.weight = weight
	}
}
