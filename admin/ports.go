package admin

import (
	"context"
	"io"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// The interfaces below are what the API needs from the gateway. Their methods may be called
// from many goroutines at once and return copies that the caller owns. A *api.Error
// chooses the status of the response; any other error becomes 500. Methods with a
// context get one from which CallerFrom tells who asks.

// System tells how the gateway as a whole fares.
type System interface {
	Status() api.Status
	// Ready returns nil when traffic may be sent to this gateway, else one sentence why not.
	Ready() error
}

// Services tells of the services. They come sorted by name.
type Services interface {
	Services() []api.Service
	Service(name string) (api.Service, error)
}

// Scaler takes scaling by hand and figures from outside. Requests were checked for what
// can be checked without knowing the service.
type Scaler interface {
	Scale(ctx context.Context, service string, req api.ScaleRequest) (api.ScaleResult, error)
	Push(ctx context.Context, service string, figures api.PushedMetrics) error
}

// Rollouts begins, shows and steers rollouts, newest first.
type Rollouts interface {
	Start(ctx context.Context, service string, req api.RolloutRequest) (id string, err error)
	Rollback(ctx context.Context, service string) (id string, err error)
	Rollouts() []api.Rollout
	Rollout(id string) (api.Rollout, error)
	Act(ctx context.Context, id string, action api.RolloutAction) (api.Rollout, error)
}

// Drainer takes instances out of traffic and back in.
type Drainer interface {
	Drain(ctx context.Context, service, instance string) error
	Undrain(ctx context.Context, service, instance string) error
}

// Maintenance sets the maintenance of a service.
type Maintenance interface {
	SetMaintenance(ctx context.Context, service string, req api.MaintenanceRequest) error
}

// Reloader reads the config file again. A refused file is an *api.Error with
// status 422 and each finding in Details.
type Reloader interface {
	Reload(ctx context.Context) (api.ReloadResult, error)
}

// Config shows the effective configuration, without secrets, as something that encodes to JSON.
type Config interface{ EffectiveConfig() any }

// Events is the bus; *events.Bus is one.
type Events interface {
	Subscribe() *events.Subscription
	SubscribeAfter(id uint64) *events.Subscription
	SubscribeSince(since time.Time) *events.Subscription
}

// History tells how services fared over a window that ends now, in steps of at least step where that is kept; 0 is the finest.
type History interface {
	History(ctx context.Context, service string, window, step time.Duration) (api.History, error)
	// Histories come sorted by service: those of the services named, of all for nil. A name that is unknown is left out.
	Histories(ctx context.Context, services []string, window, step time.Duration) ([]api.History, error)
}

// Silences keep alerts from being sent. Requests were checked for what can be checked without knowing the services.
type Silences interface {
	Silences(ctx context.Context) ([]api.Silence, error)
	Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error)
	Expire(ctx context.Context, id string) error
}

// Alerts lists what is firing, worst first.
type Alerts interface{ Alerts() []api.Alert }

// Bottlenecks lists the open findings, worst first.
type Bottlenecks interface{ Bottlenecks() []api.Finding }

// Cost tells what the instances cost and how they could cost less, largest saving first.
type Cost interface {
	Cost() api.Cost
	Recommendations() []api.Recommendation
}

// Resources tells what there is to run instances on.
type Resources interface{ Resources() api.Resources }

// Reports looks back over a window that ends now.
type Reports interface {
	Performance(ctx context.Context, window time.Duration) (api.Report, error)
	// PerformanceHTML writes the same as one self-contained page.
	PerformanceHTML(ctx context.Context, window time.Duration, w io.Writer) error
}

// Metrics writes the page for /metrics; *metrics.Registry is one.
type Metrics interface {
	WriteTo(w io.Writer) (int64, error)
}
