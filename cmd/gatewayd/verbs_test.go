package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatewayd/config"
	"gatewayd/scaler"
)

// expect fails unless the command line exits with code and prints something that contains text.
func expect(t *testing.T, address, token string, code int, text string, args ...string) {
	t.Helper()
	printed, got := command(t.Context(), address, token, args...)
	if got != code || !strings.Contains(printed, text) {
		t.Fatalf("%v: got exit %d and:\n%s\nwant exit %d and %q", args, got, printed, code, text)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	_, address := newStage(t)
	expect(t, address, "", exitFailed, "a token is needed", "status")
	expect(t, address, "guess", exitFailed, "the token is not one of admin.tokens", "status")

	dead := httptest.NewServer(nil)
	dead.Close()
	expect(t, dead.URL, "", exitFailed, "cannot reach the admin API at ADMIN: nothing listens there; is gatewayd running", "status")
	expect(t, dead.URL, "", exitFailed, "nothing listens there", "events", "--follow")
	expect(t, dead.URL, "", exitFailed, "nothing listens there", "top")

	f := func(text string, handler http.HandlerFunc) {
		t.Helper()
		other := httptest.NewServer(handler)
		defer other.Close()
		expect(t, other.URL, "", exitFailed, text, "status")
	}
	f("has no such page; is it the admin API of gatewayd?", http.NotFound)
	f("answered 502 Bad Gateway", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	f("cannot read the answer", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	f("redirects to", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://elsewhere.example/", 302) })
}

func TestAddressWithoutScheme(t *testing.T) {
	_, address := newStage(t)
	expect(t, strings.TrimPrefix(address, "http://"), "secret", exitOK, "degraded", "status")
	expect(t, "127.0.0.1:1", "secret", exitOK, "degraded", "status", "--admin", address)
}

func TestPushSendsWhatWasGiven(t *testing.T) {
	s, address := newStage(t)
	expect(t, address, "secret", exitOK, "taken", "metrics", "push", "shop", "--cpu", "0", "--queue-length", "7")
	if got := s.pushed; got.CPU == nil || *got.CPU != 0 || got.QueueLength == nil || *got.QueueLength != 7 || got.Memory != nil || got.Instance != "" {
		t.Fatalf("got %+v; want cpu 0 and queue 7 alone", got)
	}
}

func TestReportPage(t *testing.T) {
	_, address := newStage(t)
	path := filepath.Join(t.TempDir(), "report.html")
	expect(t, address, "secret", exitOK, "wrote "+path, "report", "--html", path)
	if page, err := os.ReadFile(path); err != nil || string(page) != "<!doctype html>report" {
		t.Fatalf("got %q, %v; want the page", page, err)
	}
	expect(t, address, "secret", exitFailed, "cannot write the report", "report", "--html", filepath.Join(path, "x"))
}

// syncBuffer is a buffer for two goroutines that tells when text was written to it.
type syncBuffer struct {
	mu      sync.Mutex // protects the fields below
	buffer  bytes.Buffer
	waiting string
	found   chan struct{}
}

func newSyncBuffer(waiting string) *syncBuffer {
	return &syncBuffer{waiting: waiting, found: make(chan struct{})}
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := strings.Contains(b.buffer.String(), b.waiting)
	b.buffer.Write(p)
	if !before && strings.Contains(b.buffer.String(), b.waiting) {
		close(b.found)
	}
	return len(p), nil
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// interrupted runs a command line until it printed text, then interrupts it and returns its exit code and
// all that it printed.
func interrupted(t *testing.T, address, text string, args ...string) (printed string, code int) {
	t.Helper()
	out := newSyncBuffer(text)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	codes := make(chan int, 1)
	env := map[string]string{"GATEWAYD_ADMIN": address, "GATEWAYD_TOKEN": "secret"}
	go func() {
		codes <- run(ctx, args, program{env: func(name string) string { return env[name] }, stdout: out, stderr: out})
	}()
	select {
	case <-out.found:
	case code := <-codes:
		t.Fatalf("%v ended with exit %d before it printed %q:\n%s", args, code, text, out)
	case <-time.After(10 * time.Second):
		t.Fatalf("%v did not print %q:\n%s", args, text, out)
	}
	cancel()
	return out.String(), <-codes
}

func TestFollowEndsAtInterrupt(t *testing.T) {
	_, address := newStage(t)
	printed, code := interrupted(t, address, "instance-ejected", "events", "--follow", "--since", "1000000h")
	if code != exitOK || !strings.Contains(printed, "component-scaled") {
		t.Fatalf("got exit %d and:\n%s\nwant both events and exit 0", code, printed)
	}
}

func TestTopLeavesTheTerminalAsItWas(t *testing.T) {
	_, address := newStage(t)
	_, code := interrupted(t, address, cursorHome+"degraded", "top")
	if code != exitOK {
		t.Fatalf("got exit %d; want 0", code)
	}
	printed, _ := command(t.Context(), address, "secret", "top", "--count", "2", "--interval", "100ms")
	if !strings.HasPrefix(printed, enterAltPage+hideCursor) || !strings.HasSuffix(printed, showCursor+leaveAltPage) || strings.Count(printed, cursorHome) != 2 {
		t.Fatalf("got %q; want two pages between the sequences that enter and leave", printed)
	}
	expect(t, address, "secret", exitOK, `"overall":"degraded"`, "top", "--count", "1", "-o", "json")
}

func TestWaitEndsAtInterrupt(t *testing.T) {
	s, address := newStage(t)
	s.looks = -1000
	printed, code := interrupted(t, address, "5.0%  step 1 of 2", "deploy", "shop", "--version", "v2", "--wait")
	if code != exitFailed {
		t.Fatalf("got exit %d and %q; want 1", code, printed)
	}
}

func TestCompletion(t *testing.T) {
	_, address := newStage(t)
	expect(t, address, "secret", exitOK, "cart\nshop\n", "__complete", "scale", "")
	expect(t, "127.0.0.1:1", "", exitOK, ":4", "__complete", "scale", "")
	expect(t, address, "secret", exitOK, "auto\n:4", "__complete", "scale", "shop", "")
	expect(t, address, "secret", exitOK, "v1-a\n", "__complete", "drain", "shop", "")
	expect(t, address, "secret", exitOK, ":4\n", "__complete", "drain", "nothing", "")
	expect(t, address, "secret", exitOK, "on\noff\nhold\n:4", "__complete", "maintenance", "shop", "")
	expect(t, address, "secret", exitOK, "r-8\n", "__complete", "rollout", "promote", "")
	expect(t, address, "secret", exitOK, "blue-green\n", "__complete", "deploy", "shop", "--strategy", "")
	expect(t, address, "secret", exitOK, "limit-reached\n", "__complete", "events", "--type", "")
	expect(t, address, "secret", exitOK, "bash completion", "completion", "bash")
}

func TestVersion(t *testing.T) {
	expect(t, "", "", exitOK, "gatewayd ", "version")
	expect(t, "", "", exitOK, `"go": "go1.`, "version", "-o", "json")
}

func TestSchema(t *testing.T) {
	printed, code := command(t.Context(), "", "", "schema")
	if code != exitOK || printed != string(config.Schema()) {
		t.Fatalf("got exit %d and %d bytes; want the schema", code, len(printed))
	}
}

func TestValidate(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.yaml", "listeners: [{name: web, address: \"127.0.0.1:0\"}]\n")
	bad := write("bad.yaml", "listeners: [{name: web, address: \"127.0.0.1:0\"}]\nroutes:\n  - {name: a, service: nope}\nservizes: {}\n")
	expect(t, "", "", exitOK, good+" is valid\n", "validate", "-c", good)
	expect(t, "", "", exitOK, `"valid": true`, "validate", "-c", good, "-o", "json")
	for _, line := range []string{bad + ":3:", bad + ":4:1: "} { // all in one pass
		expect(t, "", "", exitFailed, line, "validate", "-c", bad)
	}
	expect(t, "", "", exitFailed, `"line": 4`, "validate", "-c", bad, "-o", "json")
}

// TestRun checks what the run verb gives to the gateway and makes of its end.
func TestRun(t *testing.T) {
	var signals []os.Signal
	var got serveOptions
	f := func(result error, code int, text string) {
		t.Helper()
		var out bytes.Buffer
		p := program{env: func(string) string { return "" }, stdout: &out, stderr: &out}
		p.notify = func(c chan<- os.Signal, s ...os.Signal) { signals = append(signals, s...); c <- s[0] }
		p.serve = func(_ context.Context, opts serveOptions) error { got = opts; return result }
		if exit := run(t.Context(), []string{"run", "-c", "x.yaml"}, p); exit != code || out.String() != text {
			t.Fatalf("got exit %d and %q; want %d and %q", exit, &out, code, text)
		}
	}
	f(nil, exitOK, "")
	if got.ConfigPath != "x.yaml" || got.Version == "" || got.Stdout == nil || got.Stderr == nil {
		t.Fatalf("got %+v; want it filled in", got)
	}
	if len(signals) != 2 || <-got.Reload != syscall.SIGHUP || <-got.Upgrade != syscall.SIGUSR2 {
		t.Fatalf("got %v; want SIGHUP as reload and SIGUSR2 as upgrade", signals)
	}
	f(errors.New("cannot listen"), exitFailed, "gatewayd: cannot listen\n")
	f(config.Errors{{File: "x.yaml", Line: 1, Column: 2, Path: "a", Found: "got 1", Want: "2"}}, exitFailed, "x.yaml:1:2: a: got 1; want 2\n")
}

func TestDemoInstance(t *testing.T) {
	printed, code := interrupted(t, "", "listens on 127.0.0.1:", "demo-instance", "--version", "v7", "--latency", "1ms", "--error-rate", "5%")
	if code != exitOK || !strings.Contains(printed, "demo v7") {
		t.Fatalf("got exit %d and %q; want 0", code, printed)
	}
}

func TestParseShare(t *testing.T) {
	f := func(text string, want float64, ok bool) {
		t.Helper()
		if got, err := parseShare(text); got != want || (err == nil) != ok {
			t.Fatalf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	f("0", 0, true)
	f("0.25", 0.25, true)
	f("1", 1, true)
	f("5%", 0.05, true)
	f("100%", 1, true)
	f("5", 0, false)
	f("-0.1", 0, false)
	f("101%", 0, false)
	f("NaN", 0, false)
	f("", 0, false)
}

func TestSimulate(t *testing.T) {
	folder := t.TempDir()
	configPath, tracePath := filepath.Join(folder, "c.yaml"), filepath.Join(folder, "trace.csv")
	services := "services: {shop: {instances: [{address: \"127.0.0.1:1\"}]}}\nlisteners: [{name: web, address: \"127.0.0.1:0\"}]\n"
	rows := "t_s,requests\n"
	for n := range 30 {
		rows += fmt.Sprintf("%d,%d\n", n*60, 600+100*n)
	}
	if err := errors.Join(os.WriteFile(configPath, []byte(services), 0o600), os.WriteFile(tracePath, []byte(rows), 0o600)); err != nil {
		t.Fatal(err)
	}
	f := func(code int, text string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		p := program{env: func(string) string { return "" }, stdout: &out, stderr: &out}
		p.scaling = func(s *config.Service) *scaler.Spec {
			return &scaler.Spec{Service: s.Name, MinInstances: 1, MaxInstances: 10, Slots: 4, EvaluationInterval: time.Second, MetricsWindow: time.Minute,
				Policies: []scaler.Policy{{Name: "slo", Type: scaler.TypeSLO, Objective: scaler.Objective{WaitBelow: 100 * time.Millisecond, Percent: 99}}}}
		}
		if got := run(t.Context(), append([]string{"simulate", "-c", configPath}, args...), p); got != code || !strings.Contains(out.String(), text) {
			t.Fatalf("%v: got exit %d and:\n%s\nwant exit %d and %q", args, got, &out, code, text)
		}
	}
	f(exitOK, "start-up delay 5 s", "--trace", tracePath, "--start-delay", "5s")
	f(exitOK, `"startDelayS": 30`, "--trace", tracePath, "-o", "json", "--service", "shop")
	f(exitUsage, "--trace is missing")
	f(exitUsage, `got "cart"; want one of ["shop"]`, "--trace", tracePath, "--service", "cart")
	f(exitFailed, "cannot open trace", "--trace", tracePath+"x")
	f(exitFailed, "no such file", "--trace", tracePath, "-c", configPath+"x")
}
