package exec

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/internal/testkit"
	"gatewayd/scaler"
)

// The test binary is also the program that the example scripts start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-instance" {
		serve()
		return
	}
	goleak.VerifyTestMain(m)
}

func serve() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("demo v1 listens on", ln.Addr())
	<-term
}

const patience = testkit.Patience

var shopV1 = scaler.Revision{Service: "shop", Version: "v1"}

// house is a running provider with what it told.
type house struct {
	*Provider
	t       *testing.T
	dir     string // of its scripts, which they find in DIR
	changes chan struct{}
	cancel  context.CancelFunc
	done    chan error

	mu     sync.Mutex // protects events
	events []Event
}

// newHouse runs a provider whose commands are shell scripts with these bodies until the test ends.
func newHouse(t *testing.T, scale, list string, edit func(*Options)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), changes: make(chan struct{}, 1), done: make(chan error, 1)}
	o := Options{
		Service: "shop", Interval: 10 * time.Millisecond, Timeout: patience, Env: map[string]string{"DIR": h.dir},
		Scale: []string{h.write("scale.sh", scale)}, List: []string{h.write("list.sh", list)},
		OnEvent: func(e Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
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
	go func() { h.done <- h.Run(ctx, h.poke) }()
	t.Cleanup(h.end)
	return h
}

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

func (h *house) poke() {
	select {
	case h.changes <- struct{}{}:
	default:
	}
}

// write makes a file of the scripts' folder.
func (h *house) write(name, body string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if strings.HasSuffix(name, ".sh") {
		body = "#!/bin/sh\nset -eu\n" + body + "\n"
	}
	// In place at once: it may be read or run just now.
	if err := os.WriteFile(path+".new", []byte(body), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *house) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(h.dir, name))
	return string(b)
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

func (h *house) awaitIDs(want string) []scaler.Instance {
	h.t.Helper()
	var l []scaler.Instance
	h.await("the instances are "+want, func() bool {
		var err error
		l, err = h.List(h.t.Context())
		return err == nil && idsOf(l) == want
	})
	return l
}

func idsOf(l []scaler.Instance) string {
	var ids []string
	for _, in := range l {
		ids = append(ids, in.ID)
	}
	return strings.Join(ids, " ")
}
