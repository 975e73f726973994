package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// loopRig is a rig whose server has n event loops, whatever the suite runs on.
func loopRig(t testing.TB, n int, addresses ...string) *rig {
	t.Helper()
	r := newRig(t, addresses...)
	r.server.opt.Loops = n
	return r
}

// onLoops returns how many connections the event loops own.
func (r *rig) onLoops() int {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.server.onLoops
}

// Clients on several loops at once, with requests that loops carry and requests that they hand over, from many goroutines: each gets its own
// answer, and nothing is left over in any counter.
func TestLoopsCarryAndHandOver(t *testing.T) {
	t.Parallel()
	addr := httpInstance(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/chunks":
			for range 3 {
				fmt.Fprintf(w, "%s", r.URL.RawQuery)
				w.(http.Flusher).Flush()
			}
		case "/big":
			io.WriteString(w, strings.Repeat(r.URL.RawQuery[:1], 2<<20))
		default:
			fmt.Fprintf(w, "%s %d", r.URL.RawQuery, len(b))
		}
	})
	r := loopRig(t, 3, addr)
	r.server.opt.SpareProc = true
	r.start()
	var wait sync.WaitGroup
	for i := range 24 {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			for range 4 {
				loopSession(r, rng)
			}
		})
	}
	wait.Wait()
	waitFor(t, "the connections to end", func() bool { return r.server.Connections() == 0 })
	if n := r.view.InFlight.Load(); n != 0 {
		t.Errorf("got %d requests in flight; want 0", n)
	}
	if n := r.pool.Members[0].Endpoint.InFlight(); n != 0 {
		t.Errorf("got %d requests at the endpoint; want 0", n)
	}
	waitFor(t, "no connection to the instance in use", func() bool { return r.activeConnections() == 0 })
	if n := r.idleConnections(); n > 64 {
		t.Errorf("got %d idle connections; want at most the 64 of MaxIdle", n)
	}
}

// loopSession sends some requests on one connection and compares the answers.
func loopSession(r *rig, rng *rand.Rand) {
	c := r.dial()
	defer c.nc.Close()
	for range 1 + rng.IntN(8) {
		id := fmt.Sprint(rng.IntN(1e9))
		request, want := "", ""
		switch rng.IntN(5) {
		case 0, 1:
			request, want = "GET /?"+id+" HTTP/1.1\r\nHost: a\r\n\r\n", id+" 0"
		case 2:
			n := rng.IntN(100_000)
			request = fmt.Sprintf("POST /?%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", id, n, strings.Repeat("b", n))
			want = fmt.Sprint(id, " ", n)
		case 3:
			request, want = "GET /chunks?"+id+" HTTP/1.1\r\nHost: a\r\n\r\n", id+id+id
		case 4:
			request, want = "GET /big?"+id+" HTTP/1.1\r\nHost: a\r\n\r\n", strings.Repeat(id[:1], 2<<20)
		}
		method, _, _ := strings.Cut(request, " ")
		if res, body := c.send(request).response(method); res.StatusCode != 200 || body != want {
			r.t.Errorf("%.60q: got %d %.60q of %d bytes; want %.60q of %d", request, res.StatusCode, body, len(body), want, len(want))
			return
		}
	}
}

// Which requests a loop carries, and that their connection stays with it; the others go to a goroutine.
func TestLoopKeeps(t *testing.T) {
	t.Parallel()
	f := func(what, request, reply string, wantOn int) {
		t.Helper()
		r := loopRig(t, 1, record(t, reply).addr)
		r.server.rest = time.Hour
		r.start()
		method, _, _ := strings.Cut(request, " ")
		c := r.dial().send(request)
		res, _ := c.response(method)
		for res.StatusCode < 200 {
			res, _ = c.response(method)
		}
		if res.StatusCode != 200 {
			t.Errorf("%s: got %d; want 200", what, res.StatusCode)
		}
		if n := r.onLoops(); n != wantOn {
			t.Errorf("%s: got %d connections on the loop; want %d", what, n, wantOn)
		}
		if n := r.server.Connections(); n != 1 {
			t.Errorf("%s: got %d connections; want 1", what, n)
		}
	}
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	f("plain", get, replyOK, 1)
	f("HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 1)
	f("a small body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", replyOK, 1)
	f("a body of 60,000 bytes", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"+strings.Repeat("x", 60000), replyOK, 1)
	f("a chunked answer", get, chunked, 1)
	f("a large body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", 200000), replyOK, 0)
	f("a chunked body", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", replyOK, 0)
	f("an interim answer", get, "HTTP/1.1 103 Early Hints\r\n\r\n"+replyOK, 0)
	f("an answer until close", get, "HTTP/1.1 200 OK\r\n\r\nok"+thenClose, 0)
	f("an answer of 2 MiB", get, "HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n"+strings.Repeat("x", 2<<20), 0)
}

// What an instance sends unasked on a connection that rests with a loop closes it, so that it answers nobody.
func TestLoopDropsUnaskedBytes(t *testing.T) {
	t.Parallel()
	poison := make(chan struct{})
	rec := record(t, replyOK)
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, replyOK)
		<-poison
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		br.ReadByte()
	})
	r := loopRig(t, 1, addr, rec.addr).start()
	c := r.dial()
	for range 2 { // one at each
		c.send(get).response("GET")
	}
	close(poison)
	transport := r.pool.Members[0].Endpoint.Transport.(*Transport)
	waitFor(t, "the poisoned connection closed", func() bool { return transport.open.Load() == 0 })
	if idle, active := transport.Counts(); idle != 0 || active != 0 {
		t.Errorf("got %d idle and %d active connections; want none", idle, active)
	}
}

// Idle connections of a loop go with their endpoint, and with the loop.
func TestLoopIdleConnections(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := loopRig(t, 2, rec.addr).start()
	for range 4 {
		r.dial().send(get).response("GET")
	}
	waitFor(t, "one or two idle connections", func() bool { n := r.idleConnections(); return n == 1 || n == 2 })
	transport := r.pool.Members[0].Endpoint.Transport.(*Transport)
	transport.Configure(TransportOptions{ConnectTimeout: time.Second, IdleTimeout: time.Millisecond, MaxIdle: 64})
	rec.await(t, "the old connections closed", func() bool { return rec.open == 0 })
	transport.Configure(TransportOptions{ConnectTimeout: time.Second, IdleTimeout: time.Minute, MaxIdle: 64})
	r.dial().send(get).response("GET")
	transport.Retire()
	rec.await(t, "the connections of a retired endpoint closed", func() bool { return rec.open == 0 })
	r.dial().send(get).response("GET")
	rec.await(t, "no connection kept to a retired endpoint", func() bool { return rec.open == 0 })
	waitFor(t, "no connection counted", func() bool { return transport.open.Load() == 0 })
}

// A shutdown closes idle connections on loops at once, waits for those with a request, and cuts them in the end.
func TestLoopShutdown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			if strings.HasPrefix(head, "GET /slow") {
				<-release
			}
			io.WriteString(nc, replyOK)
		}
	})
	r := loopRig(t, 2, addr).start()
	idle, fresh, busy, stuck := r.dial(), r.dial(), r.dial(), r.dial()
	idle.send(get).response("GET")
	busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	stuck.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	waitFor(t, "two requests under way", func() bool { return r.view.InFlight.Load() == 2 && r.server.Connections() == 4 })
	r.server.Drain()
	idle.closed()
	fresh.closed()
	release <- struct{}{}
	waitFor(t, "one answer", func() bool { return r.server.Connections() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if cut := r.server.Shutdown(ctx); cut != 1 {
		t.Errorf("got %d connections cut; want 1", cut)
	}
	close(release)
	if n := r.view.InFlight.Load(); n != 0 {
		t.Errorf("got %d requests in flight; want 0", n)
	}
}

// A client that leaves while an instance works for it frees the endpoint at once.
func TestLoopClientGone(t *testing.T) {
	t.Parallel()
	came := make(chan struct{}, 1)
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		came <- struct{}{}
		br.ReadByte()
	})
	r := loopRig(t, 1, addr).start()
	c := r.dial().send(get)
	<-came
	c.nc.(*net.TCPConn).SetLinger(0)
	c.nc.Close()
	waitFor(t, "the endpoint free", func() bool { return r.pool.Members[0].Endpoint.InFlight() == 0 })
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures of the instance; want none for a client that left", n)
	}
}
