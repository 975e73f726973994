package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/internal/testkit"
	"gatewayd/scaler"
)

// The test binary is also every process that the tests start: the environment says which.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_ROLE") {
	case "":
		goleak.VerifyTestMain(m)
	case "serve":
		serve()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "fail":
		fmt.Println("reading the config")
		fmt.Fprintln(os.Stderr, "cannot read it")
		os.Exit(3)
	case "spin":
		for i := 0; ; i++ {
			_ = i * i
		}
	case "talk":
		fmt.Println(strings.Repeat("x", lineLimit) + "y")
		fmt.Printf("env %s %s\n", os.Getenv("GREETING"), os.Getenv("GATEWAYD_TOKEN"))
		serve()
	case "parent":
		parent()
	case "slow":
		slow()
	case "gateway":
		gateway()
	case "guard":
		if err := GuardMain(os.Stdin); err != nil {
			panic(err)
		}
	}
}

func options(owner, role string) Options {
	return Options{
		Service:     "shop",
		Owner:       owner,
		Command:     []string{os.Args[0]},
		Env:         map[string]string{"TEST_ROLE": role, "ADDRESS": "{{.Address}}", "GORACE": "atexit_sleep_ms=0"},
		StopTimeout: 20 * time.Second,
		Backoff:     Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond},
	}
}

// house is a running provider with what it told.
type house struct {
	*Provider
	t       *testing.T
	changes chan struct{} // capacity 1
	cancel  context.CancelFunc
	done    chan error

	mu     sync.Mutex // protects what follows
	events []Event
	lines  []string
}

const patience = testkit.Patience

// newHouse runs a provider for roles of this binary until the test ends; edit changes its options first.
func newHouse(t *testing.T, role string, edit func(*Options)) *house {
	t.Helper()
	h := &house{t: t, changes: make(chan struct{}, 1), done: make(chan error, 1)}
	o := options(ownerOf(t), role)
	o.OnEvent = func(e Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}
	o.Output.Line = func(_ string, line []byte) {
		h.mu.Lock()
		h.lines = append(h.lines, string(line))
		h.mu.Unlock()
		h.changed()
	}
	if edit != nil {
		edit(&o)
	}
	var err error
	if h.Provider, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go func() { h.done <- h.Run(ctx, h.changed) }()
	t.Cleanup(h.end)
	return h
}

func ownerOf(t *testing.T) string {
	return strings.ReplaceAll(t.Name(), "/", ".") + "-" + strconv.Itoa(os.Getpid())
}

func (h *house) changed() { signalOn(h.changes) }

// end ends the provider, once, and waits for it.
func (h *house) end() {
	h.cancel()
	if err, ok := <-h.done; ok {
		close(h.done)
		if err != nil {
			h.t.Errorf("Run: %s", err)
		}
	}
}

func (h *house) scale(count int, leaving ...string) {
	h.t.Helper()
	if err := h.Scale(h.t.Context(), scaler.Revision{Service: "shop", Version: "v1"}, count, leaving); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) list() []scaler.Instance {
	h.t.Helper()
	l, err := h.List(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// await waits until ok, looking whenever the provider says that something changed.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	testkit.Await(h.t, h.changes, what, ok, func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return fmt.Sprintf("events: %+v\nlines: %q", h.events, h.lines)
	})
}

// awaitRunning waits for exactly n instances, all running, and returns them.
func (h *house) awaitRunning(n int) []scaler.Instance {
	h.t.Helper()
	var l []scaler.Instance
	h.await(fmt.Sprintf("%d instances run", n), func() bool {
		l = h.list()
		return len(l) == n && !slices.ContainsFunc(l, func(i scaler.Instance) bool { return i.State != scaler.InstanceRunning })
	})
	return l
}

func (h *house) awaitEvent(kind EventKind) Event {
	h.t.Helper()
	var found Event
	h.await("there is an event "+string(kind), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := slices.IndexFunc(h.events, func(e Event) bool { return e.Kind == kind })
		if i >= 0 {
			found = h.events[i]
		}
		return i >= 0
	})
	return found
}

func (h *house) count(kind EventKind) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// awaitLines waits until n lines with that prefix were written, and returns what follows the prefix.
func (h *house) awaitLines(n int, prefix string) []string {
	h.t.Helper()
	var out []string
	h.await(fmt.Sprintf("%d lines %q are written", n, prefix), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		out = nil
		for _, l := range h.lines {
			if rest, ok := strings.CutPrefix(l, prefix); ok {
				out = append(out, rest)
			}
		}
		return len(out) >= n
	})
	return out
}

func (h *house) pid(id string) int {
	h.Provider.mu.Lock()
	defer h.Provider.mu.Unlock()
	return h.fleet.Get(id).proc.pid
}

// awaitGone waits until a process that is not ours to wait for has ended.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	testkit.AwaitThat(t, fmt.Sprintf("process %d is gone", pid), func() bool {
		_, err := startTime(pid)
		return err != nil
	})
}

// startGateway starts a gateway of its own process. Its output is a stream of lines.
func startGateway(t *testing.T, job gatewayJob) (*exec.Cmd, io.Reader) {
	t.Helper()
	b, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_ROLE=gateway", "TEST_JOB="+string(b))
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		r.Close()
		endMarked(t, job.Owner)
	})
	return cmd, r
}

// endMarked ends what a test left of owner.
func endMarked(t *testing.T, owner string) {
	t.Helper()
	err := endVictims(context.Background(), func() ([]victim, error) {
		var out []victim
		for _, m := range leadersOf(t, owner) {
			out = append(out, victim{pid: m.pid, startTime: m.startTime, leads: true})
		}
		return out, nil
	}, 0)
	if err != nil {
		t.Error(err)
	}
	if c, err := newCgroups("", "shop", slog.New(slog.DiscardHandler)); err == nil {
		c.sweep()
	}
}

// leadersOf returns the processes that lead a group and carry a mark of owner.
func leadersOf(t *testing.T, owner string) []marked {
	t.Helper()
	all, err := findMarked()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(m marked) bool {
		_, ok := idOf(m.mark, "shop", owner)
		return !ok || !m.leads()
	})
}

func storeIn(t *testing.T) fileStore { return fileStore{filepath.Join(t.TempDir(), "records.json")} }
