package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Each event of a stream reaches the client before the next one is made, whatever framing the instance chose.
func TestEventsAreFlushedAtOnce(t *testing.T) {
	t.Parallel()
	f := func(what, head string, frame func(event string) string, compress bool) {
		t.Helper()
		seen := make(chan struct{})
		addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
			if _, err := readHead(br); err != nil {
				return
			}
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+head+"\r\n")
			for i := range 5 {
				io.WriteString(nc, frame(fmt.Sprintf("data: %d\n\n", i)))
				select {
				case <-seen:
				case <-t.Context().Done():
					return
				case <-time.After(30 * time.Second):
					t.Errorf("%s: event %d did not arrive before the next", what, i)
					return
				}
			}
		})
		r := newRig(t, addr)
		if compress {
			r.route.Compress = compressAll(t)
		}
		c := r.start().dial().send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
		res, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		body := decoder(t, res)
		for i := range 5 {
			want := fmt.Sprintf("data: %d\n\n", i)
			b := make([]byte, len(want))
			if _, err := io.ReadFull(body, b); err != nil || string(b) != want {
				t.Fatalf("%s: got %q, %v; want %q", what, b, err, want)
			}
			seen <- struct{}{}
		}
	}
	chunk := func(s string) string { return strconv.FormatInt(int64(len(s)), 16) + "\r\n" + s + "\r\n" }
	plain := func(s string) string { return s }
	f("chunked", "Transfer-Encoding: chunked\r\n", chunk, false)
	f("until close", "", plain, false)
	f("with a length", "Content-Length: 1000\r\n", plain, false)
	f("with a length that is spliced", "Content-Length: 1000000\r\n", plain, false)
	f("chunked and compressed", "Transfer-Encoding: chunked\r\n", chunk, true)
	f("until close and compressed", "", plain, true)
}

// bodySizeForTest is how much goes through in the tests of large bodies; GATEWAYD_BIG=1 makes it 5 GB.
func bodySizeForTest() int64 {
	switch {
	case os.Getenv("GATEWAYD_BIG") != "":
		return 5 << 30
	case testing.Short():
		return 20 << 20
	}
	return 200 << 20
}

// Bodies of any size pass in both directions without being held: what the heap grows by does not depend on their size.
func TestBigBodiesInBoundedMemory(t *testing.T) {
	size := bodySizeForTest()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		nc.SetDeadline(time.Time{})
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{req.Body}, buf)
			if want := map[bool]int64{true: size, false: 0}[req.Method == "POST"]; n != want || err != nil {
				t.Errorf("got %d bytes at the instance, %v; want %d", n, err, want)
			}
			switch req.URL.Path {
			case "/length":
				fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
				writeZeros(nc, buf, size, false)
			case "/chunked":
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				writeZeros(nc, buf, size, true)
			default:
				io.WriteString(nc, replyOK)
			}
		}
	})
	r := newRig(t, addr)
	r.route.Timeout = 0
	r.start()
	f := func(what, head string, chunked, upload bool) {
		t.Helper()
		c := r.dial()
		c.nc.SetDeadline(time.Time{})
		buf := make([]byte, 64<<10)
		grown := heapGrowth(func() {
			c.send(head)
			if upload {
				writeZeros(c.nc, buf, size, chunked)
			}
			res, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{res.Body}, buf)
			if err != nil || !upload && n != size {
				t.Errorf("%s: got %d bytes, %v; want %d", what, n, err, size)
			}
		})
		if grown > 4<<20 {
			t.Errorf("%s of %d MiB: the heap grew by %d KiB; want less than 4 MiB", what, size>>20, grown>>10)
		}
	}
	f("upload with a length", fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size), false, true)
	f("upload in chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", true, true)
	f("download with a length", "GET /length HTTP/1.1\r\nHost: a\r\n\r\n", false, false)
	f("download in chunks", "GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n", false, false)
}

// heapGrowth returns by how much the heap in use grew at most while f ran.
func heapGrowth(f func()) int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := int64(m.HeapInuse), int64(0)
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return most
		case <-tick.C:
			runtime.ReadMemStats(&m)
			most = max(most, int64(m.HeapInuse)-before)
		}
	}
}

func writeZeros(w io.Writer, buf []byte, n int64, chunked bool) {
	clear(buf)
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		if chunked {
			fmt.Fprintf(w, "%x\r\n", len(p))
		}
		if _, err := w.Write(p); err != nil {
			return
		}
		if chunked {
			io.WriteString(w, "\r\n")
		}
		n -= int64(len(p))
	}
	if chunked {
		io.WriteString(w, "0\r\n\r\n")
	}
}

// A client that reads slowly but steadily gets all of a body that is moved in the kernel, however long that takes.
func TestSlowReaderGetsAll(t *testing.T) {
	t.Parallel()
	const size = 10 << 20
	addr := httpInstance(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		io.Copy(w, io.LimitReader(zeros{}, size))
	})
	r := newRig(t, addr)
	r.settings.BodyIdleTimeout = 1500 * time.Millisecond // the whole takes longer, and so does 8 MiB of it
	r.start()
	c := r.dial()
	c.nc.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.send(get)
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	c.head()
	buf := make([]byte, 128<<10)
	for n := 0; n < size; {
		<-tick.C
		m, err := io.ReadFull(c.br, buf[:min(len(buf), size-n)])
		n += m
		if err != nil {
			t.Fatalf("got %v after %d of %d bytes", err, n, size)
		}
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
}

// A client that reads nothing for bodyIdleTimeout is given up, which is not the instance's fault, with and without splice.
func TestStuckReader(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n"} {
		done := make(chan struct{})
		addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
			defer close(done)
			readHead(br)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+head+"\r\n")
			piece := []byte(strings.Repeat("10000\r\n"+strings.Repeat("x", 65536)+"\r\n", 4))
			for {
				if _, err := nc.Write(piece); err != nil {
					return
				}
			}
		})
		r := newRig(t, addr)
		r.settings.BodyIdleTimeout = 100 * time.Millisecond
		r.start().dial().send(get)
		<-done
		waitFor(t, "the end of the request", func() bool { return r.view.InFlight.Load() == 0 })
		if n := r.failures(); n != 0 {
			t.Errorf("%q: got %d failures; want 0", head, n)
		}
	}
}
