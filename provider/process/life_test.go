package process

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"gatewayd/internal/testkit"
	"gatewayd/scaler"
)

// A killed gateway takes its instances with it.
func TestKilledGatewayStop(t *testing.T) {
	job := gatewayJob{Owner: ownerOf(t), Role: "serve", OnExit: Stop, Count: 3, Store: storeIn(t).path}
	cmd, out := startGateway(t, job)
	lines := bufio.NewScanner(out)
	for range 3 {
		lines.Scan()
	}
	before := leadersOf(t, job.Owner)
	if len(before) != 3 {
		t.Fatalf("%d instances run; want 3", len(before))
	}
	cmd.Process.Kill()
	for _, m := range before {
		awaitGone(t, m.pid)
	}
}

// The guard ends what the kernel's signal does not reach: children of instances, in sessions of their own.
func TestKilledGatewayGuard(t *testing.T) {
	job := gatewayJob{Owner: ownerOf(t), Role: "parent", OnExit: Stop, Count: 2, Store: storeIn(t).path, Guard: true}
	cmd, out := startGateway(t, job)
	children := scanPids(t, out, 2)
	testkit.AwaitThat(t, "the guard runs", func() bool { return len(childrenWith(cmd.Process.Pid, "TEST_ROLE=guard")) == 1 })
	guard := childrenWith(cmd.Process.Pid, "TEST_ROLE=guard")[0]
	cmd.Process.Kill()
	for _, pid := range append(children, guard) {
		awaitGone(t, pid)
	}
}

// scanPids reads lines until n of them told of a child.
func scanPids(t *testing.T, out interface{ Read([]byte) (int, error) }, n int) []int {
	t.Helper()
	var pids []int
	lines := bufio.NewScanner(out)
	for len(pids) < n && lines.Scan() {
		if word, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	if len(pids) < n {
		t.Fatalf("got %d children; want %d", len(pids), n)
	}
	return pids
}

func childrenWith(pid int, env string) []int {
	return slices.DeleteFunc(children(pid), func(child int) bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", child))
		return err != nil || !slices.Contains(strings.Split(string(b), "\x00"), env)
	})
}

func TestGuardThatIsEndedKillsNobody(t *testing.T) {
	h := newHouse(t, "serve", func(o *Options) {
		o.Backoff.Base, o.Backoff.Max = time.Minute, time.Minute // it stays dead
	})
	h.scale(1)
	in := h.awaitRunning(1)[0]
	if err := GuardMain(strings.NewReader(h.identity + "\n" + guardDone)); err != nil {
		t.Fatal(err)
	}
	if _, err := startTime(h.pid(in.ID)); err != nil || h.count(Exited) > 0 {
		t.Fatalf("the instance is gone: %v", err)
	}
	if err := GuardMain(strings.NewReader("nonsense")); err == nil {
		t.Fatal("want an error for input that is no identity")
	}
	if err := GuardMain(strings.NewReader(h.identity + "\n")); err != nil {
		t.Fatal(err)
	}
	h.awaitEvent(Exited)
}

// Instances live on from one provider to the next, which sees to them as if they were its own.
func TestAdopt(t *testing.T) {
	store, dir := storeIn(t), t.TempDir()
	edit := func(o *Options) {
		o.OnExit, o.Load, o.Save = Adopt, store.load, store.save
		o.Output = Output{Dir: dir}
	}
	one := newHouse(t, "serve", edit)
	t.Cleanup(func() { endMarked(t, one.o.Owner) })
	one.scale(2)
	before := one.awaitRunning(2)
	pids := []int{one.pid(before[0].ID), one.pid(before[1].ID)}
	one.end()

	two := newHouse(t, "serve", edit)
	after := two.awaitRunning(2)
	for i, in := range after {
		if b := before[i]; in.ID != b.ID || in.Address != b.Address || !in.StartedAt.Equal(b.StartedAt) || two.pid(in.ID) != pids[i] {
			t.Fatalf("took over %+v (process %d); want %+v (%d)", in, two.pid(in.ID), b, pids[i])
		}
	}
	if two.count(Adopted) != 2 || two.count(Started) != 0 {
		t.Fatalf("got %+v", two.events)
	}
	log := filepath.Join(dir, "shop", before[0].ID+".log")
	testkit.AwaitThat(t, "it wrote its output", func() bool { return len(fileTail(log)) == 1 })

	syscall.Kill(pids[0], syscall.SIGKILL)
	if e := two.awaitEvent(Exited); e.Instance.ID != before[0].ID || e.Reason != "its end was not seen" || len(e.Output) != 1 {
		t.Fatalf("got %+v", e)
	}
	two.awaitEvent(Restarted)
	two.awaitRunning(2)
	two.scale(0)
	two.await("both stopped", func() bool { return two.count(Stopped) == 2 })
	awaitGone(t, pids[1])
	if left, _ := store.load(); len(left) != 0 {
		t.Fatalf("records are left: %+v", left)
	}
}

// Wherever in a scale-out the gateway is killed, the next one ends up with the right count and nothing runs twice.
func TestKilledWhileScalingOut(t *testing.T) {
	const count = 3
	f := func(edit func(*gatewayJob)) {
		t.Helper()
		store := storeIn(t)
		job := gatewayJob{Owner: ownerOf(t), Role: "serve", OnExit: Adopt, Count: count, Store: store.path}
		edit(&job)
		cmd, _ := startGateway(t, job)
		cmd.Wait() // it kills itself
		awaitExec(t, job.Owner)
		survivors := leadersOf(t, job.Owner)

		h := newHouse(t, "serve", func(o *Options) {
			o.OnExit, o.Load, o.Save, o.Output.Line = Adopt, store.load, store.save, nil
		})
		h.scale(count)
		l := h.awaitRunning(count)
		leaders := leadersOf(t, job.Owner)
		if len(leaders) != count {
			t.Fatalf("%+v: %d processes run; want %d", job, len(leaders), count)
		}
		for _, m := range leaders {
			id, _ := idOf(m.mark, "shop", job.Owner)
			if !slices.ContainsFunc(l, func(in scaler.Instance) bool { return in.ID == id && h.pid(id) == m.pid }) {
				t.Fatalf("%+v: process %d of %s is not listed in %+v", job, m.pid, id, l)
			}
		}
		if n := h.count(Adopted); n != len(survivors) {
			t.Fatalf("%+v: %d of %d survivors were taken over", job, n, len(survivors))
		}
		h.scale(0)
		h.awaitRunning(0)
		h.end()
	}
	// The first save is that of taking stock, the second the one with the intents, and each start saves twice.
	for n := 2; n <= 2+2*count; n++ {
		f(func(j *gatewayJob) { j.DieBeforeSave = n })
		f(func(j *gatewayJob) { j.DieAfterSave = n })
	}
}

// awaitExec waits until what a killed gateway had forked is what it was to become. Until then it looks like the gateway.
func awaitExec(t *testing.T, owner string) {
	t.Helper()
	testkit.AwaitThat(t, "nothing looks like the gateway any more", func() bool {
		procs, err := procfs.AllProcs()
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(procs, func(p procfs.Proc) bool {
			env, err := p.Environ()
			return err == nil && lookupEnv(env, "TEST_ROLE") == "gateway" && strings.Contains(lookupEnv(env, "TEST_JOB"), owner)
		})
	})
}

// With Stop, what an earlier life left is ended before anything is started.
func TestLeftoversAreEnded(t *testing.T) {
	store := storeIn(t)
	job := gatewayJob{Owner: ownerOf(t), Role: "serve", OnExit: Adopt, Count: 2, Store: store.path, DieAfterSave: 6}
	cmd, _ := startGateway(t, job)
	cmd.Wait()
	awaitExec(t, job.Owner)
	left := leadersOf(t, job.Owner)
	if len(left) == 0 {
		t.Fatal("the killed gateway left nothing")
	}
	h := newHouse(t, "serve", func(o *Options) { o.Load, o.Save = store.load, store.save })
	h.scale(1)
	h.awaitRunning(1)
	for _, m := range left {
		if _, err := startTime(m.pid); err == nil {
			t.Fatalf("process %d of the earlier life still runs", m.pid)
		}
	}
	if n := h.count(Ended); n != len(left) {
		t.Fatalf("%d events for %d leftovers", n, len(left))
	}
}

// The instances of a gateway that lives are not leftovers: it is about to be replaced.
func TestInstancesOfALivingGatewayAreSpared(t *testing.T) {
	store := storeIn(t)
	job := gatewayJob{Owner: ownerOf(t), Role: "serve", OnExit: Stop, Count: 1, Store: store.path}
	_, out := startGateway(t, job)
	bufio.NewScanner(out).Scan()
	other := leadersOf(t, job.Owner)
	h := newHouse(t, "serve", func(o *Options) { o.Load, o.Save = store.load, store.save })
	h.scale(1)
	h.awaitRunning(1)
	if _, err := startTime(other[0].pid); err != nil || h.count(Ended) != 0 {
		t.Fatalf("the other gateway's instance was ended: %v", err)
	}
}

func TestStaleRecords(t *testing.T) {
	self, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f := func(r Record) {
		t.Helper()
		r.ID, r.Version = "v1-0001", "v1"
		h := newHouse(t, "serve", func(o *Options) {
			o.OnExit, o.Output.Line = Adopt, nil
			o.Load = func() ([]Record, error) { return []Record{r}, nil }
		})
		if l := h.list(); len(l) != 0 {
			t.Fatalf("took over %+v", l)
		}
		h.end()
	}
	f(Record{Pid: os.Getpid(), StartTime: self + 1, BootID: bootID()}) // the pid was reused
	f(Record{Pid: os.Getpid(), StartTime: self, BootID: "another boot"})
	f(Record{Pid: 1 << 30, StartTime: 1, BootID: bootID()})
	f(Record{BootID: bootID()}) // intended, and never started
}
