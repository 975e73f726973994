package exec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/scaler"
)

func TestOptionsThatAreRefused(t *testing.T) {
	f := func(edit func(*Options), want string) {
		t.Helper()
		o := Options{Service: "shop", Scale: []string{"scale"}, List: []string{"list"}}
		edit(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f(func(o *Options) { o.Service = "" }, "a service without a name")
	f(func(o *Options) { o.Scale = nil }, "provider.exec.scale: got nothing")
	f(func(o *Options) { o.List = []string{""} }, "provider.exec.list: got nothing")
	f(func(o *Options) { o.Timeout = -1 }, "provider.exec.timeout: got -1ns")
	f(func(o *Options) { o.Interval = -1 }, "provider.exec.interval: got -1ns")
	f(func(o *Options) { o.Env = map[string]string{"A=": ""} }, `provider.exec.env: got "A="`)
}

func TestEnvironmentOfCommands(t *testing.T) {
	t.Setenv("GATEWAYD_TOKEN", "secret")
	h := newHouse(t,
		`env | grep '^GATEWAYD_\|^COLOR' | sort >$DIR/scale.txt`,
		`env | grep '^GATEWAYD_\|^COLOR' | sort >$DIR/list.new; mv $DIR/list.new $DIR/list.txt`,
		func(o *Options) { o.Env["COLOR"] = "deep blue" })
	if err := h.Scale(t.Context(), shopV1, 3, []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	want := "COLOR=deep blue\nGATEWAYD_COUNT=3\nGATEWAYD_LEAVING=a b\nGATEWAYD_SERVICE=shop\nGATEWAYD_VERSION=v1\n"
	if got := h.read("scale.txt"); got != want {
		t.Errorf("scale got  %q\nwant %q", got, want)
	}
	h.end()
	if got, want := h.read("list.txt"), "COLOR=deep blue\nGATEWAYD_SERVICE=shop\n"; got != want {
		t.Errorf("list got  %q\nwant %q", got, want)
	}
}

func TestList(t *testing.T) {
	h := newHouse(t, ":", "cat $DIR/all.json || true", nil)
	h.awaitIDs("")
	h.write("all.json", `{"id":"b","version":"v1","address":"h:2","startedAt":"2026-01-01T00:00:02Z","cpu":0.5,"memoryBytes":7}
{"id":"a","version":"v1","address":"h:1","startedAt":"2026-01-01T00:00:01Z"}
{"id":"c","version":"v2"}`)
	l := h.awaitIDs("a b c")
	if in := l[0]; in.Address != "h:1" || in.State != scaler.InstanceRunning || !in.Usage.At.IsZero() || in.StartedAt.Second() != 1 {
		t.Errorf("got %+v", in)
	}
	if in := l[1]; in.Usage.CPU != 0.5 || in.Usage.MemoryBytes != 7 || in.Usage.At.IsZero() {
		t.Errorf("got %+v", in)
	}
	if in := l[2]; in.State != scaler.InstanceStarting || in.StartedAt.IsZero() || in.Version != "v2" {
		t.Errorf("got %+v", in)
	}
	first := l[2].StartedAt
	h.write("all.json", `{"id":"c","version":"v2","address":"h:3"}`)
	if l := h.awaitIDs("c"); !l[0].StartedAt.Equal(first) {
		t.Errorf("it started at %s, now at %s", first, l[0].StartedAt)
	}
}

// A list that fails says nothing about the instances. It is told once, and again only for another reason.
func TestListThatFails(t *testing.T) {
	h := newHouse(t, ":", "cat $DIR/all.json; cat $DIR/status >&2; exit $(cat $DIR/status)", nil)
	if e := h.awaitEvent(ListFailed); !strings.Contains(e.Reason, "exit status") {
		t.Errorf("got %+v", e)
	}
	h.write("status", "0")
	h.write("all.json", `{"id":"a","version":"v1"}`)
	h.awaitIDs("a")
	h.awaitEvent(ListRecovered)
	h.write("status", "7")
	h.await("the list fails", func() bool {
		l, err := h.List(t.Context())
		if err == nil && idsOf(l) != "a" {
			t.Fatalf("got %+v", l)
		}
		want := `cannot list the instances of "shop": ` + h.o.List[0] + ": exit status 7: 7"
		return err != nil && err.Error() == want
	})
	h.write("all.json", "{\"id\":\"a\",\"version\":\"v1\"}\nwhatever")
	h.write("status", "0") // last, so that no list between is good
	h.await("it cannot be read", func() bool {
		_, err := h.List(t.Context())
		return err != nil && strings.Contains(err.Error(), "cannot use what "+h.o.List[0]+" printed: line 2: this is no JSON")
	})
	for range 3 { // more lists
		<-h.changes
	}
	h.end()
	var kinds []EventKind
	for _, e := range h.events {
		if len(kinds) == 0 || kinds[len(kinds)-1] != e.Kind {
			kinds = append(kinds, e.Kind)
		}
	}
	if !slices.Equal(kinds, []EventKind{ListFailed, ListRecovered, ListFailed}) || len(h.events) > 6 {
		t.Errorf("got %+v", h.events)
	}
}

func TestScaleThatFails(t *testing.T) {
	h := newHouse(t, "echo trying >&2; echo no machine is free >&2; exit 2", ":", nil)
	err := h.Scale(t.Context(), shopV1, 3, nil)
	want := `cannot scale "shop" to 3: ` + h.o.Scale[0] + ": exit status 2: no machine is free"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if e := h.awaitEvent(ScaleFailed); !slices.Equal(e.Output, []string{"trying", "no machine is free"}) || !strings.HasSuffix(want, e.Reason) {
		t.Errorf("got %+v", e)
	}
	if err := h.Scale(t.Context(), scaler.Revision{Service: "cart"}, 1, nil); err == nil {
		t.Error("scaled another service")
	}
	if err := h.Scale(t.Context(), shopV1, -1, nil); err == nil {
		t.Error("scaled to -1")
	}
}

func TestMissingCommand(t *testing.T) {
	h := newHouse(t, ":", ":", func(o *Options) { o.Scale, o.List = []string{"/nowhere/scale"}, []string{"/nowhere/list", "x"} })
	if e := h.awaitEvent(ListFailed); e.Reason != "/nowhere/list: no such file or directory" {
		t.Errorf("got %q", e.Reason)
	}
	if err := h.Scale(t.Context(), shopV1, 1, nil); err == nil || !strings.HasSuffix(err.Error(), "/nowhere/scale: no such file or directory") {
		t.Errorf("got %v", err)
	}
}

// The command is run only when there is something to do: for another count, or when instances are gone.
func TestScaleToThePresentCount(t *testing.T) {
	h := newHouse(t, `echo $GATEWAYD_COUNT >>$DIR/calls
		: >$DIR/all.json
		for i in $(seq $GATEWAYD_COUNT); do echo "{\"id\":\"i$i\",\"version\":\"v1\",\"address\":\"h:$i\"}" >>$DIR/all.json; done`,
		"cat $DIR/all.json 2>/dev/null || true", nil)
	scale := func(count int, wantCalls string) {
		t.Helper()
		if err := h.Scale(t.Context(), shopV1, count, nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(h.read("calls")), " "); got != wantCalls {
			t.Errorf("scale was called for %q; want %q", got, wantCalls)
		}
	}
	scale(0, "")
	scale(2, "2")
	h.awaitIDs("i1 i2")
	scale(2, "2")
	h.write("all.json", `{"id":"i1","version":"v1","address":"h:1"}`)
	h.awaitIDs("i1")
	scale(2, "2 2")
	h.awaitIDs("i1 i2")
	scale(1, "2 2 1")
	scale(2, "2 2 1 2") // though the last list may still show two
}

func TestEndOfRun(t *testing.T) {
	h := newHouse(t, ":", "touch $DIR/listing; sleep 1000", nil)
	h.awaitFile("listing")
	if _, err := h.List(contextThatIsOver()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v before the first list has ended", err)
	}
	h.end()
	if _, err := h.List(t.Context()); err == nil || !strings.Contains(err.Error(), "the provider has ended") {
		t.Errorf("got %v", err)
	}
	if err := h.Scale(t.Context(), shopV1, 1, nil); err == nil || !strings.Contains(err.Error(), "the provider has ended") {
		t.Errorf("got %v", err)
	}
	if len(h.events) != 0 {
		t.Errorf("a list that was cut off is told: %+v", h.events)
	}
}

func contextThatIsOver() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// awaitFile waits for a file that a script makes.
func (h *house) awaitFile(name string) {
	h.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		if _, err := os.Stat(filepath.Join(h.dir, name)); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			h.t.Fatalf("there is no file %s", name)
		}
	}
}

func TestPause(t *testing.T) {
	now := time.Unix(1000, 0)
	p, err := New(Options{Service: "shop", Scale: []string{"s"}, List: []string{"l"}, Interval: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f := func(edit func(), want time.Duration) {
		t.Helper()
		edit()
		if got := p.pause(now); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	running := scaler.Instance{ID: "a", Version: "v1", State: scaler.InstanceRunning}
	f(func() {}, 5*time.Second)
	f(func() { p.asked["v1"], p.hurry = 1, now.Add(time.Minute) }, 500*time.Millisecond)
	f(func() { p.instances = []scaler.Instance{running} }, 5*time.Second)
	f(func() { p.instances[0].State = scaler.InstanceStopping }, 500*time.Millisecond)
	f(func() { p.listErr = errors.New("no") }, 5*time.Second)
	f(func() { p.listErr, p.hurry = nil, now }, 5*time.Second)
	f(func() { p.hurry, p.o.Interval = now.Add(1), 300*time.Millisecond }, 100*time.Millisecond)
	f(func() { p.o.Interval = 50 * time.Millisecond }, 50*time.Millisecond)
}

// The scripts in docs/examples/exec do what they say.
func TestExampleScripts(t *testing.T) {
	for _, tool := range []string{"setsid", "od", "seq", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the example scripts need %s, which is not here", tool)
		}
	}
	h := newHouse(t, ":", ":", func(o *Options) {
		o.Interval = 200 * time.Millisecond // lists of many processes keep the machine busy
		o.Scale, o.List = []string{"../../docs/examples/exec/scale.sh"}, []string{"../../docs/examples/exec/list.sh"}
		o.Env["STATE_DIR"], o.Env["GATEWAYD"], o.Env["GORACE"] = filepath.Join(t.TempDir(), "state"), os.Args[0], "atexit_sleep_ms=0"
	})
	pids := map[string]int{}
	t.Cleanup(func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	scale := func(count int, leaving ...string) []scaler.Instance {
		t.Helper()
		if err := h.Scale(t.Context(), shopV1, count, leaving); err != nil {
			t.Fatal(err)
		}
		var l []scaler.Instance
		h.await(fmt.Sprintf("%d instances run", count), func() bool {
			var err error
			l, err = h.List(t.Context())
			return err == nil && len(l) == count
		})
		for _, in := range l {
			b, err := os.ReadFile(filepath.Join(h.o.Env["STATE_DIR"], in.ID, "pid"))
			if err == nil {
				pids[in.ID], err = strconv.Atoi(strings.TrimSpace(string(b)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	l := scale(3)
	for _, in := range l {
		c, err := net.Dial("tcp", in.Address)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if in.Version != "v1" || in.State != scaler.InstanceRunning || in.Usage.MemoryBytes == 0 {
			t.Errorf("got %+v", in)
		}
	}
	rest := scale(2, l[0].ID)
	if strings.Contains(idsOf(rest), l[0].ID) {
		t.Errorf("%s was to go; left are %s", l[0].ID, idsOf(rest))
	}
	awaitGone(t, pids[l[0].ID])
	syscall.Kill(pids[rest[0].ID], syscall.SIGKILL)
	h.awaitIDs(rest[1].ID)
	scale(2)
	last := scale(0)
	if len(last) != 0 {
		t.Errorf("got %+v", last)
	}
	for _, pid := range pids {
		awaitGone(t, pid)
	}
}
