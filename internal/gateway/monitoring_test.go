package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/monitor"
	"gatewayd/proxy"
)

// inbox is somebody who gets messages; it refuses the first one.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	refused int
	bodies  []string
}

func newInbox(t *testing.T) *inbox {
	b := &inbox{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.refused == 0 {
			b.refused++
			w.WriteHeader(500)
			return
		}
		b.bodies = append(b.bodies, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(b.Close)
	return b
}

// got tells whether a message with all the texts arrived.
func (b *inbox) got(texts ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.bodies, func(body string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(body, text) })
	})
}

// steady sends about rate requests a second until stopped.
func (w *world) steady(rate int) (stop func()) {
	end := make(chan struct{})
	var wait sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	c := &http.Client{Transport: transport, Timeout: 15 * time.Second}
	wait.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				wait.Go(func() {
					if res, err := c.Get(w.url("/")); err == nil {
						io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
				})
			}
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		wait.Wait()
		transport.CloseIdleConnections()
	})
}

// within waits longer than eventually, for what takes its time.
func (w *world) within(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain for %s: %s\n%s", limit, what, w.log)
		}
	}
}

func breakInstance(t *testing.T, address, mode string) {
	t.Helper()
	res, err := http.Post("http://"+address+"/break?mode="+mode, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("got %d; want the instance to take mode %q", res.StatusCode, mode)
	}
}

func monitored(webhook, slack, manager, hook string) string {
	return configFile(oneRoute+fmt.Sprintf(`
monitor:
  thresholds: [{metric: responseTime, warning: 300, critical: 60000, unit: ms, for: 1s, window: 5s, keepFiring: 1s}]
  objectives: [{service: demo, percent: 99}]
  group: {wait: 0s, interval: 1s}
  silences: [{service: demo, metric: cpu, until: 2099-01-01T00:00:00Z, reason: known}]
  notify:
    - {type: webhook, url: %q}
    - {type: slack, url: %q}
    - {type: alertmanager, url: %q}
events: {webhooks: [{url: %q, types: [limit-reached], service: demo}]}
cost: {currency: EUR, monthlyBudget: 1000000}
resourcePools: [{name: on-demand, capacity: {instances: 20}, price: {instanceHour: 3600}}]
resourceLimits: {maxCostPerHour: 12600}`, webhook, slack, manager, hook),
		demoService(2, "    resources: {cpu: 1, memory: 256MiB}\n    balancer: {algorithm: round-robin}\n"))
}

// TestASlowInstanceIsNamedAndTold is one gateway's story: a limit on the cost, an instance that gets slow, who hears of it, what it costs, and
// what of it is known after a restart.
func TestASlowInstanceIsNamedAndTold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	webhook, slack, manager, hook := newInbox(t), newInbox(t), newInbox(t), newInbox(t)
	w := start(t, monitored(webhook.URL, slack.URL, manager.URL, hook.URL))
	w.untilReady(2)
	w.checkCostLimit(hook)
	w.untilReady(3)
	stop := w.steady(60)
	defer stop()
	w.checkCost(0)

	victim := w.service("demo").Revisions[0].Instances[1]
	breakInstance(t, victim.Address, "slow")
	w.within(45*time.Second, "the slow instance to be named", func() bool {
		findings, err := w.admin.Bottlenecks(ctx)
		return err == nil && len(findings) == 1 && findings[0].Type == "slow-instance" && findings[0].Instance == victim.ID &&
			strings.HasPrefix(findings[0].Command, "gatewayd drain demo ") && findings[0].Action.Path == "/api/v1/services/demo/instances/"+victim.ID+"/drain"
	})
	alerts, err := w.admin.Alerts(ctx)
	if err != nil || len(alerts) != 1 || alerts[0].ID != "responseTime/demo" || alerts[0].Severity != "warning" {
		t.Fatalf("got %+v, %v; want the alert on the response time", alerts, err)
	}
	if s, err := w.admin.Status(ctx); err != nil || s.Overall != api.Degraded || !strings.Contains(strings.Join(s.Reasons, "\n"), victim.ID) {
		t.Fatalf("got %s because of %q, %v; want degraded by the slow instance", s.Overall, s.Reasons, err)
	}
	w.eventually("everyone to be told, at the second attempt", func() bool {
		return webhook.got(`"id":"responseTime/demo"`, `"status":"firing"`) && slack.got(`"color":"warning"`, "responseTime of demo") &&
			manager.got("/api/v2/alerts", `"alertname":"responseTime"`, `"service":"demo"`)
	})
	silence := w.silenceTheAlert()
	w.checkHistory()
	page := w.metrics()
	for _, want := range []string{
		`gatewayd_alerts{service="demo",severity="warning"} 1`, `gatewayd_alerts{service="demo",severity="critical"} 0`,
		`gatewayd_cost_per_hour{service="demo",pool="on-demand"} 10800`, `result="retried"} 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	breakInstance(t, victim.Address, "")
	w.within(45*time.Second, "the end of it to be told", func() bool {
		return webhook.got(`"status":"resolved"`) && slack.got(`"color":"good"`)
	})
	w.checkReport(victim.ID)
	stop()
	before := w.checkCost(0)
	w.end()
	w.run()
	w.untilReady(3)
	w.expireTheSilence(silence)
	w.within(10*time.Second, "the cost of before", func() bool {
		c, err := w.admin.Cost(ctx)
		return err == nil && c.Month >= before && c.PerHour == 10800
	})
	w.checkCost(before)
	w.checkReport(victim.ID)
}

// checkCostLimit has a wish that costs too much cut down, and told.
func (w *world) checkCostLimit(hook *inbox) {
	w.t.Helper()
	n := 5
	w.eventually("instances to have their pool", func() bool { return w.service("demo").Revisions[0].Instances[0].Pool == "on-demand" })
	res, err := w.admin.Scale(context.Background(), "demo", api.ScaleRequest{Instances: &n, Reason: "a test"})
	if err != nil || res.To != 3 || !strings.HasPrefix(res.ClampedBy, "maxCostPerHour: all services may cost 12600.00 per hour") {
		w.t.Fatalf("got %+v, %v; want 3 instances, held by maxCostPerHour", res, err)
	}
	w.eventually("the event hook to tell of the limit", func() bool { return hook.got(`"type":"limit-reached"`, "resourceLimits.maxCostPerHour") })
	if hook.got("instance-started") {
		w.t.Fatal("the event hook got an event that it did not ask for")
	}
	n = 3
	if _, err := w.admin.Scale(context.Background(), "demo", api.ScaleRequest{Instances: &n, Reason: "what it may have"}); err != nil {
		w.t.Fatal(err)
	}
	var r api.Resources
	w.eventually("the third instance in the pool", func() bool {
		w.fetch("/api/v1/resources", &r)
		return len(r.Pools) == 1 && r.Pools[0].Used.Instances == 3 && r.Pools[0].Utilisation == 15 && len(r.Pools[0].Allocations) == 1
	})
	if *r.Limits.MaxCostPerHour != 12600 || r.Limits.PerHour != 10800 || r.Limits.Used.CPU != 3 {
		w.t.Fatalf("got %+v; want three instances", r.Limits)
	}
}

func (w *world) fetch(path string, doc any) {
	w.t.Helper()
	res, err := http.Get("http://" + w.addrs["admin"].String() + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(doc); err != nil {
		w.t.Fatal(err)
	}
}

// checkCost holds the cost of the month against the times that the instances run now; earlier is what it was before those. An instance costs
// one a second. It returns the cost.
func (w *world) checkCost(earlier float64) float64 {
	w.t.Helper()
	var low, high float64
	begin := time.Now()
	c, err := w.admin.Cost(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	end := time.Now()
	for _, i := range w.service("demo").Revisions[0].Instances {
		low += max(begin.Sub(*i.StartedAt).Seconds()-3, 0) // the ledger is brought up to date each second
		high += end.Sub(*i.StartedAt).Seconds()
	}
	if earlier > 0 {
		high += 6 // what ran on until the stop after it was read
	}
	if c.Currency != "EUR" || c.Month < earlier+low || c.Month > earlier+high || len(c.Services) != 1 || c.Services[0].Pool != "on-demand" || *c.MonthlyBudget != 1e6 {
		w.t.Fatalf("got %+v; want a month between %.1f and %.1f", c, earlier+low, earlier+high)
	}
	return c.Month
}

// checkReport looks for the story in the reports.
func (w *world) checkReport(instance string) {
	w.t.Helper()
	r, err := w.admin.Report(context.Background(), time.Hour)
	if err != nil || len(r.Services) != 1 || r.Services[0].Requests < 500 || r.Services[0].Cost <= 0 || len(r.Bottlenecks) == 0 ||
		r.Bottlenecks[0].Instance != instance || len(r.Alerts) == 0 || len(r.Advice) == 0 {
		w.t.Fatalf("got %+v, %v; want the slow instance, its alert, what it cost and what to do", r, err)
	}
	page, err := w.admin.ReportHTML(context.Background(), time.Hour)
	if err != nil || !strings.Contains(string(page), "<svg") || !strings.Contains(string(page), instance) || strings.Contains(string(page), "<script") {
		w.t.Fatalf("got a page of %d bytes, %v; want one with charts and the instance, without scripts", len(page), err)
	}
}

// silenceTheAlert silences all warnings of demo's response time, sees it noted at the alert, and returns the id.
func (w *world) silenceTheAlert() string {
	w.t.Helper()
	ctx := context.Background()
	made, err := w.admin.Silence(ctx, api.SilenceRequest{Service: "de*", Metric: "responseTime", Below: "critical", For: api.Duration(time.Hour), Comment: "known"})
	if err != nil || made.By != "local" || made.Until.Sub(*made.Since) != time.Hour {
		w.t.Fatalf("got %+v, %v; want a silence of one hour by local", made, err)
	}
	if alerts, err := w.admin.Alerts(ctx); err != nil || alerts[0].SilencedBy != made.ID {
		w.t.Fatalf("got %+v, %v; want the alert to be silenced by %s at once", alerts, err, made.ID)
	}
	_, err = w.admin.Silence(ctx, api.SilenceRequest{Service: "dmeo", For: api.Duration(time.Hour), Comment: "known"})
	if err == nil || !strings.Contains(err.Error(), `there is no service "dmeo"`) {
		w.t.Fatalf("got %v; want a refusal of a service that is not there", err)
	}
	if _, err := w.admin.Silence(ctx, api.SilenceRequest{Metric: "cpu", Below: "grave", For: api.Duration(time.Hour), Comment: "known"}); err == nil {
		w.t.Fatal("a silence below no severity was made")
	}
	return made.ID
}

// expireTheSilence finds it beside that of the config, as after a restart, and ends it.
func (w *world) expireTheSilence(id string) {
	w.t.Helper()
	ctx := context.Background()
	all, err := w.admin.Silences(ctx)
	if err != nil || len(all) != 2 || all[0].ID != id || all[0].Comment != "known" || all[1].By != "config" {
		w.t.Fatalf("got %+v, %v; want %s and that of the config", all, err, id)
	}
	if _, err := w.admin.Expire(ctx, all[1].ID); err == nil || !strings.Contains(err.Error(), "stands in the config file") {
		w.t.Fatalf("got %v; want a silence of the config to stay", err)
	}
	if _, err := w.admin.Expire(ctx, id); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.admin.Expire(ctx, id); err == nil {
		w.t.Fatal("a silence that is over was ended again")
	}
}

// checkHistory holds the last minutes of demo against what the test has done: 60 requests a second to three instances with a price.
func (w *world) checkHistory() {
	w.t.Helper()
	h, err := w.admin.History(context.Background(), "demo", time.Minute, 0)
	if err != nil || len(h.Points) < 10 || time.Duration(h.Step) != time.Second {
		w.t.Fatalf("got %d points of %s, %v; want a minute of seconds", len(h.Points), h.Step, err)
	}
	p := h.Points[len(h.Points)-1]
	if p.P50Ms == nil || *p.P50Ms > *p.P95Ms || *p.P95Ms > *p.P99Ms || p.RequestRate < 10 || p.Ready != 3 || p.Target != 3 || p.Weights["v1"] != 100 || p.CostPerHour == nil {
		w.t.Fatalf("got %+v; want the load, ordered percentiles, three instances and their cost", p)
	}
	for i := 1; i < len(h.Points); i++ {
		if !h.Points[i].Time.After(h.Points[i-1].Time) {
			w.t.Fatalf("point %d is not after the one before: %v, %v", i, h.Points[i-1].Time, h.Points[i].Time)
		}
	}
	if _, err := w.admin.History(context.Background(), "nope", time.Minute, 0); err == nil {
		w.t.Fatal("a service that is not there has a history")
	}
}

// Requests that wait because somebody said so wait for no slot: the hold is no bottleneck and raises no alert.
func TestAHoldIsNoTrouble(t *testing.T) {
	f := func(maintenance bool, want int) {
		t.Helper()
		w := newWatch(withStore(t, "shop"), adviceNow)
		w.monitor.SetPolicy(monitor.Policy{Thresholds: []monitor.Threshold{{Metric: monitor.MetricQueueLength, Levels: []monitor.Level{{Severity: monitor.Warning, Raise: 10}}}}})
		ss := seenService{name: "shop", spec: &config.Service{Limits: config.ServiceLimits{MaxConcurrencyPerInstance: 8, Queue: 256}},
			core: proxy.NewService("shop", 256), queue: 128, need: -1, maintenance: maintenance}
		for _, id := range []string{"a", "b"} {
			ss.instances = append(ss.instances, seenInstance{id: id, revision: "v1", weight: 1, fit: true, exists: true, started: adviceNow})
		}
		found := 0
		for second := range 60 {
			now := adviceNow.Add(time.Duration(second) * time.Second)
			ss.core.Arrivals.Add(20)
			w.takeService(&ss, now)
			found = len(w.monitor.Evaluate(now).Alerts) + len(w.monitor.Diagnose(now).Findings)
		}
		if found != want {
			t.Fatalf("maintenance %v: got %d alerts and findings; want %d", maintenance, found, want)
		}
	}
	f(false, 2)
	f(true, 0)
}
