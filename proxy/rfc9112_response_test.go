package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// A response that is malformed is answered with 502, and the connection it came on is never used again.
func TestRFC9112MalformedResponse(t *testing.T) {
	t.Parallel()
	f := func(section, reply string) {
		t.Helper()
		first := true
		rec := recordBy(t, func(string) string {
			if first {
				first = false
				return reply
			}
			return replyOK
		})
		r := newRig(t, rec.addr)
		r.route.Retry = RetryPolicy{}
		c := r.start().dial()
		res, body := c.send(get).response("GET")
		if res.StatusCode != 502 || !strings.Contains(body, "(malformed-response)") {
			t.Errorf("section %s: %q: got %d %q; want 502", section, reply, res.StatusCode, body)
			return
		}
		if n := r.failures(); n != 1 {
			t.Errorf("section %s: %q: got %d failures; want 1", section, reply, n)
		}
		if res, body = c.send(get).response("GET"); res.StatusCode != 200 || body != "ok" || rec.connections() != 2 {
			t.Errorf("section %s: %q: got %d %q on connection %d; want 200 on a second one", section, reply, res.StatusCode, body, rec.connections())
		}
	}
	rest := "\r\nContent-Length: 2\r\n\r\nok"
	f("4 no HTTP", "hello, world\r\n")
	f("4 no HTTP", "220 mail.example.com ESMTP\r\n")
	f("2.3 other version", "HTTP/2.0 200 OK"+rest)
	f("2.3 other version", "HTTP/1.2 200 OK"+rest)
	f("4 no status", "HTTP/1.1 OK"+rest)
	f("4 short status", "HTTP/1.1 20"+rest)
	f("4 status of four digits", "HTTP/1.1 2000 OK"+rest)
	f("4 status below 100", "HTTP/1.1 099 OK"+rest)
	f("4 status above 599", "HTTP/1.1 600 OK"+rest)
	f("2.2 bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
	f("2.2 bare CR", "HTTP/1.1 200 OK\r\nX: a\rb"+rest)
	f("9110 5.5 NUL", "HTTP/1.1 200 OK\r\nX: a\x00b"+rest)
	f("5.2 obs-fold", "HTTP/1.1 200 OK\r\nX: a\r\n b"+rest)
	f("5 no colon", "HTTP/1.1 200 OK\r\nX"+rest)
	f("6.1 with Content-Length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"+rest)
	f("6.1 unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
	f("6.1 in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f("6.1 in 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f("6.3 invalid length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")
	f("6.3 invalid length", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok")
	f("6.3 two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")
	f("6.3 overflow", "HTTP/1.1 200 OK\r\nContent-Length: 21000000000000000000\r\n\r\nok")
	f("9110 5.4 large head", "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 70)+rest)
	f("9110 5.4 many fields", "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 300)+rest)
	f("7.1 malformed first chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
	f("7.1 first chunk longer than its size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n")
	f("9110 7.8 101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n")
	f("9110 7.6.1 end-to-end field as an option", "HTTP/1.1 200 OK\r\nConnection: content-length"+rest)
}

// What a response becomes on its way: method, what the instance sends, what HTTP/1.1 and HTTP/1.0 clients get, and whether the
// connection to the instance stays.
func TestRFC9112ResponseFraming(t *testing.T) {
	t.Parallel()
	f := func(section, method, reply, want11, want10 string, reused bool) {
		t.Helper()
		rec := record(t, wire(reply))
		r := newRig(t, rec.addr).start()
		for version, want := range []string{want10, want11} {
			request := method + " / HTTP/1." + string(rune('0'+version)) + "\r\nHost: a\r\n"
			if version == 1 {
				request += "Connection: close\r\n"
			}
			got := r.dial().send(request + "\r\n").all()
			head, body, _ := strings.Cut(got, "\r\n\r\n")
			var framing []string
			for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer"} {
				for _, v := range fieldLines(head+"\r\n\r\n", name) {
					framing = append(framing, name+": "+v)
				}
			}
			if s := strings.Join(framing, ", ") + " | " + strings.ReplaceAll(body, "\r\n", "~"); s != want {
				t.Errorf("section %s: %s, 1.%d: got %q; want %q", section, reply, version, s, want)
			}
			if field(head, "Connection") != "close" || len(fieldLines(head+"\r\n\r\n", "Date")) != 1 {
				t.Errorf("section %s: %s, 1.%d: got %q; want Connection: close and one Date", section, reply, version, head)
			}
		}
		if n := rec.connections(); reused != (n == 1) {
			t.Errorf("section %s: %s: got %d connections; want the first used again: %v", section, reply, n, reused)
		}
	}
	ok := "HTTP/1.1 200 OK\n"
	f("6.2", "GET", ok+"Content-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", true)
	f("6.2", "GET", ok+"Content-Length: 0\n\n", "Content-Length: 0 | ", "Content-Length: 0 | ", true)
	f("7.1", "GET", ok+"Transfer-Encoding: chunked\n\n2\nok\n0\n\n", "Transfer-Encoding: chunked | 2~ok~0~~", " | ok", true)
	f("7.1 empty", "GET", ok+"Transfer-Encoding: chunked\n\n0\n\n", "Transfer-Encoding: chunked | 0~~", " | ", true)
	f("7.1.1 extension", "GET", ok+"Transfer-Encoding: chunked\n\n2;x=y\nok\n0;z\n\n", "Transfer-Encoding: chunked | 2~ok~0~~", " | ok", true)
	f("7.1.2 trailers", "GET", ok+"Transfer-Encoding: chunked\nTrailer: X-Sum\n\n2\nok\n0\nX-Sum: 1\nX-More: 2\n\n",
		"Transfer-Encoding: chunked, Trailer: X-Sum | 2~ok~0~X-Sum: 1~X-More: 2~~", " | ok", true)
	f("9110 6.5.1 fields that no trailer may hold", "GET", ok+"Transfer-Encoding: chunked\n\n0\nContent-Length: 9\nTransfer-Encoding: x\nSet-Cookie: a=b\nX: y\n\n",
		"Transfer-Encoding: chunked | 0~X: y~~", " | ", true)
	f("6.3 until close", "GET", ok+"\nok"+thenClose, "Transfer-Encoding: chunked | 2~ok~0~~", " | ok", false)
	f("6.3 until close from HTTP/1.0", "GET", "HTTP/1.0 200 OK\n\nok"+thenClose, "Transfer-Encoding: chunked | 2~ok~0~~", " | ok", false)
	f("9.3 HTTP/1.0 without keep-alive", "GET", "HTTP/1.0 200 OK\nContent-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", false)
	f("9.3 HTTP/1.0 with keep-alive", "GET", "HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", true)
	f("9.6 Connection: close", "GET", ok+"Connection: close\nContent-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", false)
	f("6.3 bytes behind the response", "GET", ok+"Content-Length: 2\n\nokHTTP/1.1 200 OK\nContent-Length: 4\n\nevil", "Content-Length: 2 | ok", "Content-Length: 2 | ok", false)
	f("6.3 bytes behind the last chunk", "GET", ok+"Transfer-Encoding: chunked\n\n0\n\nevil", "Transfer-Encoding: chunked | 0~~", " | ", false)
	f("5.1 space before the colon", "GET", ok+"Content-Length : 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", true)
	f("4 no reason", "GET", "HTTP/1.1 200 \nContent-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", true)
	f("4 no reason and no space", "GET", "HTTP/1.1 200\nContent-Length: 2\n\nok", "Content-Length: 2 | ok", "Content-Length: 2 | ok", true)

	f("9110 9.3.2 HEAD", "HEAD", ok+"Content-Length: 2\n\n", "Content-Length: 2 | ", "Content-Length: 2 | ", true)
	f("9110 9.3.2 HEAD without a length", "HEAD", ok+"\n", " | ", " | ", true)
	f("9110 9.3.2 HEAD, chunked", "HEAD", ok+"Transfer-Encoding: chunked\n\n", " | ", " | ", true)
	f("9110 9.3.2 HEAD with a body", "HEAD", ok+"Content-Length: 2\n\nok", "Content-Length: 2 | ", "Content-Length: 2 | ", false)
	f("9110 15.3.5 204", "GET", "HTTP/1.1 204 No Content\n\n", " | ", " | ", true)
	f("9110 8.6 204 with a length", "GET", "HTTP/1.1 204 No Content\nContent-Length: 0\n\n", " | ", " | ", true)
	f("9110 15.3.5 204 with a body", "GET", "HTTP/1.1 204 No Content\nContent-Length: 2\n\nok", " | ", " | ", false)
	f("9110 15.3.6 205", "GET", "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n", "Content-Length: 0 | ", "Content-Length: 0 | ", true)
	f("9110 15.3.6 205 with a body", "GET", "HTTP/1.1 205 Reset Content\nContent-Length: 2\n\nok", "Content-Length: 0 | ", "Content-Length: 0 | ", false)
	f("9110 15.4.5 304", "GET", "HTTP/1.1 304 Not Modified\nContent-Length: 1234\n\n", "Content-Length: 1234 | ", "Content-Length: 1234 | ", true)
	f("9110 15.4.5 304 without a length", "GET", "HTTP/1.1 304 Not Modified\n\n", " | ", " | ", true)
	f("9110 15.4.5 304, chunked", "GET", "HTTP/1.1 304 Not Modified\nTransfer-Encoding: chunked\n\n", " | ", " | ", true)
	f("9110 6.6.1 Date of the instance", "GET", ok+"Date: Tue, 15 Nov 1994 08:12:31 GMT\nContent-Length: 0\n\n", "Content-Length: 0 | ", "Content-Length: 0 | ", true)
}

// Whatever breaks off a body, the client cannot take what it got for the whole, and gets no error page in the middle.
func TestRFC9112IncompleteResponse(t *testing.T) {
	t.Parallel()
	f := func(section, request, reply, wantBody string) {
		t.Helper()
		rec := record(t, reply)
		r := newRig(t, rec.addr).start()
		got, err := r.dial().send(request).until()
		if err == nil {
			t.Errorf("section %s: %q: got %q and a clean end; want a reset", section, reply, got)
		}
		// A reset may overtake what was sent before it; what arrives is nothing but the instance's.
		if _, body, _ := strings.Cut(got, "\r\n\r\n"); !strings.HasPrefix(wantBody, body) || strings.Count(got, "HTTP/1.1") > 1 {
			t.Errorf("section %s: %q: got %q; want nothing behind %q", section, reply, got, wantBody)
		}
		waitFor(t, "one failure of the instance", func() bool { return r.failures() == 1 })
	}
	http10 := "GET / HTTP/1.0\r\nHost: a\r\n\r\n"
	long := "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, end := range []string{thenClose, thenReset} {
		f("8 Content-Length", get, long+"12345"+end, "12345")
		f("8 Content-Length, nothing of it", get, long+end, "")
		f("8 chunked, between chunks", get, chunked+"3\r\nabc\r\n"+end, "3\r\nabc\r\n")
		f("8 chunked, within a chunk", get, chunked+"5\r\nab"+end, "2\r\nab\r\n")
		f("8 chunked, within a size", get, chunked+"3\r\nabc\r\n5"+end, "3\r\nabc\r\n")
		f("8 chunked, within the trailers", get, chunked+"3\r\nabc\r\n0\r\nX: y\r\n"+end, "3\r\nabc\r\n")
		f("8 chunked to an HTTP/1.0 client", http10, chunked+"3\r\nabc\r\n"+end, "abc")
		f("8 Content-Length to an HTTP/1.0 client", http10, long+"12345"+end, "12345")
	}
	f("8 until close, ended by a reset", get, "HTTP/1.1 200 OK\r\n\r\nabc"+thenReset, "3\r\nabc\r\n")
	// So much that some of it is passed on before the fault is read.
	big := "30d40\r\n" + strings.Repeat("a", 200000) + "\r\n"
	f("7.1 malformed chunk", http10, chunked+big+"x\r\n", strings.Repeat("a", 200000))
	f("7.1 chunk longer than its size", http10, chunked+big+"3\r\nabcdef\r\n", strings.Repeat("a", 200000)+"abc")
	f("7.1.2 malformed trailer", get, chunked+"3\r\nabc\r\n0\r\nbad trailer\r\n\r\n", "3\r\nabc\r\n")
}

// RFC 9112 sections 6.3 and 9.2: what an instance sends without being asked is never the answer to the next request.
func TestUnsolicitedResponse(t *testing.T) {
	t.Parallel()
	idle, sent := make(chan struct{}), make(chan struct{})
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			if !strings.HasPrefix(head, "GET /first ") {
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
				continue
			}
			io.WriteString(nc, replyOK)
			<-idle
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			close(sent)
		}
	})
	r := newRig(t, addr).start()
	c := r.dial()
	c.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	waitFor(t, "an idle connection", func() bool { return r.idleConnections() == 1 })
	close(idle)
	<-sent
	// Not even a POST is lost: it is not sent on a connection that is out of step.
	if res, body := c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").response("POST"); res.StatusCode != 200 || body != "good" {
		t.Fatalf("got %d %q; want 200 and the right one", res.StatusCode, body)
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0: nothing was asked of the connection", n)
	}
}

// RFC 9112 section 9.3: the same for a connection that the instance has closed while it was idle.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK+thenClose)
	r := newRig(t, rec.addr).start()
	c := r.dial()
	for _, request := range []string{get, get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", get} {
		if res, body := c.send(request).response("GET"); res.StatusCode != 200 || body != "ok" {
			t.Fatalf("%q: got %d %q; want 200", request, res.StatusCode, body)
		}
		rec.await(t, "the connection to close", func() bool { return rec.open == 0 })
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
}
