package gateway

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/api"
)

// demoExit is demoService with a mode of ending.
func demoExit(n int, mode string) string {
	return strings.Replace(demoService(n, ""), "stopTimeout: 3s", "stopTimeout: 3s, output: none, onGatewayExit: "+mode, 1)
}

// untilRunning waits until exactly the instances that the gateway knows run, n of them and all ready.
func (w *realWorld) untilRunning(n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d instances to run, each once", n), func() bool {
		s := w.service("demo")
		run := w.processes()
		if ready(s) != n || len(run) != n {
			return false
		}
		for _, i := range s.Revisions[0].Instances {
			if run[i.Address] == 0 {
				return false
			}
		}
		return true
	})
}

func TestKilledInTheMiddleOfAScaleOut(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"stop", "adopt"} {
		w := startReal(t, configFile(oneRoute, demoExit(1, mode)))
		w.untilRunning(1)
		for range 2 {
			for _, n := range []int{6, 2} {
				w.scaleTo(n)
				// Some moment between the decision and the last instance's first good check.
				<-time.After(time.Duration(rand.Int64N(int64(120 * time.Millisecond))))
				w.kill()
				if mode == "stop" {
					w.eventually("the instances to end with the gateway", func() bool { return len(w.processes()) == 0 })
				}
				w.launch()
				w.untilRunning(n)
			}
		}
		if s := w.service("demo"); s.Scaling.Hold == nil || s.Scaling.Hold.Instances != 2 {
			t.Errorf("%s: got %+v; want the hold of before the crash", mode, s.Scaling.Hold)
		}
	}
}

func TestAdoptedInstancesServeOnAlone(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoExit(2, "adopt")))
	w.untilRunning(2)
	before := w.processes()
	for _, end := range []func(){w.kill, func() { w.signal(syscall.SIGTERM); w.untilExit() }} {
		end()
		for address := range before {
			res, err := http.Get("http://" + address + "/")
			if err != nil {
				t.Fatalf("an instance does not serve without the gateway: %v", err)
			}
			res.Body.Close()
		}
		w.launch()
		w.untilRunning(2)
		if after := w.processes(); !maps.Equal(before, after) {
			t.Errorf("got %v; want the processes of before, %v", after, before)
		}
		if status, _ := w.get("/"); status != 200 {
			t.Errorf("got %d; want 200 from instances that were taken over", status)
		}
	}
}

// Instances of a provider whose settings were changed again and again are on record as those of the first one are.
func TestAdoptedAfterReloads(t *testing.T) {
	t.Parallel()
	file := func(round int) string {
		return configFile(oneRoute, strings.Replace(demoExit(2, "adopt"), "output: none", fmt.Sprintf("output: none, env: {ROUND: \"%d\"}", round), 1))
	}
	w := startReal(t, file(0))
	w.untilRunning(2)
	for round := 1; round <= 3; round++ {
		before := w.processes()
		w.write(file(round))
		if _, err := w.admin.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.eventually("new instances alone", func() bool {
			after := w.processes()
			for address := range before {
				if after[address] != 0 {
					return false
				}
			}
			return len(after) == 2
		})
	}
	w.untilRunning(2)
	before := w.processes()
	w.kill()
	w.launch()
	w.untilRunning(2)
	if after := w.processes(); !maps.Equal(before, after) {
		t.Errorf("got %v; want the processes of before, %v", after, before)
	}
}

func TestDamagedStateIsSetAside(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoService(1, "")))
	w.untilRunning(1)
	w.kill()
	path := filepath.Join(w.dir, "gatewayd.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range content {
		content[i] ^= 0x5a
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.launch()
	w.untilRunning(1)
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 1 || !strings.Contains(w.log.String(), "the state file was damaged and is kept as "+aside[0]) {
		t.Errorf("got files %v; want the damaged one kept, and told of", aside)
	}
}

func TestStateOfAnotherGateway(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoService(1, "")))
	w.untilRunning(1)
	other := &realWorld{world: &world{t: t, dir: w.dir, path: w.path}, program: w.program}
	other.begin()
	other.untilExit()
	if got := other.log.String(); other.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(got, "already in use by another gatewayd") ||
		!strings.Contains(got, "state.path") {
		t.Errorf("got exit %d and %q; want an error that names the cause and the setting", other.cmd.ProcessState.ExitCode(), got)
	}
	w.untilRunning(1)
}

func TestTerminationDrains(t *testing.T) {
	t.Parallel()
	arrived, finish := make(chan struct{}), make(chan struct{})
	instance := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-finish
		}
	}))
	defer instance.Close()
	config := configFile(oneRoute, fmt.Sprintf("\n  demo:\n    instances: [{address: %q}]\n    healthCheck: {startInterval: 50ms}\n", instance.Listener.Addr()))
	w := startReal(t, strings.Replace(config, "shutdown: {timeout: 5s}", "shutdown: {timeout: 5s, delay: 700ms}", 1))
	w.untilReady(1)
	slow := make(chan int, 1)
	go func() {
		status, _ := w.get("/slow")
		slow <- status
	}()
	<-arrived
	w.signal(syscall.SIGTERM)
	refused := false
	w.eventually("readiness to fail", func() bool {
		res, err := http.Get("http://" + w.addrs["admin"].String() + "/readyz")
		if err != nil {
			t.Fatalf("the admin API went away before readiness failed: %v", err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		refused = res.StatusCode == 503
		return refused
	})
	// During shutdown.delay new requests are still served: whoever balances in front has not noticed yet.
	if status, body := w.get("/"); status != 200 {
		t.Errorf("got %d %q while readiness fails and the delay runs; want 200", status, body)
	}
	w.eventually("the listener to be closed", func() bool { status, _ := w.get("/"); return status == 0 })
	close(finish)
	if got := <-slow; got != 200 {
		t.Errorf("got %d for the request in flight; want 200", got)
	}
	w.untilExit()
	if !w.cmd.ProcessState.Success() {
		t.Errorf("got %v; want success", w.cmd.ProcessState)
	}
}

var retryAt = regexp.MustCompile(`time=(\S+) .*msg="instance (?:start-failed|exited)".* retryAt=(\S+)`)

// Starts that fail never loop hot: no start comes before the time that was said after the last failure, and that is further away each time.
func TestFailingStartsBackOff(t *testing.T) {
	t.Parallel()
	f := func(edit, to, told string) {
		t.Helper()
		w := startReal(t, configFile(oneRoute, strings.Replace(demoService(1, "    limits: {queueTimeout: 300ms}\n"), edit, to, 1)))
		var failures [][]string
		w.eventually("four failures", func() bool {
			failures = retryAt.FindAllStringSubmatch(w.log.String(), -1)
			return len(failures) >= 4
		})
		for i := 1; i < 4; i++ {
			failed, err := time.Parse(time.RFC3339, failures[i][1])
			if err != nil {
				t.Fatal(err)
			}
			allowed, err := time.Parse(time.RFC3339, failures[i-1][2])
			if err != nil {
				t.Fatal(err)
			}
			if wait := allowed.Sub(failed); wait > 0 {
				t.Errorf("failure %d came %s before the retry that was told of", i, wait)
			}
		}
		if !strings.Contains(w.log.String(), told) {
			t.Errorf("no event %q in\n%s", told, w.log)
		}
		status, err := w.admin.Status(context.Background())
		if err != nil || status.Overall == api.Healthy {
			t.Errorf("got %+v, %v; want a service that is not healthy", status.Overall, err)
		}
		if code, body := w.get("/"); code != 503 {
			t.Errorf("got %d %q; want 503 when no instance comes up", code, body)
		}
	}
	quick := "backoff: {initial: 100ms, max: 2s}, stopTimeout: 3s"
	f(`["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --version, "{{.Version}}"], stopTimeout: 3s`, "[/no/such/program], "+quick,
		`cannot be started: cannot start \"/no/such/program\": no such file or directory; the next try is at `)
	f(`stopTimeout: 3s}`, quick+"}\n    version: v1-exits", "is down (exit status 3); it is started again")
}

func TestInstanceThatNeverGetsReadyIsReplaced(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, strings.NewReplacer(
		"stopTimeout: 3s", "stopTimeout: 3s, startTimeout: 500ms", "path: /health", "path: /health, expectStatus: 299").Replace(demoService(1, ""))))
	var first int
	w.eventually("the first process", func() bool {
		for _, pid := range w.processes() {
			first = pid
		}
		return first > 0
	})
	w.eventually("another process in its place", func() bool {
		for _, pid := range w.processes() {
			if pid == first {
				return false
			}
		}
		return strings.Contains(w.log.String(), "is given up: it was not fit for traffic within startTimeout (500ms)") && len(w.processes()) == 1
	})
}
