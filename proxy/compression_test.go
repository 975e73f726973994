package proxy

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"gatewayd/internal/compress"
)

func compressAll(t *testing.T) *compress.Policy {
	t.Helper()
	p, err := compress.New(compress.Options{ContentTypes: []string{"text/*"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decoder returns the decoded body of a response.
func decoder(t *testing.T, res *http.Response) io.Reader {
	t.Helper()
	switch coding := res.Header.Get("Content-Encoding"); coding {
	case "":
		return res.Body
	case "gzip":
		r, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "br":
		return brotli.NewReader(res.Body)
	case "zstd":
		r, err := zstd.NewReader(res.Body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	default:
		t.Fatalf("unknown coding %q", coding)
	}
	return nil
}

// What is compressed decodes to the same, what must not be compressed is not, and caches can tell.
func TestCompression(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("All work and no play makes Jack a dull boy. ", 2000)
	addr := httpInstance(t, func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain")
		h.Set("ETag", `"abc"`)
		h.Set("Accept-Ranges", "bytes")
		status := 200
		switch req.URL.Path {
		case "/image":
			h.Set("Content-Type", "image/png")
		case "/no-transform":
			h.Set("Cache-Control", "public, no-transform")
		case "/coded":
			h.Set("Content-Encoding", "x-own")
		case "/part":
			h.Set("Content-Range", "bytes 0-99/1000")
			status = 206
		case "/vary":
			h.Set("Vary", "Accept-Encoding, Origin")
		}
		if req.URL.Path != "/stream" {
			h.Set("Content-Length", "88000")
		}
		w.WriteHeader(status)
		if req.Method != "HEAD" {
			io.WriteString(w, text)
		}
	})
	r := newRig(t, addr)
	r.route.Compress = compressAll(t)
	c := r.start().dial()
	f := func(method, path, accept, want string) {
		t.Helper()
		c.send(method + " " + path + " HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + accept + "\r\n\r\n")
		res, err := http.ReadResponse(c.br, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		coding := res.Header.Get("Content-Encoding")
		body, err := io.ReadAll(decoder(t, ownCoding(res, path)))
		if rest, _ := io.ReadAll(res.Body); len(rest) != 0 {
			t.Errorf("%s %s, %s: got %d bytes behind the coded body", method, path, accept, len(rest))
		}
		if coding != want || err != nil || method != "HEAD" && string(body) != text {
			t.Errorf("%s %s, %s: got %q and %d bytes, %v; want %q and the text", method, path, accept, coding, len(body), err, want)
		}
		if want == "" || path == "/coded" {
			return
		}
		h := res.Header
		if h.Get("ETag") != `W/"abc"` || h.Get("Accept-Ranges") != "" || len(h.Values("Vary")) != 1 || !strings.Contains(h.Get("Vary"), "Accept-Encoding") ||
			h.Get("Content-Length") != "" || len(h.Values("Content-Encoding")) != 1 {
			t.Errorf("%s %s, %s: got %v; want a weak tag, no ranges, one Vary, no length", method, path, accept, h)
		}
	}
	f("GET", "/", "gzip", "gzip")
	f("GET", "/", "br", "br")
	f("GET", "/", "zstd", "zstd")
	f("GET", "/stream", "gzip", "gzip")
	f("GET", "/stream", "br", "br")
	f("GET", "/stream", "zstd", "zstd")
	f("GET", "/", "gzip;q=0.5, br;q=0.8", "br")
	f("GET", "/vary", "gzip", "gzip")
	f("GET", "/", "", "")
	f("GET", "/", "identity", "")
	f("GET", "/", "gzip;q=0", "")
	f("GET", "/image", "gzip", "")
	f("GET", "/no-transform", "gzip", "")
	f("GET", "/part", "gzip", "")
	f("GET", "/coded", "gzip", "x-own")
	f("HEAD", "/", "gzip", "")
	if n := r.route.Compress.Lent(); n != 0 {
		t.Errorf("got %d encoders still lent; want 0", n)
	}
}

// ownCoding hides an instance's own coding from the decoder.
func ownCoding(res *http.Response, path string) *http.Response {
	if path == "/coded" {
		plain := *res
		plain.Header = http.Header{}
		return &plain
	}
	return res
}

// A compressed response that breaks off is broken off: the encoder does not write an end to it, and is given back.
func TestCompressionBrokenOff(t *testing.T) {
	t.Parallel()
	rec := record(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"+thenClose)
	r := newRig(t, rec.addr)
	r.route.Compress = compressAll(t)
	got, err := r.start().dial().send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").until()
	if err == nil || strings.Contains(got, "\r\n0\r\n\r\n") {
		t.Errorf("got %q, %v; want a reset", got, err)
	}
	waitFor(t, "the encoder to be given back", func() bool { return r.route.Compress.Lent() == 0 })

	rec = record(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
	r = newRig(t, rec.addr)
	r.route.Compress, r.route.Retry = compressAll(t), RetryPolicy{}
	if res, body := r.start().dial().send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").response("GET"); res.StatusCode != 502 || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %d %q; want a plain 502: nothing had been sent", res.StatusCode, body)
	}
	if n := r.route.Compress.Lent(); n != 0 {
		t.Errorf("got %d encoders still lent; want 0", n)
	}
}
