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
	// Too large to be kept.
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("x", 200)).response("POST")
	waitFor(t, "the outcome", func() bool { return r.services[0].Unmirror.Load() == 1 && r.services[0].Mirrored.Load() == 2 })
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
