package gateway

import (
	"context"
	"strings"
	"testing"

	"gatewayd/admin/api"
)

// A gateway that is killed with everything it knows in memory goes on with its rollout where it was: before the candidate is ready,
// in the middle of a step, while paused, on the way to the whole load, and after the end.
func TestRolloutSurvivesKills(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoService(2, `    rollout:
      steps: [{weight: 5, duration: 1s}, {weight: 50, pause: true}]
      keepPrevious: 1s
      validation: {requests: [{path: /health}]}
      analysis: {minRequests: 1}
`)))
	again := func() {
		t.Helper()
		w.kill()
		w.launch()
	}
	w.untilReady(2)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	again()
	w.untilWeight(id, 5)
	again()
	w.until(id, "5 % again", func(r *api.Rollout) bool { return r.Weight == 5 && r.Status == api.RolloutRunning })
	w.eventually("its step to be over", func() bool {
		w.get("/")
		r, err := w.admin.Rollout(context.Background(), id)
		return err == nil && r.Status == api.RolloutPaused && r.Weight == 50
	})
	again()
	if r := w.untilStatus(id, api.RolloutPaused); r.Weight != 50 || r.Step != 2 {
		t.Fatalf("got step %d at %v%%; want it paused in step 2 at 50%%", r.Step, r.Weight)
	}
	w.act(id, api.ActionResume)
	again()
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
	again()
	w.untilReady(2)
	if _, body := w.get("/"); !strings.Contains(body, "demo v2") {
		t.Fatalf("got %q; want v2 after the last kill", body)
	}
	w.eventually("v2 to be alone", func() bool { s := w.service("demo"); return s.Version == "v2" && len(s.Revisions) == 1 })
}
