package proxy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gatewayd/balancer"
	"gatewayd/internal/accesslog"
)

// Options are what a Server is built with. Logger and Pseudonym are required.
type Options struct {
	Logger    *slog.Logger
	Pseudonym string         // names this gateway in Via; a request that comes back with it is a loop
	Rand      func() float64 // uniform in [0, 1), for any goroutine
	AccessLog *accesslog.Log // nil: none
	// Failed is called, on the request's goroutine, for every failure that counts against an endpoint, with how
	// many came in a row. It must not block.
	Failed func(e *balancer.Endpoint, c balancer.Cause, consecutive uint32)
	// Recovered is called when an endpoint answers after it had failed. It must not block.
	Tracer Tracer // nil: trace context is passed through untouched
}

// Server is the data path. It serves the sites of the snapshot that was published last.
type Server struct {
	opt       Options
	bufs      *buffers
	snapshot  atomic.Pointer[Snapshot]
	date      atomic.Pointer[dateNow]
	unmatched *RouteStats // requests that no route took
	draining  atomic.Bool
	mirrors   chan struct{} // places for copies under way

	ctx    context.Context // ends when the server is closed: waiting requests give up
	cancel context.CancelCauseFunc

	mu        sync.Mutex // protects what follows
	listeners map[string]*listener
	conns     map[*h1conn]struct{}
	empty     chan struct{} // closed when the last connection goes while draining
	serving   sync.WaitGroup
}

// New builds a server that serves nothing yet.
func New(opt Options) *Server {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Server{
		opt: opt, bufs: newBuffers(), ctx: ctx, cancel: cancel,
		listeners: map[string]*listener{}, conns: map[*h1conn]struct{}{},
		mirrors: make(chan struct{}, maxMirrors), unmatched: NewRouteStats("", ""),
	}
	s.snapshot.Store(&Snapshot{})
	return s
}

// Publish makes snap what all requests from now on are decided by. Requests under way keep the one they began with; those
// that wait in a queue look again. snap must not be changed afterwards.
func (s *Server) Publish(snap *Snapshot) {
	s.snapshot.Store(snap)
	for _, v := range snap.Services {
		v.Gate.Wake()
	}
}

// Current returns the snapshot published last. It must not be changed.
func (s *Server) Current() *Snapshot { return s.snapshot.Load() }

// Connections returns how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// failed counts a failure against an endpoint.
func (s *Server) failed(e *balancer.Endpoint, c balancer.Cause) {
	n := e.Fail(c)
	if s.opt.Failed != nil {
		s.opt.Failed(e, c, n)
	}
}

// Drain begins the end: every response from now on closes its connection, and connections that wait for a request are closed. New
// connections are still accepted.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.closeIdle()
	}
}

// Shutdown drains, stops to listen and waits until the last request has ended or ctx ends; then it cuts what is left. It returns how many
// connections were cut.
func (s *Server) Shutdown(ctx context.Context) (cut int) {
	s.Drain()
	s.closeListeners()
	s.mu.Lock()
	if len(s.conns) > 0 {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
		}
	}
	s.cancel(errShutdown)
	s.mu.Lock()
	cut = len(s.conns)
	for c := range s.conns {
		c.nc.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return cut
}

func (s *Server) track(c *h1conn) {
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
}

func (s *Server) untrack(c *h1conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// closeIdle wakes a connection that waits for a request, so that it sees that the server drains.
func (c *h1conn) closeIdle() {
	if c.state.Load() == connIdle {
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}
