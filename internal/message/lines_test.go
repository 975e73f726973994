package message

import (
	"strings"
	"testing"
)

// Limits: 414 for the target, 431 for everything else, as soon as it is certain.
func TestLimits(t *testing.T) {
	lim := Limits{HeadBytes: 200, FieldCount: 3, TargetBytes: 40}
	f := func(head string, wantN, wantStatus int) {
		t.Helper()
		var r Request
		n, err := r.Parse([]byte(wire(head)), lim)
		status := 0
		if err != nil {
			status = err.Status
		}
		if n != wantN || status != wantStatus {
			t.Errorf("%q: got %d, %v; want %d, %d", head, n, err, wantN, wantStatus)
		}
	}
	target := func(n int) string { return "/" + strings.Repeat("a", n-1) }
	f("GET "+target(40)+" HTTP/1.1\nHost: h\n\n", 66, 0)
	f("GET "+target(41)+" HTTP/1.1\nHost: h\n\n", 0, 414)
	f("GET "+target(41)+" HTTP/1.1\n", 0, 414)
	f("GET "+target(40), 0, 0)
	f("GET "+target(41), 0, 414) // no need to wait for its end
	f("GET "+target(190)+" HTTP/1.1\nHost: h\n\n", 0, 414)
	f("GET "+target(300)+" HTTP/1.1\n", 0, 414)
	f("GET / HTTP/1.1\nHost: h\nA: 1\nB: 2\n\n", 39, 0)
	f("GET / HTTP/1.1\nHost: h\nA: 1\nB: 2\nC: 3\n\n", 0, 431)
	rest := "GET / HTTP/1.1\nHost: h\nA: "
	fill := 200 - len(wire(rest)) - 4
	f(rest+strings.Repeat("x", fill)+"\n\n", 200, 0)
	f(rest+strings.Repeat("x", fill+1)+"\n\n", 0, 431)
	f(rest+strings.Repeat("x", fill+100), 0, 431)
	f(strings.Repeat("x", 30), 0, 0)
	f(strings.Repeat("x", 300), 0, 431)
	f(strings.Repeat("M", 150)+" / HTTP/1.1\nHost: h\n\n", 174, 0)
	f("GET / HTTP/1.1 "+target(100), 0, 0)
}

// TestHeadScanner feeds heads byte by byte and compares with Parse, which looks at all of it each time.
func TestHeadScanner(t *testing.T) {
	for _, head := range []string{"GET / HTTP/1.1\nHost: a\n\n", "\n\nGET / HTTP/1.1\nHost: a\nX: y\n\n", "\n\n\n", "GET / HTTP/1.1\nHost: a{LF}", "{LF}", "G\n\n", "GET / HTTP/1.0\n\n",
		"\n{LF}"} {
		b := []byte(wire(head))
		var s HeadScanner
		for n := 1; n <= len(b); n++ {
			complete := s.Complete(b[:n])
			if complete != (n == len(b)) {
				t.Errorf("%q: after %d of %d bytes complete=%v", head, n, len(b), complete)
				break
			}
		}
		var whole HeadScanner
		if !whole.Complete(b) {
			t.Errorf("%q: not complete in one piece", head)
		}
	}
}
