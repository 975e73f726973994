package health

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever happens to a pool: no more than its bound is ejected, what is ejected is what the decisions said, and
// every ejection ends in time.
func TestOutlierHoldsItsBounds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		p := DefaultOutlierPolicy()
		p.ConsecutiveFailures, p.MaxEjectionPercent = 1+rnd.IntN(3), rnd.IntN(101)
		p.SuccessRate.MinHosts, p.SuccessRate.MinVolume = 2, 1
		o := NewOutlier(p)
		now := time.Unix(1000, 0)
		members := pool(rnd.IntN(12))
		o.SetMembers(members, now)
		ejected := map[string]time.Time{}
		for range 300 {
			now = now.Add(time.Duration(rnd.IntN(5000)) * time.Millisecond)
			id := fmt.Sprint(rnd.IntN(12)) // sometimes of somebody who is no member
			var out []Decision
			switch rnd.IntN(8) {
			case 0:
				members = pool(rnd.IntN(12))
				out = o.SetMembers(members, now)
				for id := range ejected {
					if o.members[id] == nil {
						delete(ejected, id)
					}
				}
			case 1:
				o.Success(id)
			case 2:
				out = o.Tick(now)
			case 3:
				if d, ok := o.CheckPassed(id, rnd.IntN(2) == 0, now); ok {
					out = append(out, d)
				}
			case 4:
				var windows []Window
				for _, m := range members {
					windows = append(windows, Window{ID: m, Requests: 10, Failures: rnd.IntN(11)})
				}
				out = o.Evaluate(windows, now)
			default:
				if d, ok := o.Failure(id, FailureStatus, now); ok {
					out = append(out, d)
				}
			}
			apply(t, ejected, out, now)
			checkBound(t, o, p, len(members), ejected)
		}
		apply(t, ejected, o.Tick(now.Add(p.MaxEjection)), now)
		if len(ejected) != 0 {
			t.Fatalf("still ejected after the longest time: %v", ejected)
		}
	}
}

func pool(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// apply follows decisions as their owner would, and finds those that make no sense.
func apply(t *testing.T, ejected map[string]time.Time, out []Decision, now time.Time) {
	t.Helper()
	for _, d := range out {
		_, was := ejected[d.ID]
		switch d.Action {
		case Eject:
			if was || !d.Until.After(now) {
				t.Fatalf("makes no sense: %+v (ejected before: %v)", d, was)
			}
			ejected[d.ID] = d.Until
		case Uneject:
			if !was {
				t.Fatalf("was not ejected: %+v", d)
			}
			delete(ejected, d.ID)
		}
		if d.Reason == "" {
			t.Fatalf("no reason: %+v", d)
		}
	}
}

func checkBound(t *testing.T, o *Outlier, p OutlierPolicy, size int, ejected map[string]time.Time) {
	t.Helper()
	n := len(ejected)
	if n > 0 && size < 2 || n > 1 && n*100 > p.MaxEjectionPercent*size {
		t.Fatalf("%d of %d are ejected; at most %d%% may be", n, size, p.MaxEjectionPercent)
	}
	for id := range o.members {
		until, is := o.EjectedUntil(id)
		if want, was := ejected[id]; is != was || !until.Equal(want) {
			t.Fatalf("%s: EjectedUntil is %v, %v; the decisions said %v, %v", id, until, is, want, was)
		}
	}
}

func TestRulesThatAreOff(t *testing.T) {
	o := NewOutlier(OutlierPolicy{})
	now := time.Unix(1000, 0)
	o.SetMembers(pool(6), now)
	for range 100 {
		if d, ok := o.Failure("1", FailureStatus, now); ok {
			t.Fatalf("got %+v", d)
		}
	}
	windows := []Window{{"0", 100, 0}, {"1", 100, 100}, {"2", 100, 0}, {"3", 100, 0}, {"4", 100, 0}, {"5", 100, 0}}
	if out := o.Evaluate(windows, now); len(out) != 0 {
		t.Fatalf("got %+v", out)
	}
	if _, ok := o.EjectedUntil("nobody"); ok {
		t.Fatal("somebody who is no member is ejected")
	}
	o.SetPolicy(DefaultOutlierPolicy())
	if out := o.Evaluate(windows, now); len(out) != 1 || out[0].ID != "1" {
		t.Fatalf("the new policy does not hold: %+v", out)
	}
}
