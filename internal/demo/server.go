// Package demo is a small HTTP service that behaves like a real one: it takes time and CPU, depends on
// others, saturates, gets sick on request and stops gracefully. The example configuration runs it, and tests that
// need a misbehaving instance do. It knows nothing of the gateway.
//
// Server.Run owns the listener and its goroutines until it returns.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	stopTimeout = 10 * time.Second // for requests under way when Run ends
	idleTimeout = 2 * time.Minute  // longer than proxies keep their connections
)

// Options says how an instance behaves. The zero value answers at once.
type Options struct {
	Version     string        // told in answers
	Latency     time.Duration // mean time that a request takes
	Fixed       bool          // each request takes Latency; else lognormal with a standard deviation as large as the mean
	ErrorRate   float64       // share of requests that get 500, 0 to 1
	Burn        time.Duration // CPU time that each request takes besides
	Concurrency int           // requests worked on at once, others wait; 0: no bound
	Calls       string        // URL that each request asks for first, as of a service this one depends on; it fails with that. Empty: none
	Lock        string        // file that is locked while Latency and Burn pass, so that instances with the same file work one at a time. Empty: none
	Fault       Fault         // what is broken from the start
}

// Server is one instance.
type Server struct {
	opts   Options
	slots  chan struct{} // nil: no bound
	client *http.Client  // for Options.Calls
	lock   *fileLock     // nil: none
	state  atomic.Pointer[faultState]
	done   chan struct{} // closed when Run begins to stop
	deaf   atomic.Bool   // the listener was closed by FaultRefuse

	name     string       // own address, told in answers; set by Run before it serves
	listener net.Listener // likewise
}

// New returns an instance that does not listen yet. It opens Options.Lock, which stays open while the process lives.
func New(opts Options) (*Server, error) {
	switch {
	case opts.Latency < 0:
		return nil, fmt.Errorf("latency: got %s; want 0 or more", opts.Latency)
	case !(opts.ErrorRate >= 0 && opts.ErrorRate <= 1):
		return nil, fmt.Errorf("error rate: got %v; want 0 to 1", opts.ErrorRate)
	case opts.Burn < 0:
		return nil, fmt.Errorf("burn: got %s; want 0 or more", opts.Burn)
	case opts.Concurrency < 0:
		return nil, fmt.Errorf("concurrency: got %d; want 0 or more", opts.Concurrency)
	case opts.Calls != "" && !strings.HasPrefix(opts.Calls, "http://"):
		return nil, fmt.Errorf("calls: got %q; want a URL that begins with http://", opts.Calls)
	}
	s := &Server{opts: opts, done: make(chan struct{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: callTimeout}}
	if opts.Concurrency > 0 {
		s.slots = make(chan struct{}, opts.Concurrency)
	}
	if err := s.Break(opts.Fault); err != nil {
		return nil, err
	}
	if opts.Lock != "" {
		var err error
		if s.lock, err = openLock(opts.Lock); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run serves on ln, which it closes, until ctx ends; then it lets requests under way finish for
// at most 10s and ends streams. Call it once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	s.name, s.listener = ln.Addr().String(), ln
	server := &fasthttp.Server{
		Handler:               s.handle,
		Name:                  "gatewayd-demo",
		IdleTimeout:           idleTimeout,
		StreamRequestBody:     true,
		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		MaxRequestBodySize:    1 << 16, // of what is read ahead; larger bodies are streamed
		Logger:                quiet{},
	}
	decayed := make(chan struct{})
	go func() { (&decay{s: s}).run(); close(decayed) }()
	defer func() { <-decayed; s.client.CloseIdleConnections() }()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		if s.deaf.Load() {
			<-ctx.Done()
			close(s.done)
			return nil
		}
		close(s.done)
		return fmt.Errorf("cannot serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	close(s.done)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.ShutdownWithContext(stopCtx)
	ln.Close() // a stop may come before Serve knows the listener
	<-failed
	if s.deaf.Load() { // the listener was closed before
		err = nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were still under way %s after the stop", stopTimeout)
	}
	return err
}

// quiet drops what the server would log about broken connections: they are the point of a demo.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
