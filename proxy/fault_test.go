package proxy

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/internal/message"
)

// held is an instance that keeps a request on each connection until it is told what to answer or the connection ends, and tells when
// they come and end.
type held struct {
	addr   string
	arrive chan string   // heads
	reply  chan string   // what to answer to one of them
	ended  chan struct{} // one for each connection that ended
}

func hold(t testing.TB) *held {
	h := &held{arrive: make(chan string, 100), reply: make(chan string), ended: make(chan struct{}, 100)}
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	h.addr = instance(t, func(nc net.Conn, br *bufio.Reader) {
		defer func() { h.ended <- struct{}{} }()
		head, err := readHead(br)
		if err != nil {
			return
		}
		h.arrive <- head
		gone := make(chan struct{})
		go func() { defer close(gone); io.Copy(io.Discard, br) }()
		select {
		case s := <-h.reply:
			io.WriteString(nc, s)
			<-gone
		case <-gone:
		case <-over:
		}
	})
	return h
}

func receive[T any](t testing.TB, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// Each way in which an instance fails has its own cause and status; none shows an address or what Go said.
func TestCauses(t *testing.T) {
	t.Parallel()
	refused, full := refusedAddress(t), fullListener(t)
	f := func(address string, change func(r *rig), wantStatus int, wantCause string) {
		t.Helper()
		r := newRig(t, address)
		r.route.Retry = RetryPolicy{}
		change(r)
		tracer := &spans{}
		r.server.opt.Tracer = tracer
		res, body := r.start().dial().send(get).response("GET")
		if res.StatusCode != wantStatus || !strings.Contains(body, "("+wantCause+")") {
			t.Errorf("got %d %q; want %d and %s", res.StatusCode, body, wantStatus, wantCause)
		}
		for _, leak := range []string{"127.0.0.1", "dial", "tcp", "EOF", "i/o", "x509", "syscall", "tls:"} {
			if strings.Contains(body, leak) {
				t.Errorf("%s: got %q; want nothing of the inside, such as %q", wantCause, body, leak)
			}
		}
		waitFor(t, "the outcome", func() bool { return len(tracer.all()) == 1 })
		if got := tracer.all()[0]; string(got.Cause) != wantCause || got.Status != wantStatus {
			t.Errorf("got %d %s recorded; want %d %s", got.Status, got.Cause, wantStatus, wantCause)
		}
		if n := r.failures(); n != 1 {
			t.Errorf("%s: got %d failures of the instance; want 1", wantCause, n)
		}
	}
	same := func(*rig) {}
	soon := 300 * time.Millisecond
	f(refused, same, 502, "connect-refused")
	f(full, func(r *rig) { r.connectTimeout(soon) }, 504, "connect-timeout")
	f(hold(t).addr, func(r *rig) { r.view.Timeouts.ResponseHeader = soon }, 504, "response-timeout")
	f(hold(t).addr, func(r *rig) { r.route.Timeout = soon }, 504, "route-timeout")
	f(full, func(r *rig) { r.route.Timeout = soon }, 504, "route-timeout")
	f(hold(t).addr, func(r *rig) { r.route.Retry.PerTryTimeout = soon }, 504, "per-try-timeout")
	f(record(t, thenClose).addr, same, 502, "reset")
	f(record(t, thenReset).addr, same, 502, "reset")
	f(record(t, "HTTP/1.1 200 OK\r\nContent-"+thenClose).addr, same, 502, "reset")
}

// fullListener returns an address whose queue of connections is full, so that another one waits.
func fullListener(t testing.TB) string {
	t.Helper()
	fd, addr := boundSocket(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		nc, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { nc.Close() })
	}
	return addr
}

// refusedAddress returns an address that refuses connections and that nobody else gets in the meantime.
func refusedAddress(t testing.TB) string {
	t.Helper()
	_, addr := boundSocket(t)
	return addr
}

func boundSocket(t testing.TB) (fd int, addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
}

// connectTimeout gives all endpoints another connect timeout.
func (r *rig) connectTimeout(d time.Duration) {
	for _, m := range r.pool.Members {
		m.Endpoint.Transport = NewTransport(m.Endpoint.Address, TransportOptions{ConnectTimeout: d, IdleTimeout: time.Minute, MaxIdle: 4})
	}
}

// Interim responses do not keep a request alive beyond its limits.
func TestInterimResponsesDoNotExtendLimits(t *testing.T) {
	t.Parallel()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		for {
			if _, err := io.WriteString(nc, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
				return
			}
		}
	})
	r := newRig(t, addr)
	r.route.Timeout = 50 * time.Millisecond
	c := r.start().dial().send(get)
	for {
		if head := c.head(); statusOf(head) == 504 {
			break
		} else if statusOf(head) != 102 {
			t.Fatalf("got %q; want 102 or 504", head)
		}
	}
}

// The time that a body takes to arrive is not the instance's; its limits begin when the body is there.
func TestUploadLongerThanTheTimeouts(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.route.Timeout, r.view.Timeouts.ResponseHeader = 400*time.Millisecond, 400*time.Millisecond
	r.start()
	c := r.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	for began := time.Now(); time.Since(began) < 700*time.Millisecond; {
		c.send("1\r\na\r\n")
	}
	if res, body := c.send("0\r\n\r\n").response("POST"); res.StatusCode != 200 {
		t.Errorf("got %d %q; want 200", res.StatusCode, body)
	}

	h := hold(t)
	r = newRig(t, h.addr)
	r.route.Timeout = 50 * time.Millisecond
	c = r.start().dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000))
	if res, body := c.response("POST"); res.StatusCode != 504 {
		t.Errorf("got %d %q; want 504 once the body is there", res.StatusCode, body)
	}
}

// A client that leaves takes its request with it, wherever that is, and nothing counts against the instance.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	f := func(what, request, reply string, leave func(c *rawClient)) {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			clientLeaves(t, request, reply, leave)
		})
	}
	closes := func(c *rawClient) { c.nc.Close() }
	resets := func(c *rawClient) { c.nc.(*net.TCPConn).SetLinger(0); c.nc.Close() }
	post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc"
	for _, leave := range []func(*rawClient){closes, resets} {
		f("waiting for the head", get, "", leave)
		f("waiting for the head, with another request behind", get+get, "", leave)
		f("in the middle of its body", post, "", leave)
		f("in the middle of a body in chunks", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", leave)
		f("in the middle of a body with a length", get, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", leave)
		f("in the middle of a body that is spliced", get, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc", leave)
	}
}

func clientLeaves(t *testing.T, request, reply string, leave func(c *rawClient)) {
	h := hold(t)
	r := newRig(t, h.addr)
	tracer := &spans{}
	r.server.opt.Tracer = tracer
	c := r.start().dial().send(request)
	receive(t, h.arrive, "the request")
	if reply != "" {
		h.reply <- reply
		c.head()
	}
	leave(c)
	receive(t, h.ended, "the end of the instance's connection")
	waitFor(t, "the end of the request", func() bool { return r.view.InFlight.Load() == 0 && len(tracer.all()) == 1 })
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
	if got := tracer.all()[0].Cause; got != CauseClientGone && got != CauseMalformed {
		t.Errorf("got cause %q; want client-gone", got)
	}
}

// A defect that one request runs into costs that request: it is answered with 500, or broken off, and everything else goes on.
func TestPanics(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	r := newRig(t, record(t, replyOK).addr)
	var log strings.Builder
	var mu sync.Mutex
	r.server.opt.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))
	r.server.opt.Rand = func() float64 {
		if armed.CompareAndSwap(true, false) {
			panic("a defect")
		}
		return 1
	}
	r.route.Mirror = &Mirror{Service: 0, Percent: 0.5} // asks for a random number
	r.start()
	other, same := r.dial(), r.dial()
	for _, c := range []*rawClient{other, same} {
		c.send(get).response("GET")
	}
	for range 3 {
		armed.Store(true)
		if res, body := same.send(get).response("GET"); res.StatusCode != 500 || !strings.Contains(body, "(panic)") || strings.Contains(body, "defect") {
			t.Errorf("got %d %q; want a 500 that tells nothing", res.StatusCode, body)
		}
		same = r.dial()
		if res, _ := other.send(get).response("GET"); res.StatusCode != 200 {
			t.Errorf("got %d on another connection; want 200", res.StatusCode)
		}
	}
	waitFor(t, "the end of all requests", func() bool { return r.view.InFlight.Load() == 0 && r.pool.Members[0].Endpoint.InFlight() == 0 })
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), "a defect") || !strings.Contains(log.String(), "stack=") {
		t.Errorf("got log %q; want the panic and its stack", log.String())
	}
}

type writerFunc func(p []byte) (int, error)

// Write calls f.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// panicking is a tracer that fails while the outcome is recorded.
type panicking struct{}

// Sample records all.
func (panicking) Sample() bool { return true }

// Export fails.
func (panicking) Export(Span) { panic("a defect in the tracer") }

// A defect after the response leaves the response whole.
func TestPanicAfterTheResponse(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.server.opt.Tracer = panicking{}
	r.start()
	for range 3 {
		if res, body := r.dial().send(get).response("GET"); res.StatusCode != 200 || body != "ok" {
			t.Errorf("got %d %q; want 200", res.StatusCode, body)
		}
		waitFor(t, "the connection to the instance to rest", func() bool { return r.idleConnections() == 1 })
	}
	if n := rec.connections(); n != 1 {
		t.Errorf("got %d connections to the instance; want 1", n)
	}
	// Before there is an exchange the connection is closed, and the process lives.
	r.dial().send("nonsense\r\n\r\n").until()
	if res, _ := r.dial().send(get).response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d; want 200", res.StatusCode)
	}
}

// A request body that runs into a defect while it is pumped ends that request only.
func TestPanicInTheBodyPump(t *testing.T) {
	t.Parallel()
	r := newRig(t, hold(t).addr).start()
	x := &exchange{server: r.server, down: brokenBody{}, route: r.route, site: r.server.snapshot.Load().Sites["web"]}
	x.req = &message.Request{}
	client, instanceSide := net.Pipe()
	defer client.Close()
	defer instanceSide.Close()
	u := startUpload(x, &upstreamConn{nc: client})
	<-u.done
	if f := u.failed(); f != failPanic || !u.incomplete() {
		t.Errorf("got %v; want a panic as the cause", f)
	}
}

// brokenBody panics when its body is read; nothing else of it is used.
type brokenBody struct{ downstream }

func (brokenBody) readBody([]byte) (int, error) { panic("a defect") }
