package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
)

func post1(path, body string) request {
	return request{method: http.MethodPost, path: path, body: body}
}

func TestHealthAndReadiness(t *testing.T) {
	f := &fakeGateway{}
	s := newServer(t, wired(f, nil))
	expect(t, s, request{path: "/healthz"}, 200, "ok\n")
	expect(t, s, request{path: "/readyz"}, 200, `{"ready":true}`)
	f.notReady = errors.New("no listener is open")
	expect(t, s, request{path: "/readyz"}, 503, `{"error":"no listener is open"}`)
	expect(t, s, request{path: "/healthz"}, 200, "ok\n")
}

func TestReads(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(path string, status int, text string) {
		t.Helper()
		expect(t, s, request{path: path}, status, text)
	}
	f("/metrics", 200, "gatewayd_up 1")
	f("/api/v1/status", 200, `"overall":"healthy","reasons":[]`)
	f("/api/v1/services", 200, `[{"name":"shop"`)
	f("/api/v1/services/shop", 200, `"instances":[]`)
	f("/api/v1/services/nope", 404, `{"error":"there is no service \"nope\"","field":"service"}`)
	f("/api/v1/rollouts", 200, "[]\n")
	f("/api/v1/rollouts/r-1", 200, `"evidence":[]`)
	f("/api/v1/rollouts/r-9", 404, `there is no rollout`)
	f("/api/v1/alerts", 200, "[]\n")
	f("/api/v1/cost", 200, `"per1000Requests":null`)
	f("/api/v1/cost/recommendations", 200, "[]\n")
	f("/api/v1/resources", 200, `"pools":[]`)
	f("/api/v1/config", 200, `{"admin":"127.0.0.1:9900"}`)
	f("/debug/pprof/", 200, "goroutine")
	f("/debug/pprof/cmdline", 200, "admin.test")
	f("/debug/pprof/nope", 404, "")
	f("/api/v1/nope", 404, `{"error":"this gateway does not serve /api/v1/nope;`)
	f("/", 404, `{"error":`)
}

func TestReports(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(query string, status int, text string) {
		t.Helper()
		expect(t, s, request{path: "/api/v1/reports/performance" + query}, status, text)
	}
	f("", 200, `"to":"1970-01-01T01:00:00Z"`)
	f("?window=2h", 200, `"to":"1970-01-01T02:00:00Z"`)
	f("?window=2h&format=html", 200, "<!doctype html>2h0m0s")
	f("?window=48h", 500, `{"error":"cannot read history: disk on fire"}`)
	f("?window=59s", 422, `"field":"window"`)
	f("?window=1000h", 422, `"field":"window"`)
	f("?window=-1h", 422, `"field":"window"`)
	f("?window=x", 422, `got \"x\"; want a duration from 1m0s to 744h0m0s`)
	f("?format=pdf", 422, `"field":"format"`)
}

func TestMethods(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	w := do(s, request{method: "DELETE", path: "/api/v1/services/shop/scale"})
	if w.Code != 405 || w.Header().Get("Allow") != "POST" || !strings.Contains(w.Body.String(), "want POST") {
		t.Fatalf("got %d, Allow %q, %s; want 405 with POST", w.Code, w.Header().Get("Allow"), w.Body)
	}
	expect(t, s, request{method: "POST", path: "/api/v1/status"}, 405, "want GET, HEAD")
	if w := do(s, request{method: "HEAD", path: "/api/v1/status"}); w.Code != 200 {
		t.Fatalf("HEAD: got %d; want 200", w.Code)
	}
}

func TestScale(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(body string, status int, text string) {
		t.Helper()
		expect(t, s, post1("/api/v1/services/shop/scale", body), status, text)
	}
	f(`{"instances":50,"reason":"sale"}`, 200, `{"success":true,"from":2,"to":10,"clampedBy":"maxInstances"}`)
	f(`{"instances":0,"reason":"night"}`, 200, `"to":0`)
	f(`{"auto":true}`, 200, `{"success":true,"from":2,"to":2}`)
	f(`{"instances":3}`, 422, `"field":"reason"`)
	f(`{"instances":3,"reason":"  "}`, 422, `"field":"reason"`)
	f(`{"instances":-1,"reason":"x"}`, 422, `got -1; want 0 to 100000`)
	f(`{"instances":100001,"reason":"x"}`, 422, `"field":"instances"`)
	f(`{"instances":3,"auto":true,"reason":"x"}`, 422, `"field":"auto"`)
	f(`{}`, 422, `"field":"instances"`)
	f(``, 422, `"field":"instances"`)
	f(`{"instances":"3"}`, 400, `{"error":"got a JSON string; want a whole number","field":"instances"}`)
	f(`{"instances":3.5}`, 400, `"field":"instances"`)
	f(`{"instanses":3}`, 400, `{"error":"there is no field \"instanses\"","field":"instanses"}`)
	f(`{"instances":3} {}`, 400, "something follows the JSON object")
	f(`{"instances":`, 400, "not valid JSON")
	f(`[]`, 400, "want an object")
	f(fmt.Sprintf(`{"instances":3,"reason":%q}`, strings.Repeat("x", 1001)), 422, `"field":"reason"`)
	f(fmt.Sprintf(`{"instances":3,"reason":%q}`, strings.Repeat("x", maxBodyBytes)), 413, "larger than 1048576 bytes")
	expect(t, s, post1("/api/v1/services/nope/scale", `{"auto":true}`), 404, `no service \"nope\"`)
}

func TestPush(t *testing.T) {
	gateway := &fakeGateway{}
	s := newServer(t, wired(gateway, nil))
	f := func(body string, status int, text string) {
		t.Helper()
		expect(t, s, post1("/api/v1/services/shop/metrics", body), status, text)
	}
	stamp := func(ago time.Duration) string {
		return `{"cpu":1,"timestamp":"` + time.Now().Add(-ago).Format(time.RFC3339Nano) + `"}`
	}
	f(`{"instance":"v1-a","cpu":175.5,"queueLength":0}`, 200, `{"success":true}`)
	if got := gateway.figures; got.Instance != "v1-a" || *got.CPU != 175.5 || *got.QueueLength != 0 || got.Memory != nil {
		t.Fatalf("got %+v; want what was sent", got)
	}
	f(stamp(0), 200, "")
	f(stamp(9*time.Minute), 200, "")
	f(stamp(-5*time.Second), 200, "")
	f(stamp(11*time.Minute), 422, `"field":"timestamp"`)
	f(stamp(-11*time.Second), 422, "lies in the future")
	f(`{"memory":-1}`, 422, `{"error":"got -1; want 0 or more","field":"memory"}`)
	f(`{"errorRate":101}`, 422, `"field":"errorRate"`)
	f(`{"cpu":NaN}`, 400, "not valid JSON")
	f(`{"instance":"v1-a"}`, 422, "no figure is given")
	f(`{"cpu":"75"}`, 400, `{"error":"got a JSON string; want a number","field":"cpu"}`)
	expect(t, s, post1("/api/v1/services/nope/metrics", `{"cpu":1}`), 404, `no service`)
}

func TestChanges(t *testing.T) {
	gateway := &fakeGateway{}
	s := newServer(t, wired(gateway, nil))
	f := func(path, body string, status int, text, call string) {
		t.Helper()
		gateway.calls = nil
		expect(t, s, post1("/api/v1/"+path, body), status, text)
		if got := strings.Join(gateway.calls, ";"); got != call {
			t.Fatalf("the gateway was called with %q; want %q", got, call)
		}
	}
	f("services/shop/instances/v1-a/drain", "", 200, `{"success":true}`, "drain shop v1-a")
	f("services/shop/instances/v1-a/undrain", "", 200, `{"success":true}`, "undrain shop v1-a")
	f("services/shop/instances/a%2Fb/drain", "", 200, "", "drain shop a/b")
	f("services/nope/instances/v1-a/drain", "", 404, "", "drain nope v1-a")
	f("services/shop/maintenance", `{"mode":"hold","for":"90s"}`, 200, `{"success":true}`, "maintenance shop hold 1m30s")
	f("services/shop/maintenance", `{"mode":"off"}`, 200, "", "maintenance shop off 0s")
	f("services/shop/maintenance", `{"mode":"off","for":"1s"}`, 422, `"field":"for"`, "")
	f("services/shop/maintenance", `{"mode":"maybe"}`, 422, `want on, off or hold`, "")
	f("services/shop/maintenance", `{"mode":"on","for":"-1s"}`, 400, "want a duration of 0 or more", "")
	f("services/shop/rollouts", `{"version":"v2","strategy":"canary","steps":[{"weight":5,"duration":"1m"}]}`, 202, `{"id":"r-1"}`, "start shop")
	f("services/shop/rollouts", `{}`, 422, `"field":"version"`, "")
	f("services/shop/rollouts", `{"version":"v2","strategy":"yolo"}`, 422, "want canary, blue-green or rolling", "")
	f("services/shop/rollouts", `{"version":"v2","steps":[{"weight":5},{"weight":4}]}`, 422, `"field":"steps"`, "")
	f("services/shop/rollouts", `{"version":"v2","steps":[{"weight":101}]}`, 422, `"field":"steps"`, "")
	f("services/shop/rollback", "", 202, `{"id":"r-2"}`, "rollback shop")
	f("rollouts/r-1/pause", "", 200, `"id":"r-1"`, "pause r-1")
	f("rollouts/r-1/resume", "", 409, `is not paused`, "resume r-1")
	f("rollouts/r-1/promote", "", 200, "", "promote r-1")
	f("rollouts/r-9/abort", "", 404, "", "abort r-9")
	f("reload", "", 422, `{"error":"the file has 2 errors","details":["a:1:1: x","a:2:1: y"]}`, "reload")
}

func TestSilences(t *testing.T) {
	gateway := &fakeGateway{}
	opts := wired(gateway, nil)
	var changes []Change
	opts.Audit = func(c Change) { changes = append(changes, c) }
	s := newServer(t, opts)
	f := func(body string, status int, text string) {
		t.Helper()
		expect(t, s, post1("/api/v1/silences", body), status, text)
	}
	f(`{"service":"shop","metric":"responseTime","for":"2h","comment":"migration"}`, 201, `"id":"s-1","service":"shop"`)
	if got := changes[0]; got.Reason != "migration" || got.Status != 201 {
		t.Fatalf("audit: got %+v; want the comment as the reason, and 201", got)
	}
	f(`{"service":"*","for":"1m","comment":"x"}`, 201, "")
	f(`{"for":"2h","comment":"x"}`, 422, `"field":"service"`)
	f(`{"metric":"cpu","for":"59s","comment":"x"}`, 422, `"field":"for"`)
	f(`{"metric":"cpu","for":"745h","comment":"x"}`, 422, "want a duration from 1m0s to 744h0m0s")
	f(`{"metric":"cpu","comment":"x"}`, 422, `"field":"for"`)
	f(`{"metric":"cpu","for":"soon","comment":"x"}`, 400, "want a duration of 0 or more")
	f(`{"metric":"cpu","for":"2h","comment":" "}`, 422, `"field":"comment"`)
	f(`{"metric":"cpu","for":"2h","comment":"`+strings.Repeat("x", 1001)+`"}`, 422, `"field":"comment"`)
	gateway.calls = nil
	expect(t, s, request{path: "/api/v1/silences"}, 200, "[]")
	expect(t, s, request{method: "DELETE", path: "/api/v1/silences/s-1"}, 200, `{"success":true}`)
	expect(t, s, request{method: "DELETE", path: "/api/v1/silences/config%20a%20b"}, 404, `there is no silence \"config a b\"`)
	expect(t, s, request{method: "DELETE", path: "/api/v1/silences/s-1", header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, "")
	if got := strings.Join(gateway.calls, ";"); got != "expire s-1;expire config a b" {
		t.Fatalf("called: %q", got)
	}
}

func TestHistory(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(path string, status int, text string) {
		t.Helper()
		expect(t, s, request{path: "/api/v1/" + path}, status, text)
	}
	f("services/shop/history", 200, `"to":"1970-01-01T00:05:00Z","step":"1s","points":[{`)
	f("services/shop/history?window=15m&step=5s", 200, `"to":"1970-01-01T00:15:00Z","step":"5s"`)
	f("history?window=24h", 200, `[{"service":"shop"`)
	f("history?service=shop,cart", 422, `asked for [\"shop\" \"cart\"]`)
	f("services/nope/history", 404, `"field":"service"`)
	f("services/shop/history?window=25h", 422, `"field":"window"`)
	f("services/shop/history?window=0s", 422, `"field":"window"`)
	f("services/shop/history?step=x", 422, `{"error":"got \"x\"; want a duration from 1s to 24h0m0s, such as 10m","field":"step"}`)
	f("history?step=-1s", 422, `"field":"step"`)
}

func TestWhoami(t *testing.T) {
	opts := wired(&fakeGateway{}, nil)
	expect(t, newServer(t, opts), request{path: "/api/v1/whoami"}, 200, `{"name":"local","role":"admin","from":"127.0.0.1"}`)
	opts.Access.Tokens = testTokens()
	s := newServer(t, opts)
	expect(t, s, request{path: "/api/v1/whoami", token: "operator-token", from: "192.0.2.7:99"}, 200, `{"name":"olga","role":"operator","from":"192.0.2.7"}`)
	expect(t, s, request{path: "/api/v1/whoami"}, 401, "")
}

func TestAPanicIsOneFailedRequest(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	w := do(s, request{path: "/api/v1/bottlenecks"})
	if w.Code != 500 || strings.Contains(w.Body.String(), "collector") {
		t.Fatalf("got %d %s; want 500 without the inner text", w.Code, w.Body)
	}
}

func TestWhatIsNotWiredIsNotThere(t *testing.T) {
	s := newServer(t, Options{Services: &fakeGateway{}})
	expect(t, s, request{path: "/api/v1/services"}, 200, "shop")
	expect(t, s, request{path: "/api/v1/alerts"}, 404, "")
	expect(t, s, post1("/api/v1/reload", ""), 404, "")
	expect(t, s, request{path: "/readyz"}, 404, "")
	document := do(s, request{path: "/api/v1/openapi.yaml"}).Body.String()
	if !strings.Contains(document, "/api/v1/services:") || strings.Contains(document, "/api/v1/alerts:") {
		t.Fatal("the document does not say what is served")
	}
}

func TestDashboard(t *testing.T) {
	opts := wired(&fakeGateway{}, nil)
	opts.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) })
	opts.Access.Tokens = testTokens()
	s := newServer(t, opts)
	expect(t, s, request{path: "/"}, 200, "page /")
	expect(t, s, request{path: "/app.js"}, 200, "page /app.js")
	expect(t, s, request{path: "/api/v1/nope"}, 404, "does not serve")
	expect(t, s, request{path: "/api/v1/status"}, 401, "")
	expect(t, s, request{path: "/", host: "evil.example"}, 421, "")
}

func TestPresentable(t *testing.T) {
	services := []api.Service{{Name: "a", P95Ms: math.NaN(), Demand: math.Inf(1), RequestRate: 1.5, Revisions: []api.Revision{{}}}}
	status := api.Status{Services: services}
	text, err := json.Marshal(presentable(status))
	if err != nil || strings.Contains(string(text), "null") || !strings.Contains(string(text), `"requestRate":1.5,"p50Ms":0,"p95Ms":0,`) {
		t.Fatalf("got %s, %v; want no null, and 0 where there was no number", text, err)
	}
	if services[0].Reasons != nil || services[0].Revisions[0].Instances != nil || status.Reasons != nil || !math.IsNaN(services[0].P95Ms) {
		t.Fatal("the caller's value was written to")
	}
}
