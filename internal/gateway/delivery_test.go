package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatewayd/config"
	"gatewayd/cost"
	"gatewayd/events"
	"gatewayd/monitor"
	"gatewayd/monitor/notify"
)

func configOf(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatewayd.yaml")
	if err := os.WriteFile(path, []byte(configFile(text, demoService(1, ""))), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPolicyOfTheConfig(t *testing.T) {
	p := policyOf(configOf(t, `monitor:
  thresholds:
    - {metric: errorRate, info: 1, warning: 2, critical: 5, page: 50, unit: "%", for: 0s, clearPercent: 25, window: 20s, keepFiring: 1m, minRequests: 7}
    - {metric: errorRate, service: demo, page: 90}
    - {metric: costPerHour, warning: 3, clearPercent: 0}
  objectives: [{service: demo, percent: 99.5, latencyBelow: 200ms, minRequests: 50}]
  group: {wait: 0s, interval: 1m, repeat: 2h}
  notify: [{type: slack, url: "http://a/", minSeverity: critical}, {type: webhook, url: "http://b/", minSeverity: info}]`))
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", p)
	want := "{Thresholds:[" +
		"{Name: Metric:errorRate Service: Unit:% Levels:[{Severity:info Raise:1 Clear:0.75} {Severity:warning Raise:2 Clear:1.5} {Severity:critical Raise:5 Clear:3.75} {Severity:page Raise:50 Clear:37.5}] Below:false For:0s KeepFiring:1m0s Window:20s MinRequests:7} " +
		"{Name:errorRate-2 Metric:errorRate Service:demo Unit: Levels:[{Severity:page Raise:90 Clear:81}] Below:false For:30s KeepFiring:5m0s Window:10s MinRequests:10} " +
		"{Name: Metric:costPerHour Service: Unit: Levels:[{Severity:warning Raise:3 Clear:3}] Below:false For:30s KeepFiring:5m0s Window:10s MinRequests:10}] " +
		"Objectives:[{Service:demo Percent:99.5 LatencyBelow:200ms MinRequests:50 MinBad:0}] " +
		"Notify:{MinSeverity:info GroupWait:1ns GroupEvery:1m0s Repeat:2h0m0s}}"
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestReceiversOfTheConfig(t *testing.T) {
	receivers, hooks := receiversOf(configOf(t, `monitor: {notify: [{type: alertmanager, url: "http://am:9093", headers: {authorization: "Bearer x"}, minSeverity: critical, timeout: 2s}]}
events: {webhooks: [{url: "http://h/", types: [component-scaled, audit], service: demo, timeout: 3s}]}`))
	if len(receivers) != 1 || fmt.Sprintf("%+v", receivers[0]) != fmt.Sprintf("%+v", notify.Receiver{Kind: notify.Alertmanager, URL: "http://am:9093",
		Headers: map[string]string{"authorization": "Bearer x"}, MinSeverity: monitor.Critical, Timeout: 2 * time.Second}) {
		t.Fatalf("got %+v", receivers)
	}
	if len(hooks) != 1 || fmt.Sprintf("%+v", hooks[0]) != fmt.Sprintf("%+v", notify.Hook{URL: "http://h/", Headers: map[string]string{},
		Types: []events.Type{events.ComponentScaled, events.Audit}, Service: "demo", Timeout: 3 * time.Second}) {
		t.Fatalf("got %+v", hooks)
	}
}

func TestSilencesComeAndGoWithTheConfig(t *testing.T) {
	w := newWatch(withStore(t), adviceNow)
	w.configure(configOf(t, `monitor: {silences: [{service: "de*", until: 2099-01-01T00:00:00Z, reason: x}, {metric: cpu, until: 2099-01-01T00:00:00Z}]}`))
	w.monitor.Silence(monitor.Silence{ID: "s-1", Until: adviceNow.Add(time.Hour)}) // made by hand
	f := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range w.monitor.Silences() {
			got = append(got, s.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	f("s-1", "config  cpu 2099-01-01T00:00:00Z", "config de*  2099-01-01T00:00:00Z")
	w.configure(configOf(t, `monitor: {silences: [{metric: cpu, until: 2099-01-01T00:00:00Z}]}`))
	f("s-1", "config  cpu 2099-01-01T00:00:00Z")
	w.save(adviceNow)
	w = newWatch(w.g, adviceNow) // after a restart
	f("s-1", "config  cpu 2099-01-01T00:00:00Z")
	w.configure(configOf(t, `monitor: {}`)) // with a file that was changed meanwhile
	f("s-1")
}

func TestBudgetAlerts(t *testing.T) {
	w := newWatch(withStore(t), adviceNow)
	f := func(budget string, now time.Duration, want string) {
		t.Helper()
		at := adviceNow.Add(now)
		w.account(&sighting{at: at, cfg: configOf(t, budget), services: nil})
		got := ""
		for _, a := range w.monitor.Evaluate(at).Alerts {
			got += a.ID + " " + a.Severity.String()
		}
		if got != want {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	f("cost: {monthlyBudget: 10}", 0, "")
	in := cost.Instance{ID: "a", Service: "demo", Started: adviceNow, Price: cost.Price{InstanceHour: 8. / 48}}
	w.ledger.Observe(adviceNow, []cost.Instance{in})
	w.ledger.Observe(adviceNow.Add(48*time.Hour), []cost.Instance{in})
	f("cost: {monthlyBudget: 10}", 48*time.Hour, "budget-forecast critical")
	f("cost: {monthlyBudget: 5}", 49*time.Hour, "budget-spent critical")
	f("cost: {monthlyBudget: 1000}", 50*time.Hour, "")
}
