package gateway

import (
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
)

// The figures of a service were zero for ten seconds whenever a revision left, because its counters left with it.
func TestRatesGoOnWhenARevisionLeaves(t *testing.T) {
	s := newService(&config.Service{Name: "shop"})
	g := &Gateway{ordered: []*service{s}}
	old, next := s.addRevision("v1", api.RolePrevious), s.addRevision("v2", api.RoleStable)
	now := time.Unix(1000, 0)
	second := func() {
		now = now.Add(time.Second)
		g.measure(now)
	}
	g.measure(now)
	old.stats.Requests.Add(500)
	old.stats.Duration.Observe(20 * time.Millisecond)
	second()
	s.past.add(old)
	s.revisions = s.revisions[1:]
	next.stats.Requests.Add(100)
	second()
	if got := s.rates.requestRate; got != 300 {
		t.Fatalf("got %v requests/s; want 300: 600 in two seconds", got)
	}
	if s.rates.p95Ms == 0 {
		t.Fatal("the latency of the revision that left is forgotten")
	}
}

// A hold of half a minute turned requests away after the five seconds of the queue.
func TestAHoldIsWaitedFor(t *testing.T) {
	now := time.Unix(1000, 0)
	f := func(mode api.MaintenanceMode, length, want time.Duration) {
		t.Helper()
		s := &service{name: "shop", spec: &config.Service{Limits: config.ServiceLimits{QueueTimeout: 5 * time.Second}}}
		s.maintenance = api.Maintenance{Mode: mode, Since: now}
		if length > 0 {
			until := now.Add(length)
			s.maintenance.Until = &until
		}
		if got := s.patience(); got != want {
			t.Fatalf("%s for %s: got %s; want %s", mode, length, got, want)
		}
	}
	f(api.MaintenanceHold, 30*time.Second, 35*time.Second)
	f(api.MaintenanceHold, 0, 5*time.Second)
	f(api.MaintenanceOn, 30*time.Second, 5*time.Second)
	f(api.MaintenanceOff, 0, 5*time.Second)
}
