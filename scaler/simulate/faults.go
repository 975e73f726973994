package simulate

import (
	"fmt"
	"strings"
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

// FaultNames are the cases that FaultCase knows.
func FaultNames() []string { return []string{"metrics-out", "failed-starts", "aborted-rollout"} }

// FaultCase makes one of the standard cases for a trace: the figures missing for 5 minutes
// around its highest minute; a fifth of the starts failing; a rollout that begins 20 minutes
// before the highest minute and is aborted there, at half the weight.
func FaultCase(name string, tr *Trace) (Faults, error) {
	peak := tr.peak()
	switch name {
	case "", "none":
		return Faults{}, nil
	case "metrics-out":
		return Faults{BlindAt: max(peak-150*time.Second, 0), BlindFor: 5 * time.Minute}, nil
	case "failed-starts":
		return Faults{FailedStarts: 0.2}, nil
	case "aborted-rollout":
		return Faults{Rollout: &Rollout{Start: max(peak-20*time.Minute, 0), Abort: peak}}, nil
	}
	return Faults{}, fmt.Errorf("unknown fault %q; want one of %s", name, strings.Join(FaultNames(), ", "))
}

// peak is where the busiest interval of the trace has its middle.
func (tr *Trace) peak() time.Duration {
	top := 0
	for i, n := range tr.Counts {
		if n > tr.Counts[top] {
			top = i
		}
	}
	return time.Duration((float64(top) + 0.5) * tr.Interval * float64(time.Second))
}

// fault brings Faults about during a run.
type fault struct{ Faults }

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
