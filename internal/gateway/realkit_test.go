package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/client"
)

// runGateway serves as `gatewayd run -c FILE` does.
func runGateway(path string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	reload, upgrade := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	signal.Notify(upgrade, syscall.SIGUSR2)
	if err := Run(ctx, Options{ConfigPath: path, Stdout: os.Stdout, Stderr: os.Stderr, Version: "test", Reload: reload, Upgrade: upgrade,
		CommandLine: os.Args, Handover: os.Getenv(handoverEnv)}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// realWorld is a world whose gateway is a process of its own, so that it can be killed and replaced.
type realWorld struct {
	*world
	program string // this test binary, under a name of the test's own
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd was waited for
}

var servesLine = regexp.MustCompile(`msg="gatewayd serves".* admin=(\S+) listeners=\S*web=([0-9.:]+)`)

// startReal runs a gateway in a process and waits until it serves.
func startReal(t *testing.T, config string) *realWorld {
	t.Helper()
	w := &realWorld{world: &world{t: t, dir: t.TempDir(), log: &logBuffer{}}}
	w.path, w.program = w.dir+"/gatewayd.yaml", w.dir+"/gatewayd"
	if err := os.Symlink(os.Args[0], w.program); err != nil {
		t.Fatal(err)
	}
	w.write(config)
	t.Cleanup(w.finish)
	w.launch()
	return w
}

// launch starts the process, again if need be.
func (w *realWorld) launch() {
	w.t.Helper()
	w.begin()
	w.untilServing(1)
}

// begin starts the process and does not wait.
func (w *realWorld) begin() {
	w.t.Helper()
	w.log = &logBuffer{}
	w.cmd = exec.Command(w.program, "run", w.path)
	w.cmd.Dir = w.dir
	w.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	w.cmd.WaitDelay = time.Second // instances that outlive it hold its output open
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.exited = make(chan struct{})
	go func() { w.cmd.Wait(); close(w.exited) }()
}

// untilServing waits until the log tells n times of a gateway that serves, and takes its addresses.
func (w *realWorld) untilServing(n int) {
	w.t.Helper()
	var found [][]string
	w.eventually(fmt.Sprintf("gateway number %d to serve", n), func() bool {
		select {
		case <-w.exited:
			w.t.Fatalf("the gateway ended: %v\n%s", w.cmd.ProcessState, w.log)
		default:
		}
		found = servesLine.FindAllStringSubmatch(w.log.String(), -1)
		return len(found) >= n
	})
	addrs := map[string]net.Addr{}
	for i, name := range []string{"admin", "web"} {
		a, err := net.ResolveTCPAddr("tcp", strings.Trim(found[n-1][i+1], `",`))
		if err != nil {
			w.t.Fatal(err)
		}
		addrs[name] = a
	}
	if n > 1 { // after an upgrade; the load reads w.addrs
		for name, a := range addrs {
			if a.String() != w.addrs[name].String() {
				w.t.Fatalf("got address %s for %s after an upgrade; want %s", a, name, w.addrs[name])
			}
		}
		return
	}
	w.addrs = addrs
	var err error
	if w.admin, err = client.New("http://"+w.addrs["admin"].String(), ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *realWorld) signal(s syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
}

// kill ends the process as nothing can prevent.
func (w *realWorld) kill() {
	w.t.Helper()
	w.signal(syscall.SIGKILL)
	w.untilExit()
}

func (w *realWorld) untilExit() {
	w.t.Helper()
	select {
	case <-w.exited:
	case <-time.After(30 * time.Second):
		w.cmd.Process.Signal(syscall.SIGQUIT)
		<-w.exited
		w.t.Fatalf("the gateway did not end in time\n%s", w.log)
	}
}

// finish ends the process with the test, if it still runs.
func (w *realWorld) finish() {
	select {
	case <-w.exited:
	default:
		w.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-w.exited:
		case <-time.After(20 * time.Second):
			w.cmd.Process.Kill()
			w.t.Error("the gateway did not stop in time")
		}
	}
	for _, pid := range w.processes() { // of a test that leaves them on purpose, or failed
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if w.t.Failed() {
		w.t.Logf("log of the gateway:\n%s", w.log)
	}
}

// processes returns the pids of the demo instances of this world by their address. Each of them has the world's folder for its own.
func (w *realWorld) processes() map[string]int {
	w.t.Helper()
	found := map[string]int{}
	for pid, args := range w.commands("demo-instance") {
		found[args[2]] = pid
	}
	return found
}

// gateways returns the gateways of this world by pid.
func (w *realWorld) gateways() map[int][]string { return w.commands("run") }

// commands returns the arguments of the processes of this world that are started with a verb, by pid.
func (w *realWorld) commands(verb string) map[int][]string {
	w.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[int][]string{}
	for _, e := range entries {
		cwd, err := os.Readlink("/proc/" + e.Name() + "/cwd")
		if err != nil || cwd != w.dir {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		args := strings.Split(string(line), "\x00")
		if len(args) > 3 && args[1] == verb {
			var pid int
			fmt.Sscan(e.Name(), &pid)
			found[pid] = args[1:]
		}
	}
	return found
}
