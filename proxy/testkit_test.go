package proxy

import (
	"bufio"
	"context"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/balancer"
	"gatewayd/internal/clientaddr"
	"gatewayd/internal/message"
	"gatewayd/internal/router"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "16") // the tests wait more than they compute
	goleak.VerifyTestMain(m)
}

// rig is a server under test with one listener, one route and one service, each of which a test may change before start.
type rig struct {
	t        testing.TB
	server   *Server
	settings ListenerSettings
	route    *Route
	view     *ServiceView
	pool     balancer.Options
	more     []router.Rule[*Route]
	only     []string // hosts of the route; nil: all
	services []*ServiceView
	addr     string
	log      *strings.Builder
}

// newRig returns a rig in front of instances at the given addresses.
func newRig(t testing.TB, addresses ...string) *rig {
	t.Helper()
	r := &rig{t: t, log: &strings.Builder{}}
	r.server = New(Options{Logger: slog.New(slog.DiscardHandler), Pseudonym: "gw-test", Rand: rand.Float64,
		Loops: loopsUnderTest})
	r.settings = ListenerSettings{
		Head:          message.Limits{HeadBytes: 32 << 10, FieldCount: 100, TargetBytes: 8 << 10},
		HeaderTimeout: 10 * time.Second, BodyIdleTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
		MaxConnections: 1000, Trusted: clientaddr.New(nil),
	}
	r.view = &ServiceView{
		Service: NewService("shop", 16), Limit: 64, QueueTimeout: 5 * time.Second,
		Timeouts: Timeouts{ResponseHeader: 10 * time.Second, StreamIdle: 10 * time.Second},
	}
	r.pool = balancer.Options{Algorithm: balancer.RoundRobin, MaxConcurrency: 64}
	for _, a := range addresses {
		r.pool.Members = append(r.pool.Members, balancer.Member{Endpoint: newEndpoint("v1", a), Weight: 1})
	}
	r.route = &Route{Name: "all", Timeout: 10 * time.Second, Stats: NewRouteStats("all", "shop"),
		Retry: RetryPolicy{Attempts: 2, ConnectFailure: true, Reset: true, BudgetPercent: 20}}
	return r
}

func newEndpoint(revision, address string) *balancer.Endpoint {
	e := balancer.NewEndpoint(balancer.Identity{Service: "shop", Revision: revision, Instance: address, Address: address})
	e.Transport = NewTransport(address, TransportOptions{ConnectTimeout: 2 * time.Second, IdleTimeout: time.Minute, MaxIdle: 64})
	e.SetHealthy(true, time.Now().UnixNano())
	return e
}

// publish builds a snapshot of what the rig holds.
func (r *rig) publish() {
	r.t.Helper()
	pool, err := balancer.NewPool(r.pool)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.view.Revisions == nil {
		split, err := balancer.NewSplit([]balancer.Share{{Revision: "v1", Pool: pool, Weight: 100}}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		r.view.Revisions = []Revision{{Version: "v1", Pool: pool, Stats: NewRevisionStats("shop", "v1")}}
		r.view.Split = split
	}
	rules := append([]router.Rule[*Route]{{Name: "all", Hosts: r.only, Value: r.route}}, r.more...)
	rt, err := router.New(rules)
	if err != nil {
		r.t.Fatal(err)
	}
	r.server.Publish(&Snapshot{
		Sites:    map[string]*Site{"web": {Settings: r.settings, Router: rt}},
		Services: append([]*ServiceView{r.view}, r.services...),
	})
}

// start publishes and listens, and ends all of it with the test.
func (r *rig) start() *rig {
	r.t.Helper()
	r.publish()
	ch, err := r.server.Prepare(map[string]string{"web": "127.0.0.1:0"})
	if err != nil {
		r.t.Fatal(err)
	}
	ch.Commit()
	r.addr = r.server.Addresses()["web"].String()
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.server.Shutdown(ctx)
		for _, v := range append([]*ServiceView{r.view}, r.services...) {
			for _, rev := range v.Revisions {
				for _, e := range rev.Pool.Endpoints() {
					e.Transport.(*Transport).Retire()
				}
			}
		}
	})
	return r
}

// dial connects to the server under test.
func (r *rig) dial() *rawClient {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return &rawClient{t: r.t, nc: nc, br: bufio.NewReader(nc)}
}

// rawClient sends bytes and reads responses.
type rawClient struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

func (c *rawClient) send(s string) *rawClient {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, s); err != nil {
		c.t.Fatalf("cannot send: %v", err)
	}
	return c
}

// response reads one final response; interim ones are returned as their statuses.
func (c *rawClient) response(method string) (res *http.Response, body string) {
	c.t.Helper()
	req := &http.Request{Method: method}
	res, err := http.ReadResponse(c.br, req)
	if err != nil {
		c.t.Fatalf("cannot read the response: %v", err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("cannot read the body: %v (got %q)", err, b)
	}
	return res, string(b)
}

// closed waits for the server to close the connection and fails if it sends anything before.
func (c *rawClient) closed() {
	c.t.Helper()
	b, err := c.br.ReadByte()
	if err == nil {
		c.t.Fatalf("got byte %q; want the connection closed", b)
	}
}

// instance is an upstream that a test writes by hand: it serves each connection with the given function.
func instance(t testing.TB, serve func(nc net.Conn, br *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ended := t.Context()
	serving.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			nc.SetDeadline(time.Now().Add(60 * time.Second))
			serving.Go(func() {
				defer nc.Close()
				defer context.AfterFunc(ended, func() { nc.Close() })()
				serve(nc, bufio.NewReader(nc))
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().String()
}

// httpInstance is an upstream on net/http.
func httpInstance(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(ln) }()
	t.Cleanup(func() { s.Close(); <-done })
	return ln.Addr().String()
}
