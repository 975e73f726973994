package main

import (
	"context"
	"io"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/events"
)

// stage is a gateway in a fixed state behind a real admin API: the service shop is in the middle of a
// canary, cart is listed by hand. Its one token is "secret".
type stage struct {
	mu     sync.Mutex // protects the fields below
	looks  int        // at the rollout r-7: it moves with each
	pushed api.PushedMetrics
	failed bool // status has an error to tell
}

func moment() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func pointer[T any](v T) *T { return &v }

// newStage starts it and returns the address of its admin API.
func newStage(t *testing.T) (s *stage, address string) {
	t.Helper()
	s = &stage{}
	bus := events.New(events.Options{})
	bus.Publish(moment(), events.Event{Type: events.ComponentScaled, Service: "shop", Message: "shop from 2 to 3 instances: busy wants 3", Data: map[string]any{"from": 2, "to": 3}})
	bus.Publish(moment().Add(time.Second), events.Event{Type: events.InstanceEjected, Service: "shop", Instance: "v1-b", Severity: events.Warning, Message: "5 failures\x1b[31m in a row"})
	for i, text := range []string{"shop: v2 goes in for v1, canary in 2 steps", "step 1 of 2: v2 gets 5% of the requests for 1m"} {
		kind := []events.Type{events.DeploymentStarted, events.DeploymentStep}[i]
		bus.Publish(moment().Add(time.Duration(2+i)*time.Second), events.Event{Type: kind, Service: "shop", Message: text, Data: map[string]any{"id": "r-7", "weight": float64(5 * i)}})
	}
	server, err := admin.New(admin.Options{
		Access: admin.Access{Tokens: []admin.Token{{Name: "test", Role: admin.RoleAdmin, Value: "secret"}}},
		System: s, Services: s, Scaler: s, Rollouts: s, Drainer: s, Maintenance: s, Reloader: s,
		Events: bus, Alerts: s, Silences: s, Bottlenecks: s, Cost: s, Reports: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(web.Close)
	return s, web.URL
}

func (s *stage) Status() api.Status {
	status := api.Status{
		Overall: api.Degraded, Reasons: []string{"shop: 1 of 3 instances is ejected"}, Services: s.Services(), Version: "v0.1.0",
		StartedAt: moment(), Config: api.ConfigStatus{Path: "gatewayd.yaml", Generation: 3, LoadedAt: moment()},
	}
	if s.failed {
		status.Config.Rejected = []string{"gatewayd.yaml:7:3: routes[0].service: got \"shpo\"; want the name of a service, such as \"shop\""}
	}
	return status
}

func (s *stage) Ready() error {
	if s.failed {
		return api.Unavailable("no listener is open")
	}
	return nil
}

func (s *stage) Services() []api.Service {
	return []api.Service{
		{Name: "cart", Health: api.Healthy, Provider: "static", Version: "v1", Target: 1, Revisions: []api.Revision{{Version: "v1", Role: api.RoleStable, Weight: 100}}},
		{
			Name: "shop", Health: api.Degraded, Reasons: []string{"1 of 3 instances is ejected"}, Provider: "process", Version: "v1",
			Target: 3, Demand: 2.4, MinInstances: 2, MaxInstances: 10, RequestRate: 120.25, P50Ms: 20, P95Ms: 87.5, P99Ms: 140, ErrorRate: 0.4, InFlight: 9, QueueLength: 1,
			Revisions: []api.Revision{
				{Version: "v1", Role: api.RoleStable, Weight: 95, Instances: []api.Instance{
					{ID: "v1-a", Address: "127.0.0.1:9001", Weight: 1, State: api.StateReady, InFlight: 5, RequestRate: 60, P95Ms: 80, CPU: pointer(41.5), Memory: pointer(20.0)},
					{ID: "v1-b", Address: "127.0.0.1:9002", Weight: 1, State: api.StateEjected, Reason: "5 failures in a row", ErrorRate: 50},
				}},
				{Version: "v2", Role: api.RoleCandidate, Weight: 5, Instances: []api.Instance{
					{ID: "v2-a", Address: "127.0.0.1:9003", Weight: 1, State: api.StateReady, RequestRate: 6.1, P95Ms: 90},
				}},
			},
			Scaling: &api.Scaling{
				Mode: api.ScalingManual,
				Hold: &api.Hold{Instances: 3, Reason: "sale", By: "ops", Since: moment()},
				Last: &api.Decision{Time: moment(), From: 2, Want: 3, Reason: "held at 3: sale", Bounds: []string{"scaleUpStep"},
					Wants: []api.PolicyWant{{Policy: "busy", Want: 3, Value: 9, Reason: "9 in flight, 8 wanted per instance"}}},
			},
			Rollout: "r-7", Maintenance: &api.Maintenance{Mode: api.MaintenanceHold, Since: moment()},
		},
	}
}

func (s *stage) Service(name string) (api.Service, error) {
	for _, service := range s.Services() {
		if service.Name == name {
			return service, nil
		}
	}
	return api.Service{}, api.NotFound("service", name)
}

func (s *stage) known(name string) error {
	_, err := s.Service(name)
	return err
}

func (s *stage) Scale(_ context.Context, service string, req api.ScaleRequest) (api.ScaleResult, error) {
	if req.Auto {
		return api.ScaleResult{Success: true, From: 3, To: 3}, s.known(service)
	}
	if *req.Instances > 10 {
		return api.ScaleResult{Success: true, From: 3, To: 10, ClampedBy: "maxInstances"}, s.known(service)
	}
	return api.ScaleResult{Success: true, From: 3, To: *req.Instances}, s.known(service)
}

func (s *stage) Push(_ context.Context, service string, figures api.PushedMetrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = figures
	return s.known(service)
}

func (s *stage) Start(_ context.Context, service string, req api.RolloutRequest) (string, error) {
	if req.Version == "v1" {
		return "", api.Conflict("shop runs v1 already")
	}
	if req.Version == "v3" {
		return "r-8", s.known(service)
	}
	return "r-7", s.known(service)
}

func (s *stage) Rollback(_ context.Context, service string) (string, error) {
	return "r-9", s.known(service)
}

func (s *stage) Rollouts() []api.Rollout {
	seven, _ := s.Rollout("r-7")
	eight, _ := s.Rollout("r-8")
	return []api.Rollout{eight, seven}
}

// Rollout of r-7 completes at the third look; r-8 is rolled back.
func (s *stage) Rollout(id string) (api.Rollout, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := api.Rollout{ID: id, Service: "shop", Version: "v2", From: "v1", Strategy: "canary", Status: api.RolloutRunning, Step: 1, Steps: 2, Weight: 5,
		Reason: "120 of 200 requests seen", StartedAt: moment()}
	switch id {
	case "r-7":
		s.looks++
		if s.looks >= 3 {
			r.Status, r.Step, r.Weight, r.Reason, r.EndedAt = api.RolloutCompleted, 2, 100, "all steps passed", pointer(moment().Add(time.Hour))
		}
	case "r-8":
		r.Version, r.Status, r.Weight, r.Reason, r.EndedAt = "v3", api.RolloutRolledBack, 0, "errors are up", pointer(moment().Add(time.Minute))
		r.Evidence = []api.Evidence{{Metric: "errorRate", Unit: "%", Stable: 0.1, Candidate: 100, StableRequests: 950, CandidateRequests: 48, Verdict: "fail", Detail: "p < 0.001"}}
	default:
		return api.Rollout{}, api.NotFound("rollout", id)
	}
	return r, nil
}

func (s *stage) Act(_ context.Context, id string, action api.RolloutAction) (api.Rollout, error) {
	r, err := s.Rollout(id)
	if err == nil && action == api.ActionPause {
		r.Status, r.Reason = api.RolloutPaused, "paused by test"
	}
	return r, err
}

func (s *stage) Drain(_ context.Context, service, _ string) error   { return s.known(service) }
func (s *stage) Undrain(_ context.Context, service, _ string) error { return s.known(service) }

func (s *stage) SetMaintenance(_ context.Context, service string, _ api.MaintenanceRequest) error {
	return s.known(service)
}

func (s *stage) Reload(context.Context) (api.ReloadResult, error) {
	if s.failed {
		return api.ReloadResult{}, &api.Error{Status: 422, Message: "the config file was refused; the one before runs on", Details: s.Status().Config.Rejected}
	}
	return api.ReloadResult{Success: true, Generation: 4, Changes: []string{"service shop: maxInstances from 10 to 12"}}, nil
}

func (s *stage) Alerts() []api.Alert {
	if s.failed {
		return nil
	}
	return []api.Alert{{ID: "a-1", Metric: "responseTime", Service: "shop", Severity: "warning", Since: moment(), Value: 1250.5, Threshold: 1000, Unit: "ms", Message: "p95 of shop is 1250.5ms",
		Context: []string{"03:04:00 shop from 2 to 3 instances", "03:03:00 v2 goes in"}}}
}

func (s *stage) Silences(context.Context) ([]api.Silence, error) {
	if s.failed {
		return nil, nil
	}
	return []api.Silence{
		{ID: "s-1a2b3c4d", Service: "shop", Metric: "responseTime", Since: pointer(moment()), Until: moment().Add(2 * time.Hour), Comment: "migration\x1b[2J", By: "test"},
		{ID: "config cart  2030-01-01T00:00:00Z", Service: "cart", Below: "critical", Until: moment().Add(48 * time.Hour), Comment: "known", By: "config"},
	}, nil
}

func (s *stage) Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error) {
	if req.Service == "shpo" {
		return api.Silence{}, api.Invalid("service", "there is no service %q", req.Service)
	}
	return api.Silence{ID: "s-5e6f7a8b", Service: req.Service, Metric: req.Metric, Below: req.Below, Since: pointer(moment()), Until: moment().Add(time.Duration(req.For)),
		Comment: req.Comment, By: admin.CallerFrom(ctx).Name}, nil
}

func (s *stage) Expire(_ context.Context, id string) error {
	if id != "s-1a2b3c4d" {
		return api.NotFound("silence", id)
	}
	return nil
}

func (s *stage) Bottlenecks() []api.Finding {
	if s.failed {
		return nil
	}
	return []api.Finding{
		{ID: "b-1", Type: "slow-instance", Service: "shop", Instance: "v1-b", Severity: "warning", Since: moment(), Cause: "v1-b takes 4 times as long as its peers",
			Evidence: []api.Figure{{Name: "p95", Value: 320, Unit: "ms"}, {Name: "p95 of the others", Value: 80, Unit: "ms"}},
			Advice:   "drain it and look at its machine", Command: "gatewayd drain shop v1-b"},
		{ID: "b-2", Type: "capacity", Service: "cart", Severity: "info", Since: moment(), Cause: "the queue grows", Advice: "scale"},
	}
}

func (s *stage) Cost() api.Cost {
	return api.Cost{Currency: "USD", PerHour: 0.126, Today: 1.5, Month: 40.25, Forecast: 93, IdlePercent: 35, MonthlyBudget: pointer(100.0),
		Services: []api.ServiceCost{
			{Service: "shop", Revision: "v1", Pool: "on-demand", Instances: 2, PerHour: 0.084, Today: 1, Month: 30, Per1000Requests: pointer(0.0002), IdlePercent: 35},
			{Service: "cart", Revision: "v1", Pool: "spot", Instances: 1, PerHour: 0.042, Today: 0.5, Month: 10.25},
		}, Withheld: []api.Withheld{
			{Service: "shop", Type: "lower-minimum", SavingPerMonth: 30, Reason: "4% of the requests would be slow, 1% may be"},
			{Service: "cart", Reason: "3 of 24 hours of history are there"},
		}}
}

func (s *stage) Recommendations() []api.Recommendation {
	return []api.Recommendation{{ID: "c-1", Service: "cart", Type: "scale-to-zero", Change: "let cart scale to zero at night", SavingPerMonth: 12.5, Risk: "low: nobody asked for it at night", Confidence: 0.9,
		Command: "gatewayd scale cart 0 --reason night"}}
}

func (s *stage) Performance(_ context.Context, window time.Duration) (api.Report, error) {
	rollouts := []api.Rollout{}
	if !s.failed {
		eight, _ := s.Rollout("r-8")
		rollouts = append(rollouts, eight)
	}
	return api.Report{From: moment().Add(-window), To: moment(), Currency: "USD", Cost: 0.25, Rollouts: rollouts, Alerts: s.Alerts(), Bottlenecks: s.Bottlenecks(),
		Services: []api.ServiceReport{{Service: "shop", Requests: 432000, RequestRate: 120, PeakRequestRate: 310.5, P50Ms: 20, P95Ms: 87.5, P99Ms: 140, ErrorRate: 0.4,
			MinInstances: 2, AverageInstances: 2.6, MaxInstances: 5, ScalingActions: 4, Cost: 0.25}},
		Scalings: []api.Scaled{{Time: moment(), Service: "shop", Text: "shop goes from 2 to 5 instances: 60 waiting"}},
		Advice:   []string{"drain v1-b", "let cart scale to zero"}}, nil
}

func (s *stage) PerformanceHTML(_ context.Context, _ time.Duration, w io.Writer) error {
	_, err := io.WriteString(w, "<!doctype html>report")
	return err
}
