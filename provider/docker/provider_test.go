package docker

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"gatewayd/scaler"
)

func TestScale(t *testing.T) {
	f := newFakeEngine(t)
	h := f.house(func(o *Options) { o.OnExit = Stop })
	h.scale(3)
	l := h.awaitRunning(3)
	h.scale(1, l[2].ID, "v1-none", l[0].ID)
	if rest := h.awaitRunning(1); rest[0].ID != l[1].ID {
		t.Fatalf("%q was kept; want %q", rest[0].ID, l[1].ID)
	}
	if err := h.Scale(t.Context(), scaler.Revision{Service: "cart", Version: "v1"}, 1, nil); err == nil {
		t.Error("scaled another service")
	}
	if err := h.Scale(t.Context(), shopV1, -1, nil); err == nil {
		t.Error("scaled to -1")
	}
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	if n := len(f.containers); n != 0 {
		t.Fatalf("%d containers are left", n)
	}
}

// Engines differ in the order of events at the end of a container, and in which there are.
func TestEventOrder(t *testing.T) {
	f := func(dying ...events.Action) {
		t.Helper()
		e := newFakeEngine(t)
		e.dying = dying
		h := e.house(nil)
		h.scale(1)
		in := h.awaitRunning(1)[0]
		e.die(h.containerOf(in.ID), 2)
		if ev := h.awaitEvent(Exited); ev.Reason != "exit status 2" {
			t.Errorf("got %q", ev.Reason)
		}
		h.awaitEvent(Restarted)
		if l := h.awaitRunning(1); l[0].Restarts != 1 || l[0].ID != in.ID {
			t.Errorf("got %+v", l)
		}
		h.scale(0)
		h.awaitRunning(0)
		if n := len(h.told(Exited)); n != 1 {
			t.Errorf("one end was told %d times", n)
		}
	}
	f(events.ActionKill, events.ActionDie, events.ActionStop)
	f(events.ActionKill, events.ActionStop, events.ActionDie)
	f(events.ActionDie)
	f(events.ActionDie, events.ActionDie)
}

func TestMissedEvent(t *testing.T) {
	e := newFakeEngine(t)
	e.dying = nil
	h := e.house(func(o *Options) { o.pace.relist = 10 * time.Millisecond })
	h.scale(1)
	e.die(h.containerOf(h.awaitRunning(1)[0].ID), 2)
	h.awaitEvent(Restarted)
	h.scale(0)
	h.awaitRunning(0)
}

func TestContainerThatDiesAtOnce(t *testing.T) {
	e := newFakeEngine(t)
	e.stillborn = true
	h := e.house(nil)
	h.scale(1)
	for _, ev := range h.awaitEvents(Exited, 3) {
		if ev.Instance.RetryAt.Before(ev.At) && ev.At.Sub(ev.Instance.RetryAt) > time.Millisecond {
			t.Errorf("it is tried again at %s, before it ended at %s", ev.Instance.RetryAt, ev.At)
		}
	}
	h.scale(0)
	h.awaitRunning(0)
	if n := len(e.containers); n != 0 {
		t.Errorf("%d containers are left", n)
	}
}

// What the Engine refuses becomes an event that says why, and nothing is left behind.
func TestStartFailures(t *testing.T) {
	f := func(call string, status int, message, want string) {
		t.Helper()
		e := newFakeEngine(t)
		e.fail = func(c string) (int, string) {
			if ok, _ := path.Match(call, c); ok {
				return status, message
			}
			return 0, ""
		}
		h := e.house(func(o *Options) { o.Pull = PullAlways })
		h.scale(1)
		ev := h.awaitEvents(StartFailed, 2)[0]
		if ev.Reason != want || ev.Instance.State != scaler.InstanceBackoff || ev.Instance.LastError != want {
			t.Errorf("got  %q, %+v\nwant %q", ev.Reason, ev.Instance, want)
		}
		e.with(func() { e.fail = func(string) (int, string) { return 0, "" } })
		h.awaitRunning(1)
		h.scale(0)
		h.awaitRunning(0)
		if n := len(e.containers); n != 0 {
			t.Errorf("%d containers are left", n)
		}
	}
	f("POST /images/create", 404, "pull access denied for shop, repository does not exist", `cannot pull image "shop:v1": pull access denied for shop, repository does not exist`)
	f("POST /images/create", 500, "write /var/lib/docker/tmp/x: no space left on device",
		`cannot pull image "shop:v1": the disk of the Docker Engine is full: write /var/lib/docker/tmp/x: no space left on device`)
	f("POST /containers/create", 500, "mkdir /var/lib/docker/overlay2/x: no space left on device",
		`cannot create a container of image "shop:v1": the disk of the Docker Engine is full: mkdir /var/lib/docker/overlay2/x: no space left on device`)
	f("POST /containers/create", 400, "Range of CPUs is from 0.01 to 2.00", `cannot create a container of image "shop:v1": Range of CPUs is from 0.01 to 2.00`)
	f("POST /containers/*/start", 500, "driver failed programming external connectivity: port is already allocated",
		"cannot start the container: driver failed programming external connectivity: port is already allocated")
}

// A pull reports its failure in a stream that began well.
func TestPullThatFailsMidway(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(func(o *Options) { o.Image, o.Pull = "broken:{{.Version}}", PullMissing })
	h.scale(1)
	ev := h.awaitEvent(StartFailed)
	if want := `cannot pull image "broken:v1": the disk of the Docker Engine is full: failed to register layer: no space left on device`; ev.Reason != want {
		t.Errorf("got  %q\nwant %q", ev.Reason, want)
	}
}

func TestPullPolicies(t *testing.T) {
	f := func(pull PullPolicy, there bool, wantPulls int, wantStarted bool) {
		t.Helper()
		e := newFakeEngine(t)
		e.images = map[string]bool{"shop:v1": there}
		h := e.house(func(o *Options) { o.Pull = pull })
		h.scale(1)
		if wantStarted {
			h.awaitRunning(1)
		} else if ev := h.awaitEvent(StartFailed); ev.Reason != `image "shop:v1" is not there, and provider.docker.pull is never` {
			t.Errorf("got %q", ev.Reason)
		}
		if n := e.count("POST /images/create"); n != wantPulls {
			t.Errorf("pull %s: %d pulls; want %d", pull, n, wantPulls)
		}
	}
	f(PullAlways, true, 1, true)
	f(PullAlways, false, 1, true)
	f(PullMissing, true, 0, true)
	f(PullMissing, false, 1, true)
	f(PullNever, true, 0, true)
	f(PullNever, false, 0, false)
}

// Instances that need an image at the same time wait for one pull, and leave when they are not wanted any more.
func TestPullIsShared(t *testing.T) {
	e := newFakeEngine(t)
	pulling := make(chan struct{}, 3)
	release := make(chan struct{})
	atOnce := 0
	e.fail = func(c string) (int, string) {
		if c == "POST /images/create" {
			if atOnce++; atOnce > 1 {
				t.Error("two pulls at once")
			}
			pulling <- struct{}{}
			e.mu.Unlock()
			<-release
			e.mu.Lock()
			atOnce--
		}
		return 0, ""
	}
	h := e.house(func(o *Options) { o.Image = "cart:{{.Version}}" })
	h.scale(3)
	<-pulling
	h.scale(2)
	h.await("one has left", func() bool { return len(h.told(Stopped)) == 1 })
	close(release)
	h.awaitRunning(2)
}

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
			for id := range h.instances {
				e.containers["x"] = &fakeContainer{id: "x", name: h.containerName(id, 1), state: container.StateCreated}
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

// An instance whose container does not stop stays in the list; one whose container only cannot be removed does not.
func TestContainerThatDoesNotEnd(t *testing.T) {
	e := newFakeEngine(t)
	refusals := map[string]int{"/stop": 3, "DELETE": 3}
	e.fail = func(c string) (int, string) {
		for part := range refusals {
			if strings.Contains(c, part) && refusals[part] > 0 {
				refusals[part]--
				return 500, "driver failed to do it: device or resource busy"
			}
		}
		return 0, ""
	}
	h := e.house(func(o *Options) { o.pace.relist = 10 * time.Millisecond })
	h.scale(1)
	h.awaitRunning(1)
	h.scale(0)
	h.awaitRunning(0)
	e.with(func() {
		if refusals["/stop"] != 0 || len(e.containers) != 1 {
			t.Errorf("the instance is gone, while %d containers are there and stopping is refused %d times more", len(e.containers), refusals["/stop"])
		}
	})
	awaitThat(t, "the container is removed", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.containers) == 0
	})
	if n := len(h.told(Ended)); n != 0 {
		t.Errorf("a container of this gateway was told as one of an earlier one")
	}
}

// A container that died and cannot be removed is not in the way of the next.
func TestContainerThatCannotBeRemoved(t *testing.T) {
	e := newFakeEngine(t)
	e.fail = func(c string) (int, string) {
		if strings.HasPrefix(c, "DELETE") {
			return 500, "driver failed to remove root filesystem: device or resource busy"
		}
		return 0, ""
	}
	h := e.house(nil)
	h.scale(1)
	e.die(h.containerOf(h.awaitRunning(1)[0].ID), 1)
	h.awaitEvent(Restarted)
	h.awaitRunning(1)
}

func TestOutOfMemory(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(nil)
	h.scale(1)
	in := h.awaitRunning(1)[0]
	e.with(func() { e.tell(e.containers[h.containerOf(in.ID)], events.ActionOOM) })
	if ev := h.awaitEvent(OutOfMemory); ev.Instance.ID != in.ID || ev.Instance.State != scaler.InstanceRunning {
		t.Errorf("got %+v", ev)
	}
	e.die(h.containerOf(in.ID), 9) // the Engine has not noted it with the container
	if ev := h.awaitEvent(Exited); !ev.Instance.OOMKilled {
		t.Errorf("got %+v", ev)
	}
	h.awaitEvent(Restarted)
}

func TestUsage(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(func(o *Options) { o.pace.measure = time.Millisecond })
	h.scale(1)
	h.await("it is measured", func() bool { l := h.list(); return len(l) == 1 && l[0].Usage.CPU > 0 })
	if u := h.list()[0].Usage; u.MemoryBytes != 4000 || u.CPU != 0.5 {
		t.Errorf("got %+v", u)
	}
	h.scale(0)
	h.awaitRunning(0)
}

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

func TestNewInstancesOfAFailingRevisionWait(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(nil)
	h.scale(0)
	until := time.Now().Add(time.Hour)
	f := func(failures int, want scaler.InstanceState) {
		t.Helper()
		h.Provider.mu.Lock()
		h.backoffs["v1"] = &backoff{failures: failures, notBefore: until}
		h.Provider.mu.Unlock()
		h.scale(1)
		h.await("the new instance is "+string(want), func() bool { return h.list()[0].State == want })
		if in := h.list()[0]; want == scaler.InstanceBackoff && (!in.RetryAt.Equal(until) || in.LastError == "") {
			t.Fatalf("got %+v", in)
		}
		h.scale(0)
		h.awaitRunning(0)
	}
	f(1, scaler.InstanceRunning) // one failure alone may be that instance's own
	f(2, scaler.InstanceBackoff)
}
