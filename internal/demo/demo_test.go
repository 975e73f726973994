package demo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// fasthttp's worker pool looks whether it was stopped only every 10s, and its clock runs on.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// instance is a running Server.
type instance struct {
	t      *testing.T
	server *Server
	addr   string
	client *http.Client
	stop   func() error
}

func start(t *testing.T, opts Options) *instance {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	i := &instance{t: t, server: s, addr: ln.Addr().String(), client: &http.Client{Transport: &http.Transport{}}}
	i.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { i.client.CloseIdleConnections(); i.stop() })
	return i
}

// expect fails unless method path with body is answered with status and text.
func (i *instance) expect(method, path, body string, status int, text string) {
	i.t.Helper()
	r, err := http.NewRequest(method, "http://"+i.addr+path, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	resp, err := i.client.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(got), text) {
		i.t.Fatalf("%s %s: got %d %.200q, %v; want %d %q", method, path, resp.StatusCode, got, err, status, text)
	}
	if version := resp.Header.Get("X-Demo-Version"); version != i.server.opts.Version {
		i.t.Fatalf("%s %s: got version %q", method, path, version)
	}
}

func TestAnswers(t *testing.T) {
	i := start(t, Options{Version: "v7", Latency: time.Microsecond, Concurrency: 2})
	i.expect("GET", "/", "", 200, "hello from demo v7 at "+i.addr)
	i.expect("GET", "/health", "", 200, "ok")
	i.expect("POST", "/echo", "some text", 200, "some text")
	i.expect("GET", "/headers", "", 200, "Host: "+i.addr)
	i.expect("GET", "/bytes?n=100000", "", 200, strings.Repeat("\x00", 100000))
	i.expect("GET", "/bytes?n=0", "", 200, "")
	i.expect("GET", "/bytes?n=-1", "", 400, "want 0 to")
	i.expect("GET", "/bytes", "", 400, "want 0 to")
	i.expect("GET", "/sse?interval=1ms&count=2", "", 200, "id: 2\ndata: v7 "+i.addr+"\n\n")
	i.expect("GET", "/ws", "", 426, "want a WebSocket handshake")
}

func TestEchoStreams(t *testing.T) {
	i := start(t, Options{})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB, far above what is read ahead
	resp, err := i.client.Post("http://"+i.addr+"/echo", "text/x", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, sent) || resp.Header.Get("Content-Type") != "text/x" {
		t.Fatalf("got %d bytes of %s, %v; want what was sent", len(got), resp.Header.Get("Content-Type"), err)
	}
}

func TestBreak(t *testing.T) {
	i := start(t, Options{})
	i.expect("GET", "/break?mode=errors", "", 405, "want POST")
	i.expect("POST", "/break?mode=upside-down", "", 400, "want errors, slow, hang, refuse, unhealthy, burn, leak, hoard")
	i.expect("POST", "/break?mode=errors", "", 200, "")
	i.expect("GET", "/", "", 500, "meant to fail")
	i.expect("GET", "/health", "", 200, "ok")
	i.expect("POST", "/break?mode=unhealthy", "", 200, "")
	i.expect("GET", "/", "", 200, "hello")
	i.expect("GET", "/health", "", 503, "unhealthy")
	i.expect("POST", "/break", "", 200, "")
	i.expect("GET", "/health", "", 200, "ok")
}

func TestRefusesConnectionsOnceItIsAsked(t *testing.T) {
	i := start(t, Options{Fault: FaultRefuse})
	i.expect("GET", "/health", "", 200, "ok")
	if res, err := i.client.Get("http://" + i.addr + "/"); err == nil {
		t.Fatalf("got status %d; want the connection cut", res.StatusCode)
	}
	if c, err := net.Dial("tcp", i.addr); err == nil {
		c.Close()
		t.Fatal("it still takes connections")
	}
	if err := i.stop(); err != nil {
		t.Fatalf("got %v; want the process to live until it is stopped", err)
	}
}

// worked runs s.work beside the test, in a bubble, and returns a channel that is closed with its end.
func worked(s *Server) <-chan struct{} {
	done := make(chan struct{})
	go func() { s.work(); close(done) }()
	synctest.Wait()
	return done
}

func isOver(done <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func TestHangEndsWithRepairOrStop(t *testing.T) {
	f := func(end func(*Server)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s, _ := New(Options{Fault: FaultHang})
			done := worked(s)
			time.Sleep(time.Hour)
			if isOver(done) {
				t.Fatal("it answered; want it to hang")
			}
			end(s)
			if !isOver(done) {
				t.Fatal("it still hangs")
			}
		})
	}
	f(func(s *Server) { s.Break(FaultNone) })
	f(func(s *Server) { close(s.done) })
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := New(Options{Concurrency: 2, Latency: time.Second, Fixed: true})
		first, second, third := worked(s), worked(s), worked(s)
		time.Sleep(time.Second)
		if !isOver(first) || !isOver(second) || isOver(third) {
			t.Fatal("want two worked on at once, and the third after them")
		}
		time.Sleep(time.Second)
		if !isOver(third) {
			t.Fatal("the third was never worked on")
		}
	})
}

func TestStopEndsEverything(t *testing.T) {
	i := start(t, Options{})
	idle, err := net.Dial("tcp", i.addr) // a proxy's pooled connection must not hold the stop up
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprintf(idle, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
		t.Fatal(err)
	}
	ws, _ := dialWebSocket(t, i.addr)
	defer ws.Close()
	events, err := i.client.Get("http://" + i.addr + "/sse?interval=1h")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if _, err := events.Body.Read(make([]byte, 1)); err != nil { // the stream is under way
		t.Fatal(err)
	}
	if err := i.stop(); err != nil {
		t.Fatal(err)
	}
}

// A stop that comes before the server is up stops it all the same.
func TestStopAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		s, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, ln) }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("got %v; want no error", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it runs on")
		}
	}
}

func TestDurations(t *testing.T) {
	mean := func(s *Server, fault Fault) (mean, deviation float64) {
		const n = 20000
		var sum, squares float64
		for range n {
			d := s.duration(fault).Seconds()
			sum, squares = sum+d, squares+d*d
		}
		mean = sum / n
		return mean, math.Sqrt(squares/n - mean*mean)
	}
	s, _ := New(Options{Latency: 200 * time.Millisecond})
	if m, d := mean(s, FaultNone); math.Abs(m-0.2) > 0.01 || math.Abs(d-0.2) > 0.04 {
		t.Fatalf("got a mean of %.3fs and a deviation of %.3fs; want 0.2s of both", m, d)
	}
	if m, _ := mean(s, FaultSlow); math.Abs(m-2) > 0.1 {
		t.Fatalf("slow: got a mean of %.3fs; want 2s", m)
	}
	fixed, _ := New(Options{Latency: 200 * time.Millisecond, Fixed: true})
	if m, d := mean(fixed, FaultNone); math.Abs(m-0.2) > 1e-9 || d > 1e-6 {
		t.Fatalf("fixed: got a mean of %.3fs and a deviation of %.3fs; want 0.2s and 0", m, d)
	}
	if got := (&Server{}).duration(FaultSlow); got <= 0 {
		t.Fatalf("slow without a latency: got %s; want some", got)
	}
}

func TestErrorRate(t *testing.T) {
	s, _ := New(Options{ErrorRate: 0.3})
	failed := 0
	for range 20000 {
		if !s.work() {
			failed++
		}
	}
	if share := float64(failed) / 20000; math.Abs(share-0.3) > 0.02 {
		t.Fatalf("%.3f failed; want 0.3", share)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	f := func(opts Options, want string) {
		t.Helper()
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want %q", err, want)
		}
	}
	f(Options{Latency: -1}, "latency")
	f(Options{ErrorRate: 1.1}, "error rate")
	f(Options{ErrorRate: math.NaN()}, "error rate")
	f(Options{Concurrency: -1}, "concurrency")
	f(Options{Burn: -1}, "burn")
	f(Options{Calls: "localhost:1"}, "calls")
	f(Options{Lock: "no/such/folder"}, "lock")
	f(Options{Fault: "x"}, "mode")
}
