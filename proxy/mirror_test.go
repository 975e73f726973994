package proxy

import (
	"strings"
	"testing"
	"time"
)

// mirrorRig copies all requests from its service to another with the given instance.
func mirrorRig(t *testing.T, main, shadow string) *rig {
	r := newRig(t, main)
	other := newRig(t, shadow)
	other.view.Service = NewService("shadow", 0)
	other.publish()
	r.services = []*ServiceView{other.view}
	r.route.Mirror = &Mirror{Service: 1, Percent: 100, MaxBodyBytes: 100}
	return r
}

// The other service gets the same request, body and all; its response goes nowhere.
func TestMirrorGetsCopies(t *testing.T) {
	t.Parallel()
	main, shadow := record(t, replyOK), record(t, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshadow")
	r := mirrorRig(t, main.addr, shadow.addr).start()
	c := r.dial()
	for i, request := range []string{get, "POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"} {
		if res, body := c.send(request).response("GET"); res.StatusCode != 200 || body != "ok" {
			t.Fatalf("got %d %q; want the main service's answer", res.StatusCode, body)
		}
		shadow.await(t, "the copy", func() bool { return len(shadow.got) == i+1 })
		if a, b := main.last(t), shadow.last(t); a != b {
			t.Errorf("got copy %q of %q; want the same", b, a)
		}
	}
	waitFor(t, "the outcome", func() bool { return r.services[0].Unmirror.Load() == 0 && r.services[0].Mirrored.Load() == 2 })
}

// A body that is streamed is collected on its way, up to the limit; one that is larger, or never whole, is not copied.
func TestMirrorOfStreamedBodies(t *testing.T) {
	t.Parallel()
	main, shadow := record(t, replyOK), record(t, replyOK)
	r := mirrorRig(t, main.addr, shadow.addr)
	r.route.Mirror.MaxBodyBytes = 20000
	r.start()
	f := func(what, head, body string, copied bool) {
		t.Helper()
		mirrored, left := r.services[0].Mirrored.Load(), r.services[0].Unmirror.Load()
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\n" + head + "\r\n\r\n")
		if res, _ := c.send(body).response("POST"); res.StatusCode != 200 {
			t.Fatalf("%s: got %d; want 200", what, res.StatusCode)
		}
		if !copied {
			waitFor(t, what+": the copy left out", func() bool { return r.services[0].Unmirror.Load() == left+1 })
			return
		}
		waitFor(t, what+": the copy sent", func() bool { return r.services[0].Mirrored.Load() == mirrored+1 })
		shadow.await(t, "the copy", func() bool { return len(shadow.got) == int(mirrored)+1 })
		if a, b := main.last(t), shadow.last(t); a != b {
			t.Errorf("%s: got a copy of %d bytes of a request of %d; want the same", what, len(b), len(a))
		}
	}
	long := strings.Repeat("x", 20000)
	f("with a length", "Content-Length: 20000", long, true)
	f("with a length over the limit", "Content-Length: 20001", long+"y", false)
	f("in chunks", "Transfer-Encoding: chunked", "4e20\r\n"+long+"\r\n0\r\nX: y\r\n\r\n", true)
	f("in chunks over the limit", "Transfer-Encoding: chunked", "4e20\r\n"+long+"\r\n1\r\ny\r\n0\r\n\r\n", false)
	if loopsUnderTest == 0 { // an event loop reads all of such a body before it looks where to send it
		r.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc").nc.Close()
		waitFor(t, "the copy of half a request left out", func() bool { return r.services[0].Unmirror.Load() == 3 })
	}
	if n := len(r.server.mirrors); n > 2 {
		t.Errorf("got %d places taken; want them given back", n)
	}
}

// Whatever becomes of the copy, the client sees nothing of it, and nothing counts against the main service.
func TestMirrorFailsUnseen(t *testing.T) {
	t.Parallel()
	f := func(what, shadow string) {
		t.Helper()
		r := mirrorRig(t, record(t, replyOK).addr, shadow).start()
		c := r.dial()
		for range 5 {
			if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "ok" {
				t.Fatalf("%s: got %d %q; want 200", what, res.StatusCode, body)
			}
		}
		waitFor(t, what+": the copies sent", func() bool { return r.services[0].Mirrored.Load() == 5 })
		if n := r.failures(); n != 0 {
			t.Errorf("%s: got %d failures; want 0", what, n)
		}
		began := time.Now()
		shutdownNow(r)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: the shutdown took %v; want it not to wait for copies", what, took)
		}
	}
	f("refused", refusedAddress(t))
	f("reset", record(t, thenReset).addr)
	f("malformed", record(t, "nonsense\r\n").addr)
	f("silent", hold(t).addr)
	f("failing", record(t, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").addr)
}

// A service without an instance gets no copies, and copies are left out rather than waited with.
func TestMirrorWithoutRoom(t *testing.T) {
	t.Parallel()
	main, shadow := record(t, replyOK), record(t, replyOK)
	r := mirrorRig(t, main.addr, shadow.addr).start()
	for _, e := range r.services[0].Revisions[0].Pool.Endpoints() {
		e.SetHealthy(false, time.Now().UnixNano())
	}
	r.dial().send(get).response("GET")
	waitFor(t, "the copy left out", func() bool { return r.services[0].Unmirror.Load() == 1 })
	if shadow.requests() != nil {
		t.Error("a copy was sent to an unhealthy instance")
	}
}
