package admin

import (
	"log/slog"
	"net/http"
	"time"
)

// Token lets its bearer act with a role.
type Token struct {
	Name  string // shown in the audit trail
	Role  Role
	Value string
}

// Options says what the API shows and who may use it. Listen is required. An interface that is nil
// has no routes.
type Options struct {
	Listen string   // host:port; other than a loopback address needs tokens
	Hosts  []string // names under which it answers, besides localhost and IP addresses
	Tokens []Token  // none: everyone who reaches the loopback address is admin

	System      System
	Services    Services
	Scaler      Scaler
	Rollouts    Rollouts
	Drainer     Drainer
	Maintenance Maintenance
	Reloader    Reloader
	Config      Config
	Events      Events
	Alerts      Alerts
	Bottlenecks Bottlenecks
	Cost        Cost
	Resources   Resources
	Reports     Reports
	Metrics     Metrics
	Dashboard   http.Handler // GET / and below, where nothing else matches

	// Audit gets a record of each change after it was answered; nil: none are kept. It
	// must not block.
	Audit func(Change)
	// Log gets failures of the server itself; nil means slog.Default().
	Log *slog.Logger
	// Heartbeat is the interval of comments on an idle event stream; 0 means 15s.
	Heartbeat time.Duration
	// MaxStreams bounds the event streams that are open at once; 0 means 64.
	MaxStreams int
}
