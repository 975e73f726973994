package message

import (
	"fmt"
	"strings"
	"testing"
)

func describeResponse(r *Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q 1.%d", r.Status, r.Reason, r.Minor)
	if r.ContentLength >= 0 {
		fmt.Fprintf(&b, " length=%d", r.ContentLength)
	}
	if r.Chunked {
		b.WriteString(" chunked")
	}
	if r.Close {
		b.WriteString(" close")
	}
	if r.Upgrade != nil {
		fmt.Fprintf(&b, " upgrade=%s", r.Upgrade)
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

func TestResponse(t *testing.T) {
	parse := func(head string) (*Response, *Error) {
		t.Helper()
		b, r := []byte(wire(head)), new(Response)
		n, err := r.Parse(append(b, "body"...), limits)
		if err == nil && n != len(b) {
			t.Fatalf("%q: %d bytes taken; want %d", head, n, len(b))
		}
		return r, err
	}
	ok := func(head, want string) {
		t.Helper()
		if r, err := parse(head); err != nil {
			t.Errorf("%q: refused: %s", head, err.Reason)
		} else if got := describeResponse(r); got != want {
			t.Errorf("%q: got %s; want %s", head, got, want)
		}
	}
	no := func(head, reason string) {
		t.Helper()
		if r, err := parse(head); err == nil {
			t.Errorf("%q: taken as %s", head, describeResponse(r))
		} else if !strings.Contains(err.Reason, reason) {
			t.Errorf("%q: got %q; want %q", head, err.Reason, reason)
		}
	}
	// The status line.
	ok("HTTP/1.1 200 OK\n\n", `200 "OK" 1.1`)
	ok("HTTP/1.1 200\n\n", `200 "" 1.1`)
	ok("HTTP/1.1 200 \n\n", `200 "" 1.1`)
	ok("HTTP/1.1 599 so so\x80\n\n", `599 "so so\x80" 1.1`)
	ok("HTTP/1.0 404 Not Found\n\n", `404 "Not Found" 1.0 close`)
	ok("HTTP/1.0 200 OK\nConnection: keep-alive\n\n", `200 "OK" 1.0`)
	for _, line := range []string{"HTTP/1.1 99 X", "HTTP/1.1 099 X", "HTTP/1.1 600 X", "HTTP/1.1 1000 X", "HTTP/1.1 20x X", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK",
		"HTTP/1.1200 OK", "HTTP/1.1 200 a{NUL}b", "HTTP/1.1 200 a{CR}b", "HTTP/1.1 -20 X", "HTTP/1.1", "HTTP/1.1 "} {
		no(line+"\n\n", "")
	}
	no("HTTP/2.0 200 OK\n\n", "version")
	no("HTTP/1.2 200 OK\n\n", "version")
	no("SSH-2.0-OpenSSH\n\n", "")
	no("\nHTTP/1.1 200 OK\n\n", "")
	// Fields: white space before the colon is taken off, everything else is as strict as in requests.
	ok("HTTP/1.1 200 OK\nX \t: a\nA_B: c\n\n", `200 "OK" 1.1 [X:a] [A_B:c]`)
	no("HTTP/1.1 200 OK\nX: a\n b\n\n", "folded")
	no("HTTP/1.1 200 OK\n: a\n\n", "without a name")
	no("HTTP/1.1 200 OK\n : a\n\n", "folded")
	no("HTTP/1.1 200 OK\nX a\n\n", "colon")
	no("HTTP/1.1 200 OK\nX: {NUL}\n\n", "control")
	no("HTTP/1.1 200 OK{LF}\n\n", "line feed")
	// Framing.
	ok("HTTP/1.1 200 OK\nContent-Length: 5\n\n", `200 "OK" 1.1 length=5`)
	ok("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\n\n", `200 "OK" 1.1 chunked`)
	ok("HTTP/1.1 304 X\nContent-Length: 5\n\n", `304 "X" 1.1 length=5`)
	ok("HTTP/1.1 304 X\nTransfer-Encoding: chunked\n\n", `304 "X" 1.1 chunked`)
	no("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\n", "not one number")
	no("HTTP/1.1 200 OK\nContent-Length: 5, 5\n\n", "not one number")
	no("HTTP/1.1 200 OK\nContent-Length: -5\n\n", "not one number")
	no("HTTP/1.1 200 OK\nContent-Length: 21000000000000000000\n\n", "not one number")
	no("HTTP/1.1 200 OK\nContent-Length:\n\n", "not one number")
	no("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", "with Content-Length")
	no("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n", "other than chunked")
	no("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n", "other than chunked")
	no("HTTP/1.1 200 OK\nTransfer-Encoding: identity\n\n", "other than chunked")
	no("HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n", "HTTP/1.0")
	no("HTTP/1.1 204 OK\nTransfer-Encoding: chunked\n\n", "without a body")
	no("HTTP/1.1 103 OK\nTransfer-Encoding: chunked\n\n", "without a body")
	// Connection.
	ok("HTTP/1.1 200 OK\nConnection: close, x-hop\nX-Hop: 1\n\n", `200 "OK" 1.1 close [X-Hop:1 named]`)
	ok("HTTP/1.1 200 OK\nConnection: keep-alive\nKeep-Alive: timeout=5\n\n", `200 "OK" 1.1`)
	ok("HTTP/1.1 101 X\nConnection: Upgrade\nUpgrade: websocket\n\n", `101 "X" 1.1 upgrade=websocket`)
	no("HTTP/1.1 200 OK\nConnection: set-cookie\n\n", "end-to-end")
	no("HTTP/1.1 200 OK\nConnection: a"+strings.Repeat(",a", maxOptions)+"\n\n", "too many")
}

// TestResponseInPieces: a slow instance and one that speaks something else are told apart as soon as they can be.
func TestResponseInPieces(t *testing.T) {
	f := func(in string, wantErr bool) {
		t.Helper()
		var r Response
		n, err := r.Parse([]byte(wire(in)), limits)
		if n != 0 || (err != nil) != wantErr {
			t.Errorf("%q: got %d, %v", in, n, err)
		}
	}
	whole := "HTTP/1.1 200 OK\nX: a\n"
	for n := range len(whole) {
		f(whole[:n], false)
	}
	f("S", true)
	f("HTTP/2", true)
	f("\x15\x03\x01", true)
	f("HTTP/1.1 200 "+strings.Repeat("x", limits.HeadBytes), true)
}

func TestBodyOf(t *testing.T) {
	f := func(verb Verb, head string, bodiless, untilClose bool) {
		t.Helper()
		var r Response
		if n, err := r.Parse([]byte(wire(head)), limits); err != nil || n == 0 {
			t.Fatalf("%q: %v", head, err)
		}
		if r.Bodiless(verb) != bodiless || r.UntilClose() != untilClose {
			t.Errorf("%q: bodiless=%v, until close=%v; want %v, %v", head, r.Bodiless(verb), r.UntilClose(), bodiless, untilClose)
		}
	}
	f(VerbGet, "HTTP/1.1 200 OK\n\n", false, true)
	f(VerbGet, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, false)
	f(VerbGet, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", false, false)
	f(VerbHead, "HTTP/1.1 200 OK\nContent-Length: 5\n\n", true, false)
	f(VerbGet, "HTTP/1.1 204 X\nContent-Length: 5\n\n", true, false)
	f(VerbGet, "HTTP/1.1 304 X\nContent-Length: 5\n\n", true, false)
	f(VerbGet, "HTTP/1.1 103 X\n\n", true, true)
	f(VerbGet, "HTTP/1.1 205 X\n\n", false, true)
}

func TestResponseReuse(t *testing.T) {
	var r Response
	for _, c := range [][2]string{
		{"HTTP/1.1 101 Go\nConnection: close, upgrade\nUpgrade: w\nX: 1\n\n", `101 "Go" 1.1 close upgrade=w [X:1]`},
		{"HTTP/1.1 200 \nContent-Length: 5\n\n", `200 "" 1.1 length=5`},
		{"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", `200 "OK" 1.1 chunked`},
		{"HTTP/1.1 200 OK\n\n", `200 "OK" 1.1`},
	} {
		if _, err := r.Parse([]byte(wire(c[0])), limits); err != nil {
			t.Fatal(err)
		}
		if got := describeResponse(&r); got != c[1] {
			t.Errorf("%q: got %s; want %s", c[0], got, c[1])
		}
	}
}

func TestAppendStatusLine(t *testing.T) {
	f := func(status int, reason, want string) {
		t.Helper()
		if got := string(AppendStatusLine([]byte(">"), status, []byte(reason))); got != ">"+want+"\r\n" {
			t.Errorf("%d %q: got %q; want %q", status, reason, got, want)
		}
	}
	f(200, "", "HTTP/1.1 200 OK")
	f(503, "Busy", "HTTP/1.1 503 Busy")
	f(599, "", "HTTP/1.1 599 ")
	f(100, "", "HTTP/1.1 100 Continue")
}

func TestTrailers(t *testing.T) {
	f := func(in string, wantN int, wantFields string, wantErr bool) {
		t.Helper()
		fs := Fields{{Name: []byte("stale")}}
		n, err := ParseTrailers([]byte(wire(in)), &fs, limits)
		if n != wantN || (err != nil) != wantErr {
			t.Errorf("%q: got %d, %v; want %d", in, n, err, wantN)
		}
		if got := string(AppendFields(nil, fs, TrailerDrop)); n > 0 && got != wire(wantFields) {
			t.Errorf("%q: got %q; want %q", in, got, wantFields)
		}
	}
	f("\n", 2, "", false)
	f("\nGET", 2, "", false)
	f("", 0, "", false)
	f("{CR}", 0, "", false)
	f("X: 1\n", 0, "", false)
	f("X: 1\ngrpc-status: 0\n\nrest", 24, "X: 1\ngrpc-status: 0\n", false)
	f("X: 1\nContent-Length: 5\nTransfer-Encoding: chunked\nHost: h\nAuthorization: x\nCookie: a\nSet-Cookie: a\n\n", 108, "X: 1\n", false)
	f("X : 1\n\n", 0, "", true)
	f("X: 1\n Y: 2\n\n", 0, "", true)
	f("{LF}", 0, "", true)
	f("X: {NUL}\n\n", 0, "", true)
}
