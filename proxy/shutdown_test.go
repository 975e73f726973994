package proxy

import (
	"context"
	"net"
	"testing"
	"time"
)

// shutdownNow cuts whatever is still under way and returns how much that was.
func shutdownNow(r *rig) int {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	return r.server.Shutdown(over)
}

// Idle connections end at once, requests under way are answered with Connection: close, and then nothing is left to cut.
func TestShutdownWaitsForRequests(t *testing.T) {
	t.Parallel()
	h := hold(t)
	r := newRig(t, h.addr).start()
	idle, busy := r.dial(), r.dial()
	for _, c := range []*rawClient{idle, busy} {
		c.send(get)
		receive(t, h.arrive, "a request")
		if c == idle {
			h.reply <- replyClose
			c.response("GET")
		}
	}
	fresh := r.dial()
	waitFor(t, "all connections", func() bool { return r.server.Connections() == 3 })
	cut := make(chan int, 1)
	go func() { cut <- r.server.Shutdown(context.Background()) }()
	idle.closed()
	fresh.closed()
	waitFor(t, "the listener to close", func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	select {
	case <-cut:
		t.Fatal("the shutdown did not wait for the request under way")
	default:
	}
	h.reply <- replyClose
	res, body := busy.response("GET")
	if res.StatusCode != 200 || body != "ok" || !res.Close {
		t.Errorf("got %d %q, closing %v; want 200 and Connection: close", res.StatusCode, body, res.Close)
	}
	busy.closed()
	busy.nc.Close()
	if n := receive(t, cut, "the end of the shutdown"); n != 0 {
		t.Errorf("got %d connections cut; want 0", n)
	}
}

// What does not end in time is cut: requests that wait for an instance or in the queue, and bodies.
func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	r, h := queueRig(t)
	r.start()
	waiting := r.dial().send(get)
	receive(t, h.arrive, "the request")
	queued := r.dial().send(get)
	r.awaitQueue(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if n := r.server.Shutdown(ctx); n != 2 {
		t.Errorf("got %d connections cut; want 2", n)
	}
	for _, c := range []*rawClient{waiting, queued} {
		if got, _ := c.until(); statusOf(got) == 200 {
			t.Errorf("got %q; want no answer", got)
		}
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
}

// A drain ends idle connections and closes each one after its answer, but still takes new ones.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr).start()
	idle := r.dial()
	idle.send(get).response("GET")
	r.server.Drain()
	idle.closed()
	late := r.dial()
	res, _ := late.send(get + get).response("GET")
	if res.StatusCode != 200 || !res.Close {
		t.Errorf("got %d, closing %v; want 200 and Connection: close", res.StatusCode, res.Close)
	}
	late.closed()
}

// Requests that come in as the drain begins are answered or not begun, never cut in the middle.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr).start()
	started, ended := make(chan struct{}, 8), make(chan error, 8)
	for range 8 {
		c := r.dial()
		go func() {
			for n := 0; ; n++ {
				if _, err := c.nc.Write([]byte(get)); err != nil {
					ended <- nil // closed between two requests
					return
				}
				head, err := readHead(c.br)
				if err != nil && head == "" {
					ended <- nil
					return
				}
				if err == nil {
					_, err = c.br.Discard(2)
				}
				if err != nil || statusOf(head) != 200 {
					ended <- err
					return
				}
				if n == 20 {
					started <- struct{}{}
				}
			}
		}()
	}
	for range 8 {
		receive(t, started, "the load")
	}
	r.server.Drain()
	for range 8 {
		if err := receive(t, ended, "the end of a client"); err != nil {
			t.Errorf("got %v in the middle of a response", err)
		}
	}
}

// Listeners come and go as a whole: an address that cannot be had changes nothing, one that stays is not touched, one that goes keeps its
// connections.
func TestListenersChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr).start()
	s := r.server
	c := r.dial()
	c.send(get).response("GET")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := s.Prepare(map[string]string{"web": "127.0.0.1:0", "new": "127.0.0.1:0", "bad": taken.Addr().String()}); err == nil {
		t.Fatal("an address that is taken was opened")
	}
	if len(s.Addresses()) != 1 {
		t.Errorf("got %v; want one listener still", s.Addresses())
	}
	r.dial().send(get).response("GET")

	ch, err := s.Prepare(map[string]string{"web": "127.0.0.1:0", "new": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ch.Drop()
	if len(s.Addresses()) != 1 {
		t.Errorf("got %v; want one listener after the change was dropped", s.Addresses())
	}

	ch, err = s.Prepare(map[string]string{"web2": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ch.Commit()
	if got := s.Addresses()["web2"].String(); got != r.addr {
		t.Errorf("got %s; want the socket of the listener that had this address under another name", got)
	}

	ch, err = s.Prepare(map[string]string{"web": "127.0.0.2:0"})
	if err != nil {
		t.Fatal(err)
	}
	ch.Commit()
	if nc, err := net.Dial("tcp", r.addr); err == nil {
		nc.Close()
		t.Error("the listener that went still accepts")
	}
	if res, _ := c.send(get).response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d on a connection of the listener that went; want 200", res.StatusCode)
	}
}

// Beyond the maximum connections wait until there is room, or the maximum rises.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr)
	r.settings.MaxConnections = 1
	r.start()
	first := r.dial()
	first.send(get).response("GET")
	second, third := r.dial().send(get), r.dial().send(get)
	if n := r.server.Connections(); n != 1 {
		t.Errorf("got %d connections; want 1", n)
	}
	first.nc.Close()
	second.response("GET")
	if n := r.server.Connections(); n != 1 {
		t.Errorf("got %d connections; want 1", n)
	}
	r.settings.MaxConnections = 2
	r.view = &ServiceView{Service: r.view.Service, QueueTimeout: r.view.QueueTimeout, Revisions: r.view.Revisions, Split: r.view.Split}
	r.publish()
	if res, _ := third.response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d; want 200 after the maximum rose", res.StatusCode)
	}
}
