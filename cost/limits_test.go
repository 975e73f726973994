package cost

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestClamp(t *testing.T) {
	f := func(l Limits, a Ask, instances int, held string) {
		t.Helper()
		if a.Each == (Resources{}) {
			a.Each = Resources{1000, 1 << 30}
		}
		got := l.Clamp(a)
		if got.Instances != instances || got.Held != held || (held == "") != (got.Reason == "") {
			t.Errorf("%+v of %+v: %+v; want %d held by %q", a, l, got, instances, held)
		}
	}
	others := Use{Resources: Resources{6000, 2 << 30}, Instances: 7, PerHour: 5 * Unit}
	f(Limits{}, Ask{Want: 5}, 5, "")
	f(Limits{}, Ask{Want: -1}, 0, "")
	f(Limits{}, Ask{Want: 1, Min: 2}, 2, HeldByMin)
	f(Limits{}, Ask{Want: 9, Max: 4}, 4, HeldByMax)
	f(Limits{MaxInstances: 10}, Ask{Want: 5, Others: others}, 3, HeldByInstances)
	f(Limits{MaxCPU: 8500}, Ask{Want: 5, Others: others}, 2, HeldByCPU)
	f(Limits{MaxMemory: 6 << 30}, Ask{Want: 5, Others: others}, 4, HeldByMemory)
	f(Limits{MaxCostPerHour: 7 * Unit}, Ask{Want: 5, PerHour: Unit, Others: others}, 2, HeldByCostPerHour)
	// The tightest is told.
	f(Limits{MaxInstances: 11, MaxCPU: 8000}, Ask{Want: 5, Others: others}, 2, HeldByCPU)
	// The limits on all win over the service's minimum.
	f(Limits{MaxInstances: 8}, Ask{Want: 1, Min: 3, Others: others}, 1, HeldByInstances)
	// What runs is left to run, and may become less.
	f(Limits{MaxInstances: 8}, Ask{Want: 6, Have: 4, Others: others}, 4, HeldByInstances)
	f(Limits{MaxInstances: 8}, Ask{Want: 3, Have: 4, Others: others}, 3, "")
	f(Limits{MaxInstances: 5}, Ask{Want: 1, Others: others}, 0, HeldByInstances)
	// Instances that cost nothing are not held by a cost limit.
	f(Limits{MaxCostPerHour: 1}, Ask{Want: 3, Others: others}, 3, "")
	if got := (Limits{MaxMemory: 1 << 30}).Clamp(Ask{Want: 2, Each: Resources{0, 1 << 30}}); !strings.Contains(got.Reason, "2 wanted, 1 possible") {
		t.Errorf("reason: %s", got.Reason)
	}
}

func TestClampKeepsLimits(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		l := Limits{r.Int64N(20_000), r.Int64N(20 << 30), r.IntN(20), Money(r.IntN(20)) * Unit}
		a := Ask{Want: r.IntN(30), Have: r.IntN(5), Min: r.IntN(3), Max: 3 + r.IntN(20), Each: Resources{r.Int64N(3000), r.Int64N(3 << 30)}, PerHour: Money(r.IntN(3)) * Unit}
		a.Others = Use{}.Plus(r.IntN(8), Resources{1000, 1 << 30}, Unit)
		got := l.Clamp(a)
		u := a.Others.Plus(got.Instances, a.Each, a.PerHour)
		over := l.MaxCPU > 0 && u.MilliCPU > l.MaxCPU && a.Each.MilliCPU > 0 ||
			l.MaxMemory > 0 && u.Memory > l.MaxMemory && a.Each.Memory > 0 ||
			l.MaxInstances > 0 && u.Instances > l.MaxInstances || l.MaxCostPerHour > 0 && u.PerHour > l.MaxCostPerHour && a.PerHour > 0
		if over && got.Instances > a.Have {
			t.Fatalf("seed %d: %+v of %+v exceeds %+v", seed, got, a, l)
		}
		if got.Instances != a.Want && got.Held == "" {
			t.Fatalf("seed %d: %+v of %+v does not tell what held", seed, got, a)
		}
	}
}
