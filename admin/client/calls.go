package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"gatewayd/admin/api"
)

// path joins segments below /api/v1, each escaped.
func path(segments ...string) string {
	joined := "/api/v1"
	for _, s := range segments {
		joined += "/" + url.PathEscape(s)
	}
	return joined
}

// Ready returns nil when traffic may be sent to the gateway.
func (c *Client) Ready(ctx context.Context) error {
	_, err := fetch[api.Ready](ctx, c, http.MethodGet, "/readyz", nil)
	return err
}

// Status returns the state of the system.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return fetch[api.Status](ctx, c, http.MethodGet, path("status"), nil)
}

// Service returns one service.
func (c *Client) Service(ctx context.Context, name string) (api.Service, error) {
	return fetch[api.Service](ctx, c, http.MethodGet, path("services", name), nil)
}

// History tells how a service fared over a window that ends now, in steps of at least step where that is kept; 0 is the finest.
func (c *Client) History(ctx context.Context, service string, window, step time.Duration) (api.History, error) {
	where := path("services", service, "history") + "?window=" + url.QueryEscape(window.String())
	if step > 0 {
		where += "&step=" + url.QueryEscape(step.String())
	}
	return fetch[api.History](ctx, c, http.MethodGet, where, nil)
}

// Scale scales a service by hand or gives it back to its policies.
func (c *Client) Scale(ctx context.Context, service string, req api.ScaleRequest) (api.ScaleResult, error) {
	return fetch[api.ScaleResult](ctx, c, http.MethodPost, path("services", service, "scale"), req)
}

// Push sends figures that the gateway cannot see itself.
func (c *Client) Push(ctx context.Context, service string, figures api.PushedMetrics) (api.Done, error) {
	return fetch[api.Done](ctx, c, http.MethodPost, path("services", service, "metrics"), figures)
}

// Drain gives an instance no new requests.
func (c *Client) Drain(ctx context.Context, service, instance string) (api.Done, error) {
	return fetch[api.Done](ctx, c, http.MethodPost, path("services", service, "instances", instance, "drain"), struct{}{})
}

// Undrain takes an instance back into traffic.
func (c *Client) Undrain(ctx context.Context, service, instance string) (api.Done, error) {
	return fetch[api.Done](ctx, c, http.MethodPost, path("services", service, "instances", instance, "undrain"), struct{}{})
}

// SetMaintenance changes the maintenance of a service.
func (c *Client) SetMaintenance(ctx context.Context, service string, req api.MaintenanceRequest) (api.Done, error) {
	return fetch[api.Done](ctx, c, http.MethodPost, path("services", service, "maintenance"), req)
}

// Deploy begins a rollout.
func (c *Client) Deploy(ctx context.Context, service string, req api.RolloutRequest) (api.RolloutRef, error) {
	return fetch[api.RolloutRef](ctx, c, http.MethodPost, path("services", service, "rollouts"), req)
}

// Rollback goes back to the version before.
func (c *Client) Rollback(ctx context.Context, service string) (api.RolloutRef, error) {
	return fetch[api.RolloutRef](ctx, c, http.MethodPost, path("services", service, "rollback"), struct{}{})
}

// Rollouts returns all rollouts that are remembered, newest first.
func (c *Client) Rollouts(ctx context.Context) ([]api.Rollout, error) {
	return fetch[[]api.Rollout](ctx, c, http.MethodGet, path("rollouts"), nil)
}

// Rollout returns one rollout.
func (c *Client) Rollout(ctx context.Context, id string) (api.Rollout, error) {
	return fetch[api.Rollout](ctx, c, http.MethodGet, path("rollouts", id), nil)
}

// Act steers a rollout.
func (c *Client) Act(ctx context.Context, id string, action api.RolloutAction) (api.Rollout, error) {
	return fetch[api.Rollout](ctx, c, http.MethodPost, path("rollouts", id, string(action)), struct{}{})
}

// Reload makes the gateway read its config file again.
func (c *Client) Reload(ctx context.Context) (api.ReloadResult, error) {
	return fetch[api.ReloadResult](ctx, c, http.MethodPost, path("reload"), struct{}{})
}

// Whoami tells who the client is to the gateway.
func (c *Client) Whoami(ctx context.Context) (api.Whoami, error) {
	return fetch[api.Whoami](ctx, c, http.MethodGet, path("whoami"), nil)
}

// Silences returns what keeps alerts from being sent.
func (c *Client) Silences(ctx context.Context) ([]api.Silence, error) {
	return fetch[[]api.Silence](ctx, c, http.MethodGet, path("silences"), nil)
}

// Silence keeps alerts from being sent for a time.
func (c *Client) Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error) {
	return fetch[api.Silence](ctx, c, http.MethodPost, path("silences"), req)
}

// Expire ends a silence before its time.
func (c *Client) Expire(ctx context.Context, id string) (api.Done, error) {
	return fetch[api.Done](ctx, c, http.MethodDelete, path("silences", id), struct{}{})
}

// Alerts returns what is firing.
func (c *Client) Alerts(ctx context.Context) ([]api.Alert, error) {
	return fetch[[]api.Alert](ctx, c, http.MethodGet, path("alerts"), nil)
}

// Bottlenecks returns the open findings.
func (c *Client) Bottlenecks(ctx context.Context) ([]api.Finding, error) {
	return fetch[[]api.Finding](ctx, c, http.MethodGet, path("bottlenecks"), nil)
}

// Cost returns what the instances cost.
func (c *Client) Cost(ctx context.Context) (api.Cost, error) {
	return fetch[api.Cost](ctx, c, http.MethodGet, path("cost"), nil)
}

// Recommendations returns how they could cost less.
func (c *Client) Recommendations(ctx context.Context) ([]api.Recommendation, error) {
	return fetch[[]api.Recommendation](ctx, c, http.MethodGet, path("cost", "recommendations"), nil)
}

// Report looks back over a window.
func (c *Client) Report(ctx context.Context, window time.Duration) (api.Report, error) {
	return fetch[api.Report](ctx, c, http.MethodGet, reportPath(window), nil)
}

// ReportHTML returns the same as one page.
func (c *Client) ReportHTML(ctx context.Context, window time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.text(ctx, http.MethodGet, reportPath(window)+"&format=html", nil)
}

func reportPath(window time.Duration) string {
	return path("reports", "performance") + "?window=" + url.QueryEscape(window.String())
}
