package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"gatewayd/admin/api"
)

// visitor is a client with a connection of its own and, if it has a jar, cookies.
type visitor struct {
	w *world
	c http.Client
}

func (w *world) visitor(jar http.CookieJar) *visitor {
	t := &http.Transport{}
	w.t.Cleanup(t.CloseIdleConnections)
	return &visitor{w, http.Client{Transport: t, Jar: jar}}
}

// version asks once, with the header fields in pairs, and returns which version answered.
func (v *visitor) version(fields ...string) string {
	v.w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, v.w.url("/"), nil)
	if err != nil {
		v.w.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := v.c.Do(req)
	if err != nil {
		v.w.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
		v.w.t.Fatalf("got status %d, %v; want 200", res.StatusCode, err)
	}
	return res.Header.Get("X-Demo-Version")
}

// In any window of 1000 requests a canary at 5 % gets 50 of them, at most 2 more or less, also while it is paused and scaled.
func TestCanaryWeightIsExactAndSteerable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := start(t, configFile(oneRoute, demoService(2, "    rollout: {steps: [{weight: 5, duration: 1h}], keepPrevious: 1s}\n")))
	w.untilReady(2)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.untilWeight(id, 5)

	v := w.visitor(nil)
	const window = 1000
	var isCandidate [3 * window]int
	sum := 0
	for i := range isCandidate {
		switch i {
		case window:
			w.act(id, api.ActionPause)
			w.refused(id, api.ActionPause, "paused already")
		case 2 * window:
			w.act(id, api.ActionResume)
			w.scaleTo(4)
		}
		if v.version() == "v2" {
			isCandidate[i] = 1
		}
		sum += isCandidate[i]
		if i >= window {
			sum -= isCandidate[i-window]
		}
		if i >= window-1 && (sum < 48 || sum > 52) {
			t.Fatalf("requests %d to %d: v2 got %d; want 50, at most 2 more or less", i-window+1, i, sum)
		}
	}
	w.untilReady(5) // 4 of stable, and one is 5 % of 4

	w.act(id, api.ActionPromote)
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed", r.Status, r.Reason)
	}
	w.eventually("v2 to hold the whole load alone", func() bool {
		s := w.service("demo")
		return s.Version == "v2" && len(s.Revisions) == 1 && ready(s) == 4
	})
	back, err := w.admin.Rollback(ctx, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if r := w.until(back.ID, "v1 to have all", func(r *api.Rollout) bool { return r.Weight == 100 }); r.Version != "v1" {
		t.Fatalf("got version %q; want v1 back", r.Version)
	}
	w.act(back.ID, api.ActionPromote) // past the time in which v2 is kept
	w.untilEnded(back.ID)
	if got := v.version(); got != "v1" {
		t.Fatalf("got %s; want v1 after the rollback", got)
	}
	before, err := w.admin.Rollouts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.end()
	w.run()
	after, err := w.admin.Rollouts(ctx)
	if err != nil || len(after) != 2 || after[0].ID != before[0].ID || after[1].Reason != before[1].Reason || w.service("demo").Version != "v1" {
		t.Fatalf("got %+v, %v; want the history as before the restart: %+v", after, err, before)
	}
}

func (w *world) scaleTo(n int) {
	w.t.Helper()
	if _, err := w.admin.Scale(context.Background(), "demo", api.ScaleRequest{Instances: &n, Reason: "a test"}); err != nil {
		w.t.Fatal(err)
	}
}

func TestCohortMirrorAndSupersede(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := start(t, configFile(oneRoute, demoService(1, `    rollout:
      steps:
        - {cohort: {header: X-Beta, value: "1"}, pause: true}
        - {cohort: {cookie: beta, value: "1"}, pause: true}
        - {mirror: 50, pause: true}
`)))
	w.untilReady(1)
	v := w.visitor(nil)
	f := func(want string, fields ...string) {
		t.Helper()
		for range 20 {
			if got := v.version(fields...); got != want {
				t.Fatalf("with %v: got %s; want %s", fields, got, want)
			}
		}
	}
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.untilStatus(id, api.RolloutPaused)
	f("v1")
	f("v2", "X-Beta", "1")
	f("v1", "X-Beta", "2")
	f("v1", "Cookie", "beta=1")

	w.act(id, api.ActionResume)
	w.until(id, "step 2", func(r *api.Rollout) bool { return r.Step == 2 && r.Status == api.RolloutPaused })
	f("v2", "Cookie", "a=b; beta=1")
	f("v1", "X-Beta", "1")

	w.act(id, api.ActionResume)
	w.until(id, "step 3", func(r *api.Rollout) bool { return r.Step == 3 && r.Status == api.RolloutPaused })
	before := candidateRequests(w, id)
	f("v1")
	f("v1")
	w.eventually("v2 to see copies", func() bool { return candidateRequests(w, id) > before })

	if _, err := w.admin.Deploy(ctx, "demo", api.RolloutRequest{Version: "v3"}); err == nil || !strings.Contains(err.Error(), "supersede") {
		t.Fatalf("got %v; want a second rollout refused", err)
	}
	next := w.deploy(api.RolloutRequest{Version: "v3", Supersede: true})
	if r := w.untilEnded(id); r.Status != api.RolloutAborted || !strings.Contains(r.Reason, "superseded by v3") {
		t.Fatalf("got %s, %q; want it superseded", r.Status, r.Reason)
	}
	w.untilStatus(next, api.RolloutPaused)
	f("v3", "X-Beta", "1")
	w.act(next, api.ActionAbort)
	if r := w.untilEnded(next); r.Status != api.RolloutAborted {
		t.Fatalf("got %s, %q; want it aborted", r.Status, r.Reason)
	}
	f("v1", "X-Beta", "1")
}

func candidateRequests(w *world, id string) uint64 {
	w.t.Helper()
	r, err := w.admin.Rollout(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(r.Evidence) == 0 {
		return 0
	}
	return r.Evidence[0].CandidateRequests
}

// Affinity keeps clients where they are while weights change, those on stable too; when their version goes they move without an error.
func TestAffinityKeepsClientsOnTheirVersion(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, `    affinity: {cookie: gw}
    rollout: {steps: [{weight: 50, pause: true}, {weight: 90, pause: true}]}
`)))
	w.untilReady(2)
	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.untilStatus(id, api.RolloutPaused)
	home, err := url.Parse(w.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	clients, versions := make([]*visitor, 10), map[string]int{}
	bound := make([]string, len(clients))
	for i := range clients {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = w.visitor(jar)
		bound[i] = clients[i].version()
		versions[bound[i]]++
		if len(jar.Cookies(home)) != 1 {
			t.Fatalf("got cookies %v; want one", jar.Cookies(home))
		}
	}
	if versions["v1"] < 4 || versions["v2"] < 4 {
		t.Fatalf("got %v; want about five of each", versions)
	}
	stay := func() {
		t.Helper()
		for i, c := range clients {
			for range 5 {
				if got := c.version(); got != bound[i] {
					t.Fatalf("a client of %s got %s", bound[i], got)
				}
			}
		}
	}
	stay()
	w.act(id, api.ActionResume)
	w.until(id, "90 %", func(r *api.Rollout) bool { return r.Weight == 90 && r.Status == api.RolloutPaused })
	stay()
	w.act(id, api.ActionAbort)
	w.untilEnded(id)
	for _, c := range clients {
		w.eventually("a client to be on v1", func() bool { return c.version() == "v1" })
	}
}
