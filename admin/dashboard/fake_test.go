package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/admin/dashboard"
	"gatewayd/events"
)

// stage is a gateway in a state that a test sets, behind a real admin API.
type stage struct {
	bus     *events.Bus
	address string
	server  *httptest.Server
	api     *admin.Server

	mu              sync.Mutex // protects the fields below
	status          api.Status
	rollouts        []api.Rollout
	alerts          []api.Alert
	findings        []api.Finding
	cost            api.Cost
	recommendations []api.Recommendation
	resources       api.Resources
	silences        []api.Silence
	calls           []string // changes that were asked for
	looks           int      // at the alerts
}

func pointer[T any](v T) *T { return &v }

// newStage starts a stage with everything wired. Without tokens nobody has to log in.
func newStage(t *testing.T, tokens ...admin.Token) *stage {
	s := &stage{bus: events.New(events.Options{})}
	s.set(t)
	s.serve(t, admin.Options{
		Access: admin.Access{Tokens: tokens},
		System: s, Services: s, Scaler: s, Rollouts: s, Drainer: s, Maintenance: s, Reloader: s,
		Events: s.bus, History: s, Alerts: s, Silences: s, Bottlenecks: s, Cost: s, Resources: s,
	})
	return s
}

func (s *stage) serve(t *testing.T, opts admin.Options) {
	opts.Dashboard = dashboard.New()
	server, err := admin.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.api, s.server = server, httptest.NewServer(server.Handler())
	s.address = s.server.URL
	t.Cleanup(func() { s.server.CloseClientConnections(); s.server.Close() })
}

// set puts shop into the middle of a canary, and cart beside it, listed by hand.
func (s *stage) set(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	instance := func(id string, state api.InstanceState) api.Instance {
		return api.Instance{ID: id, Address: "127.0.0.1:9001", Weight: 1, State: state, RequestRate: 40, P95Ms: 80, CPU: pointer(41.5), Memory: pointer(20.0), StartedAt: &now}
	}
	ejected := instance("v1-b", api.StateEjected)
	ejected.Reason = "5 failures in a row"
	s.status = api.Status{
		Overall: api.Degraded, Reasons: []string{"shop: 1 of 3 instances is not fit for traffic"}, Version: "v9.9.9", StartedAt: now,
		Config: api.ConfigStatus{Path: "gatewayd.yaml", Generation: 3, LoadedAt: now},
		Services: []api.Service{
			{Name: "cart", Health: api.Healthy, Provider: "static", Version: "v1", Target: 1, RequestRate: 12, P95Ms: 4,
				Revisions: []api.Revision{{Version: "v1", Role: api.RoleStable, Weight: 100, Instances: []api.Instance{instance("cart-1", api.StateReady)}}}},
			{Name: "shop", Health: api.Degraded, Reasons: []string{"1 of 3 instances is not fit for traffic"}, Provider: "process", Version: "v1",
				Target: 3, Demand: 4, MinInstances: 2, MaxInstances: 10, RequestRate: 120.25, P50Ms: 17.5, P95Ms: 87.5, P99Ms: 140, ErrorRate: 0.4, InFlight: 9, QueueLength: 7,
				Revisions: []api.Revision{
					{Version: "v1", Role: api.RoleStable, Weight: 75, Instances: []api.Instance{instance("v1-a", api.StateReady), ejected}},
					{Version: "v2", Role: api.RoleCandidate, Weight: 25, Instances: []api.Instance{instance("v2-a", api.StateReady)}},
				},
				Scaling: &api.Scaling{Mode: api.ScalingAuto, Last: &api.Decision{Time: now, From: 2, Want: 3, Reason: "policy busy wants 3: 9 in flight", Bounds: []string{"scaleUpStep held it at 3"},
					Wants: []api.PolicyWant{{Policy: "busy", Want: 4, Value: 9, Reason: "9 in flight, 8 wanted"}}}},
				Rollout: "r-7"},
		},
	}
	s.rollouts = []api.Rollout{
		{ID: "r-7", Service: "shop", Version: "v2", From: "v1", Strategy: "canary", Status: api.RolloutRunning, Step: 2, Steps: 3, Weight: 25, Reason: "step 2 of 3: 5s of 30s", StartedAt: now,
			Evidence: []api.Evidence{{Metric: "errorRate", Unit: "%", Stable: 0.4, Candidate: 0.5, StableRequests: 3000, CandidateRequests: 1000, Verdict: "pass"}}},
		{ID: "r-6", Service: "shop", Version: "v0", From: "v1", Strategy: "canary", Status: api.RolloutRolledBack, Step: 1, Steps: 3, Reason: "errors 40% against 0.4%", StartedAt: now, EndedAt: pointer(now.Add(9 * time.Second))},
	}
	s.alerts = []api.Alert{{ID: "a-1", Metric: "responseTime", Service: "shop", Severity: "critical", Since: now, Value: 3200, Threshold: 3000, Unit: "ms", Message: "response time is 3.2 s",
		Context: []string{"10:00:05 shop from 2 to 3 instances"}}}
	s.findings = []api.Finding{{ID: "f-1", Type: "capacity", Service: "shop", Severity: "warning", Since: now, Cause: "7 requests wait while all instances are busy",
		Evidence: []api.Figure{{Name: "queueLength", Value: 7}}, Advice: "Run one instance more.", Command: "gatewayd scale shop 4 --reason capacity",
		Action: &api.Action{Method: "POST", Path: "/api/v1/services/shop/scale", Body: &api.ScaleRequest{Instances: pointer(4), Reason: "capacity"}}}}
	s.cost = api.Cost{Currency: "USD", PerHour: 0.1264, Today: 1.5, Month: 40, Forecast: 90, Per1000Requests: pointer(0.0003), IdlePercent: 35, MonthlyBudget: pointer(100.0),
		Services: []api.ServiceCost{{Service: "shop", Revision: "v1", Pool: "local", Instances: 3, PerHour: 0.0948, Today: 1, Month: 30, IdlePercent: 35}}}
	s.recommendations = []api.Recommendation{{ID: "c-1", Service: "shop", Type: "lower-minimum", Change: "Lower minInstances from 2 to 1", SavingPerMonth: 22.5, Risk: "low: the night is quiet", Confidence: 0.9}}
	s.resources = api.Resources{Pools: []api.Pool{{Name: "local", Capacity: api.Amounts{CPU: 4, MemoryBytes: 2 << 30, Instances: 20}, Used: api.Amounts{CPU: 1, MemoryBytes: 512 << 20, Instances: 4},
		Utilisation: 25, PerHour: 0.1264, Allocations: []api.Allocation{{Service: "shop", Revision: "v1", Used: api.Amounts{Instances: 3}}}}},
		Limits: api.ResourceLimits{MaxInstances: pointer(20), Used: api.Amounts{Instances: 4}}}
	s.publish(events.Event{Type: events.ComponentScaled, Service: "shop", Message: "shop from 2 to 3 instances"})
	s.publish(events.Event{Type: events.InstanceEjected, Service: "shop", Instance: "v1-b", Severity: events.Warning, Message: "5 failures in a row"})
}

func (s *stage) publish(e events.Event) { s.bus.Publish(time.Now(), e) }

// change lets fn write to the state.
func (s *stage) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// read returns what fn makes of the state.
func read[T any](s *stage, fn func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn()
}

func (s *stage) note(format string, args ...any) {
	s.change(func() { s.calls = append(s.calls, fmt.Sprintf(format, args...)) })
}

// called fails unless the changes asked for so far are calls, and forgets them. What was asked for without a change is left out.
func (s *stage) called(t *testing.T, calls ...string) {
	t.Helper()
	got := read(s, func() []string { defer func() { s.calls = nil }(); return s.calls })
	got = slices.DeleteFunc(got, func(call string) bool { return strings.HasPrefix(call, "history ") })
	if fmt.Sprint(got) != fmt.Sprint(calls) {
		t.Fatalf("called: got %q; want %q", got, calls)
	}
}

// Status returns a deep copy, for tests change the parts.
func (s *stage) Status() api.Status {
	text := read(s, func() []byte {
		text, err := json.Marshal(s.status)
		if err != nil {
			panic(err)
		}
		return text
	})
	var status api.Status
	if err := json.Unmarshal(text, &status); err != nil {
		panic(err)
	}
	return status
}
func (s *stage) Ready() error            { return nil }
func (s *stage) Services() []api.Service { return s.Status().Services }
func (s *stage) Rollouts() []api.Rollout { return read(s, func() []api.Rollout { return s.rollouts }) }
func (s *stage) Bottlenecks() []api.Finding {
	return read(s, func() []api.Finding { return s.findings })
}
func (s *stage) Cost() api.Cost { return read(s, func() api.Cost { return s.cost }) }
func (s *stage) Resources() api.Resources {
	return read(s, func() api.Resources { return s.resources })
}
func (s *stage) Alerts() []api.Alert {
	return read(s, func() []api.Alert { s.looks++; return s.alerts })
}
func (s *stage) Recommendations() []api.Recommendation {
	return read(s, func() []api.Recommendation { return s.recommendations })
}

func (s *stage) Service(name string) (api.Service, error) {
	for _, service := range s.Services() {
		if service.Name == name {
			return service, nil
		}
	}
	return api.Service{}, api.NotFound("service", name)
}

// Scale refuses 99 and allows 10 at most.
func (s *stage) Scale(_ context.Context, service string, req api.ScaleRequest) (api.ScaleResult, error) {
	if req.Auto {
		s.note("scale %s auto", service)
		return api.ScaleResult{Success: true, From: 3, To: 3}, nil
	}
	s.note("scale %s %d %s", service, *req.Instances, req.Reason)
	switch n := *req.Instances; {
	case n == 99:
		return api.ScaleResult{}, api.Invalid("instances", "got 99; want 20 at most")
	case n > 10:
		return api.ScaleResult{Success: true, From: 3, To: 10, ClampedBy: "maxInstances"}, nil
	default:
		return api.ScaleResult{Success: true, From: 3, To: n}, nil
	}
}

func (s *stage) Push(context.Context, string, api.PushedMetrics) error { return nil }

func (s *stage) Start(_ context.Context, service string, req api.RolloutRequest) (string, error) {
	s.note("deploy %s %+v", service, req)
	return "r-8", nil
}

func (s *stage) Rollback(_ context.Context, service string) (string, error) {
	s.note("rollback %s", service)
	return "", api.Conflict("there is no version before %q to go back to", "v1")
}

func (s *stage) Rollout(id string) (api.Rollout, error) {
	for _, r := range s.Rollouts() {
		if r.ID == id {
			return r, nil
		}
	}
	return api.Rollout{}, api.NotFound("rollout", id)
}

func (s *stage) Act(_ context.Context, id string, action api.RolloutAction) (api.Rollout, error) {
	s.note("%s %s", action, id)
	s.change(func() {
		status := map[api.RolloutAction]api.RolloutStatus{api.ActionPause: api.RolloutPaused, api.ActionResume: api.RolloutRunning, api.ActionPromote: api.RolloutCompleted, api.ActionAbort: api.RolloutAborted}[action]
		s.rollouts = append([]api.Rollout(nil), s.rollouts...)
		s.rollouts[0].Status = status
	})
	return s.Rollout(id)
}

func (s *stage) Drain(_ context.Context, service, instance string) error {
	s.note("drain %s %s", service, instance)
	return nil
}

func (s *stage) Undrain(_ context.Context, service, instance string) error {
	s.note("undrain %s %s", service, instance)
	return nil
}

func (s *stage) SetMaintenance(_ context.Context, service string, req api.MaintenanceRequest) error {
	s.note("maintenance %s %s %q %s", service, req.Mode, req.Message, req.For)
	return nil
}

func (s *stage) Reload(context.Context) (api.ReloadResult, error) {
	return api.ReloadResult{}, &api.Error{Status: 422, Message: "the file has 2 errors", Details: []string{"gatewayd.yaml:1:1: first", "gatewayd.yaml:2:1: second"}}
}

// History tells of 1 request a second more with each step; shop went from v0 to v1 in the middle of the window.
func (s *stage) History(_ context.Context, service string, window, step time.Duration) (api.History, error) {
	now := time.Now()
	s.note("history %s %s %s", service, window, step)
	h := api.History{Service: service, From: now.Add(-window), To: now, Step: api.Duration(step)}
	for n := window / step; n >= 0; n-- {
		p := api.Point{Time: now.Add(-n * step), RequestRate: float64(window/step - n), P50Ms: pointer(10.0), P95Ms: pointer(20.0), P99Ms: pointer(30.0),
			InFlight: 3, Ready: 2, Target: 2, CPU: pointer(50.0), Weights: map[string]float64{"v1": 100}}
		if n > window/step/2 {
			p.Weights = map[string]float64{"v0": 100}
		}
		h.Points = append(h.Points, p)
	}
	return h, nil
}

func (s *stage) Histories(ctx context.Context, services []string, window, step time.Duration) ([]api.History, error) {
	if services == nil {
		for _, service := range s.Services() {
			services = append(services, service.Name)
		}
	}
	all := make([]api.History, len(services))
	for i, name := range services {
		all[i], _ = s.History(ctx, name, window, step)
	}
	return all, nil
}

func (s *stage) Silences(context.Context) ([]api.Silence, error) {
	return read(s, func() []api.Silence { return slices.Clone(s.silences) }), nil
}

// Silence keeps the one alert of the stage from being sent.
func (s *stage) Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error) {
	s.note("silence %+v", req)
	made := api.Silence{ID: "s-1", Service: req.Service, Metric: req.Metric, Until: time.Now().Add(time.Duration(req.For)), Comment: req.Comment, By: admin.CallerFrom(ctx).Name}
	s.change(func() { s.silences = append(s.silences, made); s.alerts[0].SilencedBy = made.ID })
	return made, nil
}

func (s *stage) Expire(_ context.Context, id string) error {
	s.note("expire %s", id)
	s.change(func() {
		s.silences = slices.DeleteFunc(s.silences, func(one api.Silence) bool { return one.ID == id })
		s.alerts[0].SilencedBy = ""
	})
	return nil
}
