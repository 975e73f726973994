package simulate

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"sort"
	"time"

	"gatewayd/scaler"
)

// SuitePeak is the highest minute, in requests per second, that suites scale each trace to:
// 32 instances of the default plant.
const SuitePeak = 600

// SuiteSpec is the one setting with which suites judge the slo policy: 99 % of the
// requests wait less than 100 ms.
func SuiteSpec() *scaler.Spec {
	return &scaler.Spec{
		Service: "slo", MinInstances: 1, MaxInstances: 100, Slots: 4, StartDelay: 30 * time.Second,
		Policies: []scaler.Policy{{
			Name: "slo", Type: scaler.TypeSLO,
			Objective: scaler.Objective{WaitBelow: 100 * time.Millisecond, Percent: 99},
		}},
	}
}

// Suite compares all autoscalers over several traces with one setting each.
type Suite struct {
	Traces   []*Trace
	Spec     *scaler.Spec // nil: SuiteSpec
	Plant    Plant        // zero fields as in Options
	Peak     float64      // 0: SuitePeak
	OnlySpec bool
	Fault    string // one of FaultNames, empty: none
}

// SuiteReport is the outcome of a Suite.
type SuiteReport struct {
	StartDelay float64   `json:"startDelayS"`
	Reports    []*Report `json:"reports"`
	Overall    []Overall `json:"overall"`
}

// Overall sums an autoscaler up over all traces.
type Overall struct {
	Name       string  `json:"name"`
	J          float64 `json:"geometricMeanJ"`
	Cost       float64 `json:"geometricMeanRelativeCost"`
	WorstSlow  float64 `json:"worstSlowPercent"`
	WorstFlips float64 `json:"worstDirectionChangesPerHour"`
}

// Run simulates one trace after the other.
func (s Suite) Run() (*SuiteReport, error) {
	if s.Spec == nil {
		s.Spec = SuiteSpec()
	}
	out := &SuiteReport{}
	for _, tr := range s.Traces {
		faults, err := FaultCase(s.Fault, tr)
		if err != nil {
			return nil, err
		}
		r, err := Run(Options{Trace: tr, Spec: s.Spec, Plant: s.Plant, Peak: cmp.Or(s.Peak, SuitePeak), OnlySpec: s.OnlySpec, Faults: faults})
		if err != nil {
			return nil, fmt.Errorf("cannot run trace %q: %w", tr.Name, err)
		}
		out.StartDelay = r.StartDelay
		out.Reports = append(out.Reports, r)
	}
	out.sumUp()
	return out, nil
}

func (r *SuiteReport) sumUp() {
	if len(r.Reports) == 0 {
		return
	}
	n := float64(len(r.Reports))
	for i, first := range r.Reports[0].Scores {
		o := Overall{Name: first.Name}
		for _, rep := range r.Reports {
			s := rep.Scores[i]
			o.J += math.Log(s.J) / n
			o.Cost += math.Log(s.RelativeCost) / n
			o.WorstSlow = max(o.WorstSlow, s.SlowPercent)
			o.WorstFlips = max(o.WorstFlips, s.FlipsPerHour)
		}
		o.J, o.Cost = math.Exp(o.J), math.Exp(o.Cost)
		r.Overall = append(r.Overall, o)
	}
	sort.SliceStable(r.Overall, func(i, k int) bool { return r.Overall[i].J < r.Overall[k].J })
}

// WriteTable writes, for people, each trace's cost, slow and dropped share
// and direction changes per hour by autoscaler, and what they come to.
func (r *SuiteReport) WriteTable(w io.Writer) error {
	b := &errWriter{w: w}
	b.printf("start-up delay %.0f s\n", r.StartDelay)
	for _, rep := range r.Reports {
		b.printf("\n%s: %.1f h, %.0f requests/s at most, %d instances needed at most\n", rep.Trace, rep.Hours, rep.PeakRate, rep.PeakNeed)
		rep.scores(b)
		rep.faults(b)
	}
	b.printf("\nover all traces      geo J  geo cost  worst slow %%  worst turns/h\n")
	for _, o := range r.Overall {
		b.printf("%-19s %6.3f  %8.3f  %12.2f  %13.1f\n", o.Name, o.J, o.Cost, o.WorstSlow, o.WorstFlips)
	}
	return b.err
}
