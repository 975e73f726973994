package dashboard_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// gatewayConfig runs a service whose version v3 answers every request with 500. %s are the addresses of the admin API and of
// the listener.
const gatewayConfig = `
admin:
  listen: %s
  tokens: [{name: ops, role: operator, value: ops-token-of-the-test}]
state: {path: gatewayd.db}
shutdown: {timeout: 2s}
listeners: [{name: web, address: "%s"}]
routes: [{name: demo, match: {path: {prefix: /}}, service: demo}]
services:
  demo:
    healthCheck: {path: /health, interval: 500ms, timeout: 1s, healthyThreshold: 1, unhealthyThreshold: 3}
    provider:
      process:
        command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --version, "{{.Version}}"]
        env: {DEMO_BREAK: '{{if eq .Version "v3"}}errors{{end}}'}
        stopTimeout: 2s
        onGatewayExit: stop
    version: v1
    drainTimeout: 2s
    scaling:
      minInstances: 2
      maxInstances: 4
      policies: [{name: busy, targetMetric: activeConnections, scaleUpThreshold: 50, scaleDownThreshold: 1}]
    rollout:
      strategy: canary
      steps: [{weight: 25, duration: 2s}, {weight: 50, duration: 2s}]
      analysis: {minRequests: 20}
      autoRollback: true
      keepPrevious: 1s
`

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// startGateway builds gatewayd, runs it with config, which has places for two addresses, until the test ends, and waits until it may get traffic. It returns the addresses of the
// admin API and of its listener.
func startGateway(t *testing.T, config string) (admin, web string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "gatewayd")
	if out, err := exec.Command("go", "build", "-o", binary, "gatewayd/cmd/gatewayd").CombinedOutput(); err != nil {
		t.Fatalf("cannot build gatewayd: %v\n%s", err, out)
	}
	admin, web = freeAddress(t), freeAddress(t)
	if err := os.WriteFile(filepath.Join(dir, "gatewayd.yaml"), fmt.Appendf(nil, config, admin, web), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "run", "-c", "gatewayd.yaml")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it takes its instances with it
	cmd.WaitDelay = patience
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("gatewayd says:\n%s", log.Bytes())
		}
	})
	waitUntilReady(t, "http://"+admin, ended)
	return "http://" + admin, "http://" + web
}

// load sends requests, about a hundred a second, until the test ends.
func load(t *testing.T, web string) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if resp, err := http.Get(web); err == nil {
				resp.Body.Close()
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

// TestARealGateway does with the mouse and a real gateway under load what an operator does in a week.
func TestARealGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds gatewayd and runs two rollouts")
	}
	if _, err := os.Stat(chromium); err != nil {
		t.Skipf("there is no %s; Debian has it in the package chromium", chromium)
	}
	admin, web := startGateway(t, gatewayConfig)
	load(t, web)
	p := newTab(t, admin, 401)
	p.logIn("ops-token-of-the-test")
	p.shows("tr[data-row=demo]", "healthy")
	p.shows("tr[data-row=demo]", "2 / 2")
	p.visit("#/services/demo")

	p.press("Scale …")
	p.fill("instances", "3")
	p.fill("reason", "the sale begins")
	p.press("Scale")
	p.shows("#toasts", "demo goes from 2 to 3 instances.")
	p.wait(`document.querySelectorAll('tbody [data-state=ready]').length === 3`)
	p.shows("main", "Held at 3 instances by ops")
	p.shows(".events", "component-scaled") // the event of it has come

	first := eval[string](p, `document.querySelector('.card tr[data-row^="v1-"]').dataset.row`)
	p.press("Drain " + first)
	p.shows("#toasts", first+" gets no new requests.")
	p.wait(fmt.Sprintf(`document.querySelector('tr[data-row="%[1]s"] [data-state=draining]') || !document.querySelector('tr[data-row="%[1]s"]')`, first))
	p.shows(".events", "instance-draining")

	p.press("Deploy …")
	p.fill("version", "v2")
	p.press("Deploy")
	p.shows(".rollout", "demo: v1 → v2")
	p.shows(".rollout", "Step 1 of 2")
	p.visit("#/events")
	p.shows("main", "deployment-completed")
	p.visit("#/services/demo")
	p.shows(".facts", "v2")

	p.press("Deploy …")
	p.fill("version", "v3")
	p.press("Deploy")
	p.shows(".rollout", "demo: v2 → v3")
	p.visit("#/events")
	p.shows("main", "deployment-rolled-back")
	p.visit("#/rollouts")
	p.shows("main", "v2 → v3")
	p.shows("main", "rolled-back")
	p.visit("#/events")
	p.shows("main", "the sale begins") // the audit trail
}

// waitUntilReady returns when the gateway may get traffic; ended tells that it gave up.
func waitUntilReady(t *testing.T, admin string, ended <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get(admin + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("the gateway has ended")
		case <-ctx.Done():
			t.Fatalf("the gateway is not ready after %s: %v", patience, err)
		}
	}
}
