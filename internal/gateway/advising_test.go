package gateway

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"gatewayd/cost"
	"gatewayd/scaler"
	"gatewayd/scaler/simulate"
)

var adviceNow = time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)

// office is a service with three days of history: rate requests a second from eight to eighteen o'clock and a tenth of that otherwise. An
// instance carries 20 a second.
func office(rate float64, need func(hour int) int) *subject {
	h := history{}
	h.complete()
	for hours := 72; hours > 0; hours-- {
		at := adviceNow.Add(-time.Duration(hours) * time.Hour)
		r := rate / 10
		if at.Hour() >= 8 && at.Hour() < 18 {
			r = rate
		}
		for minute := range 60 {
			now := at.Add(time.Duration(minute) * time.Minute)
			h.Traffic.add(now, uint64(r*60))
			h.Profile.Add(now, uint64(r*60), need(at.Hour()), 6)
		}
	}
	sub := &subject{history: h, plant: simulate.Plant{Slots: 4, ServiceTime: 200 * time.Millisecond, ServiceCV: 1, StartDelay: 5 * time.Second,
		QueueTimeout: 10 * time.Second, WaitBelow: 100 * time.Millisecond},
		spec: &scaler.Spec{Service: "office", MinInstances: 6, MaxInstances: 20, Slots: 4, Policies: []scaler.Policy{
			{Name: "busy", Type: scaler.TypeTarget, Metric: scaler.MetricActiveConnections, Target: 1.5}}}}
	sub.facts = cost.Facts{Service: "office", Min: 6, Each: cost.Resources{MilliCPU: 1000, Memory: 1 << 30}, Pool: "p", Price: cost.Price{InstanceHour: 1},
		Pools: []cost.Pool{{Name: "p", Price: cost.Price{InstanceHour: 1}}, {Name: "q", Instances: 20, Price: cost.Price{InstanceHour: 0.5}}},
		Zone:  time.UTC, MaxSlow: 0.01, Profile: &sub.history.Profile, Sizing: sub.history.Sizing}
	return sub
}

func TestAdviceIsTriedFirst(t *testing.T) {
	sub := office(20, func(int) int { return 3 })
	made := recommend(context.Background(), []*subject{sub}).made
	if len(made) != 2 || made[0].Type != cost.LowerMinimum || made[1].Type != cost.MovePool || made[0].Risk > 0.01 {
		t.Fatalf("got %+v; want a lower minimum and the cheaper pool", made)
	}
	d := describeAdvice(&made[0])
	if d.ID != "lower-minimum/office" || !strings.Contains(d.Change, "lower its minimum from 6") || !strings.Contains(d.Change, "minInstances: 3") ||
		d.SavingPerMonth != 3*730 || len(d.Evidence) != 5 || d.Evidence[3].Value != 20*10*3600+2*14*3600 {
		t.Fatalf("got %+v", d)
	}
}

func TestAdviceThatWouldHurtIsNotMade(t *testing.T) {
	// The hours looked quiet to the policies, and yet the day needs more than two instances, of which nothing starts a third.
	sub := office(60, func(int) int { return 2 })
	sub.spec.Policies = nil
	sub.facts.Pools = nil
	a := recommend(context.Background(), []*subject{sub})
	for _, r := range a.made {
		if r.Type == cost.LowerMinimum {
			t.Fatalf("got %+v; want none that makes requests wait", r)
		}
	}
	if len(a.withheld) != 1 || a.withheld[0].Type != string(cost.LowerMinimum) || a.withheld[0].SavingPerMonth != 4*730 ||
		!strings.Contains(a.withheld[0].Reason, "of the requests would be slow, 1% may be") {
		t.Fatalf("got %+v; want to be told why the minimum stays", a.withheld)
	}
}

func TestReplay(t *testing.T) {
	one := 1
	f := func(what string, sub *subject, c cost.Change, low, high float64, problem string) {
		t.Helper()
		got, err := sub.replay(c)
		if problem != "" {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Fatalf("%s: got %v; want %q", what, err, problem)
			}
			return
		}
		if err != nil || got < low || got > high {
			t.Fatalf("%s: got %v, %v; want %v to %v", what, got, err, low, high)
		}
	}
	need := func(int) int { return 3 }
	f("retired though it is used", office(20, need), cost.Change{Retire: true}, 1, 1, "")
	idle := office(20, need)
	clear(idle.history.Traffic.Minutes)
	f("retired and idle", idle, cost.Change{Retire: true}, 0, 0, "")
	fixed := office(40, need)
	fixed.spec.Policies = nil
	f("one instance for twice its load", fixed, cost.Change{MinInstances: &one}, 0.5, 1, "")
	f("one outside of office hours", fixed, cost.Change{MinInstances: &one, Schedule: &cost.Schedule{FromHour: 7, Hours: 12, MinInstances: 6}}, 0, 0.7, "")
	strange := office(20, need)
	strange.plant.ServiceTime = 0
	f("unknown service time", strange, cost.Change{}, 0, 0, "not known yet")
	huge := office(20, need)
	for i := range huge.history.Traffic.Minutes {
		huge.history.Traffic.Minutes[i] = 1e6
	}
	f("too much to try", huge, cost.Change{}, 0, 0, "too many to replay")
}

func TestThinKeepsTheNumberOfInstances(t *testing.T) {
	trace := &simulate.Trace{Counts: []float64{1e7, 3e7}}
	plant := simulate.Plant{Slots: 64}
	if err := thin(trace, &plant, 4e7); err != nil {
		t.Fatal(err)
	}
	if plant.Slots != 8 || trace.Counts[1] != 3e7/8 {
		t.Fatalf("got %d slots for %v; want an eighth of both", plant.Slots, trace.Counts)
	}
}

func TestTrafficIsOfTheLastDay(t *testing.T) {
	var h history
	h.complete()
	tr := &h.Traffic
	sum := func() (n uint64) {
		for _, m := range tr.Minutes {
			n += uint64(m)
		}
		return n
	}
	f := func(after time.Duration, n, want uint64) {
		t.Helper()
		tr.add(adviceNow.Add(after), n)
		if got := sum(); got != want {
			t.Fatalf("after %s: got %d; want %d", after, got, want)
		}
	}
	f(0, 5, 5)
	f(30*time.Second, 5, 10)
	f(time.Hour, 1, 11)
	f(24*time.Hour-time.Minute, 1, 12)
	f(24*time.Hour, 1, 3) // the first minute is a day ago
	f(90*24*time.Hour, 7, 7)
	f(90*24*time.Hour, math.MaxUint64-100, math.MaxUint32)
}
