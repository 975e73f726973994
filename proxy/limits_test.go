package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestLifespan(t *testing.T) {
	f := func(most uint32, age time.Duration, at []time.Duration, want string) {
		t.Helper()
		born := time.Unix(1000, 0)
		s, got := newLifespan(born), ""
		for _, after := range at {
			got += fmt.Sprint(s.last(&ListenerSettings{ConnectionRequests: most, ConnectionAge: age}, born.Add(after).UnixNano()), " ")
		}
		if got != want {
			t.Errorf("%d requests, age %v: got %s; want %s", most, age, got, want)
		}
	}
	s := time.Second
	f(0, 0, []time.Duration{0, 1000 * s, 1e6 * s}, "false false false ")
	f(1, 0, []time.Duration{0}, "true ")
	f(3, 0, []time.Duration{0, 0, 0}, "false false true ")
	f(0, 10*s, []time.Duration{0, 9 * s, 10 * s}, "false false true ")
	f(2, 10*s, []time.Duration{11 * s, 11 * s}, "true true ")
}

func TestPace(t *testing.T) {
	f := func(rate int64, waited time.Duration, moved int64, want time.Duration) {
		t.Helper()
		lim := &ListenerSettings{MinRate: rate, RateGrace: 5 * time.Second}
		if got := (pace{waited}).patience(lim, time.Minute, moved); got != want {
			t.Errorf("%d bytes/s, %v waited for %d bytes: got %v; want %v", rate, waited, moved, got, want)
		}
	}
	f(0, time.Hour, 0, time.Minute)
	f(240, 0, 0, 5*time.Second)
	f(240, 5*time.Second, 0, 0)
	f(240, 5*time.Second, 1200, 0)
	f(240, 5*time.Second, 2400, 5*time.Second)
	f(240, 0, 1<<50, time.Minute)
	f(240, time.Hour, 240*3610, 10*time.Second)
	f(240, 2*time.Hour, 240*3600, -time.Hour)
}

// The last response that a connection may carry says so, and nothing behind it is answered.
func TestConnectionRequests(t *testing.T) {
	t.Parallel()
	f := func(what string, ahead bool, requests ...string) {
		t.Helper()
		r := newRig(t, record(t, replyOK).addr)
		r.settings.ConnectionRequests = 3
		r.start()
		c := r.dial()
		if ahead {
			c.send(strings.Join(requests, ""))
		}
		for i, request := range requests[:3] {
			if !ahead {
				c.send(request)
			}
			method, _, _ := strings.Cut(request, " ")
			if res, _ := c.response(method); res.StatusCode >= 500 || res.Close != (i == 2) {
				t.Errorf("%s: response %d: got %d, closing %v; want it at the third", what, i+1, res.StatusCode, res.Close)
			}
		}
		if rest := c.all(); rest != "" {
			t.Errorf("%s: got %q behind the last response; want nothing", what, rest)
		}
	}
	f("one after the other", false, get, get, get)
	f("sent ahead", true, get, get, get, get, get)
	f("handed over", false, get, postChunked, get)
	f("handed over at last", false, get, get, postChunked)
	f("the gateway's own answers", false, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", get)
}

func TestConnectionAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr)
	r.settings.ConnectionAge = time.Second
	r.start()
	c := r.dial()
	if res, _ := c.send(get).response("GET"); res.Close {
		t.Error("the first response closes a new connection")
	}
	waitFor(t, "a response that closes", func() bool {
		res, _ := c.send(get).response("GET")
		return res.Close
	})
	c.closed()
}

// A body that comes too slowly is answered with 408, however steadily it comes.
func TestMinRateOfRequestBodies(t *testing.T) {
	t.Parallel()
	f := func(what, head, piece string) {
		t.Helper()
		r := newRig(t, record(t, replyOK).addr)
		r.settings.BodyIdleTimeout, r.settings.MinRate, r.settings.RateGrace = time.Hour, 100_000, 200*time.Millisecond
		r.start()
		c := r.dial().send(head)
		answered := make(chan struct{})
		go func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					io.WriteString(c.nc, piece)
				case <-answered:
					return
				}
			}
		}()
		got, _ := c.until()
		close(answered)
		if statusOf(got) != 408 {
			t.Errorf("%s: got %q; want 408", what, got)
		}
		if n := r.failures(); n != 0 {
			t.Errorf("%s: got %d failures of the instance; want none", what, n)
		}
	}
	f("small", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", "x")
	f("large", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n", "x")
	f("chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")
}

// A client is not blamed for an instance that takes its body slowly.
func TestMinRateOfSlowInstance(t *testing.T) {
	t.Parallel()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		head, _ := readHead(br)
		<-time.After(4 * time.Second)
		readBody(br, head)
		io.WriteString(nc, replyOK)
	})
	r := newRig(t, addr)
	// What the sockets on the way hold is due in less than a second, so only the grace is left for a busy machine.
	r.settings.MinRate, r.settings.RateGrace = 1e8, 3500*time.Millisecond
	r.start()
	const size = 16 << 20
	c := r.dial().send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size) + strings.Repeat("x", size))
	if res, body := c.response("POST"); res.StatusCode != 200 {
		t.Errorf("got %d %q; want 200", res.StatusCode, body)
	}
}

// A client that takes a response too slowly is cut off, and the instance is free again.
func TestMinRateOfResponses(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	f := func(what string, answer func(w http.ResponseWriter)) {
		t.Helper()
		r := newRig(t, httpInstance(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		r.settings.BodyIdleTimeout, r.settings.MinRate, r.settings.RateGrace = time.Hour, 1e9, 200*time.Millisecond
		r.start()
		c := r.dial().send(get)
		waitFor(t, "the request", func() bool { return r.view.InFlight.Load() == 1 })
		waitFor(t, "the end of "+what, func() bool { return r.view.InFlight.Load() == 0 })
		if got, err := c.until(); err == nil && len(got) >= size {
			t.Errorf("%s: got all of it; want it broken off", what)
		}
		if n := r.failures(); n != 0 {
			t.Errorf("%s: got %d failures of the instance; want none", what, n)
		}
	}
	f("a body with a length", func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.Write(make([]byte, size))
	})
	f("a chunked body", func(w http.ResponseWriter) { w.Write(make([]byte, size)) })
}

type standsAt struct {
	downstream
	addr string
}

func (s standsAt) localAddr() netip.AddrPort { return netip.MustParseAddrPort(s.addr) }

func TestOwnHost(t *testing.T) {
	f := func(addr string, withPort bool, want string) {
		t.Helper()
		x := exchange{down: standsAt{addr: addr}}
		if got := x.ownHost(withPort); got != want {
			t.Errorf("%s, port %v: got %q; want %q", addr, withPort, got, want)
		}
	}
	f("10.0.0.1:8080", true, "10.0.0.1:8080")
	f("10.0.0.1:8080", false, "10.0.0.1")
	f("10.0.0.1:80", true, "10.0.0.1")
	f("[::ffff:10.0.0.1]:80", true, "10.0.0.1")
	f("[2001:db8::1]:80", true, "[2001:db8::1]")
	f("[fe80::1%eth0]:443", true, "[fe80::1]:443")
}

// A request without Host is for no host: routes that name hosts do not take it, and a redirect to another scheme leads to where it came in.
func TestNoHost(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr)
	r.only = []string{"127.0.0.1"}
	r.start()
	if got := r.dial().send("GET / HTTP/1.0\r\n\r\n").all(); statusOf(got) != 404 {
		t.Errorf("got %q; want 404", got)
	}
	r = newRig(t, record(t, replyOK).addr)
	r.route.Redirect = &Redirect{Scheme: "https", Status: 308}
	r.start()
	if got := r.dial().send("GET /a HTTP/1.0\r\n\r\n").all(); field(got, "Location") != "https://127.0.0.1/a" {
		t.Errorf("got %q; want a redirect to https://127.0.0.1/a", got)
	}
}
