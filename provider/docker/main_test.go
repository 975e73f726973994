package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
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

// The test binary is also the gateway that some tests kill: the environment says which.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_GATEWAY") != "" {
		gateway()
	}
	goleak.VerifyTestMain(m)
}

// gateway runs a provider until it kills itself, after as many events as it is told. What it is to do stands in the environment as JSON.
func gateway() {
	var job gatewayJob
	if err := json.Unmarshal([]byte(os.Getenv("TEST_GATEWAY")), &job); err != nil {
		panic(err)
	}
	o := Options{Service: "shop", Owner: job.Owner, Image: job.Image, Port: 8080, Env: job.Env, Pull: PullNever, OnExit: job.OnExit}
	var mu sync.Mutex
	started := 0
	o.OnEvent = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == Started {
			started++
		}
		if started == job.DieAfter {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	p, err := New(o)
	if err != nil {
		panic(err)
	}
	go p.Run(context.Background(), func() {})
	if err := p.Scale(context.Background(), shopV1, job.Count, nil); err != nil {
		panic(err)
	}
	select {}
}

type gatewayJob struct {
	Owner, Image string
	Env          map[string]string
	OnExit       OnExit
	Count        int
	DieAfter     int // starts
}

var shopV1 = scaler.Revision{Service: "shop", Version: "v1"}

// house is a running provider with what it told.
type house struct {
	*Provider
	t       *testing.T
	changes chan struct{} // capacity 1
	cancel  context.CancelFunc
	done    chan error

	mu     sync.Mutex // protects events
	events []Event
}

const patience = testkit.Patience

// newHouse makes a provider from o, which need not name service, owner and funcs, and runs it until the test ends.
func newHouse(t *testing.T, o Options) *house {
	t.Helper()
	h := newIdleHouse(t, o)
	h.start()
	return h
}

// newIdleHouse is newHouse without running it.
func newIdleHouse(t *testing.T, o Options) *house {
	t.Helper()
	h := &house{t: t, changes: make(chan struct{}, 1), done: make(chan error, 1)}
	o.Service = cmp.Or(o.Service, "shop")
	o.Owner = cmp.Or(o.Owner, ownerOf(t))
	o.Port = cmp.Or(o.Port, 8080)
	if o.Backoff == (Backoff{}) {
		o.Backoff = Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond}
	}
	o.pace.reconnect = Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond}
	o.pace.measure = cmp.Or(o.pace.measure, 50*time.Millisecond)
	o.pace.relist = cmp.Or(o.pace.relist, time.Hour) // where nothing else is said, events have to do
	o.pace.answer = cmp.Or(o.pace.answer, patience)
	o.pace.end = cmp.Or(o.pace.end, patience)
	o.pace.work = cmp.Or(o.pace.work, patience)
	o.OnEvent = func(e Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}
	var err error
	if h.Provider, err = New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go func() { h.done <- h.Run(ctx, h.changed) }()
	h.t.Cleanup(func() {
		if err := h.end(); err != nil {
			h.t.Errorf("Run: %s", err)
		}
	})
}

func ownerOf(t *testing.T) string {
	return strings.ReplaceAll(t.Name(), "/", ".") + "-" + strconv.Itoa(os.Getpid())
}

func (h *house) changed() {
	select {
	case h.changes <- struct{}{}:
	default:
	}
}

// end ends the provider, once, and returns what Run returned.
func (h *house) end() error {
	h.cancel()
	err, ok := <-h.done
	if ok {
		close(h.done)
	}
	return err
}

func (h *house) scale(count int, leaving ...string) {
	h.t.Helper()
	if err := h.Scale(h.t.Context(), shopV1, count, leaving); err != nil {
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
		return fmt.Sprintf("events: %+v", h.events)
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

func (h *house) awaitEvent(kind EventKind) Event { return h.awaitEvents(kind, 1)[0] }

// awaitEvents waits until there are n events of kind.
func (h *house) awaitEvents(kind EventKind, n int) []Event {
	h.t.Helper()
	var found []Event
	h.await(fmt.Sprintf("there are %d events %s", n, kind), func() bool {
		found = h.told(kind)
		return len(found) >= n
	})
	return found
}

// told returns the events of kind so far.
func (h *house) told(kind EventKind) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.events), func(e Event) bool { return e.Kind != kind })
}

// containerOf returns the id of the container of an instance.
func (h *house) containerOf(id string) string {
	h.Provider.mu.Lock()
	defer h.Provider.mu.Unlock()
	return h.fleet.Get(id).run.id
}
