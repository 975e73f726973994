package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
)

const shortCanary = `    rollout:
      steps: [{weight: 5, duration: 1s}, {weight: 50, duration: 1s}]
      keepPrevious: 1s
      validation: {requests: [{path: /health}]}
      analysis: {minRequests: 20}
`

// deploy begins a rollout and returns its id.
func (w *world) deploy(req api.RolloutRequest) string {
	w.t.Helper()
	ref, err := w.admin.Deploy(context.Background(), "demo", req)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref.ID
}

// untilEnded waits for the end of a rollout.
func (w *world) untilEnded(id string) api.Rollout {
	w.t.Helper()
	var r api.Rollout
	w.eventually("the end of rollout "+id, func() bool {
		var err error
		r, err = w.admin.Rollout(context.Background(), id)
		return err == nil && r.Status.Ended()
	})
	return r
}

func TestCanaryGoesInAndABadOneComesOut(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, shortCanary)))
	w.untilReady(2)
	l := w.load(8)
	good := w.untilEnded(w.deploy(api.RolloutRequest{Version: "v2"}))
	if good.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %s; want the good version to go in", good.Status, good.Reason)
	}
	w.eventually("v2 to be the version", func() bool { return w.service("demo").Version == "v2" })
	bad := w.untilEnded(w.deploy(api.RolloutRequest{Version: "v3-broken"}))
	if bad.Status != api.RolloutRolledBack || !strings.Contains(bad.Reason, "requests of v3-broken failed") {
		t.Fatalf("got %s, %q; want the broken version to be rolled back for its errors", bad.Status, bad.Reason)
	}
	if len(bad.Evidence) == 0 || bad.Evidence[0].Candidate <= bad.Evidence[0].Stable {
		t.Fatalf("got evidence %+v; want the figures that decided", bad.Evidence)
	}
	l.finish(t) // what failed on the candidate was tried again on stable
	if _, body := w.get("/"); !strings.Contains(body, "demo v2") {
		t.Fatalf("got %q; want v2", body)
	}
	w.eventually("only v2 to be left", func() bool { return len(w.service("demo").Revisions) == 1 })
	if strings.Contains(w.log.String(), "without being asked") {
		t.Fatalf("an instance was stopped that the gateway did not ask to stop\n%s", w.log)
	}
}

func TestBlueGreenAndBackUnderLoad(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, `    rollout: {strategy: blue-green, keepPrevious: 1m, validation: {requests: [{path: /health}]}}
`)))
	w.untilReady(2)
	ws := w.openWebSocket()
	l := w.load(8)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.eventually("the switch", func() bool { _, body := w.get("/"); return strings.Contains(body, "demo v2") })
	ws.echo(t, "through the switch")
	if _, err := w.admin.Rollback(context.Background(), "demo"); err != nil {
		t.Fatal(err)
	}
	if r := w.untilEnded(id); r.Status != api.RolloutRolledBack {
		t.Fatalf("got %s, %q; want it rolled back", r.Status, r.Reason)
	}
	if _, body := w.get("/"); !strings.Contains(body, "demo v1") {
		t.Fatalf("got %q; want v1 again", body)
	}
	l.finish(t)
}

func TestRollingUnderLoadAndRefusals(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(3, `    rollout: {strategy: rolling, rolling: {batch: 1, maxSurge: 1, interval: 300ms}, analysis: {minRequests: 20}}
`)))
	w.untilReady(3)
	ctx := context.Background()
	refused := func(req api.RolloutRequest, want string) {
		t.Helper()
		if _, err := w.admin.Deploy(ctx, "demo", req); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want a refusal with %q", err, want)
		}
	}
	refused(api.RolloutRequest{Version: "v1"}, "v1")
	refused(api.RolloutRequest{Version: "v2", Strategy: "big-bang"}, "big-bang")
	refused(api.RolloutRequest{Version: "v2", Strategy: "canary", Steps: []api.RolloutStep{{Weight: 50, Duration: api.Duration(time.Second)}, {Weight: 5, Duration: api.Duration(time.Second)}}}, "weights that rise")
	l := w.load(8)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	refused(api.RolloutRequest{Version: "v3"}, id)
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
	l.finish(t)
	s := w.service("demo")
	if s.Version != "v2" || ready(s) != 3 {
		t.Fatalf("got version %s with %d ready; want v2 with 3", s.Version, ready(s))
	}
}

func TestRolloutGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, strings.Replace(shortCanary, "{weight: 50, duration: 1s}", "{weight: 50, duration: 1s, pause: true}", 1))))
	w.untilReady(2)
	l := w.load(4)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.eventually("the pause", func() bool {
		r, err := w.admin.Rollout(context.Background(), id)
		return err == nil && r.Status == api.RolloutPaused
	})
	l.finish(t)
	w.end()
	w.run()
	w.untilReady(3) // two stable ones, and one for half of the load
	r, err := w.admin.Rollout(context.Background(), id)
	if err != nil || r.Status != api.RolloutPaused || r.Weight != 50 {
		t.Fatalf("got %+v, %v; want the rollout paused at 50 %% as before", r, err)
	}
	if _, err := w.admin.Act(context.Background(), id, api.ActionPromote); err != nil {
		t.Fatal(err)
	}
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
}
