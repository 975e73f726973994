package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"

	"gatewayd/internal/testkit"
)

// ownEngine is a real Engine that the test may break: it was started for this test alone. Its containers cannot be reached from the test.
type ownEngine struct {
	*realEngine
	dir string
}

// needOwnEngine starts an Engine with its data in dir. It takes root and the program, which are where another Engine was started for
// the tests.
func needOwnEngine(t *testing.T, dir string) *ownEngine {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" || os.Geteuid() != 0 {
		t.Skip("no Docker Engine can be started here: DOCKER_HOST is not set, or this is not root (internal/testkit/dockerd.sh)")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("no Docker Engine can be started here: dockerd is not installed")
	}
	o := &ownEngine{dir: dir}
	o.script(t, "start")
	t.Cleanup(func() { o.script(t, "stop") })
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "engine.sock"))
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	o.realEngine = &realEngine{t: t, cli: c, image: "gatewayd-test-instance:v1"}
	o.importImage()
	return o
}

func (o *ownEngine) script(t *testing.T, verb string) {
	t.Helper()
	cmd := exec.Command("../../internal/testkit/dockerd.sh", verb)
	cmd.Env = append(os.Environ(), "ENGINE_DIR="+o.dir, "ENGINE_NET=own")
	out, err := os.Create(filepath.Join(t.TempDir(), "out")) // not a pipe, which the Engine would keep open
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		b, _ := os.ReadFile(out.Name())
		t.Fatalf("dockerd.sh %s: %s: %s", verb, err, b)
	}
}

// end stops the Engine, and with it all containers, and waits until it is gone.
func (o *ownEngine) end() {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, "pid"))
	if err != nil {
		o.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		o.t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	testkit.AwaitThat(o.t, "the Engine is gone", func() bool { _, err := startTime(pid); return err != nil })
}

// engineDir is short, because the path of a socket is.
func engineDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// The Engine is stopped and started again: instances are restarted once it is back, and the count is right.
func TestOwnEngineStopped(t *testing.T) {
	e := needOwnEngine(t, engineDir(t))
	o := e.options("serve")
	h := newHouse(t, o)
	h.scale(2)
	h.awaitRunning(2)
	e.end()
	h.awaitEvent(EngineAway)
	if l, err := h.List(t.Context()); err == nil {
		t.Fatalf("got %+v from an Engine that is gone", l)
	}
	e.script(t, "start")
	h.awaitEvent(EngineBack)
	h.awaitEvents(Restarted, 2)
	h.awaitRunning(2)
	if n := len(e.containers(ownerOf(t))); n != 2 {
		t.Fatalf("%d containers; want 2", n)
	}
}

// A full disk is told as such; what runs is kept.
func TestOwnEngineFullDisk(t *testing.T) {
	disk := engineDir(t)
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=100m"); err != nil {
		t.Skipf("no small disk can be made here: %s", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	e := needOwnEngine(t, filepath.Join(disk, filepath.Base(disk)))
	o := e.options("serve")
	h := newHouse(t, o)
	h.scale(1)
	in := h.awaitRunning(1)[0]
	fill(t, filepath.Join(disk, "ballast"))
	h.scale(2)
	ev := h.awaitEvent(StartFailed)
	if !strings.Contains(ev.Reason, "the disk of the Docker Engine is full: ") {
		t.Errorf("got %q", ev.Reason)
	}
	if s, err := h.inspect(t.Context(), h.containerOf(in.ID)); err != nil || !s.running {
		t.Errorf("the one that ran is now %+v, %v", s, err)
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	h.awaitRunning(2)
}

// fill writes to a file until its disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
