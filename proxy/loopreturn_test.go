package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const postChunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"

// echoPath is an instance that answers each request with its target.
func echoPath(t testing.TB) string {
	return recordBy(t, func(head string) string {
		target := strings.Fields(head)[1]
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
	}).addr
}

// A connection that was handed over goes back after some plain requests in a row, again and again, and at once if a loop had carried as many
// before. It counts as one connection all the time.
func TestLoopTakesBack(t *testing.T) {
	t.Parallel()
	r := loopRig(t, 2, record(t, replyOK).addr)
	r.server.rest = time.Hour
	r.start()
	c := r.dial()
	for range 3 {
		c.send(postChunked).response("POST")
		for i := range plainInARow {
			if n := r.onLoops(); n != 0 {
				t.Fatalf("got %d connections on loops after %d plain requests; want 0", n, i)
			}
			if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "ok" {
				t.Fatalf("got %d %q", res.StatusCode, body)
			}
		}
		waitFor(t, "the connection on a loop", func() bool { return r.onLoops() == 1 })
		c.send(get).response("GET")
		if n := r.server.Connections(); n != 1 {
			t.Errorf("got %d connections; want 1", n)
		}
	}
	for range 3 {
		for range plainInARow {
			c.send(get).response("GET")
		}
		c.send(postChunked).response("POST")
		waitFor(t, "the connection back at once", func() bool { return r.onLoops() == 1 })
	}
	c.nc.Close()
	waitFor(t, "the connection gone", func() bool { return r.server.Connections() == 0 })
}

// What no loop would carry keeps a connection where it is, and so do plain requests too few in a row.
func TestLoopDoesNotTakeBack(t *testing.T) {
	t.Parallel()
	f := func(what, request, reply string) {
		t.Helper()
		r := loopRig(t, 1, record(t, reply).addr)
		r.server.rest = time.Hour
		r.start()
		c := r.dial()
		c.send(postChunked)
		head := "POST"
		for range plainInARow + 2 {
			for res, _ := c.response(head); res.StatusCode < 200; res, _ = c.response(head) {
			}
			c.send(request)
			head, _, _ = strings.Cut(request, " ")
		}
		if n := r.onLoops(); n != 0 {
			t.Errorf("%s: got %d connections on loops; want 0", what, n)
		}
	}
	f("chunked uploads", postChunked, replyOK)
	f("large uploads", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", 200000), replyOK)
	f("interim answers", get, "HTTP/1.1 103 Early Hints\r\n\r\n"+replyOK)
	f("large answers", get, "HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n"+strings.Repeat("x", 2<<20))
}

// Requests that were sent ahead travel along, in both directions, and so does the client's end of stream.
func TestLoopTakesBackPipelined(t *testing.T) {
	t.Parallel()
	r := loopRig(t, 2, echoPath(t)).start()
	c := r.dial()
	var out strings.Builder
	var want []string
	for i := range 100 {
		target := fmt.Sprint("/", i)
		want = append(want, target)
		if i%20 == 0 {
			out.WriteString(strings.Replace(postChunked, " / ", " "+target+" ", 1))
		} else {
			out.WriteString(strings.Replace(get, " / ", " "+target+" ", 1))
		}
	}
	go func() {
		io.WriteString(c.nc, out.String())
		c.nc.(*net.TCPConn).CloseWrite()
	}()
	for i, target := range want {
		if res, body := c.response("GET"); res.StatusCode != 200 || body != target {
			t.Fatalf("answer %d: got %d %q; want %q", i, res.StatusCode, body, target)
		}
	}
	c.closed()
	waitFor(t, "the connection gone", func() bool { return r.server.Connections() == 0 })
}

// A connection that waits for its next request for long waits on a loop, for as long as it would have on the goroutine.
func TestLoopTakesBackResting(t *testing.T) {
	t.Parallel()
	r := loopRig(t, 1, record(t, replyOK).addr)
	r.settings.IdleTimeout, r.server.rest = 3*time.Second, 50*time.Millisecond
	r.start()
	stays, ends, leaves := r.dial(), r.dial(), r.dial()
	for _, c := range []*rawClient{stays, ends, leaves} {
		c.send(postChunked).response("POST")
	}
	waitFor(t, "three connections on the loop", func() bool { return r.onLoops() == 3 })
	if res, _ := stays.send(get).response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d; want 200", res.StatusCode)
	}
	leaves.nc.Close()
	waitFor(t, "the connection gone that its client closed", func() bool { return r.onLoops() <= 2 })
	ends.closed()
	stays.closed()
}

// A client that resets or half-closes while its connection changes hands leaves nothing behind.
func TestLoopTakesBackClientGone(t *testing.T) {
	t.Parallel()
	r := loopRig(t, 2, record(t, replyOK).addr).start()
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			c := r.dial()
			defer c.nc.Close()
			io.WriteString(c.nc, postChunked+strings.Repeat(get, i%(2*plainInARow)))
			switch i % 3 {
			case 0:
				c.nc.(*net.TCPConn).SetLinger(0)
			case 1:
				c.nc.(*net.TCPConn).CloseWrite()
				c.until()
			default:
				for range min(i%8, 1+i%(2*plainInARow)) {
					readHead(c.br)
				}
			}
		})
	}
	wait.Wait()
	waitFor(t, "all connections gone", func() bool { return r.server.Connections() == 0 })
	if n := r.view.InFlight.Load(); n != 0 {
		t.Errorf("got %d requests in flight; want 0", n)
	}
}

// sockets returns how many file descriptors the process has.
func sockets(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Connections change hands all the time while configs are published, and then the server drains and ends: every answer that began is
// complete, every connection ends, and no file descriptor is left. Not parallel, because it counts those of the process.
func TestLoopTakesBackUnderReloadAndDrain(t *testing.T) {
	for _, end := range []string{"drain", "hand over", "shutdown"} {
		rec := record(t, replyOK)
		before := sockets(t)
		r := loopRig(t, 2, rec.addr)
		r.server.rest = time.Millisecond
		r.start()
		started, errs := make(chan struct{}, 16), make(chan error, 16)
		for i := range 16 {
			nc, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(30 * time.Second))
			go func() {
				defer nc.Close()
				errs <- changeHands(nc, rand.New(rand.NewPCG(uint64(i), 9)), started)
			}()
		}
		for range 16 {
			receive(t, started, "the load")
			r.publish()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		switch end {
		case "drain":
			r.server.Drain()
		case "hand over":
			r.server.HandOver(ctx, time.Second)
		case "shutdown":
			r.server.Shutdown(ctx)
		}
		for range 16 {
			if err := receive(t, errs, "the end of a client"); err != nil {
				t.Errorf("%s: got %v in the middle of a response", end, err)
			}
		}
		waitFor(t, "no connection", func() bool { return r.server.Connections() == 0 })
		if cut := r.server.Shutdown(ctx); cut != 0 {
			t.Errorf("%s: got %d connections cut; want 0", end, cut)
		}
		cancel()
		for _, e := range r.view.Revisions[0].Pool.Endpoints() {
			e.Transport.(*Transport).Retire()
		}
		waitFor(t, "the file descriptors of before", func() bool { return sockets(t) <= before })
	}
}

// changeHands sends requests that make a connection change hands until it is closed between two of them.
func changeHands(nc net.Conn, rng *rand.Rand, started chan<- struct{}) error {
	br := bufio.NewReader(nc)
	for n := 0; ; n++ {
		request := get
		if rng.IntN(plainInARow+2) == 0 {
			request = postChunked
		}
		if _, err := io.WriteString(nc, request); err != nil {
			return nil // closed between two requests
		}
		head, err := readHead(br)
		if err != nil && head == "" {
			return nil
		}
		if err == nil {
			_, err = br.Discard(2)
		}
		if err != nil || statusOf(head) != 200 {
			return fmt.Errorf("%w after %q", err, head)
		}
		if n == 60 {
			started <- struct{}{}
		}
	}
}
