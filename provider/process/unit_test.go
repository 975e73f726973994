package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/internal/launch"

	"gatewayd/internal/testkit"
)

func TestNewRefuses(t *testing.T) {
	f := func(edit func(*Options), want string) {
		t.Helper()
		o := options("me", "serve")
		edit(&o)
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("got %v; want %s", err, want)
		}
	}
	f(func(o *Options) { o.Service = "" }, "cannot run processes for a service without a name")
	f(func(o *Options) { o.Service = "a/b" }, `cannot run processes for service "a/b": want a name without slashes`)
	f(func(o *Options) { o.Owner = "" }, `cannot run processes for owner "": want`)
	f(func(o *Options) { o.Command = nil }, "provider.process.command: got nothing; want a program")
	f(func(o *Options) { o.Command = []string{"shop", "{{.Adress}}"} }, `provider.process.command[1]: cannot use template "{{.Adress}}": `)
	f(func(o *Options) { o.Command = []string{"{{"} }, `provider.process.command[0]: cannot use template "{{": `)
	f(func(o *Options) { o.Env = map[string]string{"V": "{{.version}}"} }, `provider.process.env.V: cannot use template "{{.version}}": `)
	f(func(o *Options) { o.Env = map[string]string{"A=B": ""} }, `provider.process.env: got "A=B"; want the name`)
	f(func(o *Options) { o.OnExit = "leave" }, `provider.process.onGatewayExit: got "leave"; want stop or adopt`)
	f(func(o *Options) { o.StopTimeout = -1 }, "provider.process.stopTimeout: got -1ns; want 0s or more")
	f(func(o *Options) { o.Backoff.Max = o.Backoff.Base / 2 }, "cannot use backoff {Base:1ms Max:500µs")
	f(func(o *Options) { o.Dir = "/nowhere" }, "provider.process.dir: stat /nowhere")
}

func TestRenderCommand(t *testing.T) {
	c, err := launch.ParseCommand("provider.process", []string{"{{.Executable}}", "--listen={{.Address}}", "{{.Host}} {{.Port}}"}, map[string]string{"V": "{{.Version}}", "ID": "{{.Service}}/{{.Instance}}"})
	if err != nil {
		t.Fatal(err)
	}
	args, env, err := c.Render(Vars{Address: "127.0.0.1:1", Host: "127.0.0.1", Port: "1", Version: "v2", Instance: "v2-1", Service: "shop", Executable: "/bin/gatewayd"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/bin/gatewayd", "--listen=127.0.0.1:1", "127.0.0.1 1"}; !slices.Equal(args, want) {
		t.Fatalf("got %q; want %q", args, want)
	}
	if want := []string{"ID=shop/v2-1", "V=v2"}; !slices.Equal(env, want) {
		t.Fatalf("got %q; want %q", env, want)
	}
}

func TestBackoff(t *testing.T) {
	o := Backoff{Base: time.Second, Max: 10 * time.Second, ResetAfter: 30 * time.Second}
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var b launch.Streak
	// f fails an attempt that began and ended at those seconds and wants a wait of at least and at most that many.
	f := func(begun, end, least, most int) {
		t.Helper()
		lo, hi := b, b
		now := t0.Add(time.Duration(end) * time.Second)
		at := t0.Add(time.Duration(begun) * time.Second)
		shortest := lo.Fail(o, at, now, 0).Sub(now)
		longest := hi.Fail(o, at, now, 1).Sub(now)
		if shortest != time.Duration(least)*time.Second || longest != time.Duration(most)*time.Second {
			t.Fatalf("got a wait of %s to %s; want %ds to %ds", shortest, longest, least, most)
		}
		b.Fail(o, at, now, 0.5)
	}
	f(0, 1, 1, 2)
	f(0, 1, 1, 2) // began before the first failure was known: the same one
	f(3, 4, 1, 4)
	f(8, 9, 1, 8)
	f(20, 21, 1, 10)
	f(40, 41, 1, 10)
	f(50, 90, 1, 2) // ran long enough
	f(92, 93, 1, 4)
	b.Failures = 1000
	f(200, 201, 1, 10)
}

func TestIDOf(t *testing.T) {
	f := func(mark, want string, ok bool) {
		t.Helper()
		if id, got := idOf(mark, "shop", "me"); got != ok || ok && id != want {
			t.Fatalf("%q: got %q, %v; want %q, %v", mark, id, got, want, ok)
		}
	}
	f(mark("shop", "v1-3f9a", "me"), "v1-3f9a", true)
	f(mark("shop-eu", "v1-3f9a", "me"), "", false)
	f(mark("shop", "v1-3f9a", "you"), "", false)
	f(mark("shop", "v1-3f9a", "not-me"), "", false)
	f("", "", false)
}

func TestIdentity(t *testing.T) {
	own, err := ownIdentity()
	if err != nil {
		t.Fatal(err)
	}
	f := func(id string, want bool) {
		t.Helper()
		if got := identityAlive(id); got != want {
			t.Fatalf("%q: got %v; want %v", id, got, want)
		}
	}
	f(own, true)
	f(own+"0", false)
	f(fmt.Sprint(os.Getpid()), false)
	f("x-1", false)
	f("", false)
}

func TestEphemeralLow(t *testing.T) {
	f := func(content string, want int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "range")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ephemeralLow(path); got != want {
			t.Fatalf("%q: got %d; want %d", content, got, want)
		}
	}
	f("40000\t60999\n", 40000)
	f("", 32768)
	f("a b", 32768)
	if got := ephemeralLow("/nowhere"); got != 32768 {
		t.Fatalf("got %d", got)
	}
}

func TestFreePort(t *testing.T) {
	port, err := freePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	fmt.Sscan(port, &n)
	if n < lowestPort || n > 65535 {
		t.Fatalf("got %q", port)
	}
	if _, err := freePort("192.0.2.1"); err == nil || !strings.HasPrefix(err.Error(), `cannot find a free port on "192.0.2.1": `) {
		t.Fatalf("got %v for an address of another machine", err)
	}
}

func TestEnvironmentHidesTheGatewaysOwn(t *testing.T) {
	t.Setenv("GATEWAYD_TOKEN", "secret")
	t.Setenv("GREETING", "hello")
	env := environment("A=1")
	if !slices.Contains(env, "GREETING=hello") || !slices.Contains(env, "A=1") || slices.Contains(env, "GATEWAYD_TOKEN=secret") {
		t.Fatalf("got %q", env)
	}
}

func TestMeter(t *testing.T) {
	g := fakeGroup(t, map[string]string{"cpu.stat": "usage_usec 1000000\nuser_usec 7\n", "memory.current": "5000\n", "memory.stat": "anon 1\ninactive_file 2000\n"})
	p := &proc{pid: os.Getpid(), group: g}
	var m meter
	t0 := time.Unix(1000, 0)
	f := func(usec, seconds int, want float64) {
		t.Helper()
		write(t, g.dir, "cpu.stat", fmt.Sprintf("usage_usec %d\n", usec))
		u, err := m.measure(p, t0.Add(time.Duration(seconds)*time.Second))
		if err != nil || u.CPU != want || u.MemoryBytes != 3000 {
			t.Fatalf("got %+v, %v; want %v cores", u, err, want)
		}
	}
	f(1_000_000, 0, 0)
	f(2_500_000, 1, 1.5)
	f(3_500_000, 3, 0.5)
	f(3_500_000, 3, 0) // no time passed
	f(1, 4, 0)         // a figure that shrank
	f(1_000_001, 5, 1)
}

func TestOpenFiles(t *testing.T) {
	before, limit := treeFiles(os.Getpid())
	var want unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &want); err != nil || limit != int(want.Cur) {
		t.Fatalf("got a limit of %d; want %d, %v", limit, want.Cur, err)
	}
	for range 50 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if now, _ := treeFiles(os.Getpid()); before == 0 || now < before+40 {
		t.Fatalf("got %d open files and %d after 50 more", before, now)
	}
	if files, limit := treeFiles(1 << 30); files != 0 || limit != 0 {
		t.Fatalf("got %d of %d files for a process that is not there", files, limit)
	}
}

func TestCgroupFigures(t *testing.T) {
	g := fakeGroup(t, map[string]string{"memory.events": "low 0\noom 1\noom_kill 1\n", "memory.current": "100\n", "memory.stat": "inactive_file 200\n"})
	if m, err := g.memory(); err != nil || m != 0 {
		t.Fatalf("got %d, %v", m, err)
	}
	if !g.oomKilled() {
		t.Fatal("the OOM kill was not seen")
	}
	write(t, g.dir, "memory.events", "oom 1\noom_kill 0\n")
	if g.oomKilled() || fakeGroup(t, nil).oomKilled() || (*cgroup)(nil).oomKilled() {
		t.Fatal("an OOM kill was seen that was none")
	}
	if _, err := g.cpu(); err == nil {
		t.Fatal("want an error without cpu.stat")
	}
}

func TestFindCgroup(t *testing.T) {
	const (
		pure   = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		legacy = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	)
	f := func(mounts, own, want string) {
		t.Helper()
		if got, err := findCgroup(mounts, own); got != want || (err == nil) != (want != "") {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	f(pure, "0::/system.slice/gatewayd.service\n", "/sys/fs/cgroup/system.slice/gatewayd.service")
	f(hybrid, "4:memory:/x\n0::/\n", "/sys/fs/cgroup/unified")
	f(hybrid, "4:memory:/x\n", "")
	f(legacy, "0::/\n", "")
	f("", "", "")
}

// Where this machine lets us make a cgroup, the figures of a real one are read.
func TestRealCgroup(t *testing.T) {
	h := newHouse(t, "spin", nil)
	if !h.cgroupsWork() {
		t.Skip("needs a cgroup v2 in which this user may make groups")
	}
	h.scale(1)
	in := h.awaitRunning(1)[0]
	dir := h.cgroups.dir(in.ID)
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(h.pid(in.ID)) {
		t.Fatalf("the group holds %q, %v; want process %d", b, err, h.pid(in.ID))
	}
	testkit.AwaitThat(t, "the group used CPU time", func() bool {
		cpu, err := recorded(dir).cpu()
		return err == nil && cpu > 10*time.Millisecond
	})
	h.scale(0)
	h.awaitRunning(0)
	if recorded(dir) != nil {
		t.Fatalf("the group %q is still there", dir)
	}
}

func fakeGroup(t *testing.T, files map[string]string) *cgroup {
	t.Helper()
	g := &cgroup{dir: t.TempDir()}
	for name, content := range files {
		write(t, g.dir, name, content)
	}
	return g
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSavesAreShared(t *testing.T) {
	release := make(chan struct{})
	var calls atomic.Int32
	o := options("me", "serve")
	o.Save = func([]Record) error {
		calls.Add(1)
		<-release
		return nil
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	save := func() {
		if err := p.save(); err != nil {
			t.Error(err)
		}
	}
	all.Go(save)
	testkit.AwaitThat(t, "the first is under way", func() bool { return calls.Load() == 1 })
	for range 10 {
		all.Go(save)
	}
	testkit.AwaitThat(t, "all have asked", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.changes == 11
	})
	close(release)
	all.Wait()
	// The first may lack the changes of the others; one more has them all.
	if n := calls.Load(); n != 2 {
		t.Fatalf("11 saves made %d calls; want 2", n)
	}
}
