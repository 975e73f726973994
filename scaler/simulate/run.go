package simulate

import (
	"errors"
	"fmt"
	"time"

	"gatewayd/scaler"
)

// Options say what to simulate.
type Options struct {
	Trace *Trace
	// Spec is the service's own scaling; it is compared as Name. nil: only the others.
	Spec *scaler.Spec
	Name string // of Spec in the report; empty: the service's name
	// Plant models the service; its zero fields are taken from DefaultPlant and, for the
	// slots and the wait that counts as slow, from Spec.
	Plant Plant
	// Peak, when above 0, scales the trace so that its highest mean over
	// a minute is this many requests per second.
	Peak float64
	// OnlySpec leaves the other autoscalers out.
	OnlySpec bool
	Faults   Faults
}

// Report is the outcome of a simulation.
type Report struct {
	Trace      string  `json:"trace"`
	Hours      float64 `json:"hours"`
	PeakRate   float64 `json:"peakRequestsPerSecond"`
	MeanRate   float64 `json:"meanRequestsPerSecond"`
	PeakNeed   int     `json:"peakNeedInstances"`
	StartDelay float64 `json:"startDelayS"`
	// Reference is the cost of the cheapest plan that always has what is needed
	// ready, in instance hours.
	Reference float64  `json:"referenceInstanceHours"`
	Scores    []Score  `json:"scores"`
	Notes     []string `json:"notes,omitempty"`

	need           []int
	rates          []float64
	blind, aborted bool // which faults there were
}

// Run replays the trace through every autoscaler. It takes about a second per
// ten million requests and autoscaler, and keeps nothing of o.
func Run(o Options) (*Report, error) {
	if o.Trace == nil || len(o.Trace.Counts) == 0 {
		return nil, errors.New("cannot simulate: no trace given")
	}
	pl := o.plant()
	rates := o.Trace.Rates(o.Peak)
	l := limits{1, 100}
	if o.Spec != nil {
		if errs := o.Spec.Validate(epoch); len(errs) > 0 {
			return nil, fmt.Errorf("cannot simulate service %q: scaling.%w", o.Spec.Service, errs[0])
		}
		l = limits{max(o.Spec.MinInstances, 1), o.Spec.MaxInstances}
	}
	r := newReport(o, pl, rates, l)
	launched, cost := clairvoyant(r.need, int(pl.StartDelay.Seconds()))
	r.Reference = cost / 3600
	if o.Spec != nil {
		own := newOwn(o.Spec, pl.Slots)
		r.Notes = append(r.Notes, own.notes...)
		r.Scores = append(r.Scores, simulate(o, pl, r, cost, namedScaler{o.specName(), own}))
	}
	if !o.OnlySpec {
		for _, n := range rivals(pl, r, l, launched) {
			r.Scores = append(r.Scores, simulate(o, pl, r, cost, n))
		}
	}
	return r, nil
}

// epoch is where virtual time begins: a Monday, midnight UTC.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

type namedScaler struct {
	name string
	a    autoscaler
}

func rivals(pl Plant, r *Report, l limits, launched []int) []namedScaler {
	start := r.need[0]
	perSecond := float64(pl.Slots) / pl.ServiceTime.Seconds()
	return []namedScaler{
		{NameHPACPU, newHPA(pl, true, 0.8, l, start)},
		{NameHPARequests, newHPA(pl, false, 0.7*perSecond, l, start)},
		{NameKPA, newKPA(pl, l, start)},
		{NameStatic, &fixed{plan: []int{r.PeakNeed}}},
		{NameClairvoyant, &fixed{plan: launched}},
	}
}

func newReport(o Options, pl Plant, rates []float64, l limits) *Report {
	r := &Report{
		Trace: o.Trace.Name, Hours: float64(len(rates)) / 3600, StartDelay: pl.StartDelay.Seconds(),
		blind: o.Faults.BlindFor > 0, aborted: o.Faults.Rollout != nil,
		PeakRate: highestMinute(rates), need: needs(pl, rates, l), rates: rates,
	}
	for i, rate := range rates {
		r.MeanRate += rate / float64(len(rates))
		r.PeakNeed = max(r.PeakNeed, r.need[i])
	}
	return r
}

func (o *Options) specName() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Spec.Service
}

// plant fills what was left open.
func (o *Options) plant() Plant {
	pl, std := o.Plant, DefaultPlant()
	if o.Spec != nil {
		if pl.Slots == 0 {
			pl.Slots = o.Spec.Slots
		}
		if pl.WaitBelow == 0 {
			pl.WaitBelow = o.Spec.WaitBelow()
		}
	}
	fill := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	fill(&pl.ServiceTime, std.ServiceTime)
	fill(&pl.StartDelay, std.StartDelay)
	fill(&pl.QueueTimeout, std.QueueTimeout)
	fill(&pl.WaitBelow, std.WaitBelow)
	if pl.Slots == 0 {
		pl.Slots = std.Slots
	}
	if pl.ServiceCV == 0 {
		pl.ServiceCV = std.ServiceCV
	}
	if pl.Seed == 0 {
		pl.Seed = std.Seed
	}
	return pl
}

// simulate runs one autoscaler over the whole trace.
func simulate(o Options, pl Plant, r *Report, reference float64, n namedScaler) Score {
	tick := time.Second
	pl.FailedStarts = max(pl.FailedStarts, o.Faults.FailedStarts)
	p := newPlant(pl, r.rates, r.need[0])
	m := &meter{need: r.need, s: Score{Name: n.name}, last: r.need[0], faults: o.Faults}
	f := fault{o.Faults}
	steps := len(r.rates)
	for i := range steps {
		at := time.Duration(i+1) * tick
		p.run(at.Seconds())
		happened := p.tally
		s := p.sample(tick)
		want := n.a.want(f.seen(&s, i), epoch.Add(at))
		f.apply(p, i, want)
		m.watchFaults(i, want, happened)
		m.tick(i, want, p.stable.ready+p.canary.ready, happened)
	}
	return m.score(p.billed, reference, time.Duration(steps)*tick)
}
