package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/client"
	"gatewayd/internal/demo"
	"gatewayd/provider/process"
)

// TestMain lets the test binary be a gateway, and what a gateway starts: a demo instance, or the guard of processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "demo-instance":
			runDemo(os.Args[2:])
			return
		case "run":
			runGateway(os.Args[2])
			return
		case "process-guard":
			if process.GuardMain(os.Stdin) != nil {
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

// runDemo serves as `gatewayd demo-instance --listen ADDR --version V [--fault F] [--latency D] [--concurrency N]` does.
func runDemo(args []string) {
	opt := demo.Options{}
	listen := ""
	for i := 0; i+1 < len(args); i += 2 {
		switch v := args[i+1]; args[i] {
		case "--listen":
			listen = v
		case "--version":
			opt.Version = v
			switch _, how, _ := strings.Cut(v, "-"); how {
			case "broken":
				opt.Fault = demo.FaultErrors
			case "refuses":
				opt.Fault = demo.FaultRefuse
			case "hangs":
				opt.Fault = demo.FaultHang
			case "exits":
				fmt.Fprintln(os.Stderr, "no such database")
				os.Exit(3)
			}
		case "--latency":
			opt.Latency, _ = time.ParseDuration(v)
		case "--concurrency":
			fmt.Sscan(v, &opt.Concurrency)
		}
	}
	s, err := demo.New(opt)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s.Run(ctx, ln)
}

// world is a running gateway in a folder of its own.
type world struct {
	t      *testing.T
	dir    string
	path   string // of the config
	log    *logBuffer
	admin  *client.Client
	addrs  map[string]net.Addr
	reload chan os.Signal
	stop   context.CancelFunc
	done   chan error
}

// logBuffer is a log that tests may read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// demoService is a service of n demo instances; more are lines below the service, indented by four.
func demoService(n int, more string) string {
	return fmt.Sprintf(`
  demo:
    provider:
      process: {command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --version, "{{.Version}}"], stopTimeout: 3s}
    healthCheck: {path: /health, interval: 200ms, startInterval: 50ms}
    scaling: {minInstances: %d, maxInstances: 6}
    drainTimeout: 2s
%s`, n, more)
}

// config puts a whole file together. head is what stands above the services.
func configFile(head, services string) string {
	return `admin: {listen: "127.0.0.1:0"}
shutdown: {timeout: 5s}
listeners: [{name: web, address: "127.0.0.1:0"}]
` + head + `
services:` + services
}

const oneRoute = `routes: [{name: all, service: demo}]`

// start runs a gateway with the config and waits until it serves. It is stopped with the test.
func start(t *testing.T, config string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.path = filepath.Join(w.dir, "gatewayd.yaml")
	w.write(config)
	t.Cleanup(w.end)
	w.run()
	return w
}

// run starts the gateway in the folder, again if need be.
func (w *world) run() {
	w.t.Helper()
	w.log = &logBuffer{}
	w.reload = make(chan os.Signal, 1)
	started := make(chan map[string]net.Addr, 1)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.done = cancel, make(chan error, 1)
	go func() {
		w.done <- Run(ctx, Options{ConfigPath: w.path, Stdout: w.log, Stderr: w.log, Version: "test", Reload: w.reload,
			Started: func(a map[string]net.Addr) { started <- a }})
	}()
	select {
	case w.addrs = <-started:
	case err := <-w.done:
		w.t.Fatalf("the gateway did not start: %v\n%s", err, w.log)
	case <-time.After(20 * time.Second):
		w.t.Fatalf("the gateway did not start in time\n%s", w.log)
	}
	var err error
	if w.admin, err = client.New("http://"+w.addrs["admin"].String(), ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(config string) {
	w.t.Helper()
	config = strings.Replace(config, "admin:", "state: {path: "+filepath.Join(w.dir, "gatewayd.db")+"}\nadmin:", 1)
	next := w.path + ".new"
	if err := os.WriteFile(next, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.path); err != nil {
		w.t.Fatal(err)
	}
}

// end stops the gateway and fails the test if that does not go well.
func (w *world) end() {
	if w.stop == nil {
		return
	}
	w.stop()
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Errorf("the gateway did not stop cleanly: %v", err)
		}
	case <-time.After(30 * time.Second):
		w.t.Error("the gateway did not stop in time")
	}
	w.stop = nil
	if w.t.Failed() {
		w.t.Logf("log of the gateway:\n%s", w.log)
	}
}

// eventually waits until ok returns true.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain for: %s\n%s", what, w.log)
		}
	}
}

func (w *world) url(path string) string { return "http://" + w.addrs["web"].String() + path }

// get returns status and body of a GET on a connection of its own.
func (w *world) get(path string) (int, string) {
	w.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := c.Get(w.url(path))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// metrics returns the page.
func (w *world) metrics() string {
	w.t.Helper()
	res, err := http.Get("http://" + w.addrs["admin"].String() + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}
