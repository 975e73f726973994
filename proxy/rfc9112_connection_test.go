package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the instance gets of a request's body: its framing, byte for byte.
func TestRFC9112RequestFraming(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	f := func(section, head, body, wantFraming, wantBody string) {
		t.Helper()
		// Once in one packet, so that the body goes with the head, and once in two.
		for _, split := range []bool{false, true} {
			n := len(rec.requests())
			c := r.dial()
			if split {
				c.send(wire(head + "\n"))
				if body != "" {
					r.awaitBusy(t)
				}
				c.send(wire(body))
			} else {
				c.send(wire(head + "\n" + body))
			}
			if res, _ := c.response("POST"); res.StatusCode != 200 {
				t.Errorf("section %s: got %d; want 200", section, res.StatusCode)
			}
			c.nc.Close()
			rec.await(t, "the request", func() bool { return len(rec.got) == n+1 })
			seenHead, seenBody, _ := strings.Cut(rec.last(t), "\r\n\r\n")
			var framing []string
			for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer", "Connection", "TE"} {
				for _, v := range fieldLines(seenHead, name) {
					framing = append(framing, name+": "+v)
				}
			}
			if got := strings.Join(framing, ", "); got != wantFraming || strings.ReplaceAll(seenBody, "\r\n", "~") != wantBody {
				t.Errorf("section %s, split %v: got %q with %q; want %q with %q", section, split, got, seenBody, wantFraming, wantBody)
			}
		}
	}
	f("6.3 neither", "GET / HTTP/1.1\nHost: a\n", "", "", "")
	f("6.3 neither, with a method that has a body", "POST / HTTP/1.1\nHost: a\n", "", "", "")
	f("6.2", "POST / HTTP/1.1\nHost: a\nContent-Length: 3\n", "abc", "Content-Length: 3", "abc")
	f("6.2 zero", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n", "", "Content-Length: 0", "")
	f("6.2 leading zeros", "POST / HTTP/1.1\nHost: a\nContent-Length: 003\n", "abc", "Content-Length: 3", "abc")
	f("9110 9.3.1 GET with a body", "GET / HTTP/1.1\nHost: a\nContent-Length: 3\n", "abc", "Content-Length: 3", "abc")
	f("7.1", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n", "3\nabc\n0\n\n", "Transfer-Encoding: chunked", "3~abc~0~~")
	f("7.1 empty", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: Chunked\n", "0\n\n", "Transfer-Encoding: chunked", "0~~")
	f("7.1.1 extensions", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n", "3;a=b;c\nabc\n000;d\n\n", "Transfer-Encoding: chunked", "3~abc~0~~")
	f("7.1.2 trailers", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: X-Sum\nTE: trailers\nConnection: TE\n",
		"3\nabc\n0\nX-Sum: 1\nX-Sum: 2\n\n", "Transfer-Encoding: chunked, Trailer: X-Sum, Connection: TE, TE: trailers", "3~abc~0~X-Sum: 1~X-Sum: 2~~")
	f("9110 6.5.1 fields that no trailer may hold", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n",
		"0\nContent-Length: 5\nHost: evil\nX-Forwarded-For: 1.2.3.4\nAuthorization: x\nCookie: x\nX: y\n\n", "Transfer-Encoding: chunked", "0~X: y~~")
	f("9110 6.5 Trailer without chunks", "POST / HTTP/1.1\nHost: a\nTrailer: X\nContent-Length: 3\n", "abc", "Content-Length: 3", "abc")
}

// RFC 9112 section 9.3.2: requests that come in one packet, with bodies of both kinds, are answered in their order, and the
// instance sees each of them once and whole.
func TestPipelining(t *testing.T) {
	t.Parallel()
	echo := recordBy(t, func(head string) string {
		line, _, _ := strings.Cut(head, "\r\n")
		method, path, _ := strings.Cut(strings.TrimSuffix(line, " HTTP/1.1"), " ")
		if method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nX-Path: " + path + "\r\nContent-Length: 5\r\n\r\n"
		}
		return "HTTP/1.1 200 OK\r\nX-Path: " + path + "\r\nContent-Length: 2\r\n\r\nok"
	})
	c := newRig(t, echo.addr).start().dial()
	long := strings.Repeat("z", 20000) // more than a buffer holds
	requests := []string{
		"GET /1 HTTP/1.1\nHost: a\n\n",
		"POST /2 HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc",
		"HEAD /3 HTTP/1.1\nHost: a\n\n",
		"POST /4 HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nGET /\n1\n!\n0\nX: y\n\n",
		"\nGET /5 HTTP/1.1\nHost: a\n\n",
		"PUT /6 HTTP/1.1\nHost: a\nContent-Length: 20000\n\n" + long,
		"DELETE /7 HTTP/1.1\nHost: a\nContent-Length: 33\n\nGET /evil HTTP/1.1\nHost: e\n\n12",
		"POST /8 HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n4e20\n" + long + "\n0\n\n",
		"GET /9 HTTP/1.1\nHost: a\nConnection: close\n\n",
		"GET /10 HTTP/1.1\nHost: a\n\n", // behind the close: not looked at
	}
	go io.WriteString(c.nc, wire(strings.Join(requests, "")))
	for i, request := range requests[:9] {
		method, rest, _ := strings.Cut(strings.TrimPrefix(request, "\n"), " ")
		path, _, _ := strings.Cut(rest, " ")
		res, body := c.response(method)
		if got := res.Header.Get("X-Path"); res.StatusCode != 200 || got != path || method != "HEAD" && body != "ok" {
			t.Fatalf("response %d: got %d of %q with %q; want that of %q", i, res.StatusCode, got, body, path)
		}
	}
	if rest := c.all(); rest != "" {
		t.Errorf("got %q behind the response that closes; want nothing", rest)
	}
	if got := echo.requests(); len(got) != 9 {
		t.Errorf("got %d requests at the instance; want 9: %q", len(got), got)
	}
}

// RFC 9112 section 9.3 and appendix C.2.2: an HTTP/1.0 client gets no persistent connection, whatever it asks for.
func TestHTTP10Client(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	for _, extra := range []string{"", "Connection: keep-alive\n", "Connection: upgrade\nUpgrade: websocket\n", "Expect: 100-continue\n", "TE: trailers\n"} {
		got := r.dial().send(wire("GET / HTTP/1.0\n" + extra + "\n")).all()
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if statusOf(got) != 200 || body != "ok" || field(head, "Connection") != "close" || strings.Contains(head, "Keep-Alive") {
			t.Errorf("%q: got %q; want 200, the body and the connection closed", extra, got)
		}
		seen := rec.last(t)
		for _, name := range []string{"Upgrade", "Expect", "TE", "Connection", "Transfer-Encoding"} {
			if v := fieldLines(seen, name); v != nil {
				t.Errorf("%q: got %s: %q at the instance; want none", extra, name, v)
			}
		}
		if v := fieldLines(seen, "Host"); len(v) != 1 || v[0] != r.addr {
			t.Errorf("%q: got Host %q; want one, the address %s", extra, v, r.addr)
		}
	}
}

// RFC 9112 section 9.6: a response that closes reaches the client even if it is still sending, because the connection is closed in two steps.
func TestLingeringClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr)
	r.route.MaxBodyBytes = 10
	c := r.start().dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50000))
	if head := c.head(); statusOf(head) != 413 || field(head, "Connection") != "close" {
		t.Fatalf("got %q; want 413 and close", head)
	}
	c.send(strings.Repeat("x", 50000)) // a reset would make this, or the reading below, fail
	c.all()
}

// RFC 9112 sections 8 and 9.3: a request that ends early is not forwarded as if it were whole, and nobody is blamed.
func TestIncompleteRequest(t *testing.T) {
	t.Parallel()
	f := func(section, request string, wantStatus int) {
		t.Helper()
		rec := record(t, replyOK)
		r := newRig(t, rec.addr).start()
		c := r.dial().send(request)
		closeWrite(t, c.nc)
		got := c.all()
		if statusOf(got) != wantStatus {
			t.Errorf("section %s: got %q; want status %d", section, got, wantStatus)
		}
		rec.await(t, "the connection to close", func() bool { return rec.open == 0 })
		if seen := rec.requests(); len(seen) > 0 && (strings.HasSuffix(seen[0], "0\r\n\r\n") || strings.Contains(seen[0], "abcdef")) {
			t.Errorf("section %s: got %q at the instance; want it incomplete", section, seen[0])
		}
		if n := r.failures(); n != 0 {
			t.Errorf("section %s: got %d failures of the instance; want 0", section, n)
		}
	}
	f("8 nothing", "", 0)
	f("8 half a head", "GET / HTTP/1.1\r\nHost:", 0)
	f("8 half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc", 400)
	f("8 half a body that is streamed", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nabc", 400)
	f("8 half a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabc", 400)
	f("8 no last chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 400)
	f("8 half a trailer section", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n", 400)
}

func closeWrite(t testing.TB, nc any) {
	t.Helper()
	if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// RFC 9112 section 9.5 and RFC 9110 section 15.5.9: who is slow with a head or a body gets 408, who is idle is left without a word.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.settings.HeaderTimeout, r.settings.BodyIdleTimeout, r.settings.IdleTimeout = 250*time.Millisecond, 250*time.Millisecond, 250*time.Millisecond
	r.start()
	f := func(what, request string, want ...int) {
		t.Helper()
		got := r.dial().send(request).all()
		var statuses []int
		for i, part := range strings.Split(got, "HTTP/1.1 ") {
			if i > 0 {
				statuses = append(statuses, statusOf("HTTP/1.1 "+part))
			}
		}
		if len(statuses) != len(want) || len(want) > 0 && statuses[len(statuses)-1] != want[len(want)-1] {
			t.Errorf("%s: got %q; want %d", what, got, want)
		}
	}
	f("nothing at all", "")
	f("idle after a request", get, 200)
	f("half a head", "GET / HTT", 408)
	f("half a head after a request", get+"GET / HTTP/1.1\r\nHost", 200, 408)
	f("a body that does not come", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc", 408)
	f("a long body that does not come", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nabc", 408)
	f("a chunk that does not come", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabc", 408)
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures of the instance; want 0", n)
	}

	// A head that comes in crumbs does not get a new limit with each of them.
	c := r.dial()
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(c.nc, "GET /aaaaaaaa"[:1]); err != nil {
				return
			}
		}
	}()
	if head := c.head(); statusOf(head) != http.StatusRequestTimeout {
		t.Errorf("in crumbs: got %q; want 408", head)
	}
	c.nc.Close()
}
