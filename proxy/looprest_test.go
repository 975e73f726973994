package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// resting returns how many connections of goroutines the loops watch.
func (r *rig) resting() int {
	n := 0
	done := make(chan int)
	for _, l := range r.server.loops.all {
		if !l.post(func() {
			watched := 0
			for fd := range l.socks {
				if cl := l.socks[fd].client; cl != nil && cl.state == clientResting {
					watched++
				}
			}
			done <- watched
		}) {
			continue
		}
		n += <-done
	}
	return n
}

func restingRig(t *testing.T, loops int) (r *rig, dial func() *rawClient) {
	cert, roots := certificate(t, "shop.example.com")
	r = loopRig(t, loops, record(t, replyOK).addr)
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.server.rest, r.settings.IdleTimeout = 50*time.Millisecond, time.Minute
	return r, func() *rawClient {
		c := r.dialTLS("shop.example.com", roots)
		c.asks()
		return c
	}
}

// asks sends a request and wants its answer.
func (c *rawClient) asks() {
	c.t.Helper()
	if res, _ := c.send("GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").response("GET"); res.StatusCode != 200 {
		c.t.Errorf("got %d; want 200", res.StatusCode)
	}
}

// A TLS connection that waits for long has no goroutine meanwhile: it goes on, or ends with its client, all the same.
func TestTLSRests(t *testing.T) {
	t.Parallel()
	r, dial := restingRig(t, 2)
	r.start()
	stays, leaves := dial(), dial()
	for range 3 {
		waitFor(t, "two connections at rest", func() bool { return r.resting() == 2 })
		stays.asks()
	}
	if n := r.server.Connections(); n != 2 {
		t.Errorf("got %d connections; want 2", n)
	}
	leaves.nc.Close()
	waitFor(t, "the connection gone that its client closed", func() bool { return r.server.Connections() == 1 })
}

// A TLS connection at rest ends when its time is up, in order.
func TestTLSRestsForItsTime(t *testing.T) {
	t.Parallel()
	r, dial := restingRig(t, 1)
	r.settings.IdleTimeout = time.Second
	r.start()
	if _, err := dial().br.ReadByte(); err != io.EOF {
		t.Errorf("got %v; want an orderly end", err)
	}
	waitFor(t, "no connection", func() bool { return r.server.Connections() == 0 })
}

// holding is a connection that sends the first bytes of a write and keeps the others until release.
type holding struct {
	net.Conn
	first int // how many bytes go out at once; 0: all
	kept  []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if h.first == 0 {
		return h.Conn.Write(p)
	}
	h.kept = append(h.kept, p[h.first:]...)
	_, err := h.Conn.Write(p[:h.first])
	return len(p), err
}

func (h *holding) release() error {
	_, err := h.Conn.Write(h.kept)
	h.kept = nil
	return err
}

// A record that comes in two pieces, with a long wait between them, is one record.
func TestTLSRestsWithinARecord(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "shop.example.com")
	r := loopRig(t, 1, record(t, replyOK).addr)
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.server.rest, r.settings.IdleTimeout = 200*time.Millisecond, time.Minute
	r.start()
	for _, first := range []int{1, 4, 5, 6, 20} {
		h := &holding{Conn: r.dial().nc}
		secure := tls.Client(h, &tls.Config{ServerName: "shop.example.com", RootCAs: roots})
		c := &rawClient{t: t, nc: secure, br: bufio.NewReader(secure)}
		c.asks()
		waitFor(t, "rest", func() bool { return r.resting() == 1 })
		h.first = first
		c.send("GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		waitFor(t, "the goroutine that reads them", func() bool { return r.resting() == 0 })
		waitFor(t, "rest within a record", func() bool { return r.resting() == 1 })
		if h.first = 0; h.release() != nil {
			t.Fatal("cannot send what was kept")
		}
		if res, _ := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("after %d bytes: got %d; want 200", first, res.StatusCode)
		}
		c.nc.Close()
		waitFor(t, "no connection", func() bool { return r.server.Connections() == 0 })
	}
}

// The end of the server ends connections at rest, in order, and cuts none.
func TestTLSRestsUntilTheEnd(t *testing.T) {
	t.Parallel()
	f := func(what string, end func(*Server, context.Context) int) {
		t.Helper()
		r, dial := restingRig(t, 2)
		r.start()
		var all []*rawClient
		for range 8 {
			all = append(all, dial())
		}
		waitFor(t, "all at rest", func() bool { return r.resting() == len(all) })
		all = append(all, dial())
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if cut := end(r.server, ctx); cut != 0 {
			t.Errorf("%s: got %d connections cut; want 0", what, cut)
		}
		for _, c := range all {
			if _, err := c.br.ReadByte(); err != io.EOF {
				t.Errorf("%s: got %v; want an orderly end", what, err)
			}
		}
		waitFor(t, "no connection", func() bool { return r.server.Connections() == 0 })
	}
	f("drain", func(s *Server, _ context.Context) int { s.Drain(); return 0 })
	f("shutdown", func(s *Server, ctx context.Context) int { return s.Shutdown(ctx) })
	f("hand over", func(s *Server, ctx context.Context) int { return s.HandOver(ctx, time.Millisecond) })
}
