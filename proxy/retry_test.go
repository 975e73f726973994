package proxy

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Which failures are tried again, on another endpoint, and which are the client's to see.
func TestRetries(t *testing.T) {
	t.Parallel()
	refused := refusedAddress(t)
	policy := RetryPolicy{Attempts: 1, ConnectFailure: true, Reset: true, Timeout: true, BudgetPercent: 20, PerTryTimeout: 2 * time.Second}
	policy.Statuses.Add(503)
	busy := "HTTP/1.1 503 Busy\r\nX-From: first\r\nContent-Length: 4\r\n\r\nbusy"
	f := func(what, method, body, first string, p RetryPolicy, wantStatus int, wantTries int) {
		t.Helper()
		failing := refused
		var tries atomic.Int32
		if first != "" {
			failing = recordBy(t, func(string) string { tries.Add(1); return first }).addr
		}
		good := record(t, replyOK)
		r := newRig(t, failing, good.addr)
		r.route.Retry = p
		request := method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
		res, got := r.start().dial().send(request).response(method)
		n := len(good.requests())
		if res.StatusCode != wantStatus || n != wantTries-1 {
			t.Errorf("%s: got %d %q and %d requests at the other instance; want %d after %d tries", what, res.StatusCode, got, n, wantStatus, wantTries)
		}
		if wantTries == 2 && !strings.HasSuffix(good.last(t), "\r\n\r\n"+body) {
			t.Errorf("%s: got %q; want the body sent again", what, good.last(t))
		}
		if tries.Load() > 1 {
			t.Errorf("%s: got %d tries of the same endpoint; want 1", what, tries.Load())
		}
	}
	none := RetryPolicy{}
	f("GET, refused", "GET", "", "", policy, 200, 2)
	f("POST, refused: it was not sent", "POST", "abc", "", policy, 200, 2)
	f("GET, reset", "GET", "", thenReset, policy, 200, 2)
	f("PUT with its body, reset", "PUT", "abc", thenReset, policy, 200, 2)
	f("POST, reset: it may have been done", "POST", "abc", thenReset, policy, 502, 1)
	f("PATCH, reset", "PATCH", "", thenClose, policy, 502, 1)
	f("GET, malformed response", "GET", "", "nonsense\r\n", policy, 200, 2)
	f("GET, 503", "GET", "", busy, policy, 200, 2)
	f("POST, 503", "POST", "", busy, policy, 503, 1)
	f("GET, another status", "GET", "", strings.Replace(busy, "503", "500", 1), policy, 500, 1)
	f("GET, broken off after its head", "GET", "", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", policy, 200, 1)
	f("no retries, refused", "GET", "", "", none, 502, 1)
	f("no retries, reset", "GET", "", thenReset, none, 502, 1)
	only := policy
	only.ConnectFailure = false
	f("not for refused", "GET", "", "", only, 502, 1)
	only = policy
	only.Reset = false
	f("not for resets", "GET", "", thenReset, only, 502, 1)
}

// A try that takes too long is given up, and another endpoint answers within the route's time.
func TestPerTryTimeout(t *testing.T) {
	t.Parallel()
	h := hold(t)
	r := newRig(t, h.addr, record(t, replyOK).addr)
	r.route.Retry = RetryPolicy{Attempts: 1, Timeout: true, PerTryTimeout: time.Second}
	if res, body := r.start().dial().send(get).response("GET"); res.StatusCode != 200 {
		t.Errorf("got %d %q; want 200 of the other endpoint", res.StatusCode, body)
	}
	receive(t, h.arrive, "the first try")
	receive(t, h.ended, "the end of the first try's connection")
}

// A status that would be tried again is the client's, whole, when there is no other endpoint, no attempt or no budget left.
func TestRetryThatIsNotPossible(t *testing.T) {
	t.Parallel()
	busy := "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"
	f := func(what string, endpoints int, p RetryPolicy, spend bool) {
		t.Helper()
		p.Statuses.Add(503)
		var addresses []string
		for range endpoints {
			addresses = append(addresses, record(t, busy).addr)
		}
		r := newRig(t, addresses...)
		r.route.Retry = p
		r.start()
		if spend {
			for r.view.budget.take(time.Now().UnixNano(), 0, 0) {
			}
		}
		res, body := r.dial().send(get).response("GET")
		if res.StatusCode != 503 || body != "busy" || res.Header.Get("Retry-After") != "7" {
			t.Errorf("%s: got %d %q %v; want the instance's own 503", what, res.StatusCode, body, res.Header)
		}
		for _, m := range r.pool.Members {
			if n := m.Endpoint.InFlight(); n != 0 {
				waitFor(t, what+": nothing in flight", func() bool { return m.Endpoint.InFlight() == 0 })
			}
		}
	}
	f("one endpoint", 1, RetryPolicy{Attempts: 2, BudgetPercent: 20}, false)
	f("all of them busy", 3, RetryPolicy{Attempts: 2, BudgetPercent: 20}, false)
	f("no budget", 2, RetryPolicy{Attempts: 2}, true)
}

// A small body that comes behind its head is there for another try as well, and holds no instance while it comes.
func TestRetryOfASmallBodyInTwoPackets(t *testing.T) {
	t.Parallel()
	good := record(t, replyOK)
	r := newRig(t, record(t, thenReset).addr, good.addr).start()
	c := r.dial().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	r.awaitBusy(t)
	if n := r.pool.Members[0].Endpoint.Requests() + r.pool.Members[1].Endpoint.Requests(); n != 0 {
		t.Errorf("got %d instances taken; want none before the body is there", n)
	}
	if res, body := c.send("def").response("PUT"); res.StatusCode != 200 || !strings.HasSuffix(good.last(t), "abcdef") {
		t.Errorf("got %d %q with %q at the instance; want 200 with the whole body", res.StatusCode, body, good.last(t))
	}
}

// A body that was read in part and is not there any more cannot be sent again.
func TestNoRetryOfAStreamedBody(t *testing.T) {
	t.Parallel()
	good := record(t, replyOK)
	r := newRig(t, record(t, thenReset).addr, good.addr).start()
	c := r.dial().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000))
	if res, body := c.response("PUT"); res.StatusCode != 502 || len(good.requests()) != 0 {
		t.Errorf("got %d %q, %d requests at the other; want 502 and none", res.StatusCode, body, len(good.requests()))
	}
}

// The budget bounds what failures add to the load, over many requests.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	reset := func(string) string { n.Add(1); return thenClose }
	r := newRig(t, recordBy(t, reset).addr, recordBy(t, reset).addr)
	r.route.Retry = RetryPolicy{Attempts: 1, Reset: true, BudgetPercent: 0}
	c := r.start().dial()
	const requests = 60
	began := time.Now()
	for range requests {
		c.send(get).response("GET")
	}
	// On a machine so busy that this takes longer than a window, the next one has a budget of its own.
	most := freeRetries * (1 + int(time.Since(began)/(budgetWindow*time.Second)))
	if got := int(n.Load()) - requests; got < freeRetries || got > most || most < requests && got == requests {
		t.Errorf("got %d retries of %d requests; want %d to %d", got, requests, freeRetries, most)
	}
	var counted uint64
	r.view.EachRetryReason(func(reason string, n uint64) { counted += n })
	if counted != uint64(int(n.Load())-requests) {
		t.Errorf("got %d retries counted; want the %d that there were", counted, int(n.Load())-requests)
	}
}
