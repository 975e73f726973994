package docker

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"gatewayd/scaler"
)

// labelsOf are those that a gateway with that life gives its containers.
func labelsOf(h *house, id, gateway string) map[string]string {
	return map[string]string{labelOwner: h.o.Owner, labelService: "shop", labelVersion: "v1", labelInstance: id, labelGateway: gateway,
		labelRestarts: "2", labelPort: "8080"}
}

// parentLife is the life of a gateway that lives: the parent of this process.
func parentLife(t *testing.T) string {
	start, err := startTime(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d-%d", os.Getppid(), start)
}

// What containers without an instance there are at the start, and what becomes of them.
func TestTakeStock(t *testing.T) {
	const dead = "1073741824-1/aa"
	f := func(exit OnExit, gateway string, state container.ContainerState, want string) {
		t.Helper()
		e := newFakeEngine(t)
		h := e.idleHouse(func(o *Options) { o.OnExit = exit })
		gateway = strings.NewReplacer("SELF", h.life.process, "MINE", h.life.String(), "PARENT", parentLife(t)).Replace(gateway)
		c := e.add(labelsOf(h, "v1-0001", gateway))
		c.state = state
		h.start()
		l := h.list()
		got := "spared"
		switch {
		case len(l) == 1 && l[0].ID == "v1-0001" && l[0].Version == "v1" && l[0].Restarts == 2 && l[0].State == scaler.InstanceRunning && len(h.told(Adopted)) == 1:
			got = "adopted"
		case len(e.containers) == 0:
			got = "ended"
			if n := len(h.told(Ended)); (n == 1) == (gateway == h.life.String()) {
				t.Errorf("gateway %s: its end was told %d times", gateway, n)
			}
		}
		if got != want {
			t.Errorf("onGatewayExit %s, container %s of gateway %s: it was %s; want %s", exit, state, gateway, got, want)
		}
	}
	running, exited, created := container.StateRunning, container.StateExited, container.StateCreated
	f(Adopt, dead, running, "adopted")
	f(Adopt, dead, exited, "ended")
	f(Adopt, dead, created, "ended")
	f(Adopt, "", running, "adopted")
	f(Adopt, "PARENT/aa", running, "adopted")
	f(Adopt, "SELF/aa", running, "spared")
	f(Adopt, "SELF/aa", exited, "spared")
	f(Adopt, "MINE", running, "ended")
	f(Stop, dead, running, "ended")
	f(Stop, dead, exited, "ended")
	f(Stop, "PARENT/aa", running, "spared")
	f(Stop, "SELF/aa", running, "spared")
}

// The Engine goes away while leftovers are being ended: that is known, and the next connection waits for them all the same.
func TestEngineThatGoesAwayInTakingStock(t *testing.T) {
	e := newFakeEngine(t)
	h := e.idleHouse(func(o *Options) { o.OnExit = Stop })
	e.add(labelsOf(h, "v1-0001", "1073741824-1/aa"))
	stopping := make(chan struct{}, 100)
	hold := true
	e.fail = func(c string) (int, string) {
		if strings.HasSuffix(c, "/stop") && hold {
			stopping <- struct{}{}
			return 503, "shutting down"
		}
		return 0, ""
	}
	h.start()
	<-stopping
	e.shut()
	if l, err := h.List(t.Context()); err == nil {
		t.Fatalf("got %+v from an Engine that is away", l)
	}
	e.with(func() { hold = false })
	e.open()
	h.awaitEvent(EngineBack)
	h.awaitEvent(Ended)
	if l := h.list(); len(l) != 0 {
		t.Errorf("got %+v", l)
	}
}

// The Engine may not know filters; the labels decide.
func TestOthersAreLeftAlone(t *testing.T) {
	e := newFakeEngine(t)
	h := e.idleHouse(func(o *Options) { o.OnExit = Stop })
	e.add(nil)
	for _, label := range []string{labelOwner, labelService, labelInstance} {
		l := labelsOf(h, "v1-0001", "1073741824-1/aa")
		l[label] = ""
		e.add(l)
	}
	h.start()
	h.scale(1)
	h.awaitRunning(1)
	h.scale(0)
	h.awaitRunning(0)
	h.end()
	if len(e.containers) != 4 || len(h.told(Ended))+len(h.told(Adopted)) != 0 {
		t.Errorf("got %+v after %+v", e.containers, h.events)
	}
}
