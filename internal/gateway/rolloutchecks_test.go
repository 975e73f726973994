package gateway

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gatewayd/admin/api"
)

// ownWorld is what a user's checks look at: a page and a Prometheus.
type ownWorld struct {
	status atomic.Int64 // of the page
	value  atomic.Value // of the query, a string; empty: the Prometheus has no such series
	asked  atomic.Value // the last query, a string
}

func (o *ownWorld) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/page" {
		w.WriteHeader(int(o.status.Load()))
		return
	}
	o.asked.Store(r.URL.Path + "?" + r.FormValue("query"))
	result := ""
	if v := o.value.Load().(string); v != "" {
		result = fmt.Sprintf(`{"metric":{},"value":[1700000000.5,%q]}`, v)
	}
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
}

func TestOwnChecksDecide(t *testing.T) {
	t.Parallel()
	own := &ownWorld{}
	own.status.Store(204)
	own.value.Store("")
	page := httptest.NewServer(own)
	t.Cleanup(page.Close)
	w := start(t, configFile(oneRoute, demoService(1, fmt.Sprintf(`    rollout:
      steps: [{weight: 50, duration: 100ms}]
      keepPrevious: 1s
      analysis:
        minRequests: 1
        checks:
          - {name: page, http: {url: "%[1]s/page"}, interval: 1s}
          - {name: script, exec: {command: [/bin/sh, -c, 'echo "$GATEWAYD_SERVICE $GATEWAYD_VERSION"; test "$GATEWAYD_VERSION" != v5']}, interval: 1s}
          - {name: orders, prometheus: {url: "%[1]s", query: 'failed{service="{{.Service}}",version="{{.Version}}"}', max: 0.1}, interval: 1s}
`, page.URL))))
	w.untilReady(1)
	l := w.load(2)

	id := w.deploy(api.RolloutRequest{Version: "v2"})
	w.until(id, "no verdict without a value", func(r *api.Rollout) bool {
		return strings.Contains(r.Reason, `check "orders" has not passed yet: inconclusive: the query gives no single number`)
	})
	if got, want := own.asked.Load(), `/api/v1/query?failed{service="demo",version="v2"}`; got != want {
		t.Fatalf("the Prometheus was asked %v; want %s", got, want)
	}
	own.value.Store("0.05")
	if r := w.untilEnded(id); r.Status != api.RolloutCompleted {
		t.Fatalf("got %s, %q; want it completed with all checks passed", r.Status, r.Reason)
	}
	f := func(version, reason string) {
		t.Helper()
		r := w.untilEnded(w.deploy(api.RolloutRequest{Version: version}))
		if r.Status != api.RolloutRolledBack || !strings.Contains(r.Reason, reason) {
			t.Fatalf("got %s, %q; want it rolled back: %s", r.Status, r.Reason, reason)
		}
	}
	own.value.Store("0.2")
	f("v3", `check "orders" failed once for v3: the value is 0.2`)
	own.value.Store("0")
	own.status.Store(500)
	f("v4", `check "page" failed once for v4: status 500`)
	own.status.Store(200)
	f("v5", `check "script" failed once for v5: exit status 1 demo v5`)
	l.finish(t)
}
