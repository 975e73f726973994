package gateway

import (
	"strings"
	"testing"

	"gatewayd/admin/api"
)

// Load that grows in the middle of a rollout makes both versions grow by their share; what is promoted has the capacity for it at once.
func TestLoadGrowsDuringARollout(t *testing.T) {
	t.Parallel()
	service := strings.NewReplacer(
		`"{{.Version}}"]`, `"{{.Version}}", --latency, 20ms]`,
		"{minInstances: 1, maxInstances: 6}", "{minInstances: 1, maxInstances: 6, evaluationInterval: 200ms, metricsWindow: 1s, policies: [{name: busy, targetMetric: activeConnections, scaleUpThreshold: 3, scaleDownThreshold: 0.5, scaleUpStep: 1, scaleDownStep: 1, cooldownPeriod: 200ms}]}",
	).Replace(demoService(1, "    rollout: {steps: [{weight: 50, duration: 1h}], keepPrevious: 1s, analysis: {minRequests: 20, maxLatencyIncreasePercent: 1000}}\n"))
	w := start(t, configFile(oneRoute, service))
	w.untilReady(1)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.untilWeight(id, 50)
	l := w.load(12)
	w.eventually("both to grow by their share", func() bool {
		stable, candidate := readyOf(w, "v1"), readyOf(w, "v2")
		return stable >= 4 && candidate >= 2 && candidate < stable
	})
	w.act(id, api.ActionPromote)
	w.untilWeight(id, 100)
	if n := readyOf(w, "v2"); n < 4 {
		t.Fatalf("v2 got all traffic with %d instances; want at least 4", n)
	}
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
	if n := readyOf(w, "v2"); n < 4 {
		t.Fatalf("v2 was promoted with %d instances; want at least 4", n)
	}
	l.finish(t)
}

// readyOf counts the ready instances of a version.
func readyOf(w *world, version string) int {
	w.t.Helper()
	s := w.service("demo")
	for _, r := range s.Revisions {
		if r.Version == version {
			return ready(api.Service{Revisions: []api.Revision{r}})
		}
	}
	return 0
}
