package gateway

import (
	"context"
	"strings"
	"testing"

	"gatewayd/admin/api"
)

// Each way of being broken is found out at a fifth of the traffic, and no GET fails. The bound on requests per instance lets a hanging
// version fill up; that must not hold up the queue.
func TestBrokenCanariesAreNotNoticed(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, `    timeouts: {responseHeader: 500ms}
    limits: {maxConcurrencyPerInstance: 4, queue: 64}
    rollout: {steps: [{weight: 20, duration: 1m}], analysis: {minRequests: 200}}
`)))
	w.untilReady(2)
	l := w.load(8)
	f := func(version, reason string) {
		t.Helper()
		r := w.untilEnded(w.deploy(api.RolloutRequest{Version: version}))
		if r.Status != api.RolloutRolledBack || !strings.Contains(r.Reason, reason) {
			t.Fatalf("%s: got %s, %q; want it rolled back: %s", version, r.Status, r.Reason, reason)
		}
		if l.failed.Load() > 0 {
			t.Fatalf("%s: requests failed, the last with %v", version, l.last.Load())
		}
		w.eventually(version+" to be gone", func() bool { return len(w.service("demo").Revisions) == 1 })
	}
	f("v2-broken", "100% of the requests of v2-broken failed against 0% of v1")
	f("v3-refuses", "v3-refuses")
	f("v4-hangs", "100% of the requests of v4-hangs failed against 0% of v1")
	l.finish(t)
}

// A version that never gets traffic ends failed, with the reason; manual promotion waits for a person.
func TestBlueGreenValidatesAndWaits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := start(t, configFile(oneRoute, demoService(2, `    rollout:
      strategy: blue-green
      manualPromotion: true
      keepPrevious: 1s
      validation: {requests: [{path: /, expectBody: hello}]}
  fixed: {instances: [{address: 127.0.0.1:9}]}
`)))
	w.untilReady(2)
	l := w.load(2)
	f := func(version string, reasons ...string) {
		t.Helper()
		r := w.untilEnded(w.deploy(api.RolloutRequest{Version: version}))
		for _, reason := range reasons {
			if r.Status != api.RolloutFailed || !strings.Contains(r.Reason, reason) {
				t.Fatalf("%s: got %s, %q; want it failed: %s", version, r.Status, r.Reason, reason)
			}
		}
	}
	f("v2-exits", "starts of v2-exits failed and none became ready: exit status 3")
	f("v3-broken", "v3-broken failed its validation", "got status 500")

	if _, err := w.admin.Deploy(ctx, "fixed", api.RolloutRequest{Version: "v2"}); err == nil || !strings.Contains(err.Error(), "listed instances") {
		t.Fatalf("got %v; want a refusal for listed instances", err)
	}
	id := w.deploy(api.RolloutRequest{Version: "v4"})
	r := w.untilStatus(id, api.RolloutPaused)
	if !strings.Contains(r.Reason, "waits for promote") || r.Weight != 0 {
		t.Fatalf("got %q at %v%%; want it to wait without traffic", r.Reason, r.Weight)
	}
	w.untilReady(4)
	w.refused(id, api.ActionResume, "waits for promote")
	w.act(id, api.ActionPromote)
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
	w.refused(id, api.ActionAbort, "has ended")
	l.finish(t)
	if _, body := w.get("/"); !strings.Contains(body, "demo v4") {
		t.Fatalf("got %q; want v4", body)
	}
}

// act gives an order that has to be taken.
func (w *world) act(id string, action api.RolloutAction) {
	w.t.Helper()
	if _, err := w.admin.Act(context.Background(), id, action); err != nil {
		w.t.Fatal(err)
	}
}

// refused gives an order that must not be taken, for the reason.
func (w *world) refused(id string, action api.RolloutAction, reason string) {
	w.t.Helper()
	if _, err := w.admin.Act(context.Background(), id, action); err == nil || !strings.Contains(err.Error(), reason) {
		w.t.Fatalf("%s: got %v; want a refusal: %s", action, err, reason)
	}
}

// untilStatus waits until a rollout stands so.
func (w *world) untilStatus(id string, status api.RolloutStatus) api.Rollout {
	w.t.Helper()
	return w.until(id, "status "+string(status), func(r *api.Rollout) bool { return r.Status == status })
}

// untilWeight waits until the candidate has so much of the traffic.
func (w *world) untilWeight(id string, weight float64) api.Rollout {
	w.t.Helper()
	return w.until(id, "its weight", func(r *api.Rollout) bool { return r.Weight == weight })
}

func (w *world) until(id, what string, ok func(*api.Rollout) bool) (r api.Rollout) {
	w.t.Helper()
	var err error
	w.eventually("rollout "+id+": "+what, func() bool {
		r, err = w.admin.Rollout(context.Background(), id)
		return err == nil && (ok(&r) || r.Status.Ended())
	})
	if !ok(&r) {
		w.t.Fatalf("got %s, %q while waiting for %s", r.Status, r.Reason, what)
	}
	return r
}
