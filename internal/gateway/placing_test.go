package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/scaler"
)

// fleet is a gateway that only knows services and what they take; nothing runs.
type fleet struct {
	*Gateway
	t   *testing.T
	now time.Time
}

func newFleet(t *testing.T, pools []config.ResourcePool, limits config.ResourceLimits) *fleet {
	cfg := &config.Config{ResourcePools: pools, ResourceLimits: limits}
	g := &Gateway{cfg: cfg, log: slog.New(slog.NewTextHandler(io.Discard, nil)), bus: events.New(events.Options{}), services: map[string]*service{}}
	g.watchers.held = map[string]heldLimit{}
	g.watchers.placing.configure(cfg)
	return &fleet{g, t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// add makes a service that wants some instances and has others; resources are those of one instance.
func (f *fleet) add(name string, want, have int, r config.Resources) *service {
	spec := &config.Service{Name: name, Resources: r, Scaling: config.Scaling{MinInstances: 1, MaxInstances: 100}}
	s := newService(spec)
	s.spec, s.runner = spec, &runner{}
	s.scale.spec = &scaler.Spec{Service: name, MinInstances: 1, MaxInstances: 100}
	f.wish(s, want)
	rev := s.addRevision("v1", api.RoleStable)
	rev.want = have
	f.start(s, rev, have)
	f.ordered = append(f.ordered, s)
	return s
}

func (f *fleet) wish(s *service, n int) { s.scale.last = &scaler.Decision{Want: n} }

func (f *fleet) start(s *service, r *revision, n int) {
	for range n {
		r.instances = append(r.instances, &instance{id: fmt.Sprintf("%s-%d", r.version, len(r.instances)), version: r.version})
	}
}

// most is what remains of a wish for many instances, and the bound that held last.
func (f *fleet) most(s *service) string {
	got, bounds := scaler.Clamp(s.scale.spec, 50, f.capsFor(s))
	if len(bounds) == 0 {
		return fmt.Sprint(got)
	}
	return fmt.Sprintf("%d %s", got, limitKey(bounds[len(bounds)-1]))
}

func (f *fleet) expect(s *service, want string) {
	f.t.Helper()
	if got := f.most(s); got != want {
		f.t.Fatalf("%s: got %q; want %q (%v)", s.name, got, want, f.capsFor(s))
	}
}

func TestLimitsOnAllServices(t *testing.T) {
	priced := []config.ResourcePool{{Name: "p", Price: config.Price{InstanceHour: 2}}}
	each := config.Resources{CPU: 2, Memory: 1 << 30}
	f := func(l config.ResourceLimits, want string) {
		t.Helper()
		g := newFleet(t, priced, l)
		s := g.add("a", 4, 4, each)
		g.add("b", 3, 3, each)
		g.place()
		g.expect(s, want)
	}
	f(config.ResourceLimits{}, "50")
	f(config.ResourceLimits{MaxInstances: 10}, "7 resourceLimits.maxInstances")
	f(config.ResourceLimits{MaxCPU: 16}, "5 resourceLimits.maxCpu")
	f(config.ResourceLimits{MaxMemory: 9 << 30}, "6 resourceLimits.maxMemory")
	f(config.ResourceLimits{MaxCostPerHour: 19}, "6 resourceLimits.maxCostPerHour")
	f(config.ResourceLimits{MaxCostPerHour: 19, MaxInstances: 8}, "5 resourceLimits.maxInstances")
	f(config.ResourceLimits{MaxInstances: 2}, "4 resourceLimits.maxInstances") // what runs stays
}

func TestAWishNotYetStartedCounts(t *testing.T) {
	g := newFleet(t, nil, config.ResourceLimits{MaxInstances: 10})
	a, b := g.add("a", 2, 2, config.Resources{}), g.add("b", 2, 2, config.Resources{})
	b.revisions[0].want = 6
	g.reserve(b)
	g.expect(a, "4 resourceLimits.maxInstances")
	b.revisions[0].want = 2
	g.reserve(b)
	b.revisions[0].instances[0].leaving = true // it still runs, and another is to take its place
	g.reserve(b)
	g.expect(a, "7 resourceLimits.maxInstances")
	b.revisions[0].want = 1
	g.reserve(b)
	g.expect(a, "8 resourceLimits.maxInstances")
}

func TestListedInstancesCountWhereTheyNameAPool(t *testing.T) {
	f := func(pool, want string) {
		t.Helper()
		g := newFleet(t, []config.ResourcePool{{Name: "p"}}, config.ResourceLimits{MaxInstances: 5})
		a := g.add("a", 1, 1, config.Resources{})
		listed := g.add("listed", 3, 3, config.Resources{Pool: pool})
		listed.runner, listed.scale.spec, listed.scale.last = nil, nil, nil
		g.place()
		g.expect(a, want)
	}
	f("", "5 resourceLimits.maxInstances")
	f("p", "2 resourceLimits.maxInstances")
}

func TestPoolsAreFilledAndNotExceeded(t *testing.T) {
	g := newFleet(t, []config.ResourcePool{
		{Name: "dear", Capacity: config.Capacity{CPU: 8}, Price: config.Price{CPUHour: 2}},
		{Name: "cheap", Capacity: config.Capacity{CPU: 3}, Price: config.Price{CPUHour: 1}},
	}, config.ResourceLimits{})
	s := g.add("a", 5, 5, config.Resources{CPU: 1})
	g.place()
	if got := s.pooled(); got["cheap"] != 3 || got["dear"] != 2 {
		t.Fatalf("got %v; want the cheap pool full first", got)
	}
	g.expect(s, "11 pool")
	other := g.add("b", 4, 4, config.Resources{CPU: 1, Pool: "dear"})
	g.place()
	g.expect(s, "7 pool")
	g.expect(other, "6 pool")
	if got := other.pooled(); got["dear"] != 4 {
		t.Fatalf("got %v; want the named pool", got)
	}
	r := g.watchers.resources.Load().resources
	if len(r.Pools) != 2 || r.Pools[0].Utilisation != 75 || r.Pools[1].Utilisation != 100 || r.Pools[0].PerHour != 12 || len(r.Pools[0].Allocations) != 2 {
		t.Fatalf("got %+v; want 6 of 8 and 3 of 3 cores used", r.Pools)
	}
}

func TestPrioritiesGiveWayAndNobodyJumpsIn(t *testing.T) {
	g := newFleet(t, []config.ResourcePool{{Name: "p", Capacity: config.Capacity{Instances: 6}}}, config.ResourceLimits{})
	low := g.add("low", 6, 6, config.Resources{Priority: 1})
	high := g.add("high", 4, 0, config.Resources{Priority: 9})
	g.place()
	g.expect(low, "2 pool")  // it has to give four places
	g.expect(high, "0 pool") // and they are not free yet
	for _, i := range low.revisions[0].instances[:4] {
		i.leaving = true
	}
	low.revisions[0].want = 2
	g.expect(high, "0 pool") // they are still there
	low.revisions[0].instances = low.revisions[0].instances[4:]
	g.place()
	g.expect(high, "4 pool")
}

func TestARolloutIsHeldToTheLimits(t *testing.T) {
	g := newFleet(t, nil, config.ResourceLimits{MaxInstances: 8})
	s := g.add("a", 4, 4, config.Resources{})
	g.add("b", 2, 2, config.Resources{})
	candidate := s.addRevision("v2", api.RoleCandidate)
	f := func(stable, next, running, wantStable, wantNext int) {
		t.Helper()
		s.revisions[0].want, candidate.want = stable, next
		candidate.instances = nil
		g.start(s, candidate, running)
		g.holdToLimits(s)
		if got := [2]int{s.revisions[0].want, candidate.want}; got != [2]int{wantStable, wantNext} {
			t.Fatalf("%d and %d wanted, %d of the new run: got %v; want %d and %d", stable, next, running, got, wantStable, wantNext)
		}
	}
	f(4, 1, 0, 4, 1)
	f(4, 4, 0, 4, 2) // six are left for a
	f(4, 4, 3, 4, 3) // what runs stays
	f(6, 4, 1, 5, 1) // the new one first, then growth of the old
	var held []string
	for _, e := range g.bus.Recent(10, nil) {
		held = append(held, e.Message)
	}
	if len(held) != 1 || held[0] != "a is to have 8 instances and may have 6: resourceLimits.maxInstances: all services may have 8 instances, the others have 2" {
		t.Fatalf("got %q; want the limit told once", held)
	}
}

func TestALimitIsToldWhenItBeginsToHold(t *testing.T) {
	g := newFleet(t, nil, config.ResourceLimits{})
	s := g.add("a", 1, 1, config.Resources{})
	told := func() int { return len(g.bus.Recent(100, nil)) }
	capped := []scaler.Bound{{Name: scaler.BoundMin, Wanted: 0, Got: 1}, {Name: scaler.BoundCap, Detail: "pool p has room for 3", Wanted: 9, Got: 3}}
	f := func(after time.Duration, bounds []scaler.Bound, want int, holding string) {
		t.Helper()
		g.now = g.now.Add(after)
		s.scale.last.Bounds = bounds
		g.noteLimits(g.now)
		if got := told(); got != want {
			t.Fatalf("got %d events; want %d", got, want)
		}
		if got := g.watchers.held["a"].holding(g.now); got != holding {
			t.Fatalf("got %q holding; want %q", got, holding)
		}
	}
	f(0, nil, 0, "")
	f(time.Second, capped, 1, "pool")
	f(time.Second, capped, 1, "pool")
	f(10*time.Second, nil, 1, "")
	f(20*time.Second, capped, 1, "pool") // the same story
	f(time.Second, []scaler.Bound{{Name: scaler.BoundMax, Wanted: 101, Got: 100}}, 2, "maxInstances")
	f(2*time.Minute, nil, 2, "")
	f(time.Second, capped, 3, "pool")
	if w := s.wish(); w != 9 {
		t.Fatalf("got a wish for %d; want what it was before the limit", w)
	}
	last := g.bus.Recent(1, nil)[0]
	if last.Data["limit"] != "pool" || !strings.Contains(last.Message, "a is to have 9 instances and may have 3: pool p has room for 3") {
		t.Fatalf("got %+v", last)
	}
}

// TestNeverMoreThanThereIs lets services wish at random and holds pools and limits after every step.
func TestNeverMoreThanThereIs(t *testing.T) {
	for seed := range uint64(8) {
		neverMore(t, seed)
	}
}

func neverMore(t *testing.T, seed uint64) {
	t.Helper()
	g := newFleet(t, []config.ResourcePool{
		{Name: "p", Capacity: config.Capacity{CPU: 12}, Price: config.Price{CPUHour: 1}},
		{Name: "q", Capacity: config.Capacity{Instances: 5}, Price: config.Price{CPUHour: 3}},
	}, config.ResourceLimits{MaxInstances: 14, MaxCostPerHour: 25})
	var all []*service
	for i := range 4 {
		all = append(all, g.add(fmt.Sprint("s", i), 1, 1, config.Resources{CPU: float64(1 + i%2), Priority: i}))
	}
	g.place()
	first := seed
	random := func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int(seed>>33) % n
	}
	for step := range 200 {
		s := all[random(len(all))]
		want := 1 + random(12)
		if random(3) == 0 {
			g.place() // a second has passed
		}
		got, bounds := scaler.Clamp(s.scale.spec, want, g.capsFor(s))
		s.scale.last = &scaler.Decision{Want: got, Bounds: bounds}
		r := s.revisions[0]
		r.want = got
		g.reserve(s)
		if len(r.instances) > got {
			r.instances = slices.Clone(r.instances[:got])
		}
		g.start(s, r, got-len(r.instances))
		if step%5 != 0 {
			continue
		}
		g.place()
		u := g.usage(nil)
		if u.all.Instances > 14 || u.all.PerHour.Units() > 25 || u.pools["p"].Cores() > 12 || u.pools["q"].Instances > 5 {
			t.Fatalf("seed %d, step %d: %s got %d: %+v; want no limit and no pool exceeded", first, step, s.name, got, u)
		}
	}
}
