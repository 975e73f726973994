package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// ask makes one check of address.
func ask(t *testing.T, p Prober, address string, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return p.Probe(ctx, address)
}

func open(t *testing.T, c Check) Prober {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := NewProber(c)
	t.Cleanup(func() { closeProber(p) })
	return p
}

// wantError wants err to have that text, or none for "".
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Fatalf("got %q; want %q", got, want)
	}
}

func TestHTTPStatuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if status/100 == 3 {
			w.Header().Set("Location", "/500") // must not be followed
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	f := func(status, expect, want string) {
		t.Helper()
		c := Check{Kind: KindHTTP, Path: "/" + status}
		if expect != "" {
			var err error
			if c.Expect, err = ParseStatus(expect); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, ask(t, open(t, c), srv.Listener.Addr().String(), 5*time.Second), want)
	}
	f("200", "", "")
	f("204", "", "")
	f("302", "", "")
	f("404", "", "got status 404; want 200-399")
	f("503", "", "got status 503; want 200-399")
	f("404", "200,404", "")
	f("201", "200,204-299", "got status 201; want 200,204-299")
}

func TestHTTPRequest(t *testing.T) {
	got := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r }))
	defer srv.Close()
	c := Check{Kind: KindHTTP, Path: "/health?deep=1", Host: "shop.example.com", Headers: map[string]string{"X-Token": "abc", "User-Agent": "me"}}
	wantError(t, ask(t, open(t, c), srv.Listener.Addr().String(), 5*time.Second), "")
	r := <-got
	if s := fmt.Sprintln(r.Method, r.RequestURI, r.Host, r.Header.Get("X-Token"), r.UserAgent()); s != "GET /health?deep=1 shop.example.com abc me\n" {
		t.Fatalf("got %s", s)
	}
}

func TestHTTPKeepsItsConnection(t *testing.T) {
	var conns, requests atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.WriteString(w, strings.Repeat("x", 10<<10))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	p := open(t, Check{Kind: KindHTTP})
	for range 3 {
		wantError(t, ask(t, p, srv.Listener.Addr().String(), 5*time.Second), "")
	}
	if conns.Load() != 1 {
		t.Fatalf("3 checks took %d connections", conns.Load())
	}
	srv.CloseClientConnections() // an endpoint may close idle connections; that is no failure
	wantError(t, ask(t, p, srv.Listener.Addr().String(), 5*time.Second), "")
	if conns.Load() != 2 || requests.Load() != 4 {
		t.Fatalf("got %d connections and %d requests", conns.Load(), requests.Load())
	}
}

// listener answers each connection with raw bytes, then closes it; with hold it keeps it open and silent.
func listener(t *testing.T, answer string, hold bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				if hold {
					<-done
					return
				}
				buf := make([]byte, 4096)
				c.Read(buf)
				io.WriteString(c, answer)
			})
		}
	})
	t.Cleanup(func() { close(done); ln.Close(); conns.Wait() })
	return ln.Addr().String()
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestErrorsForPeople(t *testing.T) {
	f := func(c Check, address, want string) {
		t.Helper()
		wantError(t, ask(t, open(t, c), address, c.Timeout), want)
	}
	silent := listener(t, "", true)
	closing := listener(t, "", false)
	garbage := listener(t, "SSH-2.0-OpenSSH\r\n\r\n", false)
	short := listener(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", false)
	const long, brief = 5 * time.Second, 50 * time.Millisecond
	for _, kind := range []Kind{KindHTTP, KindTCP, KindGRPC} {
		f(Check{Kind: kind, Timeout: long}, closedPort(t), "connect: connection refused")
	}
	f(Check{Kind: KindHTTP, Timeout: brief}, silent, "no answer within 50ms")
	f(Check{Kind: KindGRPC, Timeout: brief}, silent, "no answer within 50ms")
	f(Check{Kind: KindTCP, Timeout: long}, silent, "")
	f(Check{Kind: KindTCP, Timeout: brief, TLS: &tls.Config{InsecureSkipVerify: true}}, silent, "no answer within 50ms")
	f(Check{Kind: KindHTTP, Timeout: long}, closing, "it closed the connection before it had answered")
	f(Check{Kind: KindTCP, Timeout: long, TLS: &tls.Config{InsecureSkipVerify: true}}, closing, "it closed the connection before it had answered")
	f(Check{Kind: KindHTTP, Timeout: long}, garbage, `it does not answer in HTTP: malformed HTTP response "SSH-2.0-OpenSSH"`)
	f(Check{Kind: KindHTTP, Timeout: long}, short, "cannot read the answer's body: it closed the connection before it had answered")
	err := ask(t, open(t, Check{Kind: KindHTTP}), "127.0.0.1:http:x", long)
	if err == nil || !strings.HasPrefix(err.Error(), `cannot use address "127.0.0.1:http:x" and path "/": `) {
		t.Fatalf("got %v", err)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	address := srv.Listener.Addr().String()
	for _, kind := range []Kind{KindHTTP, KindTCP} {
		good := open(t, Check{Kind: kind, TLS: &tls.Config{RootCAs: pool}})
		wantError(t, ask(t, good, address, 5*time.Second), "")
		unknown := open(t, Check{Kind: kind, TLS: &tls.Config{}})
		err := ask(t, unknown, address, 5*time.Second)
		if err == nil || !strings.HasPrefix(err.Error(), "tls: ") || !strings.Contains(err.Error(), "unknown authority") {
			t.Fatalf("%s: got %v", kind, err)
		}
	}
	plain := open(t, Check{Kind: KindHTTP})
	wantError(t, ask(t, plain, address, 5*time.Second), "got status 400; want 200-399")
}

func TestGRPC(t *testing.T) {
	hs := health.NewServer()
	hs.SetServingStatus("cart", healthpb.HealthCheckResponse_NOT_SERVING)
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, hs)
	address := serveGRPC(t, srv)
	f := func(service, want string) {
		t.Helper()
		wantError(t, ask(t, open(t, Check{Kind: KindGRPC, Service: service}), address, 5*time.Second), want)
	}
	f("", "")
	f("cart", "got NOT_SERVING; want SERVING")
	f("wish", `it does not know the service "wish"`)
	wantError(t, ask(t, open(t, Check{Kind: KindGRPC}), serveGRPC(t, grpc.NewServer()), 5*time.Second), "it does not serve grpc.health.v1.Health")

	// It keeps one prober over failure and recovery, and does not wait to connect again.
	p := open(t, Check{Kind: KindGRPC})
	for range 3 {
		hs.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
		wantError(t, ask(t, p, address, 5*time.Second), "")
		hs.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		wantError(t, ask(t, p, address, 5*time.Second), "got NOT_SERVING; want SERVING")
	}
}

func TestGRPCOverTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	hs := health.NewServer()
	srv := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&web.TLS.Certificates[0])))
	healthpb.RegisterHealthServer(srv, hs)
	address := serveGRPC(t, srv)
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	wantError(t, ask(t, open(t, Check{Kind: KindGRPC, TLS: &tls.Config{RootCAs: pool}}), address, 5*time.Second), "")
	if err := ask(t, open(t, Check{Kind: KindGRPC, TLS: &tls.Config{}}), address, 5*time.Second); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Fatalf("got %v", err)
	}
}

func serveGRPC(t *testing.T, srv *grpc.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return ln.Addr().String()
}
