package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/api"
)

// load sends GETs on several connections until stopped, and counts what went wrong.
type load struct {
	stop   chan struct{}
	wait   sync.WaitGroup
	sent   atomic.Int64
	failed atomic.Int64
	last   atomic.Value // what went wrong last, a string
}

func (w *world) load(connections int) *load {
	l := &load{stop: make(chan struct{})}
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	c := &http.Client{Transport: transport, Timeout: 15 * time.Second}
	for range connections {
		l.wait.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				res, err := c.Get(w.url("/"))
				l.sent.Add(1)
				if err != nil {
					l.failed.Add(1)
					l.last.Store(err.Error())
					continue
				}
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 {
					l.failed.Add(1)
					l.last.Store(fmt.Sprintf("%d %q %v", res.StatusCode, b, err))
				}
			}
		})
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	return l
}

// finish stops the load and fails the test if any request failed.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wait.Wait()
	if n := l.failed.Load(); n > 0 || l.sent.Load() == 0 {
		t.Fatalf("%d of %d requests failed, the last with %v", n, l.sent.Load(), l.last.Load())
	}
}

// sent waits until n more requests were sent.
func (w *world) more(l *load, n int64) {
	w.t.Helper()
	until := l.sent.Load() + n
	w.eventually(fmt.Sprintf("%d more requests", n), func() bool { return l.sent.Load() >= until })
}

func (w *world) service(name string) api.Service {
	w.t.Helper()
	s, err := w.admin.Service(context.Background(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// ready counts the instances that take traffic.
func ready(s api.Service) (n int) {
	for _, r := range s.Revisions {
		for _, i := range r.Instances {
			if i.State == api.StateReady {
				n++
			}
		}
	}
	return n
}

func (w *world) untilReady(n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d ready instances", n), func() bool { return ready(w.service("demo")) == n })
}

func TestServesRestartsAndLosesNothing(t *testing.T) {
	w := start(t, configFile(oneRoute, demoService(2, "")))
	if status, body := w.get("/"); status != 200 || !strings.Contains(body, "hello from demo v1") {
		t.Fatalf("got %d %q; want 200 from the demo: requests wait while the first instances start", status, body)
	}
	w.untilReady(2)
	l := w.load(8)
	w.more(l, 200)
	victim := w.service("demo").Revisions[0].Instances[0]
	killAt(t, victim.Address)
	w.eventually("the dead instance to be noticed", func() bool {
		for _, i := range w.service("demo").Revisions[0].Instances {
			if i.ID == victim.ID && i.Restarts > 0 {
				return true
			}
		}
		return false
	})
	w.untilReady(2)
	w.more(l, 200)
	l.finish(t)
}

// killAt kills the process that listens on an address.
func killAt(t *testing.T, address string) {
	t.Helper()
	pid := pidOf(t, address)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// pidOf finds the demo instance that was told to listen on an address.
func pidOf(t *testing.T, address string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		cmd, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && strings.Contains(string(cmd), "--listen\x00"+address+"\x00") {
			var pid int
			fmt.Sscan(e.Name(), &pid)
			return pid
		}
	}
	t.Fatalf("no process listens on %s", address)
	return 0
}

func TestReloadsUnderLoadCutNothing(t *testing.T) {
	file := func(i int) string {
		return configFile(fmt.Sprintf(`routes:
  - {name: all, service: demo}
  - {name: extra, match: {path: {exact: /extra-%d}}, service: demo, timeout: %ds}`, i, 10+i), demoService(2, ""))
	}
	w := start(t, file(0))
	w.untilReady(2)
	ws := w.openWebSocket()
	l := w.load(4)
	for i := 1; i <= 50; i++ {
		w.write(file(i))
		if _, err := w.admin.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.more(l, 5)
	}
	l.finish(t)
	ws.echo(t, "still here")
	if s, err := w.admin.Status(context.Background()); err != nil || s.Config.Generation < 51 {
		t.Fatalf("got generation %d, %v; want 51 or more", s.Config.Generation, err)
	}
	if !strings.Contains(w.metrics(), `gatewayd_config_last_reload_success 1`) {
		t.Fatal("the metric of the last reload does not say success")
	}
}

// webSocket is a connection that was upgraded.
type webSocket struct {
	nc net.Conn
	br *bufio.Reader
}

func (w *world) openWebSocket() *webSocket {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.addrs["web"].String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(nc, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(nc)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		w.t.Fatalf("got %v, %v; want 101", res, err)
	}
	return &webSocket{nc, br}
}

// echo sends a masked text frame and wants it back.
func (s *webSocket) echo(t *testing.T, text string) {
	t.Helper()
	frame := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if _, err := s.nc.Write(frame); err != nil {
		t.Fatalf("the WebSocket was cut: %v", err)
	}
	got := make([]byte, 2+len(text))
	if _, err := io.ReadFull(s.br, got); err != nil || string(got[2:]) != text {
		t.Fatalf("got %q, %v; want the frame back", got, err)
	}
}

func TestRefusesABadConfigAndSaysSo(t *testing.T) {
	good := configFile(oneRoute, demoService(1, ""))
	w := start(t, good)
	w.untilReady(1)
	w.write(strings.Replace(good, "drainTimeout: 2s", "drainTimout: 2s", 1))
	_, err := w.admin.Reload(context.Background())
	var refused *api.Error
	if !errors.As(err, &refused) || len(refused.Details) != 1 || !strings.Contains(refused.Details[0], `unknown key "drainTimout"; want "drainTimeout"`) {
		t.Fatalf("got %v; want the refusal with the key and the right one", err)
	}
	s, err := w.admin.Status(context.Background())
	if err != nil || s.Overall != api.Degraded || len(s.Config.Rejected) != 1 || !strings.Contains(s.Config.Rejected[0], "gatewayd.yaml:") {
		t.Fatalf("got %+v, %v; want a degraded status with the line of the error", s.Config, err)
	}
	if m := w.metrics(); !strings.Contains(m, `gatewayd_config_last_reload_success 0`) || !strings.Contains(m, `gatewayd_config_reloads_total{result="refused"} `) {
		t.Fatal("the metrics do not tell of the refused config")
	}
	if status, _ := w.get("/"); status != 200 {
		t.Fatalf("got %d; want the running config to serve on", status)
	}
	w.write(good)
	w.eventually("the file to be read again by itself", func() bool {
		s, err := w.admin.Status(context.Background())
		return err == nil && s.Overall == api.Healthy && len(s.Config.Rejected) == 0
	})
}

func TestListenersAndServicesChangeLive(t *testing.T) {
	w := start(t, configFile(oneRoute, demoService(1, "")))
	w.untilReady(1)
	w.write(strings.Replace(configFile(`routes:
  - {name: all, service: demo}
  - {name: other, match: {path: {prefix: /other/}}, service: other, rewrite: {stripPrefix: /other}}`,
		demoService(2, "")+strings.Replace(demoService(1, ""), "demo:", "other:", 1)),
		`listeners: [{name: web, address: "127.0.0.1:0"}]`, `listeners: [{name: web, address: "127.0.0.1:0"}, {name: more, address: "127.0.0.1:0"}]`, 1))
	w.reload <- syscall.SIGHUP
	w.untilReady(2)
	w.eventually("the new service", func() bool { status, _ := w.get("/other/"); return status == 200 })
	w.write(configFile(oneRoute, demoService(1, "")))
	w.reload <- syscall.SIGHUP
	w.untilReady(1)
	w.eventually("the service to be gone", func() bool {
		s, err := w.admin.Status(context.Background())
		return err == nil && len(s.Services) == 1
	})
}

func TestScaleDrainMaintenance(t *testing.T) {
	ctx := context.Background()
	w := start(t, configFile(oneRoute, demoService(1, "")))
	w.untilReady(1)
	n := 3
	res, err := w.admin.Scale(ctx, "demo", api.ScaleRequest{Instances: &n, Reason: "a test"})
	if err != nil || !res.Success || res.To != 3 {
		t.Fatalf("got %+v, %v; want 3 instances", res, err)
	}
	w.untilReady(3)
	n = 50
	if res, err = w.admin.Scale(ctx, "demo", api.ScaleRequest{Instances: &n, Reason: "too many"}); err != nil || res.To != 6 || !strings.HasPrefix(res.ClampedBy, "maxInstances") {
		t.Fatalf("got %+v, %v; want 6, clamped by maxInstances", res, err)
	}
	w.untilReady(6)
	id := w.service("demo").Revisions[0].Instances[0].ID
	if _, err := w.admin.Drain(ctx, "demo", id); err != nil {
		t.Fatal(err)
	}
	w.untilReady(5)
	if _, err := w.admin.Undrain(ctx, "demo", id); err != nil {
		t.Fatal(err)
	}
	w.untilReady(6)
	if _, err := w.admin.Scale(ctx, "demo", api.ScaleRequest{Auto: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.service("demo").Scaling.Mode; got != api.ScalingAuto {
		t.Fatalf("got mode %q; want auto", got)
	}
	if _, err := w.admin.SetMaintenance(ctx, "demo", api.MaintenanceRequest{Mode: api.MaintenanceOn, Message: "back at noon"}); err != nil {
		t.Fatal(err)
	}
	if status, body := w.get("/"); status != 503 || !strings.Contains(body, "back at noon") {
		t.Fatalf("got %d %q; want 503 with the message", status, body)
	}
	if _, err := w.admin.SetMaintenance(ctx, "demo", api.MaintenanceRequest{Mode: api.MaintenanceHold, For: api.Duration(300 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if status, body := w.get("/"); status != 200 {
		t.Fatalf("got %d %q; want the held request to be answered when the hold ends", status, body)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	w := start(t, configFile(oneRoute, demoService(1, "")))
	w.untilReady(1)
	n := 2
	if _, err := w.admin.Scale(context.Background(), "demo", api.ScaleRequest{Instances: &n, Reason: "for the night"}); err != nil {
		t.Fatal(err)
	}
	w.untilReady(2)
	w.end()
	w.run()
	w.untilReady(2)
	s := w.service("demo")
	if s.Scaling.Hold == nil || s.Scaling.Hold.Reason != "for the night" || s.Target != 2 {
		t.Fatalf("got %+v; want the hold of before", s.Scaling)
	}
}

func TestScaleToZeroAndBack(t *testing.T) {
	w := start(t, configFile(oneRoute, strings.Replace(demoService(0, ""), "maxInstances: 6", "maxInstances: 6, scaleToZeroAfter: 1s, scaleDownStabilization: 0s, policies: [{name: busy, type: target, targetMetric: activeConnections, target: 8}]", 1)))
	if status, body := w.get("/"); status != 200 {
		t.Fatalf("got %d %q; want the first request to wait for the first instance", status, body)
	}
	w.eventually("the service to sleep again", func() bool { return len(w.service("demo").Revisions[0].Instances) == 0 })
	var wait sync.WaitGroup
	var bad atomic.Int64
	for range 20 {
		wait.Go(func() {
			if status, _ := w.get("/"); status != 200 {
				bad.Add(1)
			}
		})
	}
	wait.Wait()
	if bad.Load() > 0 {
		t.Fatalf("%d of 20 requests to a sleeping service failed", bad.Load())
	}
}
