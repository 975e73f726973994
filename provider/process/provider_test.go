package process

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/internal/testkit"
	"gatewayd/scaler"
)

func TestScaleOutAndIn(t *testing.T) {
	h := newHouse(t, "serve", nil)
	h.scale(3)
	l := h.awaitRunning(3)
	h.awaitLines(3, "listening on ")
	for _, in := range l {
		c, err := net.Dial("tcp", in.Address)
		if err != nil {
			t.Fatalf("%s does not listen: %s", in.ID, err)
		}
		c.Close()
	}
	pids := []int{h.pid(l[0].ID), h.pid(l[1].ID), h.pid(l[2].ID)}
	h.scale(3)
	if n := h.count(Started); n != 3 {
		t.Fatalf("scaling to the present count started %d more", n-3)
	}

	h.scale(1, l[0].ID) // that one, then the newest
	rest := h.awaitRunning(1)
	if rest[0].ID != l[1].ID {
		t.Fatalf("%q was kept; want %q", rest[0].ID, l[1].ID)
	}
	awaitGone(t, pids[0])
	awaitGone(t, pids[2])
	h.scale(0)
	h.awaitRunning(0)
	awaitGone(t, pids[1])
	h.await("three instances stopped", func() bool { return h.count(Stopped) == 3 })
	if n := h.count(Exited); n != 0 {
		t.Fatalf("%d instances that were asked to end are told as exited", n)
	}
}

func TestEndOfRunEndsInstances(t *testing.T) {
	h := newHouse(t, "serve", nil)
	h.scale(2)
	l := h.awaitRunning(2)
	h.awaitLines(2, "listening on ")
	a, b := h.pid(l[0].ID), h.pid(l[1].ID)
	h.end()
	awaitGone(t, a)
	awaitGone(t, b)
	err := h.Scale(t.Context(), scaler.Revision{Service: "shop", Version: "v1"}, 1, nil)
	if err == nil || !strings.Contains(err.Error(), "the provider is ending") {
		t.Fatalf("got %v for scaling after the end", err)
	}
}

func TestKilledInstanceIsStartedAgain(t *testing.T) {
	h := newHouse(t, "serve", nil)
	h.scale(2)
	l := h.awaitRunning(2)
	h.awaitLines(2, "listening on ")
	syscall.Kill(h.pid(l[0].ID), syscall.SIGKILL)
	if e := h.awaitEvent(Exited); e.Instance.ID != l[0].ID || e.Reason != "signal: killed" || len(e.Output) != 1 {
		t.Fatalf("got %+v", e)
	}
	e := h.awaitEvent(Restarted)
	if e.Instance.ID != l[0].ID || e.Instance.Restarts != 1 || e.Instance.LastError != "signal: killed" {
		t.Fatalf("got %+v", e)
	}
	h.awaitLines(3, "listening on ")
	now := h.awaitRunning(2)
	i := slices.IndexFunc(now, func(in scaler.Instance) bool { return in.ID == l[1].ID })
	if i < 0 || now[i] != (scaler.Instance{ID: l[1].ID, Version: "v1", Address: l[1].Address, State: scaler.InstanceRunning, StartedAt: l[1].StartedAt, Usage: now[i].Usage}) {
		t.Fatalf("the other instance changed: %+v", now)
	}
}

func TestCrashingInstanceBacksOff(t *testing.T) {
	h := newHouse(t, "fail", nil)
	h.scale(1)
	h.await("it failed four times", func() bool { return h.count(Exited) >= 4 })
	e := h.awaitEvent(Exited)
	if e.Reason != "exit status 3" || !slices.Equal(e.Output, []string{"reading the config", "cannot read it"}) {
		t.Fatalf("got %+v", e)
	}
	if e.Instance.State != scaler.InstanceBackoff || e.Instance.RetryAt.IsZero() || e.Instance.Address != "" {
		t.Fatalf("after its end it is %+v", e.Instance)
	}
	h.scale(1) // one in backoff counts
	if l := h.list(); len(l) != 1 || l[0].LastError != "exit status 3" {
		t.Fatalf("got %+v", l)
	}
	h.scale(0)
	h.awaitRunning(0)
}

func TestNewInstancesOfAFailingRevisionWait(t *testing.T) {
	h := newHouse(t, "serve", func(o *Options) { o.Backoff = Backoff{Base: time.Hour} })
	h.scale(0)
	failing := newInstance(launch.Instance{Version: "v1"})
	f := func(want scaler.InstanceState) {
		t.Helper()
		h.Provider.mu.Lock()
		failing.Begin(time.Now())
		h.fleet.StartFailed(failing, "no reason", time.Now())
		h.Provider.mu.Unlock()
		h.scale(1)
		h.await("the new instance is "+string(want), func() bool { return h.list()[0].State == want })
		if in := h.list()[0]; want == scaler.InstanceBackoff && (!in.RetryAt.Equal(failing.RetryAt) || in.LastError == "") {
			t.Fatalf("got %+v", in)
		}
		h.scale(0)
		h.awaitRunning(0)
	}
	f(scaler.InstanceRunning) // one failure alone may be that instance's own
	f(scaler.InstanceBackoff)
}

func TestMissingCommand(t *testing.T) {
	h := newHouse(t, "", func(o *Options) { o.Command = []string{"/nowhere/shop"} })
	h.scale(1)
	e := h.awaitEvent(StartFailed)
	if e.Reason != `cannot start "/nowhere/shop": no such file or directory` {
		t.Fatalf("got %q", e.Reason)
	}
	if e.Instance.State != scaler.InstanceBackoff || !e.Instance.StartedAt.IsZero() {
		t.Fatalf("got %+v", e.Instance)
	}
	h.await("it is tried again", func() bool { return h.count(StartFailed) >= 2 })
}

func TestIgnoredSIGTERM(t *testing.T) {
	h := newHouse(t, "stubborn", func(o *Options) { o.StopTimeout = 50 * time.Millisecond })
	h.scale(1)
	pid := h.pid(h.awaitRunning(1)[0].ID)
	h.scale(0)
	h.awaitRunning(0)
	awaitGone(t, pid)
}

// Without a stopTimeout there is no SIGTERM: this program would end by itself at one.
func TestKilledAtOnce(t *testing.T) {
	h := newHouse(t, "serve", func(o *Options) { o.StopTimeout = 0 })
	h.scale(1)
	h.awaitRunning(1)
	h.awaitLines(1, "listening on ")
	h.scale(0)
	if e := h.awaitEvent(Stopped); e.Reason != "signal: killed" {
		t.Fatalf("got %q", e.Reason)
	}
}

func TestPortClash(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	first := true
	h := newHouse(t, "serve", func(o *Options) {
		o.port = func(host string) (string, error) {
			if first {
				first = false
				return port, nil
			}
			return freePort(host)
		}
	})
	h.scale(1)
	e := h.awaitEvent(Exited)
	if e.Reason != "exit status 98" || !strings.Contains(strings.Join(e.Output, "\n"), "address already in use") {
		t.Fatalf("got %+v", e)
	}
	h.awaitLines(1, "listening on ")
	if l := h.awaitRunning(1); l[0].Address == taken.Addr().String() {
		t.Fatalf("it runs at the port that was taken: %+v", l)
	}
}

func TestChildrenOfAnInstanceEndWithIt(t *testing.T) {
	f := func(session string, kill bool) {
		t.Helper()
		h := newHouse(t, "parent", func(o *Options) {
			o.Env["CHILD_ROLE"], o.Env["CHILD_SESSION"] = "serve", session
			o.Backoff.Base = time.Minute // it stays dead
			o.Backoff.Max = time.Minute
		})
		h.scale(1)
		l := h.awaitRunning(1)
		child, _ := strconv.Atoi(h.awaitLines(1, "child ")[0])
		h.awaitLines(1, "listening on ")
		if kill {
			syscall.Kill(h.pid(l[0].ID), syscall.SIGKILL)
		} else {
			h.scale(0)
		}
		awaitGone(t, child)
		h.end()
	}
	f("", true)
	f("", false)
	if h := newHouse(t, "serve", nil); h.cgroupsWork() {
		f("1", true) // one that left the group ends only with a cgroup
	}
}

func (h *house) cgroupsWork() bool {
	<-h.ready
	return h.cgroups != nil
}

func TestChildrenMayFinishWhenAsked(t *testing.T) {
	h := newHouse(t, "parent", func(o *Options) { o.Env["CHILD_ROLE"] = "slow" })
	h.scale(1)
	h.awaitRunning(1)
	h.awaitLines(1, "ready")
	h.scale(0)
	h.awaitLines(1, "finished its work")
	h.awaitRunning(0)
}

func TestUsage(t *testing.T) {
	h := newHouse(t, "spin", nil)
	h.scale(1)
	in := h.awaitRunning(1)[0]
	pid := h.pid(in.ID)
	testkit.AwaitThat(t, "it used CPU time", func() bool {
		cpu, _, err := treeUsage(pid)
		return err == nil && cpu > 100*time.Millisecond
	})
	h.await("its usage is seen", func() bool {
		l := h.list()
		u := l[0].Usage
		return u.CPU > 0.01 && u.CPU < 64 && u.MemoryBytes > 1<<20 && !u.At.IsZero()
	})
}

func TestWithoutRecordNothingStarts(t *testing.T) {
	full := errors.New("disk full")
	saves := 0
	h := newHouse(t, "serve", func(o *Options) {
		o.Save = func([]Record) error {
			if saves++; saves > 1 { // the first is that of taking stock
				return full
			}
			return nil
		}
	})
	err := h.Scale(t.Context(), scaler.Revision{Service: "shop", Version: "v1"}, 2, nil)
	if !errors.Is(err, full) {
		t.Fatalf("got %v; want %v", err, full)
	}
	if l := h.list(); len(l) != 0 || len(leadersOf(t, h.o.Owner)) != 0 {
		t.Fatalf("got %+v", l)
	}
}

func TestRunWithoutItsRecords(t *testing.T) {
	o := options(ownerOf(t), "serve")
	o.Load = func() ([]Record, error) { return nil, errors.New("disk gone") }
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Run(t.Context(), func() {})
	if err == nil || err.Error() != `cannot load the records of instances of "shop": disk gone` {
		t.Fatalf("got %v", err)
	}
	if _, err := p.List(t.Context()); err == nil || err.Error() != `cannot list the instances of "shop": the provider has ended` {
		t.Fatalf("got %v", err)
	}
}

func TestScaleRefuses(t *testing.T) {
	h := newHouse(t, "serve", nil)
	f := func(service string, count int, want string) {
		t.Helper()
		err := h.Scale(t.Context(), scaler.Revision{Service: service, Version: "v1"}, count, nil)
		if err == nil || err.Error() != want {
			t.Fatalf("got %v; want %s", err, want)
		}
	}
	f("cart", 1, `cannot scale service "cart": this provider runs "shop"`)
	f("shop", -1, `cannot scale "shop" to -1: want 0 to 65535 instances`)
	f("shop", 1<<20, `cannot scale "shop" to 1048576: want 0 to 65535 instances`)
}

func TestListWaitsForRun(t *testing.T) {
	p, err := New(options(ownerOf(t), "serve"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.List(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestDirOfInstances(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, "serve", func(o *Options) { o.Dir = dir })
	h.scale(1)
	in := h.awaitRunning(1)[0]
	got, err := os.Readlink("/proc/" + strconv.Itoa(h.pid(in.ID)) + "/cwd")
	if err != nil || got != dir {
		t.Fatalf("it runs in %q, %v; want %q", got, err, dir)
	}
}
