package admin

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
	"gatewayd/internal/metrics"
)

// fakeGateway stands behind every interface of the package. It knows the service "shop" with
// the instance "v1-a" and the rollout "r-1", and keeps what it was called with.
type fakeGateway struct {
	mu       sync.Mutex // protects the fields below
	calls    []string
	callers  []Caller
	notReady error
	figures  api.PushedMetrics
}

func (f *fakeGateway) note(ctx context.Context, call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	f.callers = append(f.callers, CallerFrom(ctx))
}

func (f *fakeGateway) known(service string) error {
	if service != "shop" {
		return api.NotFound("service", service)
	}
	return nil
}

func (f *fakeGateway) Status() api.Status {
	return api.Status{Overall: api.Healthy, Services: f.Services(), Version: "test"}
}

func (f *fakeGateway) Ready() error { return f.notReady }

func (f *fakeGateway) Services() []api.Service {
	return []api.Service{{Name: "shop", Health: api.Healthy, Target: 2, Revisions: []api.Revision{{Version: "v1", Role: api.RoleStable, Weight: 100}}}}
}

func (f *fakeGateway) Service(name string) (api.Service, error) {
	if err := f.known(name); err != nil {
		return api.Service{}, err
	}
	return f.Services()[0], nil
}

func (f *fakeGateway) Scale(ctx context.Context, service string, req api.ScaleRequest) (api.ScaleResult, error) {
	f.note(ctx, "scale "+service)
	if err := f.known(service); err != nil {
		return api.ScaleResult{}, err
	}
	if req.Auto {
		return api.ScaleResult{Success: true, From: 2, To: 2}, nil
	}
	return api.ScaleResult{Success: true, From: 2, To: min(*req.Instances, 10), ClampedBy: "maxInstances"}, nil
}

func (f *fakeGateway) Push(ctx context.Context, service string, figures api.PushedMetrics) error {
	f.note(ctx, "push "+service)
	f.figures = figures
	return f.known(service)
}

func (f *fakeGateway) Start(ctx context.Context, service string, _ api.RolloutRequest) (string, error) {
	f.note(ctx, "start "+service)
	return "r-1", f.known(service)
}

func (f *fakeGateway) Rollback(ctx context.Context, service string) (string, error) {
	f.note(ctx, "rollback "+service)
	return "r-2", f.known(service)
}

func (f *fakeGateway) Rollouts() []api.Rollout { return nil }

func (f *fakeGateway) Rollout(id string) (api.Rollout, error) {
	if id != "r-1" {
		return api.Rollout{}, api.NotFound("rollout", id)
	}
	return api.Rollout{ID: id, Service: "shop", Status: api.RolloutRunning}, nil
}

func (f *fakeGateway) Act(ctx context.Context, id string, action api.RolloutAction) (api.Rollout, error) {
	f.note(ctx, string(action)+" "+id)
	if action == api.ActionResume {
		return api.Rollout{}, api.Conflict("rollout %q is not paused", id)
	}
	return f.Rollout(id)
}

func (f *fakeGateway) Drain(ctx context.Context, service, instance string) error {
	f.note(ctx, "drain "+service+" "+instance)
	return f.known(service)
}

func (f *fakeGateway) Undrain(ctx context.Context, service, instance string) error {
	f.note(ctx, "undrain "+service+" "+instance)
	return f.known(service)
}

func (f *fakeGateway) SetMaintenance(ctx context.Context, service string, req api.MaintenanceRequest) error {
	f.note(ctx, "maintenance "+service+" "+string(req.Mode)+" "+req.For.String())
	return f.known(service)
}

func (f *fakeGateway) Reload(ctx context.Context) (api.ReloadResult, error) {
	f.note(ctx, "reload")
	return api.ReloadResult{}, &api.Error{Status: 422, Message: "the file has 2 errors", Details: []string{"a:1:1: x", "a:2:1: y"}}
}

func (f *fakeGateway) EffectiveConfig() any { return map[string]any{"admin": "127.0.0.1:9900"} }

func (f *fakeGateway) History(_ context.Context, service string, window, step time.Duration) (api.History, error) {
	return api.History{Service: service, From: time.Unix(0, 0), To: time.Unix(0, 0).Add(window), Step: api.Duration(max(step, time.Second)),
		Points: []api.Point{{Weights: map[string]float64{"v1": 100}}}}, f.known(service)
}

func (f *fakeGateway) Histories(ctx context.Context, services []string, window, step time.Duration) ([]api.History, error) {
	if services != nil {
		return nil, api.Invalid("service", "asked for %q", services)
	}
	h, err := f.History(ctx, "shop", window, step)
	return []api.History{h}, err
}

func (f *fakeGateway) Silences(context.Context) ([]api.Silence, error) { return nil, nil }

func (f *fakeGateway) Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error) {
	f.note(ctx, "silence "+req.Service)
	return api.Silence{ID: "s-1", Service: req.Service, Comment: req.Comment, By: CallerFrom(ctx).Name}, nil
}

func (f *fakeGateway) Expire(ctx context.Context, id string) error {
	f.note(ctx, "expire "+id)
	if id != "s-1" {
		return api.NotFound("silence", id)
	}
	return nil
}

func (f *fakeGateway) Alerts() []api.Alert { return nil }

func (f *fakeGateway) Bottlenecks() []api.Finding { panic("a fault in a collector") }

func (f *fakeGateway) Cost() api.Cost { return api.Cost{Currency: "USD"} }

func (f *fakeGateway) Recommendations() []api.Recommendation { return nil }

func (f *fakeGateway) Resources() api.Resources { return api.Resources{} }

func (f *fakeGateway) Performance(_ context.Context, window time.Duration) (api.Report, error) {
	if window > 24*time.Hour {
		return api.Report{}, errors.New("cannot read history: disk on fire")
	}
	return api.Report{To: time.Unix(0, 0).Add(window)}, nil
}

func (f *fakeGateway) PerformanceHTML(_ context.Context, window time.Duration, w io.Writer) error {
	_, err := io.WriteString(w, "<!doctype html>"+window.String())
	return err
}

// wired returns options with f behind every interface.
func wired(f *fakeGateway, bus *events.Bus) Options {
	registry := &metrics.Registry{}
	registry.Add(metrics.CollectorFunc(func(w *metrics.Writer) { w.Gauge("gatewayd_up", "Whether it is up.", 1) }))
	return Options{
		System: f, Services: f, Scaler: f, Rollouts: f, Drainer: f, Maintenance: f, Reloader: f, Config: f,
		Events: bus, History: f, Silences: f, Alerts: f, Bottlenecks: f, Cost: f, Resources: f, Reports: f, Metrics: registry,
	}
}
