package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// RFC 9110 section 15.2: every interim response is passed on, in order, but never to an HTTP/1.0 client; none is taken for the final one.
func TestInterimResponses(t *testing.T) {
	t.Parallel()
	f := func(section, interim string, want ...string) {
		t.Helper()
		rec := record(t, wire(interim)+replyOK)
		r := newRig(t, rec.addr).start()
		c := r.dial()
		for round := range 2 { // the second time on the same connections
			c.send(get)
			for _, line := range want {
				head := c.head()
				if !strings.HasPrefix(head, line) || strings.Contains(head, "Connection") || strings.Contains(head, "Content-Length") {
					t.Fatalf("section %s, round %d: got %q; want %q", section, round, head, line)
				}
			}
			if res, body := c.response("GET"); res.StatusCode != 200 || body != "ok" {
				t.Fatalf("section %s, round %d: got %d %q; want 200", section, round, res.StatusCode, body)
			}
		}
		if rec.connections() != 1 {
			t.Errorf("section %s: got %d connections; want the first used again", section, rec.connections())
		}
		if got := r.dial().send("GET / HTTP/1.0\r\n\r\n").all(); statusOf(got) != 200 || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("section %s, HTTP/1.0: got %q; want the final response only", section, got)
		}
	}
	f("15.2.1", "HTTP/1.1 100 Continue\n\n", "HTTP/1.1 100 Continue\r\n\r\n")
	f("RFC 2518 10.1", "HTTP/1.1 102 Processing\n\n", "HTTP/1.1 102 Processing\r\n\r\n")
	f("RFC 8297", "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\nConnection: X-Hop\nX-Hop: 1\n\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
	f("15.2 several", "HTTP/1.1 102 Processing\n\nHTTP/1.1 103 Early Hints\nLink: <a>\n\nHTTP/1.1 103 Early Hints\nLink: <b>\n\n",
		"HTTP/1.1 102", "HTTP/1.1 103 Early Hints\r\nLink: <a>", "HTTP/1.1 103 Early Hints\r\nLink: <b>")
	f("15.2 unknown", "HTTP/1.1 199 Curious\nContent-Length: 5\n\n", "HTTP/1.1 199 Curious\r\n\r\n")
}

const expect = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"

// RFC 9110 section 10.1.1: the expectation goes to the instance, and its 100 comes back before the body is sent.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			if field(head, "Expect") != "100-continue" {
				t.Errorf("got %q; want the expectation", head)
			}
			io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
			body, err := readBody(br, head)
			if err != nil || body != "abc" {
				t.Errorf("got body %q, %v; want abc", body, err)
			}
			io.WriteString(nc, replyOK)
		}
	})
	r := newRig(t, addr).start()
	c := r.dial()
	for range 2 {
		if head := c.send(expect).head(); head != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Fatalf("got %q; want 100", head)
		}
		if res, body := c.send("abc").response("POST"); res.StatusCode != 200 || body != "ok" {
			t.Fatalf("got %d %q; want 200", res.StatusCode, body)
		}
	}
	// A client that does not wait.
	if head := c.send(expect + "abc").head(); head != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q; want 100", head)
	}
	if res, _ := c.response("POST"); res.StatusCode != 200 {
		t.Fatalf("got %d; want 200", res.StatusCode)
	}
}

// The same section: a final response without a 100 is passed on, and because it is not known whether the client sends its body now, the
// connection ends.
func TestExpectRefused(t *testing.T) {
	t.Parallel()
	f := func(what, request, reply string, want int, wantClose bool) {
		t.Helper()
		addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
			if _, err := readHead(br); err == nil {
				io.WriteString(nc, reply)
				io.Copy(io.Discard, br)
			}
		})
		r := newRig(t, addr)
		r.route.MaxBodyBytes = 1 << 20
		c := r.start().dial().send(request)
		head := c.head()
		if statusOf(head) != want || wantClose != (field(head, "Connection") == "close") {
			t.Errorf("%s: got %q; want %d, closing %v", what, head, want, wantClose)
		}
		if wantClose {
			if rest := c.all(); strings.Contains(rest, "HTTP/1.1") {
				t.Errorf("%s: got %q behind the response", what, rest)
			}
		}
		if n := r.failures(); n != 0 {
			t.Errorf("%s: got %d failures; want 0", what, n)
		}
	}
	refused := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
	f("refused", expect, refused, 401, true)
	f("refused, and the instance closes", expect, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 401, true)
	f("no body to come", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", refused, 401, false)
	f("too large to be asked for", strings.Replace(expect, "3", "3000000", 1), "", 413, true)
}

// A response that comes before the body is there reaches the client at once, and nobody waits for the rest of the body.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
			if _, err := readHead(br); err == nil {
				io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
				io.Copy(io.Discard, br)
			}
		})
		r := newRig(t, addr).start()
		c := r.dial().send("POST / HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n3\r\nabc\r\n")
		head := c.head()
		if statusOf(head) != 403 || field(head, "Connection") != "close" {
			t.Fatalf("%s: got %q; want 403 and close", framing, head)
		}
		if rest := c.all(); rest != "no" {
			t.Errorf("%s: got %q; want the body and the end", framing, rest)
		}
		waitFor(t, "the connection to the instance to be closed", func() bool { return r.activeConnections() == 0 })
		if r.failures() != 0 || r.idleConnections() != 0 {
			t.Errorf("%s: got %d failures, %d idle connections; want none", framing, r.failures(), r.idleConnections())
		}
	}
}

// An instance that answers while it reads gets the rest of the body while its response is passed on.
func TestBothDirectionsAtOnce(t *testing.T) {
	t.Parallel()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err != nil {
			return
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for { // each chunk is answered with itself
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			data, err := br.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(nc, line+data)
			if line == "0\r\n" {
				return
			}
		}
	})
	c := newRig(t, addr).start().dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.send("3\r\nabc\r\n")
	c.head()
	if got := c.read(8); got != "3\r\nabc\r\n" {
		t.Fatalf("got %q; want the first chunk back", got)
	}
	for range 100 {
		if got := c.send("4\r\ndefg\r\n").read(9); got != "4\r\ndefg\r\n" {
			t.Fatalf("got %q; want the chunk back", got)
		}
	}
	if got := c.send("0\r\n\r\n").all(); got != "0\r\n\r\n" {
		t.Fatalf("got %q; want the end", got)
	}
}
