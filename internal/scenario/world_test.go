package scenario

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

// world is a gateway in a process of its own, with the instances that it runs.
type world struct {
	t       *testing.T
	dir     string
	log     logBuffer
	process *os.Process
	admin   *client.Client
	web     string // address for clients
}

// logBuffer is a log that can be read while it is written.
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

// setup is what a scenario has of its own.
type setup struct {
	instances int    // as many as are to be ready before it begins
	demo      string // flags of `gatewayd demo-instance`
	service   string // what the service "shop" has besides, YAML lines indented by four
	top       string // what the file has besides, YAML lines
	listener  string // what the listener has besides, as ", key: value"
	shell     string // put before the command of an instance, as "ulimit -n 100;"
	files     int    // that the gateway may have open; 0: any number
	cores     int    // that the gateway uses; 0: all
	route     string // what the route has besides, as ", key: value"
}

func (s *setup) config() string {
	scaling := ""
	if !strings.Contains(s.service, "scaling:") {
		scaling = fmt.Sprintf("    scaling: {minInstances: %d, maxInstances: %d}\n", s.instances, s.instances)
	}
	return fmt.Sprintf(`admin: {listen: "127.0.0.1:0"}
state: {path: gatewayd.db}
shutdown: {timeout: 2s}
listeners: [{name: web, address: "127.0.0.1:0"%s}]
routes: [{name: all, service: shop, timeout: 10s%s}]
%s
services:
  shop:
    provider:
      process:
        command: [/bin/sh, -c, "%s exec '{{.Executable}}' demo-instance --listen '{{.Address}}' --version '{{.Version}}' %s"]
        output: none
        stopTimeout: 2s
    healthCheck: {path: /health, interval: 1s}
    drainTimeout: 2s
%s%s`, s.listener, s.route, s.top, s.shell, s.demo, scaling, s.service)
}

var servesLine = regexp.MustCompile(`msg="gatewayd serves".* admin=(\S+) listeners=\S*web=([0-9.:]+)`)

// start runs a gateway until the test ends, and waits until its instances are ready.
func start(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(w.dir, "gatewayd.yaml"), []byte(s.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "-c", "gatewayd.yaml")
	if s.files > 0 {
		cmd = exec.Command("/bin/sh", "-c", fmt.Sprintf("ulimit -n %d; exec %s run -c gatewayd.yaml", s.files, program))
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, &w.log, &w.log
	if s.cores > 0 {
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", s.cores))
	}
	ended := launch(t, cmd)
	w.process = cmd.Process
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", &w.log)
		}
	})
	w.until("gatewayd to serve", func() bool {
		select {
		case <-ended:
			t.Fatalf("the gateway ended\n%s", &w.log)
		default:
		}
		return servesLine.MatchString(w.log.String())
	})
	found := servesLine.FindStringSubmatch(w.log.String())
	w.web = found[2]
	var err error
	if w.admin, err = client.New("http://"+found[1], ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.admin.Close)
	w.untilReady(s.instances)
	return w
}

// launch starts a program that is asked to end with the test. The channel is closed when it ended.
func launch(t *testing.T, cmd *exec.Cmd) (ended <-chan struct{}) {
	t.Helper()
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-done
			t.Errorf("%s did not end in time", cmd.Args[0])
		}
	})
	return done
}

// startDemo runs an instance that no gateway knows, and returns its address.
func startDemo(t *testing.T, flags ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"demo-instance"}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, ok := strings.Cut(strings.TrimSpace(line), " listens on ")
	if err != nil || !ok {
		t.Fatalf("got %q, %v; want the address of the instance", line, err)
	}
	return address
}

// patience is how long anything may take on a busy machine.
const patience = 90 * time.Second

// until waits until ok returns true.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	w.within(patience, what, ok)
}

func (w *world) within(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *world) untilReady(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d ready instances", n), func() bool { return len(w.instances()) == n })
}

// instances are those that are ready.
func (w *world) instances() (ready []api.Instance) {
	s, err := w.admin.Service(context.Background(), "shop")
	if err != nil {
		return nil
	}
	for _, r := range s.Revisions {
		for _, i := range r.Instances {
			if i.State == api.StateReady {
				ready = append(ready, i)
			}
		}
	}
	return ready
}

// sicken makes an instance misbehave.
func sicken(t *testing.T, address, mode string) {
	t.Helper()
	res, err := http.Post("http://"+address+"/break?mode="+mode, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d; want the instance to take mode %q", res.StatusCode, mode)
	}
}

// kill ends the process of an instance as nothing can prevent.
func (w *world) kill(in api.Instance) {
	w.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && strings.Contains(string(line), "--listen\x00"+in.Address+"\x00") {
			var pid int
			fmt.Sscan(e.Name(), &pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("no process listens on %s", in.Address)
}

// hold opens n connections that stay idle until the test ends.
func (w *world) hold(n int) {
	w.t.Helper()
	for range n {
		c, err := net.DialTimeout("tcp", w.web, patience)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { c.Close() })
	}
}

// cpuTime is what the gateway has used of it.
func (w *world) cpuTime() time.Duration {
	w.t.Helper()
	p, err := procfs.NewProc(w.process.Pid)
	if err != nil {
		w.t.Fatal(err)
	}
	st, err := p.Stat()
	if err != nil {
		w.t.Fatal(err)
	}
	return time.Duration(st.CPUTime() * float64(time.Second))
}
