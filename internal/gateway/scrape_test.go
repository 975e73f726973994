package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
)

const deployFolder = "../../deploy/"

// TestPrometheusScrapes has a real Prometheus scrape a gateway under traffic, and holds names, rules and dashboard against what it got.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; make debian installs it")
	}
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed; make debian installs it")
	}
	box := newInbox(t)
	w := start(t, configFile(fmt.Sprintf(`routes: [{name: all, service: demo, retries: {attempts: 2, on: ["500", "502", "503"]}}]
monitor: {notify: [{type: webhook, url: %q}]}
resourcePools: [{name: spot, price: {instanceHour: 0.5}}]`, box.URL), demoService(2, "    balancer: {algorithm: round-robin}\n")))
	w.untilReady(2)
	stop := w.steady(50)
	defer stop()
	n := 3
	if _, err := w.admin.Scale(t.Context(), "demo", api.ScaleRequest{Instances: &n, Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	w.untilReady(3)
	breakInstance(t, w.service("demo").Revisions[0].Instances[0].Address, "errors")
	var page string
	w.eventually("a retry and the first look of the watch in the metrics", func() bool {
		page = w.metrics()
		return strings.Contains(page, "gatewayd_retries_total{") && strings.Contains(page, "gatewayd_alerts{") && strings.Contains(page, `pool="spot"} 1.5`)
	})
	checkNames(t, page)
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "gatewayd.rules.yml"}, {"test", "rules", "gatewayd.rules.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = deployFolder + "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	address := startPrometheus(t, prometheus, w.addrs["admin"].String())
	w.eventually("Prometheus to have two scrapes", func() bool {
		return promQuery(t, address, `count_over_time(up{job="gatewayd"}[1m]) > 2 and up{job="gatewayd"} == 1`) == 1
	})
	checkDashboard(t, address)
	if got := promQuery(t, address, `service:gatewayd_requests:rate1m{service="demo"}`); got != 1 {
		t.Errorf("the recording rule of requests gave %d series; want 1", got)
	}
}

// checkNames holds the page against the names and labels that dashboards rely on.
func checkNames(t *testing.T, page string) {
	t.Helper()
	for name, labels := range map[string]string{
		"gatewayd_requests_total": "route,service,revision,code", "gatewayd_request_duration_seconds_bucket": "service,revision,le",
		"gatewayd_requests_in_flight": "service,revision", "gatewayd_queue_length": "service", "gatewayd_retries_total": "service,reason",
		"gatewayd_upstream_connections": "service,state", "gatewayd_instance_healthy": "service,revision,instance",
		"gatewayd_instances": "service,revision,state", "gatewayd_scale_target": "service",
		"gatewayd_scale_decisions_total": "service,direction,policy", "gatewayd_rollout_weight": "service,revision",
		"gatewayd_cost_per_hour": "service,pool", "gatewayd_alerts": "service,severity", "gatewayd_config_reloads_total": "result",
		"gatewayd_config_last_reload_success": "", "gatewayd_build_info": "version", "go_goroutines": "", "process_cpu_seconds_total": "",
	} {
		found := regexp.MustCompile(`(?m)^` + name + `(?:\{(.*)\})? `).FindStringSubmatch(page)
		if found == nil {
			t.Errorf("the metrics have no %s", name)
			continue
		}
		got := map[string]bool{}
		for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(found[1], -1) {
			got[pair[1]] = true
		}
		want := map[string]bool{}
		for label := range strings.SplitSeq(labels, ",") {
			if label != "" {
				want[label] = true
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has the labels {%s}; want {%s}", name, found[1], labels)
		}
	}
}

// startPrometheus runs one on loopback, with the project's rules, that scrapes an address each second, until the test ends.
func startPrometheus(t *testing.T, program, scraped string) (address string) {
	t.Helper()
	rules, err := filepath.Abs(deployFolder + "prometheus/gatewayd.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs: [{job_name: gatewayd, static_configs: [{targets: [%q]}]}]\n", rules, scraped)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	ln.Close()
	log := &logBuffer{}
	cmd := exec.Command(program, "--config.file", path, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of Prometheus:\n%s", log)
		}
	})
	return address
}

// promQuery is how many series a query gives; -1: it does not answer.
func promQuery(t *testing.T, address, query string) int {
	t.Helper()
	res, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return -1
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []any }
	}
	b, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(b, &answer); err != nil {
		return -1 // it starts
	}
	if answer.Error != "" {
		t.Fatalf("%s: %s", query, answer.Error)
	}
	return len(answer.Data.Result)
}

// checkDashboard asks Prometheus what each panel of the dashboard asks.
func checkDashboard(t *testing.T, address string) {
	t.Helper()
	b, err := os.ReadFile(deployFolder + "grafana/gatewayd.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	// Panels that are empty while all is well.
	quiet := []string{"Alerts that fire", "Share of server errors by revision"}
	asked := 0
	deadline := time.Now().Add(20 * time.Second)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			asked++
			query := strings.NewReplacer("$service", ".*", "$job", ".*", "$__rate_interval", "1m").Replace(target.Expr)
			n := promQuery(t, address, query)
			for n == 0 && !slices.Contains(quiet, p.Title) && time.Now().Before(deadline) {
				n = promQuery(t, address, query)
			}
			if n <= 0 && !slices.Contains(quiet, p.Title) {
				t.Errorf("panel %q is empty: %s", p.Title, query)
			}
		}
	}
	if asked < 20 {
		t.Errorf("the dashboard asks %d questions; want all of its panels", asked)
	}
}
