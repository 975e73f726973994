package proxy

import (
	"strings"
	"testing"
)

// Requests that RFC 9112 wants refused, or lets be refused, are: with the status, a short text, and the connection closed. Nothing of them
// gets to an instance.
func TestRFC9112Refused(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	f := func(section, request string, want int) {
		t.Helper()
		// What stands behind a refused request must not be taken for another.
		got := r.dial().send(request + get).all()
		if statusOf(got) != want || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("section %s: %.80q: got %.60q; want one response of %d", section, request, got, want)
			return
		}
		if field(got, "Connection") != "close" || !strings.Contains(got, "(malformed-request)") || field(got, "Date") == "" {
			t.Errorf("section %s: %.80q: got %q; want Connection: close, Date and the cause", section, request, got)
		}
	}
	head := func(section, lines string, want int) { t.Helper(); f(section, wire(lines+"\n"), want) }

	// 2.2 Message parsing
	f("2.2 bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400)
	f("2.2 bare LF in the fields", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400)
	f("2.2 bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400)
	head("2.2 space before the first field", "GET / HTTP/1.1\n Host: a\n", 400)
	head("2.2 no HTTP", "hello\n", 400)
	f("2.2 NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400)
	f("2.2 empty lines without end", strings.Repeat("\r\n", 10)+get, 400)
	f("2.2 TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n", 400)

	// 2.3 HTTP version
	head("2.3", "GET / HTTP/1.2\nHost: a\n", 505)
	head("2.3", "GET / HTTP/2.0\nHost: a\n", 505)
	head("2.3", "PRI * HTTP/2.0\n", 505)
	head("2.3", "GET / HTTP/0.9\n", 505)
	head("2.3", "GET / HTTP/1.10\nHost: a\n", 400)
	head("2.3", "GET / http/1.1\nHost: a\n", 400)
	head("2.3", "GET /\n", 400)

	// 3 Request line
	head("3", "GET  / HTTP/1.1\nHost: a\n", 400)
	head("3", "GET / HTTP/1.1 \nHost: a\n", 400)
	head("3", "GET\t/ HTTP/1.1\nHost: a\n", 400)
	head("3", "G(T / HTTP/1.1\nHost: a\n", 400)
	head("3.2 white space in the target", "GET /a b HTTP/1.1\nHost: a\n", 400)
	head("3.2 no Host", "GET / HTTP/1.1\n", 400)
	head("3.2 two Hosts", "GET / HTTP/1.1\nHost: a\nHost: a\n", 400)
	head("3.2 malformed Host", "GET / HTTP/1.1\nHost: a b\n", 400)
	head("3.2 malformed Host", "GET / HTTP/1.1\nHost: user@a\n", 400)
	head("3.2 malformed Host", "GET / HTTP/1.1\nHost: a:99999\n", 400)
	head("3.2 list in Host", "GET / HTTP/1.1\nHost: a, b\n", 400)
	head("3.2.1 neither path nor URL", "GET a HTTP/1.1\nHost: a\n", 400)
	head("3.2.2 other scheme", "GET ftp://a/ HTTP/1.1\nHost: a\n", 400)
	head("3.2.2 malformed authority", "GET http://u@a/ HTTP/1.1\nHost: a\n", 400)
	head("3.2.4 *", "GET * HTTP/1.1\nHost: a\n", 400)
	head("3.2 control character", "GET /\x01 HTTP/1.1\nHost: a\n", 400)
	head("3.2 fragment", "GET /#a HTTP/1.1\nHost: a\n", 400)

	// 5 Field syntax
	head("5", "GET / HTTP/1.1\nHost: a\nno colon\n", 400)
	head("5", "GET / HTTP/1.1\nHost: a\n: no name\n", 400)
	head("5.1 space before the colon", "GET / HTTP/1.1\nHost: a\nX : b\n", 400)
	head("5.1 space before the colon", "POST / HTTP/1.1\nHost: a\nContent-Length : 3\n", 400)
	head("5.2 obs-fold", "GET / HTTP/1.1\nHost: a\nX: b\n c\n", 400)
	head("5.2 obs-fold", "GET / HTTP/1.1\nHost: a\nX: b\n\tc\n", 400)

	// 6.1 Transfer-Encoding
	head("6.1 with Content-Length", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3\n", 400)
	head("6.1 with Content-Length", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\nTransfer-Encoding: chunked\n", 400)
	head("6.1 in HTTP/1.0", "POST / HTTP/1.0\nTransfer-Encoding: chunked\n", 400)
	head("6.1 unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n", 501)
	head("6.1 unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: identity\n", 501)
	head("6.1 unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n", 501)
	head("6.1 chunked is not last", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, gzip\n", 501)
	head("6.1 chunked twice", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, chunked\n", 400)
	head("6.1 chunked twice", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n", 400)
	f("6.1 hidden by a vertical tab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400)

	// 6.3 Message body length
	for _, length := range []string{"", "x", "+3", "-3", "0x3", "3 3", "3,3", "3, 4", "3.0", "99999999999999999999", "21000000000000000000"} {
		head("6.3", "POST / HTTP/1.1\nHost: a\nContent-Length: "+length+"\n", 400)
	}
	head("6.3 two lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 3\n", 400)

	// 5.4 of RFC 9110, and 3 of RFC 9112: too large
	head("3 long target", "GET /"+strings.Repeat("a", 9000)+" HTTP/1.1\nHost: a\n", 414)
	head("5.4 many fields", "GET / HTTP/1.1\nHost: a\n"+strings.Repeat("X: y\n", 100), 431)
	head("5.4 large field", "GET / HTTP/1.1\nHost: a\nX: "+strings.Repeat("a", 33000)+"\n", 431)
	head("5.4 large head", "GET / HTTP/1.1\nHost: a\n"+strings.Repeat("X: "+strings.Repeat("a", 1000)+"\n", 40), 431)

	if got := rec.requests(); len(got) != 0 {
		t.Errorf("got %q at the instance; want nothing", got)
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures of the instance; want 0", n)
	}
}

// A body that is malformed further on is refused as well, and the instance never gets a complete request.
func TestRFC9112RefusedBody(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	f := func(section, body string) {
		t.Helper()
		before := len(rec.requests())
		c := r.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").send(body + get)
		got := c.all()
		if statusOf(got) != 400 || field(got, "Connection") != "close" || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("section %s: %q: got %q; want one 400 and the connection closed", section, body, got)
		}
		rec.await(t, "the end of the request", func() bool { return len(rec.got) == before+1 })
		if seen := rec.last(t); strings.HasSuffix(seen, "\r\n0\r\n\r\n") {
			t.Errorf("section %s: %q: got %q at the instance; want it incomplete", section, body, seen)
		}
	}
	f("7.1 no hex", "x\r\n")
	f("7.1 sign", "+1\r\na\r\n")
	f("7.1 prefix", "0x1\r\na\r\n")
	f("7.1 space", "1 \r\na\r\n")
	f("7.1 overflow", "10000000000000003\r\nabc\r\n")
	f("7.1 overflow", "ffffffffffffffff\r\nabc\r\n")
	f("7.1 bare LF", "1\na\r\n")
	f("7.1 bare LF after the data", "1\r\na\n")
	f("7.1 longer than its size", "1\r\nab\r\n")
	f("7.1 bare CR", "1\r\rna\r\n")
	f("7.1.1 bare LF in an extension", "1;a=b\na\r\n")
	f("7.1.1 long extension", "1;"+strings.Repeat("x", 300)+"\r\na\r\n")
	f("7.1.1 many extensions", strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 200))
	f("7.1.2 malformed trailer", "0\r\nbad trailer\r\n\r\n")
	f("7.1.2 folded trailer", "0\r\nA: b\r\n c\r\n\r\n")
}

// What may be refused as well as repaired but is taken by all, is taken.
func TestRFC9112Taken(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	f := func(section, request, wantLine, wantHost string) {
		t.Helper()
		got := r.dial().send(request).all()
		if statusOf(got) != 200 {
			t.Errorf("section %s: %q: got %q; want 200", section, request, got)
			return
		}
		seen := rec.last(t)
		line, _, _ := strings.Cut(seen, "\r\n")
		if line != wantLine || field(seen, "Host") != wantHost {
			t.Errorf("section %s: %q: got %q with host %q; want %q with %q", section, request, line, field(seen, "Host"), wantLine, wantHost)
		}
	}
	rest := " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	f("2.2 empty line before", "\r\nGET /"+rest, "GET / HTTP/1.1", "a")
	f("2.2 two empty lines before", "\r\n\r\nGET /"+rest, "GET / HTTP/1.1", "a")
	f("2.3 own version", "GET /x HTTP/1.0\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1", "a")
	f("3.1 unknown method", "BREW /"+rest, "BREW / HTTP/1.1", "a")
	f("3.1 case of a method", "get /"+rest, "get / HTTP/1.1", "a")
	f("3.2.2 absolute form", "GET http://b:81/x?y"+rest, "GET /x?y HTTP/1.1", "b:81")
	f("3.2.2 absolute form without path", "GET http://b"+rest, "GET / HTTP/1.1", "b")
	f("3.2.2 absolute form with query only", "GET http://b?q"+rest, "GET /?q HTTP/1.1", "b")
	f("3.2.2 absolute form in HTTP/1.0", "GET http://b/x HTTP/1.0\r\n\r\n", "GET /x HTTP/1.1", "b")
	f("3.3 HTTP/1.0 without Host", "GET /x HTTP/1.0\r\n\r\n", "GET /x HTTP/1.1", r.addr)
	if seen := rec.last(t); field(seen, "X-Forwarded-Host") != "" || strings.Contains(field(seen, "Forwarded"), "host=") {
		t.Errorf("got %q; want no host that the client did not say", seen)
	}
	f("3.2 IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1", "[::1]:80")
	f("9110 7.7 the path as it is", "GET /a//b/%2F/%7e?%7e=/../"+rest, "GET /a//b/%2F/~?%7e=/../ HTTP/1.1", "a")
	f("9110 7.7 empty query", "GET /?"+rest, "GET /? HTTP/1.1", "a")
	f("5.1 no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\nConnection:close\r\n\r\n", "GET / HTTP/1.1", "a")
	f("5.1 empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1", "a")
	if seen := rec.last(t); fieldLines(seen, "X")[0] != "" {
		t.Errorf("got %q; want the empty field passed on", seen)
	}
}

// Paths that instances read in different ways are refused, so that what was matched is what is served.
func TestPathsThatAreReadDifferently(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	for _, path := range []string{"/..", "/a/../b", "/./a", "/%2e%2e/", "/a/%2E./b", "/..%2fa", "/..%5ca", "/..;/a", "/%00", "/a%", "/a%2", "/a%zz", "/\\..", "/%"} {
		got := r.dial().send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n").all()
		if statusOf(got) != 400 {
			t.Errorf("%s: got %.40q; want 400", path, got)
		}
	}
	if got := rec.requests(); len(got) != 0 {
		t.Errorf("got %q at the instance; want nothing", got)
	}
}
