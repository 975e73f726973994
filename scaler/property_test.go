package scaler

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func allPolicies() []Policy {
	return []Policy{
		{Name: "cpu", Metric: MetricCPU, ScaleUpThreshold: 70, ScaleDownThreshold: 30, ScaleUpStep: 2, ScaleDownStep: 1, CooldownPeriod: 20 * time.Second},
		{Name: "busy", Type: TypeTarget, Metric: MetricActiveConnections, Target: 3},
		{Name: "hours", Type: TypeSchedule, Cron: mustCron("*/20 * * * *", ""), Duration: 5 * time.Minute, MinInstances: 3},
		{Name: "slo", Type: TypeSLO, Objective: Objective{WaitBelow: 100 * time.Millisecond, Percent: 99}},
	}
}

// wild makes samples that no real service would: the bounds have to hold all the same.
func wild(rng *rand.Rand, now time.Time) *Sample {
	n := rng.IntN(12)
	s := &Sample{
		Span: time.Duration(rng.IntN(3000)) * time.Millisecond, Blind: rng.IntN(8) == 0,
		Arrivals: rng.IntN(800), Completions: rng.IntN(800), Slow: rng.IntN(100), InFlight: rng.IntN(60), Queue: rng.IntN(500) * rng.IntN(2),
		BusySlots: float64(rng.IntN(60) - 1), ServiceTime: time.Duration(rng.IntN(400)) * time.Millisecond, ServiceCV: rng.Float64() * 3,
		Ready: n, Starting: rng.IntN(3), Failed: rng.IntN(2), StartFailures: rng.IntN(2) * rng.IntN(3),
	}
	if rng.IntN(4) == 0 {
		s.StartDelays = []StartDelay{{Revision: "v1", Took: time.Duration(rng.IntN(60)) * time.Second}}
	}
	for range rng.IntN(n + 1) {
		s.Instances = append(s.Instances, InstanceSample{CPU: Reading{rng.Float64() * 120, now.Add(-time.Duration(rng.IntN(90)) * time.Second)}})
	}
	if rng.IntN(5) == 0 {
		s.Caps = []Cap{{BoundCost, "budget", rng.IntN(12)}, {BoundCap, "pool", rng.IntN(12)}}
	}
	return s
}

func TestDecideHoldsItsBoundsWhateverComes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 25 {
		sp := &Spec{Service: "shop", MinInstances: rng.IntN(3), MaxInstances: 3 + rng.IntN(8), Slots: 1 + rng.IntN(6), MetricsWindow: 20 * time.Second, Policies: allPolicies()}
		var st State
		now := monday
		for range 300 {
			now = now.Add(time.Duration(1+rng.IntN(5000)) * time.Millisecond)
			s := wild(rng, now)
			d := Decide(sp, &st, s, now)
			checkBounds(t, sp, s, &d)
			if t.Failed() {
				t.Fatalf("round %d: %+v gives %+v", round, s, d)
			}
		}
	}
}

func checkBounds(t *testing.T, sp *Spec, s *Sample, d *Decision) {
	t.Helper()
	most, least := sp.MaxInstances, sp.MinInstances
	for _, c := range s.Caps {
		most = min(most, c.Instances)
	}
	if d.Want > most {
		t.Errorf("want %d is above %d", d.Want, most)
	}
	if d.Want < min(least, most) {
		t.Errorf("want %d is below %d", d.Want, least)
	}
	stale := s.Blind
	for _, w := range d.Policies {
		stale = stale || w.Stale
	}
	if stale && d.Want < min(d.From, most) {
		t.Errorf("shrinks from %d to %d on a stale signal", d.From, d.Want)
	}
	if s.Queue > 0 && !s.Blind && d.Want == 0 && most > 0 {
		t.Errorf("wants nothing while %d requests wait", s.Queue)
	}
	if d.Reason == "" || d.Direction != direction(d.From, d.Want) {
		t.Errorf("reason %q, direction %s", d.Reason, d.Direction)
	}
}

func TestDecideIsDeterministic(t *testing.T) {
	run := func() []int {
		rng := rand.New(rand.NewPCG(9, 10))
		sp := &Spec{Service: "shop", MinInstances: 1, MaxInstances: 50, Slots: 4, Policies: allPolicies()}
		var st State
		now := monday
		var wants []int
		for range 1000 {
			now = now.Add(time.Second)
			wants = append(wants, Decide(sp, &st, wild(rng, now), now).Want)
		}
		return wants
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Error("two runs differ")
	}
}

// What JSON keeps of a state must be enough to go on from: same target, same learned
// service time and start delay, forecast errors of the same shape.
func TestStateSurvivesJSON(t *testing.T) {
	sp := &Spec{Service: "shop", MinInstances: 1, MaxInstances: 100, Slots: 4, Policies: allPolicies()}
	var st State
	now := monday
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 900 {
		now = now.Add(time.Second)
		s := busySample(8+i/100, now)
		s.Arrivals += rng.IntN(20)
		s.StartDelays = []StartDelay{{Revision: "v2", Took: 7 * time.Second}}
		Decide(sp, &st, s, now)
	}
	st.Hold = &Hold{Instances: 3, Reason: "why", Since: now}
	data, err := json.Marshal(&st)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 40_000 {
		t.Errorf("a state takes %d bytes; want it small enough to store every few seconds", len(data))
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Target != st.Target || !back.Known || *back.Hold != *st.Hold || back.Learned.Service != st.Learned.Service {
		t.Errorf("got %+v; want %+v", back.Learned.Service, st.Learned.Service)
	}
	if got := back.Starts.Delay(0); got != 7*time.Second {
		t.Errorf("start delay = %v; want 7 s", got)
	}
	load := st.Learned.SLO.MeanLoad * st.Learned.Service.Mean
	was, is := st.Learned.SLO.Outlook.bandOf(load), back.Learned.SLO.Outlook.bandOf(load)
	for _, q := range []float64{0.5, 0.9, 0.975} {
		a, b := was.Errors[0].quantile(q), is.Errors[0].quantile(q)
		if b/a > 1.02 || b/a < 0.98 {
			t.Errorf("the %v quantile of forecast errors was %v and is %v", q, a, b)
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	f := func(text string) {
		t.Helper()
		var st State
		if err := json.Unmarshal([]byte(text), &st); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	f(`{"learned":{"slo":{"outlook":{"bands":[{"errors":[{"bins":"!!"}]}]}}}}`)
	f(`{"learned":{"slo":{"outlook":{"bands":[{"errors":[{"bins":"AAAA","sum":1}]}]}}}}`)
	f(`{"learned":{"slo":{"outlook":{"bands":[{"errors":[{"sum":1,"loss":0}]}]}}}}`)
}

func TestDecideMakesLittleGarbage(t *testing.T) {
	sp := &Spec{Service: "shop", MinInstances: 1, MaxInstances: 100, Slots: 4, Policies: allPolicies()}
	var st State
	now := monday
	s := busySample(20, now)
	tick := func() {
		now = now.Add(time.Second)
		for i := range s.Instances {
			s.Instances[i].CPU.At = now
		}
		Decide(sp, &st, s, now)
	}
	for range 300 {
		tick()
	}
	// The policies' wants and the sizing are the caller's; the sentence is new every ten seconds.
	if n := testing.AllocsPerRun(100, tick); n > 4 {
		t.Errorf("%v allocations per decision; want at most 4", n)
	}
}
