package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
)

// printRequest prints a request from its parsed values, as a proxy does.
func printRequest(r *Request) []byte {
	var b []byte
	b = append(append(b, r.Method...), ' ')
	if r.Verb == VerbConnect {
		b = append(b, r.Host...)
	} else {
		b = append(b, r.Path...)
	}
	if r.HasQuery {
		b = append(append(b, '?'), r.Query...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	b = AppendField(b, "Host", r.Host)
	b = AppendFields(b, r.Fields, SetOf(KindHost, KindConnection, KindNamed, KindTransferEncoding, KindContentLength))
	switch {
	case r.Chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.ContentLength >= 0:
		b = AppendField(b, "Content-Length", strconv.AppendInt(nil, r.ContentLength, 10))
	}
	return append(b, "\r\n"...)
}

// sameRequest compares what net/http reads out of wire with what Parse read. A message that net/http does not take
// is an error only when must is set.
func sameRequest(t *testing.T, wire []byte, r *Request, must bool) {
	t.Helper()
	std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		if must {
			t.Fatalf("%q: net/http: %v", wire, err)
		}
		return
	}
	if std.Method != string(r.Method) {
		t.Fatalf("%q: method %q; net/http: %q", wire, r.Method, std.Method)
	}
	if std.Host != string(r.Host) {
		t.Fatalf("%q: host %q; net/http: %q", wire, r.Host, std.Host)
	}
	if r.Verb != VerbConnect {
		path, err := NormalisePath([]byte(std.URL.EscapedPath()))
		if std.URL.Path == "*" {
			path, err = []byte("*"), nil
		}
		if len(path) == 0 {
			path = []byte("/")
		}
		// EscapedPath of net/url escapes a few characters that browsers leave alone.
		plain := strings.NewReplacer("^", "%5E", "`", "%60", "{", "%7B", "|", "%7C", "}", "%7D").Replace(string(r.Path))
		other := strings.NewReplacer("^", "%5E", "`", "%60", "{", "%7B", "|", "%7C", "}", "%7D").Replace(string(path))
		starForm := string(r.Path) == "*" && len(std.URL.Path) == 0
		if (err != nil || other != plain) && !starForm {
			t.Fatalf("%q: path %q; net/http: %q, %v", wire, r.Path, path, err)
		}
		if std.URL.RawQuery != string(r.Query) {
			t.Fatalf("%q: query %q; net/http: %q", wire, r.Query, std.URL.RawQuery)
		}
	}
	chunked := len(std.TransferEncoding) == 1 && std.TransferEncoding[0] == "chunked"
	length := max(r.ContentLength, 0)
	if r.Chunked {
		length = -1
	}
	if chunked != r.Chunked || std.ContentLength != length {
		t.Fatalf("%q: length %d, chunked %v; net/http: %d, %v", wire, length, r.Chunked, std.ContentLength, chunked)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.Kind {
		case KindHost, KindConnection, KindContentLength, KindTransferEncoding, KindTrailer, KindCacheControl, KindNamed:
			continue // net/http takes these out of the header or adds to them
		}
		found := false
		for _, v := range std.Header.Values(string(f.Name)) {
			found = found || v == string(f.Value)
		}
		if !found {
			t.Fatalf("%q: %s: %q; net/http: %q", wire, f.Name, f.Value, std.Header.Values(string(f.Name)))
		}
	}
}

// FuzzRequest compares with net/http: what is taken here is either refused there or understood in the same way, and what is
// printed anew is understood there always. And how the bytes arrive in pieces changes nothing.
func FuzzRequest(f *testing.F) {
	for _, head := range []string{
		"GET / HTTP/1.1\nHost: a\n\n",
		"\nPOST /a%2f%41?b=c HTTP/1.1\nHost: a:80\nContent-Length: 3\nX: y\n\nabc",
		"PUT http://a.test:80/p?q HTTP/1.1\nHost: b\nTransfer-Encoding: chunked\nTrailer: X\nConnection: x-hop, upgrade\nX-Hop: 1\nUpgrade: w\n\n3\nabc\n0\n\n",
		"OPTIONS * HTTP/1.0\nMax-Forwards: 5\n\n",
		"OPTIONS http://a HTTP/1.1\nHost: a\n\n",
		"CONNECT [::1]:443 HTTP/1.1\nHost: h\n\n",
		"GET //a/./b HTTP/1.1\nHost: h\nExpect: 100-continue\n\n",
		"GET / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nContent-Length: 5\n\n",
		"GET /^`{|} HTTP/1.1\nHost: a_b.\nCookie: a\nCookie: b\n\n",
	} {
		f.Add([]byte(wire(head)), uint16(len(head)/2))
	}
	lim := Limits{HeadBytes: 2048, FieldCount: 20, TargetBytes: 256}
	f.Fuzz(func(t *testing.T, in []byte, split uint16) {
		var r Request
		n, err := r.Parse(in, lim)
		cut := min(int(split), len(in))
		inPieces(t, in, cut, n, err, func(b []byte) (int, *Error) { return new(Request).Parse(b, lim) }, true)
		if err != nil || n == 0 {
			return
		}
		sameRequest(t, in[skipEmptyLines(in):n], &r, false)
		printed := printRequest(&r)
		if len(r.Host) == 0 {
			return // HTTP/1.0 without Host; a proxy has to answer that itself or put one in
		}
		sameRequest(t, printed, &r, true)
		var again Request
		if m, err := again.Parse(printed, limits); err != nil || m != len(printed) {
			t.Fatalf("%q: printed as %q and then refused: %d, %v", in, printed, m, err)
		}
		if string(again.Path) != string(r.Path) || string(again.Query) != string(r.Query) || string(again.Host) != string(r.Host) {
			t.Fatalf("%q: printed as %q and then understood as %s", in, printed, describe(&again))
		}
	})
}

// inPieces checks that a beginning of what is taken is never refused and never taken, that what is refused stays refused, and that
// HeadScanner finds the end where Parse does.
func inPieces(t *testing.T, in []byte, cut, n int, err *Error, parse func([]byte) (int, *Error), request bool) {
	t.Helper()
	first, firstErr := parse(in[:cut])
	switch {
	case err == nil && n > 0 && cut < n && (first != 0 || firstErr != nil):
		t.Fatalf("%q: taken as %d bytes, but of its first %d: %d, %v", in, n, cut, first, firstErr)
	case err == nil && n > 0 && cut >= n && (first != n || firstErr != nil):
		t.Fatalf("%q: taken as %d bytes, but cut to %d: %d, %v", in, n, cut, first, firstErr)
	case firstErr != nil && err == nil:
		t.Fatalf("%q: the first %d bytes refused (%v), all of it not", in, cut, firstErr)
	case err != nil && first != 0:
		t.Fatalf("%q: refused (%v), but its first %d bytes taken", in, err, cut)
	}
	if !request {
		return
	}
	var s HeadScanner
	early := s.Complete(in[:cut])
	complete := early || s.Complete(in)
	if n > 0 && !complete {
		t.Fatalf("%q: complete, but not for the scanner", in)
	}
	if early && n > cut {
		t.Fatalf("%q: %d bytes long, but complete for the scanner after %d", in, n, cut)
	}
	if complete && n == 0 && err == nil {
		t.Fatalf("%q: complete for the scanner, but not for Parse", in)
	}
}

// FuzzResponse is FuzzRequest for responses.
func FuzzResponse(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
		"HTTP/1.0 404 Not Found\nX : y\n\n",
		"HTTP/1.1 200 \nTransfer-Encoding: chunked\nConnection: close, x\nX: 1\n\n3\nabc\n0\n\n",
		"HTTP/1.1 304\nETag: \"a\"\nContent-Length: 10\n\n",
		"HTTP/1.1 101 Go\nConnection: upgrade\nUpgrade: w\n\n",
	} {
		f.Add([]byte(wire(head)), uint16(len(head)/2))
	}
	lim := Limits{HeadBytes: 2048, FieldCount: 20, TargetBytes: 256}
	f.Fuzz(func(t *testing.T, in []byte, split uint16) {
		var r Response
		n, err := r.Parse(in, lim)
		inPieces(t, in, min(int(split), len(in)), n, err, func(b []byte) (int, *Error) { return new(Response).Parse(b, lim) }, false)
		if err != nil || n == 0 {
			return
		}
		sameResponse(t, in[:n], &r, false)
		printed := AppendStatusLine(nil, r.Status, r.Reason)
		printed = AppendFields(printed, r.Fields, SetOf(KindConnection, KindNamed, KindTransferEncoding, KindContentLength, KindTrailer))
		switch {
		case r.Chunked:
			printed = append(printed, "Transfer-Encoding: chunked\r\n"...)
		case r.ContentLength >= 0:
			printed = AppendField(printed, "Content-Length", strconv.AppendInt(nil, r.ContentLength, 10))
		}
		sameResponse(t, append(printed, "\r\n"...), &r, true)
	})
}

func sameResponse(t *testing.T, wire []byte, r *Response, must bool) {
	t.Helper()
	std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
	if err != nil {
		if must {
			t.Fatalf("%q: net/http: %v", wire, err)
		}
		return
	}
	if std.StatusCode != r.Status {
		t.Fatalf("%q: status %d; net/http: %d", wire, r.Status, std.StatusCode)
	}
	if r.Bodiless(VerbGet) {
		return
	}
	chunked := len(std.TransferEncoding) == 1 && std.TransferEncoding[0] == "chunked"
	if chunked != r.Chunked || !chunked && std.ContentLength != r.ContentLength {
		t.Fatalf("%q: length %d, chunked %v; net/http: %d, %v", wire, r.ContentLength, r.Chunked, std.ContentLength, chunked)
	}
}

// FuzzChunked compares with net/http: a body that is taken here is taken there, with the same bytes and the same end, in whatever
// pieces it comes.
func FuzzChunked(f *testing.F) {
	for _, body := range []string{"0\n", "3\nabc\n0\nX: y\n\n", "a;x=y\n0123456789\n00\n", "3\nabc", "3\nabcd\n0\n", "fffffffffffffffff\n", "3 \nabc\n0\n", "3{LF}abc\n0\n"} {
		f.Add([]byte(wire(body)), uint16(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		if len(in) > 8<<10 {
			return // net/http has a bound of its own on the share of framing
		}
		body, n, done, err := readChunked(in, 1+int(size))
		if whole, m, wholeDone, wholeErr := readChunked(in, len(in)+1); whole != body || m != n || wholeDone != done || (wholeErr == nil) != (err == nil) {
			t.Fatalf("%q: in pieces of %d %q, %d, %v, %v; in one %q, %d, %v, %v", in, 1+size, body, n, done, err, whole, m, wholeDone, wholeErr)
		}
		if err != nil {
			return
		}
		from := bytes.NewReader(in)
		buffered := bufio.NewReader(from)
		std, stdErr := io.ReadAll(httputil.NewChunkedReader(buffered))
		if !done {
			if stdErr == nil {
				t.Fatalf("%q: not at its end; net/http: %q", in, std)
			}
			if !errors.Is(stdErr, io.ErrUnexpectedEOF) && !strings.HasPrefix(body, string(std)) {
				t.Fatalf("%q: %q so far; net/http: %q, %v", in, body, std, stdErr)
			}
			return
		}
		if stdErr != nil || string(std) != body {
			t.Fatalf("%q: %q; net/http: %q, %v", in, body, std, stdErr)
		}
		if rest := buffered.Buffered() + from.Len(); rest != len(in)-n {
			t.Fatalf("%q: %d bytes left; net/http: %d", in, len(in)-n, rest)
		}
	})
}
