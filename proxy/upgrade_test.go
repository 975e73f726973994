package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatewayd/internal/histogram"
)

const (
	askUpgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	agreeOn    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// upgrading is an instance that reads a head, checks that an upgrade is asked for, and hands the connection on.
func upgrading(t *testing.T, then func(nc net.Conn, br *bufio.Reader)) string {
	return instance(t, func(nc net.Conn, br *bufio.Reader) {
		head, err := readHead(br)
		if err != nil {
			return
		}
		if field(head, "Connection") != "Upgrade" || field(head, "Upgrade") != "websocket" || field(head, "Sec-WebSocket-Key") == "" {
			t.Errorf("got %q; want the upgrade asked for", head)
		}
		then(nc, br)
	})
}

func echo(nc net.Conn, br *bufio.Reader) {
	io.WriteString(nc, agreeOn)
	io.Copy(nc, br)
	nc.(*net.TCPConn).CloseWrite()
}

// RFC 9110 section 7.8 and RFC 6455: after the 101, and not before, bytes pass in both directions until both have ended.
func TestUpgradeEchoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, upgrading(t, echo)).start()
	c := r.dial().send(askUpgrade)
	head := c.head()
	if !strings.HasPrefix(head, "HTTP/1.1 101 Switching Protocols\r\n") || field(head, "Connection") != "Upgrade" ||
		field(head, "Upgrade") != "websocket" || field(head, "Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("got %q; want the instance's 101", head)
	}
	for _, s := range []string{"\x81\x05hello", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("x", 200000)} {
		go io.WriteString(c.nc, s)
		if got := c.read(len(s)); got != s {
			t.Fatalf("got %.40q; want %.40q back", got, s)
		}
	}
	if n := r.view.InFlight.Load(); n != 1 {
		t.Errorf("got %d in flight; want the tunnel counted", n)
	}
	closeWrite(t, c.nc)
	if rest := c.all(); rest != "" {
		t.Errorf("got %q; want the end", rest)
	}
	waitFor(t, "the end of the request", func() bool { return r.view.InFlight.Load() == 0 && r.activeConnections() == 0 })
	if r.failures() != 0 || r.idleConnections() != 0 {
		t.Errorf("got %d failures, %d idle connections; want none", r.failures(), r.idleConnections())
	}
	var took histogram.Counts
	if r.view.Revisions[0].Stats.Duration.Snapshot(&took); took.Count != 0 {
		t.Error("the time of a tunnel was taken for that of a request")
	}
}

// What either side sends right behind its head is not lost and not taken for HTTP.
func TestUpgradeBytesBehindTheHeads(t *testing.T) {
	t.Parallel()
	addr := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		io.WriteString(nc, agreeOn+"early from instance;")
		io.Copy(nc, br)
		nc.(*net.TCPConn).CloseWrite()
	})
	c := newRig(t, addr).start().dial().send(askUpgrade + "early from client;")
	closeWrite(t, c.nc)
	c.head()
	if got := c.all(); got != "early from instance;early from client;" {
		t.Errorf("got %q; want both in order", got)
	}
}

// Interim responses may come before a 101, and a final response means that the connection stays HTTP.
func TestUpgradeDeclined(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	addr := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		if n.Add(1) == 1 {
			io.WriteString(nc, "HTTP/1.1 102 Processing\r\n\r\n"+replyOK)
			return
		}
		io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n"+agreeOn)
	})
	c := newRig(t, addr).start().dial()
	if head := c.send(askUpgrade).head(); statusOf(head) != 102 {
		t.Fatalf("got %q; want 102", head)
	}
	if res, body := c.response("GET"); res.StatusCode != 200 || body != "ok" {
		t.Fatalf("got %d %q; want 200", res.StatusCode, body)
	}
	if head := c.send(askUpgrade).head(); statusOf(head) != 100 {
		t.Fatalf("got %q; want 100", head)
	}
	if head := c.head(); statusOf(head) != 101 {
		t.Fatalf("got %q; want 101", head)
	}
}

// A 101 to something else than what was offered is malformed: nothing is tunnelled.
func TestUpgradeToAnotherProtocol(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		strings.Replace(agreeOn, "Upgrade: websocket", "Upgrade: other", 1),
		strings.Replace(agreeOn, "Upgrade: websocket", "Upgrade: websocket, other", 1),
		strings.Replace(agreeOn, "Upgrade: websocket\r\n", "", 1),
	} {
		addr := upgrading(t, func(nc net.Conn, br *bufio.Reader) { io.WriteString(nc, reply) })
		r := newRig(t, addr)
		r.route.Retry = RetryPolicy{}
		if res, body := r.start().dial().send(askUpgrade).response("GET"); res.StatusCode != 502 {
			t.Errorf("%q: got %d %q; want 502", reply, res.StatusCode, body)
		}
	}
	// Names of protocols are compared without case.
	addr := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		io.WriteString(nc, strings.Replace(agreeOn, "Upgrade: websocket", "Upgrade: WebSocket", 1))
	})
	if head := newRig(t, addr).start().dial().send(askUpgrade).head(); statusOf(head) != 101 {
		t.Errorf("got %q; want 101", head)
	}
}

// Each direction ends by itself: what the other side still has to say passes.
func TestTunnelHalfClose(t *testing.T) {
	t.Parallel()
	fromInstance := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		io.WriteString(nc, agreeOn+"bye")
		nc.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(br); string(b) != "still here" || err != nil {
			t.Errorf("got %q, %v; want what the client sent after the instance had ended", b, err)
		}
	})
	c := newRig(t, fromInstance).start().dial().send(askUpgrade)
	c.head()
	if got := c.all(); got != "bye" {
		t.Fatalf("got %q; want bye", got)
	}
	c.send("still here")
	closeWrite(t, c.nc)

	fromClient := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		io.WriteString(nc, agreeOn)
		io.Copy(io.Discard, br)
		io.WriteString(nc, "still here")
	})
	c = newRig(t, fromClient).start().dial().send(askUpgrade)
	c.head()
	closeWrite(t, c.nc)
	if got := c.all(); got != "still here" {
		t.Fatalf("got %q; want what the instance sent after the client had ended", got)
	}
}

// A side that breaks takes the other with it.
func TestTunnelBreaks(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	addr := upgrading(t, func(nc net.Conn, br *bufio.Reader) {
		io.WriteString(nc, agreeOn)
		_, err := io.Copy(io.Discard, br)
		ended <- err
	})
	c := newRig(t, addr).start().dial().send(askUpgrade)
	c.head()
	c.nc.(*net.TCPConn).SetLinger(0)
	c.nc.Close()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the instance's side of the tunnel lives on")
	}
}

// Silence in both directions ends a tunnel, and no limit of the request does.
func TestTunnelIdle(t *testing.T) {
	t.Parallel()
	r := newRig(t, upgrading(t, echo))
	r.view.Timeouts.StreamIdle = 500 * time.Millisecond
	r.route.Timeout, r.settings.BodyIdleTimeout, r.settings.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	c := r.start().dial().send(askUpgrade)
	c.head()
	began := time.Now()
	for time.Since(began) < 700*time.Millisecond { // never silent for long
		if got := c.send("x").read(1); got != "x" {
			t.Fatalf("got %q; want x", got)
		}
	}
	if rest, err := c.until(); rest != "" || isTimeout(err) {
		t.Errorf("got %q, %v; want the silent tunnel ended", rest, err)
	}
	waitFor(t, "the end of the request", func() bool { return r.view.InFlight.Load() == 0 })
}

// Without an idle timeout a tunnel lives on past every limit that a request has.
func TestTunnelWithoutIdleTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t, upgrading(t, echo))
	r.view.Timeouts.StreamIdle = 0
	r.route.Timeout, r.settings.BodyIdleTimeout, r.view.Timeouts.ResponseHeader = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	c := r.start().dial().send(askUpgrade)
	c.head()
	for began := time.Now(); time.Since(began) < 600*time.Millisecond; {
		if got := c.send("x").read(1); got != "x" {
			t.Fatalf("got %q; want x", got)
		}
	}
}

// A tunnel lives through a drain and is cut when its time is over.
func TestTunnelShutdown(t *testing.T) {
	t.Parallel()
	r := newRig(t, upgrading(t, echo)).start()
	c := r.dial().send(askUpgrade)
	c.head()
	r.server.Drain()
	if got := c.send("x").read(1); got != "x" {
		t.Fatalf("got %q; want the tunnel to live through a drain", got)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if cut := r.server.Shutdown(over); cut != 1 {
		t.Errorf("got %d connections cut; want the tunnel's", cut)
	}
}
