package docker

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"

	"gatewayd/internal/launch"
	"gatewayd/internal/testkit"
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
	testkit.AwaitThat(t, "the container is removed", func() bool {
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

func TestNewInstancesOfAFailingRevisionWait(t *testing.T) {
	e := newFakeEngine(t)
	h := e.house(func(o *Options) { o.Backoff = Backoff{Base: time.Hour} })
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
