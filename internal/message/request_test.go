package message

import (
	"fmt"
	"strings"
	"testing"
)

var limits = Limits{HeadBytes: 32 << 10, FieldCount: 100, TargetBytes: 8 << 10}

// parse parses a whole head; in head "\n" stands for CRLF and "\r", "\x0a" written out as {CR} and {LF} for themselves.
func parse(t testing.TB, head string) (*Request, *Error) {
	t.Helper()
	b := []byte(wire(head))
	r := new(Request)
	n, err := r.Parse(b, limits)
	if err == nil && n == 0 {
		t.Fatalf("%q: not complete", head)
	}
	if err != nil && n != 0 {
		t.Fatalf("%q: refused, and yet %d bytes taken", head, n)
	}
	return r, err
}

func wire(s string) string {
	return strings.NewReplacer("\n", "\r\n", "{CR}", "\r", "{LF}", "\n", "{NUL}", "\x00").Replace(s)
}

// describe prints what Parse understood.
func describe(r *Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	if r.HasQuery {
		fmt.Fprintf(&b, "?%s", r.Query)
	}
	fmt.Fprintf(&b, " 1.%d host=%s", r.Minor, r.Host)
	if r.ContentLength >= 0 {
		fmt.Fprintf(&b, " length=%d", r.ContentLength)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{r.Chunked, "chunked"}, {r.Close, "close"}, {r.ExpectContinue, "expect"}, {r.TrailersOK, "trailers"}} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	if r.Upgrade != nil {
		fmt.Fprintf(&b, " upgrade=%s", r.Upgrade)
	}
	if r.MaxForwards >= 0 {
		fmt.Fprintf(&b, " forwards=%d", r.MaxForwards)
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Kind == KindOther || f.Kind == KindNamed {
			fmt.Fprintf(&b, " [%s:%s", f.Name, f.Value)
			if f.Kind == KindNamed {
				b.WriteString(" named")
			}
			b.WriteString("]")
		}
	}
	return b.String()
}

func accepted(t *testing.T) func(head, want string) {
	return func(head, want string) {
		t.Helper()
		r, err := parse(t, head)
		if err != nil {
			t.Errorf("%q: refused: %s", head, err.Reason)
		} else if got := describe(r); got != want {
			t.Errorf("%q:\n got %s\nwant %s", head, got, want)
		}
	}
}

func refused(t *testing.T) func(head string, status int, reason string) {
	return func(head string, status int, reason string) {
		t.Helper()
		r, err := parse(t, head)
		if err == nil {
			t.Errorf("%q: taken as %s", head, describe(r))
		} else if err.Status != status || !strings.Contains(err.Reason, reason) {
			t.Errorf("%q: got %d %q; want %d %q", head, err.Status, err.Reason, status, reason)
		}
	}
}

// RFC 9112 section 2.2: lines.
func TestLines(t *testing.T) {
	ok, no := accepted(t), refused(t)
	ok("GET / HTTP/1.1\nHost: a\n\n", "GET / 1.1 host=a")
	ok("\nGET / HTTP/1.1\nHost: a\n\n", "GET / 1.1 host=a")
	ok("\n\nGET / HTTP/1.1\nHost: a\n\n", "GET / 1.1 host=a")
	no("\n\n\nGET / HTTP/1.1\nHost: a\n\n", 400, "without a method")
	no("GET / HTTP/1.1{LF}Host: a\n\n", 400, "line feed without carriage return")
	no("GET / HTTP/1.1\nHost: a{LF}\n", 400, "line feed without carriage return")
	no("GET / HTTP/1.1\nHost: a\n{LF}", 400, "line feed without carriage return")
	no("{LF}GET / HTTP/1.1\nHost: a\n\n", 400, "line feed without carriage return")
	no("GET / HTTP/1.1\nHost: a{CR}b\n\n", 400, "control character")
	no("GET / HTTP/1.1\nX: a{CR}b\nHost: a\n\n", 400, "control character")
	no("GET / HTTP/1.1\nHost: a\nX: a{CR}\n\n", 400, "control character")
	no("GET / HTTP/1.1\n Host: a\n\n", 400, "folded")
	no("GET / HTTP/1.1\n\tHost: a\n\n", 400, "folded")
	no("GET / HTTP/1.1\nHost: a\nX: b\n c\n\n", 400, "folded")
	no("GET / HTTP/1.1\nHost: a\nX: b\n \n\n", 400, "folded")
}

// RFC 9112 section 3: the request line.
func TestRequestLine(t *testing.T) {
	ok, no := accepted(t), refused(t)
	ok("get / HTTP/1.1\nHost: a\n\n", "get / 1.1 host=a")
	ok("M-SEARCH / HTTP/1.1\nHost: a\n\n", "M-SEARCH / 1.1 host=a")
	ok("GET / HTTP/1.0\n\n", "GET / 1.0 host= close")
	ok("GET / HTTP/1.0\nHost: a\nConnection: keep-alive\n\n", "GET / 1.0 host=a close")
	for _, line := range []string{"GET", "GET ", " GET / HTTP/1.1", "GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.1 ", "GET /  HTTP/1.1",
		"GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", "GET /{CR} HTTP/1.1", "G(T / HTTP/1.1", "GET /", "GET / http/1.1", "GET / HTTP/1.", "GET / HTTP/11", "GET / HTTP/1.10",
		"GET / HTTP/+1.1", "GET / FTP/1.1", "GET /{NUL} HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /#a HTTP/1.1", "GET /<a> HTTP/1.1", `GET /a\b HTTP/1.1`, `GET /"a" HTTP/1.1`,
		"GET a HTTP/1.1", "GET a/b HTTP/1.1", "GET ?a HTTP/1.1", "GET ftp://a/ HTTP/1.1", "GET h:80 HTTP/1.1", "GET :// HTTP/1.1", "GET * HTTP/1.1"} {
		no(line+"\nHost: a\n\n", 400, "")
	}
	no("GET / HTTP/2.0\nHost: a\n\n", 505, "version")
	no("GET / HTTP/0.9\nHost: a\n\n", 505, "version")
	no("GET / HTTP/1.2\nHost: a\n\n", 505, "version")
	no("PRI * HTTP/2.0\n\nSM\n\n", 505, "version")
}

// RFC 9112 section 5: field lines.
func TestFieldLines(t *testing.T) {
	ok, no := accepted(t), refused(t)
	f := func(line, want string) {
		t.Helper()
		ok("GET / HTTP/1.1\nHost: h\n"+line+"\n\n", "GET / 1.1 host=h "+want)
	}
	f("X: a", "[X:a]")
	f("X:", "[X:]")
	f("X: \t a b \t ", "[X:a b]")
	f("X: a\tb\x80\xff", "[X:a\tb\x80\xff]")
	f("!#$%&'*+-.^`|~19: a", "[!#$%&'*+-.^`|~19:a]")
	f("X: 1\nx: 2\nX: 1", "[X:1] [x:2] [X:1]")
	f("X: a:b, c", "[X:a:b, c]")
	for _, line := range []string{"X : a", "X\t: a", ": a", "X", "X a", "X{NUL}: a", "X\x80: a", "X(: a", "a b: c", "X: {NUL}", "X: a{NUL}b", "X: \x01", "X: \x7f",
		"X: aaaaaaaa\x1faaaaaaa", "X: aaaaaaaaaaaaaaaa\x7f", "X_Forwarded_For: a", "_: a"} {
		no("GET / HTTP/1.1\nHost: h\n"+line+"\n\n", 400, "")
	}
	no("GET / HTTP/1.1\nHost : h\n\n", 400, "without a name and a colon")
}

// RFC 9112 section 6: where the body ends.
func TestFraming(t *testing.T) {
	ok, no := accepted(t), refused(t)
	f := func(lines, want string) {
		t.Helper()
		ok("POST / HTTP/1.1\nHost: h\n"+lines+"\n\n", "POST / 1.1 host=h "+want)
	}
	f("Content-Length: 0", "length=0")
	f("Content-Length: 42", "length=42")
	f("Content-Length: 042", "length=42")
	f("Content-Length: 4611686018427387904", "length=4611686018427387904")
	f("Transfer-Encoding: chunked", "chunked")
	f("transfer-encoding: CHUNKED", "chunked")
	g := func(lines string, status int, reason string) {
		t.Helper()
		no("POST / HTTP/1.1\nHost: h\n"+lines+"\n\n", status, reason)
	}
	for _, length := range []string{"", "+1", "-1", "1 2", "1,1", "42, 42", "0x10", "1e3", "1.0", "a", "1a", "\x001", "4611686018427387905", "9223372036854775808",
		"18446744073709551617", "21000000000000000000", "00000000000000000042", "１"} {
		g("Content-Length: "+length, 400, "")
	}
	g("Content-Length: 1\nContent-Length: 1", 400, "more than one Content-Length")
	g("Content-Length: 1\nContent-Length: 2", 400, "more than one Content-Length")
	g("Transfer-Encoding: chunked\nContent-Length: 1", 400, "both")
	g("Content-Length: 0\nTransfer-Encoding: chunked", 400, "both")
	g("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400, "more than once")
	g("Transfer-Encoding: chunked, chunked", 400, "more than once")
	g("Transfer-Encoding: gzip, chunked", 501, "transfer coding")
	g("Transfer-Encoding: chunked, gzip", 501, "transfer coding")
	g("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", 501, "transfer coding")
	g("Transfer-Encoding: chunked\nTransfer-Encoding: identity", 501, "transfer coding")
	g("Transfer-Encoding: identity", 501, "transfer coding")
	g("Transfer-Encoding: xchunked", 501, "transfer coding")
	g("Transfer-Encoding: \"chunked\"", 501, "transfer coding")
	g("Transfer-Encoding: chunked;a=b", 501, "transfer coding")
	g("Transfer-Encoding: chunked,", 501, "transfer coding")
	g("Transfer-Encoding:", 501, "transfer coding")
	g("Transfer-Encoding: \x0bchunked", 400, "control character")
	g("Transfer-Encoding : chunked", 400, "")
	g("Trailer: X, content-length", 400, "trailer")
	g("Trailer: Transfer-Encoding", 400, "trailer")
	no("POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n", 400, "HTTP/1.0")
	no("POST / HTTP/1.0\nTransfer-Encoding: chunked\nContent-Length: 1\n\n", 400, "HTTP/1.0")
	ok("GET / HTTP/1.1\nHost: h\nContent-Length: 5\n\n", "GET / 1.1 host=h length=5")
	ok("POST / HTTP/1.1\nHost: h\n\n", "POST / 1.1 host=h")
}

// RFC 9110 section 7.6.1: Connection and what it names.
func TestConnection(t *testing.T) {
	ok, no := accepted(t), refused(t)
	f := func(lines, want string) {
		t.Helper()
		ok("GET / HTTP/1.1\nHost: h\n"+lines+"\n\n", "GET / 1.1 host=h"+want)
	}
	f("Connection: close", " close")
	f("Connection: keep-alive", "")
	f("Connection: keep-alive, CLOSE ", " close")
	f("Connection: keep-alive\nConnection: close", " close")
	f("Connection: ,,", "")
	f("Connection: closed", "")
	f("Connection: x-hop\nX-Hop: 1\nX-Other: 2\nx-hop: 3", " [X-Hop:1 named] [X-Other:2] [x-hop:3 named]")
	f("X-Hop: 1\nConnection: X-HOP", " [X-Hop:1 named]")
	f("X-Forwarded-For: 1\nConnection: x-forwarded-for", " [X-Forwarded-For:1 named]")
	for _, name := range []string{"Host", "content-length", "Cache-Control", "Transfer-Encoding", "Authorization", "Cookie", "Content-Type", "Expect", "Via"} {
		no("GET / HTTP/1.1\nHost: h\nConnection: close, "+name+"\n\n", 400, "end-to-end")
	}
	no("GET / HTTP/1.1\nHost: h\nConnection: a b\n\n", 400, "not a token")
	f("Connection: a"+strings.Repeat(",a", maxOptions-1), "")
	no("GET / HTTP/1.1\nHost: h\nConnection: a"+strings.Repeat(",a", maxOptions)+"\n\n", 400, "too many")
	no("GET / HTTP/1.1\nHost: h\n"+strings.Repeat("Connection: a\n", maxOptions+1)+"\n", 400, "too many")
	no("GET / HTTP/1.1\nHost: h\nConnection: \"close\"\n\n", 400, "not a token")
	// Upgrade and TE count only when Connection names them, and never from HTTP/1.0.
	f("Connection: Upgrade\nUpgrade: websocket", " upgrade=websocket")
	f("Upgrade: websocket\nConnection: keep-alive, upgrade", " upgrade=websocket")
	f("Upgrade: websocket", "")
	f("Upgrade: websocket\nConnection: close", " close")
	f("Connection: upgrade", "")
	f("Connection: upgrade\nUpgrade: h2c", "")
	f("Connection: upgrade\nUpgrade: websocket, H2C", "")
	f("Connection: TE\nTE: gzip, trailers", " trailers")
	f("TE: trailers", "")
	f("TE: trailers\nConnection: close", " close")
	f("Connection: TE\nTE: gzip", "")
	ok("GET / HTTP/1.0\nHost: h\nConnection: upgrade, te\nUpgrade: websocket\nTE: trailers\n\n", "GET / 1.0 host=h close")
}

// RFC 9110 section 10.1.1 and 7.6.2.
func TestExpectAndMaxForwards(t *testing.T) {
	ok, no := accepted(t), refused(t)
	ok("PUT / HTTP/1.1\nHost: h\nExpect: 100-Continue\nContent-Length: 1\n\n", "PUT / 1.1 host=h length=1 expect")
	ok("PUT / HTTP/1.1\nHost: h\nExpect: 100-continue\nTransfer-Encoding: chunked\n\n", "PUT / 1.1 host=h chunked expect")
	ok("PUT / HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 0\n\n", "PUT / 1.1 host=h length=0")
	ok("GET / HTTP/1.1\nHost: h\nExpect: 100-continue\n\n", "GET / 1.1 host=h")
	ok("PUT / HTTP/1.0\nHost: h\nExpect: 100-continue\nContent-Length: 1\n\n", "PUT / 1.0 host=h length=1 close")
	ok("PUT / HTTP/1.0\nHost: h\nExpect: x\nContent-Length: 1\n\n", "PUT / 1.0 host=h length=1 close")
	no("PUT / HTTP/1.1\nHost: h\nExpect: x\nContent-Length: 1\n\n", 417, "expectation")
	no("PUT / HTTP/1.1\nHost: h\nExpect: x\nExpect: 100-continue\nContent-Length: 1\n\n", 417, "expectation")
	no("PUT / HTTP/1.1\nHost: h\nExpect:\nContent-Length: 1\n\n", 417, "expectation")
	ok("OPTIONS / HTTP/1.1\nHost: h\nMax-Forwards: 0\n\n", "OPTIONS / 1.1 host=h forwards=0")
	ok("TRACE / HTTP/1.1\nHost: h\nMax-Forwards: 10\n\n", "TRACE / 1.1 host=h forwards=10")
	ok("TRACE / HTTP/1.1\nHost: h\nMax-Forwards: -1\n\n", "TRACE / 1.1 host=h")
	ok("TRACE / HTTP/1.1\nHost: h\nMax-Forwards: 2147483648\n\n", "TRACE / 1.1 host=h")
}

// TestParseReuse: nothing of one request shows in the next.
func TestParseReuse(t *testing.T) {
	var r Request
	heads := []string{
		"PUT /%41?q HTTP/1.1\nHost: h\nConnection: close, upgrade, te, x\nX: 1\nUpgrade: w\nTE: trailers\nContent-Length: 5\nExpect: 100-continue\nMax-Forwards: 3\n\n",
		"GET / HTTP/1.0\n\n",
		"POST /%42 HTTP/1.1\nHost: i\nTransfer-Encoding: chunked\n\n",
		"CONNECT a:1 HTTP/1.1\nHost: b\n\n",
	}
	for i, head := range heads {
		var fresh Request
		if _, err := r.Parse([]byte(wire(head)), limits); err != nil {
			t.Fatal(err)
		}
		if _, err := fresh.Parse([]byte(wire(head)), limits); err != nil {
			t.Fatal(err)
		}
		if got, want := describe(&r), describe(&fresh); got != want {
			t.Errorf("request %d: got %s; want %s", i, got, want)
		}
	}
}

func TestParseDoesNotRunOver(t *testing.T) {
	head := wire("GET / HTTP/1.1\nHost: a\n\n")
	var r Request
	n, err := r.Parse([]byte(head+"GET /next HTTP/1.1\r\n"), limits)
	if err != nil || n != len(head) || string(r.Path) != "/" {
		t.Errorf("got %d, %v; want %d", n, err, len(head))
	}
}

func TestVerbs(t *testing.T) {
	f := func(method string, want Verb, idempotent bool) {
		t.Helper()
		r, err := parse(t, method+" * HTTP/1.1\nHost: h\n\n")
		if method != "OPTIONS" {
			r, err = parse(t, method+" h:1 HTTP/1.1\nHost: h\n\n")
		}
		if method != "OPTIONS" && method != "CONNECT" {
			r, err = parse(t, method+" / HTTP/1.1\nHost: h\n\n")
		}
		if err != nil || r.Verb != want || r.Verb.Idempotent() != idempotent {
			t.Errorf("%s: got %v, %v, %v", method, r.Verb, r.Verb.Idempotent(), err)
		}
	}
	f("GET", VerbGet, true)
	f("HEAD", VerbHead, true)
	f("POST", VerbPost, false)
	f("PUT", VerbPut, true)
	f("DELETE", VerbDelete, true)
	f("OPTIONS", VerbOptions, true)
	f("PATCH", VerbPatch, false)
	f("TRACE", VerbTrace, true)
	f("CONNECT", VerbConnect, false)
	f("PROPFIND", VerbOther, false)
	f("get", VerbOther, false)
}
