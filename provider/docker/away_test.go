package docker

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"gatewayd/scaler"
)

// Only the Engine's answers count: while it is away nothing is known, and nothing is given up.
func TestEngineThatIsAwayAtFirst(t *testing.T) {
	e := newFakeEngine(t)
	e.shut()
	h := e.house(nil)
	if _, err := h.List(t.Context()); err == nil || !strings.Contains(err.Error(), `cannot list the instances of "shop": the Docker Engine at unix://`) {
		t.Fatalf("got %v", err)
	}
	h.awaitEvent(EngineAway)
	e.open()
	h.awaitEvent(EngineBack)
	h.scale(1)
	h.awaitRunning(1)
	if n := len(h.told(EngineAway)); n != 1 {
		t.Errorf("that the Engine was away was told %d times", n)
	}
}

func TestEngineThatGoesAway(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(nil)
	h.scale(3)
	before := h.awaitRunning(3)
	e.shut()
	h.awaitEvent(EngineAway)
	if l, err := h.List(t.Context()); err == nil {
		t.Fatalf("got %+v from an Engine that is away", l)
	}
	e.die(h.containerOf(before[0].ID), 137) // as one may while nobody looks
	e.with(func() { delete(e.containers, h.containerOf(before[1].ID)) })
	e.open()
	h.awaitEvent(EngineBack)
	exits := h.awaitEvents(Exited, 2)
	slices.SortFunc(exits, func(a, b Event) int { return strings.Compare(a.Reason, b.Reason) })
	if exits[0].Reason != "exit status 137: killed for want of memory" || !exits[0].Instance.OOMKilled ||
		exits[1].Reason != "its container was removed by somebody else" || exits[1].Instance.OOMKilled {
		t.Errorf("got %+v", exits)
	}
	after := h.awaitRunning(3)
	if i := slices.IndexFunc(after, func(in scaler.Instance) bool { return in.ID == before[2].ID }); after[i].Restarts != 0 || after[i].Address != before[2].Address {
		t.Errorf("the one that lived on is %+v; want %+v", after[i], before[2])
	}
}

// An Engine that goes away in the middle of a start has not refused it.
func TestEngineThatGoesAwayInAStart(t *testing.T) {
	f := func(call string) {
		t.Helper()
		e := newFakeEngine(t)
		cut := false
		e.fail = func(c string) (int, string) {
			if !cut && strings.HasPrefix(c, "POST /containers/") && strings.HasSuffix(c, call) {
				cut = true
				panic(http.ErrAbortHandler) // the connection breaks before or after it was done: nobody knows
			}
			return 0, ""
		}
		h := e.house(nil)
		h.scale(1)
		h.awaitRunning(1)
		if n := len(h.told(StartFailed)); n != 0 || !cut {
			t.Errorf("%d failed starts; want none", n)
		}
	}
	f("/create")
	f("/start")
}

// A container that the Engine made without being able to say so is not in the way, and does not run beside another.
func TestCreateWhoseAnswerWasLost(t *testing.T) {
	e := newFakeEngine(t)
	lost := false
	h := e.idleHouse(nil)
	e.fail = func(c string) (int, string) {
		if c == "POST /containers/create" && !lost {
			lost = true
			h.Provider.mu.Lock()
			for _, in := range h.fleet.List() {
				e.containers["x"] = &fakeContainer{id: "x", name: h.containerName(in.ID, 1), state: container.StateCreated}
			}
			h.Provider.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		return 0, ""
	}
	h.start()
	h.scale(1)
	h.awaitRunning(1)
	if len(e.containers) != 1 || e.containers["x"] != nil {
		t.Errorf("got %+v", e.containers)
	}
}

// A frozen Engine answers nothing and closes nothing.
func TestEngineThatHangs(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(func(o *Options) { o.pace.relist, o.pace.answer = 10*time.Millisecond, 2*time.Second })
	h.scale(1)
	h.awaitRunning(1)
	release := make(chan struct{})
	e.with(func() {
		e.fail = func(string) (int, string) {
			e.mu.Unlock()
			<-release
			e.mu.Lock()
			return 0, ""
		}
	})
	if ev := h.awaitEvent(EngineAway); ev.Reason != "it gives no answer in time" {
		t.Errorf("got %q", ev.Reason)
	}
	close(release)
	h.awaitEvent(EngineBack)
	h.awaitRunning(1)
}

// A gateway that ends while the Engine is away does not wait for ever, and says what it left.
func TestEndWhileTheEngineIsAway(t *testing.T) {
	e := newFakeEngine(t)
	f := func(exit OnExit, wantErr string) {
		t.Helper()
		h := e.idleHouse(func(o *Options) { o.OnExit, o.pace.end = exit, 20*time.Millisecond })
		h.earlier()
		h.start()
		h.scale(2)
		h.awaitRunning(2)
		e.shut()
		h.awaitEvent(EngineAway)
		if got := fmt.Sprint(h.end()); got != wantErr {
			t.Errorf("%s: got %s; want %s", exit, got, wantErr)
		}
		e.open()
	}
	f(Adopt, "<nil>")
	f(Stop, `cannot end 2 containers of "shop" in time: the next start of the gateway does it`)
}
