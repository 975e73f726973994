package proxy

import (
	"regexp"
	"strings"
	"testing"
)

// The whole of what an instance gets: hop-by-hop fields gone, everything else as it was and in its order, the gateway's own behind.
func TestRFC9110ForwardedFields(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	ids := regexp.MustCompile(`(X-Request-Id: )[0-9a-f-]{36}|(for="127\.0\.0\.1:)[0-9]+`)
	f := func(section, request, want string) {
		t.Helper()
		c := r.dial().send(wire(request + "\n"))
		if res, body := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("section %s: got %d %q; want 200", section, res.StatusCode, body)
			return
		}
		c.nc.Close()
		got := strings.ReplaceAll(ids.ReplaceAllString(rec.last(t), "$1$2*"), "\r\n", "\n")
		tail := "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\n" +
			"Forwarded: for=\"127.0.0.1:*\";host=a;proto=http\nVia: 1.1 gw-test\nX-Request-Id: *\n\n"
		if got != want+tail {
			t.Errorf("section %s: got\n%s\nwant\n%s", section, got, want+tail)
		}
	}
	start := "GET / HTTP/1.1\nHost: a\n"
	f("5.1 unknown fields", start+"X-New: 1\nx-NEW2: b c\n", start+"X-New: 1\nx-NEW2: b c\n")
	f("5.3 order and number of lines", start+"A: 1\nB: 2\nA: 3\n", start+"A: 1\nB: 2\nA: 3\n")
	f("5.5 white space around a value", start+"A: \t 1 \t\n", start+"A: 1\n")
	f("5.5 obs-text", start+"A: caf\xe9\n", start+"A: caf\xe9\n")
	f("7.6.1 hop-by-hop fields", start+"Connection: keep-alive\nKeep-Alive: 5\nProxy-Connection: x\nTE: gzip\nUpgrade: w\nProxy-Authorization: x\nA: 1\n", start+"A: 1\n")
	f("7.6.1 named fields", start+"X-A: 1\nConnection: x-a, close , X-B\nX-B: 2\nX-C: 3\n", start+"X-C: 3\n")
	f("7.6.1 named by a second line", start+"Connection: close\nConnection: X-A\nX-A: 1\n", start)
	f("7.6.1 what the gateway adds cannot be named away", start+"Connection: X-Forwarded-For, Forwarded, X-Request-Id, X-Forwarded-Proto\n", start)
	f("10.1.4 TE", start+"TE: gzip;q=0.5, trailers\nConnection: TE\n", start+"Connection: TE\nTE: trailers\n")
	f("10.1.4 TE that Connection does not name", start+"TE: trailers\n", start)
	f("httpoxy", start+"Proxy: http://evil/\n", start)
	f("7.8 h2c", start+"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n", start)
	f("10.1.1 an expectation without a body", start+"Expect: 100-continue\n", start)
	f("9110 7.6.2 Max-Forwards of other methods", start+"Max-Forwards: 3\n", start)

	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.dial().send(wire(start + "Connection: close\nTracestate: a=b\nTraceparent: " + trace + "\n\n")).all()
	if seen := rec.last(t); field(seen, "Traceparent") != trace || field(seen, "Tracestate") != "a=b" {
		t.Errorf("got %q; want the trace context passed on", seen)
	}
}

// RFC 9110 section 7.6.1: refused as connection options are fields that the recipient needs.
func TestRFC9110ConnectionOptions(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	for _, option := range []string{"Host", "content-length", "Transfer-Encoding", "Cache-Control", "Authorization", "Cookie", "Content-Type", "a b", "a@b"} {
		got := r.dial().send(wire("GET / HTTP/1.1\nHost: a\nConnection: " + option + "\n\n")).all()
		if statusOf(got) != 400 {
			t.Errorf("%s: got %q; want 400", option, got)
		}
	}
	if got := rec.requests(); got != nil {
		t.Errorf("got %q at the instance; want nothing", got)
	}
}

// What a client gets: hop-by-hop fields of the instance gone, everything else as it was, one Date, one request id.
func TestRFC9110ResponseFields(t *testing.T) {
	t.Parallel()
	f := func(section, reply, want string) {
		t.Helper()
		got := newRig(t, record(t, wire(reply)).addr).start().dial().send(getClose).all()
		got = regexp.MustCompile(`X-Request-Id: [0-9a-f-]{36}`).ReplaceAllString(got, "X-Request-Id: *")
		got = regexp.MustCompile(`Date: .* GMT`).ReplaceAllString(got, "Date: *")
		if got = strings.ReplaceAll(got, "\r\n", "\n"); got != want {
			t.Errorf("section %s: got\n%s\nwant\n%s", section, got, want)
		}
	}
	ok, date, id, end := "HTTP/1.1 200 OK\n", "Date: *\n", "X-Request-Id: *\n", "Content-Length: 2\nConnection: close\n\nok"
	body := "Content-Length: 2\n\nok"
	f("5.1 unknown fields, 5.3 order", ok+"X-B: 1\nx-a: 2\nX-B: 3\n"+body, ok+"X-B: 1\nx-a: 2\nX-B: 3\n"+date+id+end)
	f("5.3 Set-Cookie is never joined", ok+"Set-Cookie: a=1\nSet-Cookie: b=2\n"+body, ok+"Set-Cookie: a=1\nSet-Cookie: b=2\n"+date+id+end)
	f("2.5 own version", "HTTP/1.0 200 Fine\n"+body, "HTTP/1.1 200 Fine\n"+date+id+end)
	f("6.6.1 Date of the instance stays", ok+"Date: Tue, 15 Nov 1994 08:12:31 GMT\n"+body, ok+"Date: *\n"+id+end)
	f("7.6.1 hop-by-hop fields", ok+"Connection: X-Hop, keep-alive\nKeep-Alive: timeout=5\nX-Hop: 1\nProxy-Connection: x\nUpgrade: h2c\nTE: x\nX-End: 2\n"+body,
		ok+"X-End: 2\n"+date+id+end)
	f("one request id", ok+"X-Request-Id: mine\n"+body, ok+date+id+end)
	f("5.5 obs-text", ok+"A: caf\xe9\n"+body, ok+"A: caf\xe9\n"+date+id+end)
	f("15 a status that nobody knows", "HTTP/1.1 299 Curious\n"+body, "HTTP/1.1 299 Curious\n"+date+id+end)
	f("15.6 errors of the instance are its own", "HTTP/1.1 503 Busy\nRetry-After: 9\n"+body, "HTTP/1.1 503 Busy\nRetry-After: 9\n"+date+id+end)
}

// What the gateway answers by itself.
func TestRFC9110AnsweredHere(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.route.MaxBodyBytes = 10
	r.start()
	f := func(section, request string, want int, wantField, wantCause string) {
		t.Helper()
		got := r.dial().send(wire(request)).all()
		name, value, _ := strings.Cut(wantField, ": ")
		if statusOf(got) != want || !strings.Contains(got, wantCause) || wantField != "" && field(got, name) != value {
			t.Errorf("section %s: got %q; want %d with %q and %q", section, got, want, wantField, wantCause)
		}
	}
	closing := " HTTP/1.1\nHost: a\nConnection: close\n"
	allow := "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	f("9.3.6 CONNECT", "CONNECT a:443"+closing+"\n", 405, allow, "(method-not-allowed)")
	f("9.3.8 TRACE", "TRACE /"+closing+"\n", 405, allow, "(method-not-allowed)")
	f("9.3.7 OPTIONS *", "OPTIONS *"+closing+"\n", 200, allow, "")
	f("9.3.7 OPTIONS * in absolute form", "OPTIONS http://a"+closing+"\n", 200, allow, "")
	f("7.6.2 OPTIONS with Max-Forwards: 0", "OPTIONS /x"+closing+"Max-Forwards: 0\n\n", 200, allow, "")
	f("7.6.2 TRACE with Max-Forwards: 0", "TRACE /"+closing+"Max-Forwards: 0\n\n", 405, allow, "(method-not-allowed)")
	f("7.6 loop", "GET /"+closing+"Via: 1.1 other, 1.1 gw-test\n\n", 508, "", "(loop)")
	f("7.6 loop, second line", "GET /"+closing+"Via: 1.1 other\nVia: HTTP/1.1 gw-test\n\n", 508, "", "(loop)")
	f("10.1.1 other expectation", "GET /"+closing+"Expect: magic\n\n", 417, "Connection: close", "(malformed-request)")
	f("15.5.14 length over the limit, without waiting for the body", "POST / HTTP/1.1\nHost: a\nContent-Length: 100000\n\n", 413, "Connection: close", "(body-too-large)")
	f("15.5.14 length over the limit by one", "POST /"+closing+"Content-Length: 11\n\n01234567890", 413, "", "(body-too-large)")
	f("15.5.14 chunks over the limit", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n6\nabcdef\n6\nabcdef\n0\n\n", 413, "Connection: close", "(body-too-large)")
	rec.await(t, "the connection to close", func() bool { return rec.open == 0 })
	for _, seen := range rec.requests() {
		if strings.HasSuffix(seen, "\r\n0\r\n\r\n") {
			t.Errorf("got %q at the instance; want it incomplete", seen)
		}
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures of the instance; want 0", n)
	}

	got := r.dial().send(wire("POST / HTTP/1.1\nHost: a\nConnection: close\nTransfer-Encoding: chunked\n\na\n0123456789\n0\n\n")).all()
	if statusOf(got) != 200 {
		t.Errorf("at the limit: got %q; want 200", got)
	}
	r.dial().send(wire("OPTIONS /x" + closing + "Max-Forwards: 7\n\n")).all()
	if seen := rec.last(t); field(seen, "Max-Forwards") != "6" {
		t.Errorf("got %q; want Max-Forwards: 6", seen)
	}
	r.dial().send(wire("GET / HTTP/1.0\nVia: 1.1 gw-testing\nVia: 1.0 gw-test2 (gw-test)\n\n")).all()
	if seen := rec.last(t); field(seen, "Via") != "1.1 gw-testing, 1.0 gw-test2 (gw-test), 1.0 gw-test" {
		t.Errorf("got Via %q; want the gateway behind the others, and no loop seen", field(seen, "Via"))
	}
}

// RFC 9110 section 5.5 and the like: names that another reader takes for a different one are refused.
func TestUnderscoreNames(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	for _, name := range []string{"X_Forwarded_For", "Content_Length", "a_b"} {
		if got := r.dial().send(wire("GET / HTTP/1.1\nHost: a\n" + name + ": 1\n\n")).all(); statusOf(got) != 400 {
			t.Errorf("%s: got %q; want 400", name, got)
		}
	}
}

// An error reads as its client wants it, with the id to ask for, and says nothing of what Go said.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, "127.0.0.1:1").start()
	f := func(method, accept, wantType, wantBody string) {
		t.Helper()
		got := r.dial().send(wire(method + " / HTTP/1.1\nHost: a\nConnection: close\nAccept: " + accept + "\n\n")).all()
		res, body := parse(t, got, method)
		want := strings.ReplaceAll(wantBody, "ID", res.Header.Get("X-Request-Id"))
		if res.StatusCode != 502 || res.Header.Get("Content-Type") != wantType || body != want || res.ContentLength == 0 {
			t.Errorf("%s %s: got %d %s %q of %d bytes; want 502 %s %q", method, accept, res.StatusCode, res.Header.Get("Content-Type"), body, res.ContentLength, wantType, want)
		}
	}
	text := "502 Bad Gateway: the instance refused the connection (connect-refused)\nrequest id: ID\n"
	f("GET", "*/*", "text/plain; charset=utf-8", text)
	f("HEAD", "*/*", "text/plain; charset=utf-8", "")
	f("GET", "application/json", "application/json", `{"cause":"connect-refused","error":"the instance refused the connection","requestId":"ID"}`+"\n")
	f("GET", "application/problem+json, text/*", "application/json", `{"cause":"connect-refused","error":"the instance refused the connection","requestId":"ID"}`+"\n")
}
