package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"gatewayd/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func policy(t testing.TB, o Options) *Policy {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var limits = message.Limits{HeadBytes: 65535, FieldCount: 100, TargetBytes: 8192}

func request(t testing.TB, method string, lines ...string) *message.Request {
	t.Helper()
	req := new(message.Request)
	head := method + " / HTTP/1.1\r\nHost: h\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
	if n, err := req.Parse([]byte(head), limits); err != nil || n == 0 {
		t.Fatalf("cannot parse %q: %v", head, err)
	}
	return req
}

func response(t testing.TB, status int, lines ...string) *message.Response {
	t.Helper()
	res := new(message.Response)
	head := fmt.Sprintf("HTTP/1.1 %d X\r\n", status) + strings.Join(append(lines, "\r\n"), "\r\n")
	if n, err := res.Parse([]byte(head), limits); err != nil || n == 0 {
		t.Fatalf("cannot parse %q: %v", head, err)
	}
	return res
}

func TestNegotiate(t *testing.T) {
	p := policy(t, Options{})
	res := response(t, 200, "Content-Type: text/html")
	f := func(want Encoding, accept ...string) {
		t.Helper()
		var lines []string
		for _, a := range accept {
			lines = append(lines, "Accept-Encoding: "+a)
		}
		if got := p.Decide(request(t, "GET", lines...), res); got != (Decision{want, true}) {
			t.Errorf("%q: got %v; want %v", accept, got, want)
		}
	}
	f(Identity)
	f(Identity, "")
	f(Gzip, "gzip")
	f(Gzip, "GZIP")
	f(Gzip, "x-gzip")
	f(Zstd, "gzip, deflate, br, zstd")
	f(Brotli, "gzip, deflate, br")
	f(Identity, "deflate, compress")
	f(Identity, "identity")
	f(Brotli, "gzip", "br")
	f(Zstd, "*")
	f(Brotli, "*, zstd;q=0")
	f(Identity, "*;q=0")
	f(Gzip, "*;q=0, gzip")
	f(Gzip, "gzip;q=1.0, *;q=0.5")
	f(Gzip, "gzip;q=0.9, br;q=0.8")
	f(Brotli, "gzip; q=0.800 , br;\tQ=0.801")
	f(Gzip, "gzip;q=0.5, identity;q=0")
	f(Identity, "gzip;q=0.5, identity")
	f(Gzip, "gzip;q=0.5, identity;q=0.5")
	f(Identity, "gzip;q=0")
	f(Identity, "gzip;q=0.000")
	f(Identity, "identity;q=0") // there is nothing else to send
	f(Gzip, "gzip;q=0.001")
	for _, malformed := range []string{"q", "q=", "q=2", "q=1.001", "q=0.0001", "q=-1", "q=.5", "q=0x5", "level=1"} {
		f(Identity, "gzip;"+malformed)
	}
	p = policy(t, Options{Encodings: []Encoding{Gzip, Brotli}})
	f(Gzip, "gzip, deflate, br, zstd")
	f(Brotli, "gzip;q=0.9, br, zstd")
	f(Identity, "zstd")
}

func TestDecide(t *testing.T) {
	p := policy(t, Options{})
	accept := request(t, "GET", "Accept-Encoding: gzip")
	f := func(req *message.Request, want Decision, status int, lines ...string) {
		t.Helper()
		if got := p.Decide(req, response(t, status, lines...)); got != want {
			t.Errorf("%s %d %q: got %v; want %v", req.Method, status, lines, got, want)
		}
	}
	yes, asIs := Decision{Gzip, true}, Decision{}
	f(accept, yes, 200, "Content-Type: text/html; charset=utf-8")
	f(accept, yes, 200, "Content-Type: Text/HTML")
	f(accept, yes, 404, "Content-Type: application/json")
	f(accept, yes, 200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
	f(accept, yes, 200, "Content-Type: application/problem+json")
	f(accept, yes, 200, "Content-Type: image/svg+xml;x=y")
	f(accept, asIs, 200, "Content-Type: image/png")
	f(accept, asIs, 200, "Content-Type: application/jsonx")
	f(accept, asIs, 200, "Content-Type: text")
	f(accept, asIs, 200, "Content-Type: +json")
	f(accept, asIs, 200)
	// Sizes.
	f(accept, asIs, 200, "Content-Type: text/html", "Content-Length: 1023")
	f(accept, yes, 200, "Content-Type: text/html", "Content-Length: 1024")
	// What an instance encoded or protects stays as it is.
	f(accept, asIs, 200, "Content-Type: text/html", "Content-Encoding: gzip")
	f(accept, yes, 200, "Content-Type: text/html", "Content-Encoding: identity")
	f(accept, asIs, 200, "Content-Type: text/html", "Cache-Control: public, No-Transform")
	f(accept, yes, 200, "Content-Type: text/html", "Cache-Control: no-cache")
	f(accept, asIs, 200, "Content-Type: text/html", "Repr-Digest: x")
	f(accept, asIs, 200, "Content-Type: text/html", "content-digest: x")
	f(accept, asIs, 200, "Content-Type: text/html", "Digest: x")
	f(accept, asIs, 200, "Content-Type: text/html", "Content-MD5: x")
	// Parts and replies without a body.
	f(accept, asIs, 206, "Content-Type: text/html")
	f(accept, asIs, 416, "Content-Type: text/html", "Content-Range: bytes */5")
	f(accept, asIs, 204, "Content-Type: text/html")
	f(accept, asIs, 304, "Content-Type: text/html")
	f(accept, asIs, 103, "Content-Type: text/html")
	// The same resource may come compressed another time, so these say Vary.
	f(request(t, "GET", "Accept-Encoding: gzip", "Range: bytes=0-"), Decision{Vary: true}, 200, "Content-Type: text/html")
	f(request(t, "HEAD", "Accept-Encoding: gzip"), Decision{Vary: true}, 200, "Content-Type: text/html")
	f(request(t, "GET"), Decision{Vary: true}, 200, "Content-Type: text/html")
	f(request(t, "POST", "Accept-Encoding: gzip"), yes, 200, "Content-Type: text/html")
}

func TestFields(t *testing.T) {
	for in, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`} {
		if got := string(AppendWeakETag(nil, []byte(in))); got != want {
			t.Errorf("%s: got %s; want %s", in, got, want)
		}
	}
	f := func(want bool, lines ...string) {
		t.Helper()
		if got := VaryMissing(response(t, 200, lines...).Fields); got != want {
			t.Errorf("%q: got %v; want %v", lines, got, want)
		}
	}
	f(true)
	f(true, "Vary: Origin", "Vary: Accept")
	f(false, "Vary: Origin", "Vary: Cookie, accept-ENCODING")
	f(false, "Vary: *")
	res := response(t, 200, "Accept-Ranges: bytes", "Accept-Rangez: x")
	if !DropsField(&res.Fields[0]) || DropsField(&res.Fields[1]) {
		t.Error("Accept-Ranges, and nothing else, is to be dropped")
	}
}

func TestNewErrors(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v; want %q", o, err, want)
		}
	}
	f(Options{Encodings: []Encoding{Gzip, Gzip}}, "encodings[1]")
	f(Options{Encodings: []Encoding{Identity}}, "encodings[0]")
	f(Options{ContentTypes: []string{"text/*", "html"}}, `contentTypes[1]: got "html"`)
	f(Options{ContentTypes: []string{"*/*"}}, `contentTypes[0]: got "*/*"`)
	f(Options{MinBytes: -1}, "minBytes: got -1")
	f(Options{MaxEncoders: -1}, "maxEncoders: got -1")
	for _, name := range []string{"zstd", "br", "gzip"} {
		if e, err := ParseEncoding(name); err != nil || e.String() != name {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
	if _, err := ParseEncoding("identity"); err == nil {
		t.Error("identity is no encoding to choose")
	}
}

// decoder returns a reader of what e encodes.
func decoder(t testing.TB, e Encoding, r io.Reader) io.Reader {
	t.Helper()
	switch e {
	case Zstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		return d
	case Brotli:
		return brotli.NewReader(r)
	}
	d, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// text returns n bytes that compress about as well as JSON does.
func text(rnd *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, `{"id":%d,"name":"user %d","value":%f},`, rnd.IntN(1e6), rnd.IntN(1000), rnd.Float64())
	}
	return b[:n]
}

func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	p := policy(t, Options{})
	for e := Zstd; e < encodings; e++ {
		for _, size := range []int{0, 1, 1000, 300_000} {
			// Twice, so that the second body goes through an encoder that was used before.
			for range 2 {
				body := text(rnd, size)
				var out bytes.Buffer
				enc := p.NewEncoder(e, &out)
				for rest := body; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(20_000))
					if _, err := enc.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := enc.Close(); err != nil {
					t.Fatal(err)
				}
				if size == 300_000 && out.Len() > size/3 {
					t.Errorf("%v: %d bytes of %d", e, out.Len(), size)
				}
				got, err := io.ReadAll(decoder(t, e, &out))
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%v, %d bytes: came back as %d bytes, %v", e, size, len(got), err)
				}
			}
		}
	}
	if p.Lent() != 0 {
		t.Errorf("%d encoders are still lent", p.Lent())
	}
}

// TestFlush reads each event of a stream as soon as it was flushed.
func TestFlush(t *testing.T) {
	p := policy(t, Options{})
	for e := Zstd; e < encodings; e++ {
		pr, pw := io.Pipe()
		flushed, read := make(chan struct{}), make(chan string)
		go func() {
			enc := p.NewEncoder(e, pw)
			for i := range 5 {
				fmt.Fprintf(enc, "data: event %d\n\n", i)
				enc.Flush()
				<-flushed
			}
			enc.Close()
			pw.Close()
		}()
		go func() {
			d := decoder(t, e, pr)
			for {
				buf := make([]byte, len("data: event 0\n\n"))
				if _, err := io.ReadFull(d, buf); err != nil {
					close(read)
					return
				}
				read <- string(buf)
			}
		}()
		n := 0
		for event := range read {
			if want := fmt.Sprintf("data: event %d\n\n", n); event != want {
				t.Errorf("%v: got %q; want %q", e, event, want)
			}
			n++
			flushed <- struct{}{}
		}
		if n != 5 {
			t.Errorf("%v: %d events; want 5", e, n)
		}
	}
}

type brokenWriter struct{}

var errGone = errors.New("gone")

func (brokenWriter) Write([]byte) (int, error) { return 0, errGone }

// TestBrokenWriter: an encoder whose writer failed serves the next body as well as any other.
func TestBrokenWriter(t *testing.T) {
	p := policy(t, Options{MaxEncoders: 1})
	for e := Zstd; e < encodings; e++ {
		enc := p.NewEncoder(e, brokenWriter{})
		enc.Write(bytes.Repeat([]byte("x"), 1000))
		if err := enc.Close(); !errors.Is(err, errGone) {
			t.Errorf("%v: got %v", e, err)
		}
		var out bytes.Buffer
		enc = p.NewEncoder(e, &out)
		io.WriteString(enc, "hello")
		if err := enc.Close(); err != nil {
			t.Errorf("%v: %v", e, err)
		}
		if got, err := io.ReadAll(decoder(t, e, &out)); err != nil || string(got) != "hello" {
			t.Errorf("%v: got %q, %v", e, got, err)
		}
	}
}

func TestMaxEncoders(t *testing.T) {
	p := policy(t, Options{MaxEncoders: 2})
	a, b := p.NewEncoder(Gzip, io.Discard), p.NewEncoder(Zstd, io.Discard)
	if a == nil || b == nil || p.NewEncoder(Gzip, io.Discard) != nil || p.Lent() != 2 {
		t.Fatalf("%d lent; want 2 and no more", p.Lent())
	}
	a.Close()
	if c := p.NewEncoder(Brotli, io.Discard); c == nil {
		t.Error("none was lent though one came back")
	} else {
		c.Close()
	}
	b.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if enc := p.NewEncoder(Gzip, io.Discard); enc != nil {
					io.WriteString(enc, "x")
					enc.Close()
				}
			}
		})
	}
	wg.Wait()
	if p.Lent() != 0 {
		t.Errorf("%d encoders are still lent", p.Lent())
	}
}

// TestMemory holds the figures of the package comment.
func TestMemory(t *testing.T) {
	body := text(rand.New(rand.NewPCG(1, 2)), 1<<20)
	f := func(e Encoding, kib uint64) {
		t.Helper()
		p := policy(t, Options{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		enc := p.NewEncoder(e, io.Discard)
		for i := 0; i < len(body); i += 16 << 10 {
			enc.Write(body[i : i+16<<10])
		}
		enc.Close()
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > kib {
			t.Errorf("%v took %d KiB; want at most %d", e, took, kib)
		}
	}
	f(Gzip, 850)
	f(Zstd, 1600)
	f(Brotli, 2500)
}
