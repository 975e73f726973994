package proxy

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
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
	// Loops is how many event loops carry what is plain and small; 0: goroutines carry everything. One for each core is right.
	Loops int
	// SpareProc says that GOMAXPROCS is higher than the number of event loops in the process, so that a loop may keep its place to run
	// through sleeps of some milliseconds.
	SpareProc bool
	Tracer    Tracer // nil: trace context is passed through untouched
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
	rest      time.Duration // see restOnGoroutine

	ctx    context.Context // ends when the server is closed: waiting requests give up
	cancel context.CancelCauseFunc

	mu        sync.Mutex // protects what follows
	listeners map[string]*listener
	inherited []*listener // sockets that Prepare takes in place of opening the same address
	conns     map[*h1conn]struct{}
	empty     chan struct{}  // closed when the last connection goes while draining
	closed    bool           // no connection is taken in any more
	serving   sync.WaitGroup // connections and mirrored requests
	accepting sync.WaitGroup // accept loops
	loops     *loops         // nil: none are started
	onLoops   int            // connections that event loops own
	looping   sync.WaitGroup // event loops
}

// New builds a server that serves nothing yet.
func New(opt Options) *Server {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Server{
		opt: opt, bufs: newBuffers(), ctx: ctx, cancel: cancel,
		listeners: map[string]*listener{}, conns: map[*h1conn]struct{}{},
		mirrors: make(chan struct{}, maxMirrors), unmatched: NewRouteStats("", ""), rest: restOnGoroutine,
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		l.slots.recheck()
	}
}

// Current returns the snapshot published last. It must not be changed.
func (s *Server) Current() *Snapshot { return s.snapshot.Load() }

// Connections returns how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) + s.onLoops
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
	s.eachLoop((*loop).closeIdle)
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
	select {
	case <-s.whenEmpty():
	case <-ctx.Done():
	}
	s.cancel(errShutdown)
	s.mu.Lock()
	s.closed = true
	cut = len(s.conns) + s.onLoops
	for c := range s.conns {
		c.tcp.Close()
	}
	s.mu.Unlock()
	s.eachLoop(func(l *loop) { l.stop = true })
	s.looping.Wait()
	s.serving.Wait()
	return cut
}

// track takes a connection in, unless it comes too late.
func (s *Server) track(c *h1conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) logPanic(in string, p any) {
	s.opt.Logger.Error("panic: what it happened in was given up", "in", in, "panic", p, "stack", string(debug.Stack()))
}

// contain, deferred at the top of a goroutine, keeps a defect there from taking the process down: it closes what the goroutine was
// about and says so in the log.
func (s *Server) contain(what string, about ...io.Closer) {
	if p := recover(); p != nil {
		s.logPanic(what, p)
		for _, c := range about {
			c.Close()
		}
	}
}

func (s *Server) untrack(c *h1conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.lookEmpty()
}

// lookEmpty wants mu held.
func (s *Server) lookEmpty() {
	if len(s.conns)+s.onLoops == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// closeIdle wakes a connection that waits for a request, so that it ends. A request that has arrived by then is still served.
func (c *h1conn) closeIdle() {
	if c.state.CompareAndSwap(connIdle, connClosing) {
		c.tcp.SetReadDeadline(past)
	}
}
