package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatewayd/balancer"
)

// queueRig has one instance that keeps its requests, with room for one of them, and a queue of two.
func queueRig(t *testing.T) (*rig, *held) {
	h := hold(t)
	r := newRig(t, h.addr)
	r.pool.MaxConcurrency = 1
	r.view.Service = NewService("shop", 2)
	return r, h
}

func numbered(n int) string { return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", n) }

func (r *rig) awaitQueue(t *testing.T, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d in the queue", n), func() bool { return r.view.Gate.Len() == n })
}

// Who waits is served in order; who finds the queue full is told at once, and when to come back.
func TestQueue(t *testing.T) {
	t.Parallel()
	r, h := queueRig(t)
	r.start()
	clients := []*rawClient{r.dial().send(numbered(0))}
	receive(t, h.arrive, "the first request")
	for i := 1; i <= 2; i++ {
		clients = append(clients, r.dial().send(numbered(i)))
		r.awaitQueue(t, i)
	}
	res, body := r.dial().send(numbered(3)).response("GET")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, "(queue-full)") {
		t.Errorf("got %d %v %q; want 503 with Retry-After and queue-full", res.StatusCode, res.Header, body)
	}
	for i, c := range clients {
		if i > 0 {
			if head := receive(t, h.arrive, "the next request"); !strings.HasPrefix(head, fmt.Sprintf("GET /%d ", i)) {
				t.Errorf("got %q; want request %d next", head, i)
			}
		}
		h.reply <- replyClose
		if res, body := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("request %d: got %d %q; want 200", i, res.StatusCode, body)
		}
		c.nc.Close()
	}
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
	waitFor(t, "the refused request to be counted as slow", func() bool { return r.view.Slow.Load() > 0 })
}

// Waiting ends with the queue's patience or the route's, whichever is less.
func TestQueueTimeout(t *testing.T) {
	t.Parallel()
	f := func(queue, route time.Duration, wantStatus int, wantCause string) {
		t.Helper()
		r, h := queueRig(t)
		r.view.QueueTimeout, r.route.Timeout = queue, route
		r.route.Retry = RetryPolicy{}
		r.start()
		if wantCause == "queue-timeout" {
			r.dial().send(numbered(0))
			receive(t, h.arrive, "the first request")
		} else {
			r.pool.Members[0].Endpoint.TryAcquire(0) // somebody else's
			defer r.pool.Members[0].Endpoint.Release()
		}
		res, body := r.dial().send(numbered(1)).response("GET")
		if res.StatusCode != wantStatus || !strings.Contains(body, "("+wantCause+")") {
			t.Errorf("got %d %q; want %d %s", res.StatusCode, body, wantStatus, wantCause)
		}
		if wantStatus == 503 && res.Header.Get("Retry-After") == "" {
			t.Errorf("got %v; want Retry-After", res.Header)
		}
	}
	f(50*time.Millisecond, 10*time.Second, 503, "queue-timeout")
	f(10*time.Second, 50*time.Millisecond, 504, "route-timeout")
}

// A client that leaves gives up its place and takes nothing from those behind it.
func TestClientLeavesTheQueue(t *testing.T) {
	t.Parallel()
	r, h := queueRig(t)
	r.start()
	first := r.dial().send(numbered(0))
	receive(t, h.arrive, "the first request")
	leaver := r.dial().send(numbered(1))
	r.awaitQueue(t, 1)
	next := r.dial().send(numbered(2))
	r.awaitQueue(t, 2)
	leaver.nc.Close()
	r.awaitQueue(t, 1)
	h.reply <- replyClose
	first.response("GET")
	if head := receive(t, h.arrive, "the next request"); !strings.HasPrefix(head, "GET /2 ") {
		t.Errorf("got %q; want the one that stayed", head)
	}
	h.reply <- replyClose
	if res, _ := next.response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d; want 200", res.StatusCode)
	}
}

// Where waiting would be in vain nobody waits.
func TestNoInstance(t *testing.T) {
	t.Parallel()
	f := func(what string, change func(e *balancer.Endpoint)) {
		t.Helper()
		r := newRig(t, record(t, replyOK).addr)
		change(r.pool.Members[0].Endpoint)
		res, body := r.start().dial().send(get).response("GET")
		if res.StatusCode != 503 || !strings.Contains(body, "(no-instance)") || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %q; want 503 no-instance with Retry-After", what, res.StatusCode, body)
		}
	}
	now := time.Now().UnixNano()
	f("unhealthy", func(e *balancer.Endpoint) { e.SetHealthy(false, now) })
	f("ejected", func(e *balancer.Endpoint) { e.SetEjected(true) })
	f("draining", func(e *balancer.Endpoint) { e.SetDraining(now + int64(time.Hour)) })
}

// Scale from zero: requests wait for a snapshot with an instance in it, in a queue that is bounded all the same.
func TestScaleFromZero(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	ready := r.view
	asleep := &ServiceView{Service: NewService("shop", 3), QueueTimeout: 5 * time.Second, Hold: true}
	ready.Service = asleep.Service
	r.view = asleep
	r.start()
	var clients []*rawClient
	for i := range 3 {
		clients = append(clients, r.dial().send(numbered(i)))
		r.awaitQueue(t, i+1)
	}
	if res, _ := r.dial().send(numbered(3)).response("GET"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d; want 503 from a full queue", res.StatusCode)
	}
	r.view = ready
	r.publish()
	for i, c := range clients {
		if res, body := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("request %d: got %d %q; want 200", i, res.StatusCode, body)
		}
	}
	if n := len(rec.requests()); n != 3 {
		t.Errorf("got %d requests at the instance; want 3", n)
	}
}

// What a service takes by holding its requests is not the route's time, neither in the queue nor afterwards.
func TestHoldIsNotTheRoutesTime(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	ready := r.view
	r.view = &ServiceView{Service: ready.Service, QueueTimeout: 20 * time.Second, Hold: true}
	r.route.Timeout = 200 * time.Millisecond
	r.start()
	began := time.Now()
	c := r.dial().send(numbered(0))
	waitFor(t, "more than the route's timeout", func() bool { return time.Since(began) > 2*r.route.Timeout })
	r.view = ready
	r.publish()
	if res, body := c.response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d %q; want 200", res.StatusCode, body)
	}
}

// A service in maintenance answers by itself.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.view.Maintenance = &Maintenance{Body: []byte("<p>back soon</p>"), ContentType: "text/html", RetryAfter: 120}
	res, body := r.start().dial().send(get).response("GET")
	if res.StatusCode != 503 || body != "<p>back soon</p>" || res.Header.Get("Retry-After") != "120" || res.Header.Get("Content-Type") != "text/html" {
		t.Errorf("got %d %v %q; want the page of maintenance", res.StatusCode, res.Header, body)
	}
	if rec.requests() != nil {
		t.Error("a request came to the instance")
	}
}
