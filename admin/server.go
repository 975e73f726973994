package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of the HTTP server. The API is small and its clients few, so they are tight.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	maxBodyBytes      = 1 << 20
	stopTimeout       = 5 * time.Second
	defaultHeartbeat  = 15 * time.Second
	defaultMaxStreams = 64
)

// Token lets its bearer act with a role.
type Token struct {
	Name  string // shown in the audit trail
	Role  Role
	Value string
}

// Access says who may use the API.
type Access struct {
	Hosts  []string // names under which it answers, besides localhost and IP addresses
	Tokens []Token  // none: everyone on this machine is admin, and nobody else is let in
}

// Options says what the API shows. The zero value is usable: an interface that is nil has
// no routes.
type Options struct {
	Access Access

	System      System
	Services    Services
	Scaler      Scaler
	Rollouts    Rollouts
	Drainer     Drainer
	Maintenance Maintenance
	Reloader    Reloader
	Config      Config
	Events      Events
	History     History
	Alerts      Alerts
	Silences    Silences
	Bottlenecks Bottlenecks
	Cost        Cost
	Resources   Resources
	Reports     Reports
	Metrics     Metrics
	Dashboard   http.Handler // pages outside /api/ and /debug/, open to everyone

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

// Server answers the admin API.
type Server struct {
	opts     Options
	access   atomic.Pointer[access] // written by SetAccess
	failures *failureLimit
	streams  atomic.Int64  // open event streams
	stopping chan struct{} // closed when Run begins to stop
	openapi  []byte
	handler  http.Handler
}

// New returns a server for opts; it does not listen yet.
func New(opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = defaultHeartbeat
	}
	if opts.MaxStreams <= 0 {
		opts.MaxStreams = defaultMaxStreams
	}
	s := &Server{opts: opts, failures: newFailureLimit(), stopping: make(chan struct{})}
	if err := s.SetAccess(opts.Access); err != nil {
		return nil, err
	}
	routes := s.routes()
	s.openapi = describe(routes)
	s.handler = s.newHandler(routes)
	return s, nil
}

// SetAccess changes who may use the API, from the next request on. On an error the
// access stays as it was. When the tokens go while the server listens on other
// than a loopback address, requests from other machines are refused.
func (s *Server) SetAccess(a Access) error {
	compiled, err := compileAccess(a)
	if err != nil {
		return err
	}
	s.access.Store(compiled)
	return nil
}

// Handler returns what answers the requests, for a server of the caller's own.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on ln, which it closes, until ctx ends; then it ends the event
// streams, lets requests under way finish for at most 5s, and returns nil. Without tokens
// ln must be a loopback address. Call it once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	if len(s.access.Load().tokens) == 0 && !isLoopback(ln.Addr().String()) {
		ln.Close()
		return fmt.Errorf("cannot serve the admin API on %q without tokens; set admin.tokens, or admin.listen to a loopback address", ln.Addr())
	}
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("cannot serve the admin API on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	close(s.stopping)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(stopCtx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-failed
	return err
}
