package docker

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gatewayd/scaler"
)

func TestEngineScaleOutAndIn(t *testing.T) {
	e := needEngine(t)
	o := e.options("serve")
	o.CPU, o.MemoryBytes, o.Command = 0.5, 64<<20, []string{"--color", "{{.Version}}"}
	h := newHouse(t, o)
	h.scale(3)
	l := h.awaitRunning(3)
	for _, in := range l {
		if !strings.HasPrefix(in.Address, "127.0.0.1:") {
			t.Fatalf("%s is at %s; want a published port", in.ID, in.Address)
		}
		answers(t, in, "shop v1 "+in.ID)
	}
	c := e.inspect(h.containerOf(l[0].ID))
	if c.HostConfig.NanoCPUs != 5e8 || c.HostConfig.Memory != 64<<20 || !slices.Equal(c.Config.Cmd, []string{"--color", "v1"}) {
		t.Fatalf("got limits %+v, command %q", c.HostConfig.Resources, c.Config.Cmd)
	}
	for label, want := range map[string]string{labelOwner: ownerOf(t), labelService: "shop", labelVersion: "v1", labelInstance: l[0].ID} {
		if got := c.Config.Labels[label]; got != want {
			t.Errorf("label %s is %q; want %q", label, got, want)
		}
	}
	h.scale(3)
	if n := len(h.told(Started)); n != 3 {
		t.Fatalf("scaling to the present count started %d more", n-3)
	}
	h.scale(1, l[0].ID) // that one, then the newest
	if rest := h.awaitRunning(1); rest[0].ID != l[1].ID {
		t.Fatalf("%q was kept; want %q", rest[0].ID, l[1].ID)
	}
	if left := e.containers(ownerOf(t)); len(left) != 1 || left[0].Labels[labelInstance] != l[1].ID {
		t.Fatalf("these containers are left: %+v", left)
	}
	h.scale(0)
	h.awaitRunning(0)
	h.awaitEvents(Stopped, 3)
	if n := len(h.told(Exited)); n != 0 {
		t.Fatalf("%d instances that were asked to end are told as exited", n)
	}
}

func TestEngineNetworkAddress(t *testing.T) {
	e := needEngine(t)
	network, err := e.cli.NetworkCreate(t.Context(), ownerOf(t), client.NetworkCreateOptions{Driver: "bridge"})
	if err != nil {
		t.Skipf("this Docker Engine makes no networks: %s", err)
	}
	t.Cleanup(func() { e.cli.NetworkRemove(context.Background(), network.ID, client.NetworkRemoveOptions{}) })
	o := e.options("serve")
	o.Network = ownerOf(t)
	h := newHouse(t, o)
	h.scale(2)
	for _, in := range h.awaitRunning(2) {
		if !strings.HasSuffix(in.Address, ":8080") || strings.HasPrefix(in.Address, "127.") {
			t.Fatalf("%s is at %s; want the container's own address", in.ID, in.Address)
		}
		answers(t, in, "shop v1 "+in.ID)
	}
	h.scale(0)
	h.awaitRunning(0)
}

func TestEngineHostNetwork(t *testing.T) {
	e := needEngine(t)
	o := e.options("serve")
	o.Network = "host"
	h := newHouse(t, o)
	h.scale(2)
	for _, in := range h.awaitRunning(2) {
		answers(t, in, "shop v1 "+in.ID)
	}
}

func TestEngineMissingNetwork(t *testing.T) {
	e := needEngine(t)
	o := e.options("serve")
	o.Network = "nowhere"
	h := newHouse(t, o)
	h.scale(1)
	if ev := h.awaitEvent(StartFailed); !strings.Contains(ev.Reason, "network nowhere not found") {
		t.Fatalf("got %q", ev.Reason)
	}
	h.scale(0)
	h.awaitRunning(0)
	if left := e.containers(ownerOf(t)); len(left) != 0 {
		t.Fatalf("these containers are left: %+v", left)
	}
}

func TestEngineKilledContainerIsStartedAgain(t *testing.T) {
	e := needEngine(t)
	h := newHouse(t, e.options("serve"))
	h.scale(2)
	l := h.awaitRunning(2)
	answers(t, l[0], "shop v1 "+l[0].ID)
	first := h.containerOf(l[0].ID)
	e.kill(first)
	ev := h.awaitEvent(Exited)
	if ev.Instance.ID != l[0].ID || ev.Reason != "exit status 137 (killed)" || len(ev.Output) != 1 || !strings.HasPrefix(ev.Output[0], "listening on") {
		t.Fatalf("got %+v", ev)
	}
	if ev := h.awaitEvent(Restarted); ev.Instance.ID != l[0].ID || ev.Instance.Restarts != 1 || ev.Instance.LastError != "exit status 137 (killed)" {
		t.Fatalf("got %+v", ev)
	}
	now := h.awaitRunning(2)
	i := slices.IndexFunc(now, func(in scaler.Instance) bool { return in.ID == l[0].ID })
	answers(t, now[i], "shop v1 "+l[0].ID)
	if second := h.containerOf(l[0].ID); second == first || e.inspect(second).Config.Labels[labelRestarts] != "1" {
		t.Fatalf("container %s runs after %s", second, first)
	}
	if left := e.containers(ownerOf(t)); len(left) != 2 {
		t.Fatalf("these containers are left: %+v", left)
	}
}

func TestEngineContainerThatSomebodyRemoved(t *testing.T) {
	e := needEngine(t)
	h := newHouse(t, e.options("serve"))
	h.scale(1)
	in := h.awaitRunning(1)[0]
	if _, err := e.cli.ContainerRemove(t.Context(), h.containerOf(in.ID), client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	h.awaitEvent(Exited)
	h.awaitEvent(Restarted)
	h.awaitRunning(1)
}

func TestEngineContainerThatSomebodyRestarted(t *testing.T) {
	e := needEngine(t)
	h := newHouse(t, e.options("serve"))
	h.scale(1)
	in := h.awaitRunning(1)[0]
	answers(t, in, "shop v1 "+in.ID)
	e.cli.ContainerRestart(t.Context(), h.containerOf(in.ID), client.ContainerRestartOptions{}) // the provider may be quicker
	h.await("it runs where it answers", func() bool {
		l := h.list()
		return len(l) == 1 && l[0].State == scaler.InstanceRunning && (l[0].Restarts == 1 || l[0].Address != in.Address)
	})
	answers(t, h.awaitRunning(1)[0], "shop v1 "+in.ID)
	if left := e.containers(ownerOf(t)); len(left) != 1 {
		t.Fatalf("these containers are left: %+v", left)
	}
}

func TestEngineCrashingContainerBacksOff(t *testing.T) {
	e := needEngine(t)
	h := newHouse(t, e.options("fail"))
	h.scale(1)
	ev := h.awaitEvents(Exited, 3)[0]
	slices.Sort(ev.Output) // of two streams
	if ev.Reason != "exit status 3" || !slices.Equal(ev.Output, []string{"cannot read it", "reading the config"}) {
		t.Fatalf("got %+v", ev)
	}
	if ev.Instance.State != scaler.InstanceBackoff || ev.Instance.RetryAt.IsZero() || ev.Instance.Address != "" {
		t.Fatalf("after its end it is %+v", ev.Instance)
	}
	h.scale(0)
	h.awaitRunning(0)
	if left := e.containers(ownerOf(t)); len(left) != 0 {
		t.Fatalf("these containers are left: %+v", left)
	}
}

func TestEngineOutOfMemory(t *testing.T) {
	e := needEngine(t)
	o := e.options("eat")
	o.MemoryBytes = 16 << 20
	h := newHouse(t, o)
	h.scale(1)
	if ev := h.awaitEvent(Exited); !ev.Instance.OOMKilled {
		t.Fatalf("got %+v", ev)
	}
	h.awaitEvent(OutOfMemory)
}

func TestEngineUsage(t *testing.T) {
	e := needEngine(t)
	h := newHouse(t, e.options("spin"))
	h.scale(1)
	h.awaitRunning(1)
	h.await("it is seen to use CPU and memory", func() bool {
		u := h.list()[0].Usage
		return u.CPU > 0.05 && u.MemoryBytes > 100<<10 && !u.At.IsZero()
	})
}

func TestEngineEndOfRunEndsContainers(t *testing.T) {
	e := needEngine(t)
	o := e.options("stubborn")
	o.StopTimeout = time.Second
	h := newHouse(t, o)
	h.scale(2)
	answers(t, h.awaitRunning(2)[0], "shop v1 "+h.list()[0].ID)
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	if left := e.containers(ownerOf(t)); len(left) != 0 {
		t.Fatalf("these containers are left: %+v", left)
	}
	if err := h.Scale(t.Context(), shopV1, 1, nil); err == nil || !strings.Contains(err.Error(), "the provider has ended") {
		t.Fatalf("got %v for scaling after the end", err)
	}
}

// earlier makes h a gateway that lives no more once it has ended.
func (h *house) earlier() { h.life.process = "1073741824-1" }

func TestEngineAdopt(t *testing.T) {
	e := needEngine(t)
	o := e.options("serve")
	o.OnExit = Adopt
	one := newIdleHouse(t, o)
	one.earlier()
	one.start()
	one.scale(2)
	before := one.awaitRunning(2)
	e.kill(one.containerOf(before[1].ID))
	one.awaitEvent(Restarted)
	before = one.awaitRunning(2)
	if err := one.end(); err != nil {
		t.Fatal(err)
	}
	if n := len(e.containers(ownerOf(t))); n != 2 {
		t.Fatalf("%d containers live on; want 2", n)
	}

	two := newHouse(t, o)
	after := two.awaitRunning(2)
	for _, b := range before {
		i := slices.IndexFunc(after, func(a scaler.Instance) bool { return a.ID == b.ID })
		if i < 0 || after[i].Address != b.Address || after[i].Version != "v1" || after[i].Restarts != b.Restarts || after[i].StartedAt.IsZero() {
			t.Fatalf("took over %+v; want %+v", after, before)
		}
	}
	if len(two.told(Adopted)) != 2 || len(two.told(Started)) != 0 {
		t.Fatalf("got %+v", two.events)
	}
	two.scale(2)
	e.kill(two.containerOf(after[0].ID))
	two.awaitEvent(Restarted)
	two.awaitRunning(2)
	two.scale(0)
	two.awaitRunning(0)
	if left := e.containers(ownerOf(t)); len(left) != 0 {
		t.Fatalf("these containers are left: %+v", left)
	}
}

// Wherever in a scale-out the gateway is killed, the next one ends up with the right count, and nothing runs twice.
func TestEngineKilledGateway(t *testing.T) {
	e := needEngine(t)
	f := func(exit OnExit, count, dieAfter int) {
		t.Helper()
		o := e.options("serve")
		o.OnExit = exit
		b, err := json.Marshal(gatewayJob{Owner: ownerOf(t), Image: o.Image, Env: o.Env, OnExit: exit, Count: count, DieAfter: dieAfter})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TEST_GATEWAY="+string(b))
		cmd.Stderr = os.Stderr
		cmd.Run() // it kills itself
		survivors := 0
		for _, c := range e.containers(ownerOf(t)) {
			if c.State == container.StateRunning {
				survivors++
			}
		}
		if survivors == 0 {
			t.Fatal("nothing survived: the test tests nothing")
		}
		h := newHouse(t, o)
		h.scale(count)
		h.awaitRunning(count)
		adopted, ended, fresh := len(h.told(Adopted)), len(h.told(Ended)), len(h.told(Started))
		switch {
		case exit == Adopt && (adopted < dieAfter || adopted+fresh != count):
			t.Errorf("adopt: %d survived, %d were taken over and %d started", survivors, adopted, fresh)
		case exit == Stop && (adopted != 0 || ended < survivors || fresh != count):
			t.Errorf("stop: %d survived, %d were ended, %d taken over and %d started", survivors, ended, adopted, fresh)
		}
		if n := len(e.containers(ownerOf(t))); n != count {
			t.Errorf("%s: %d containers; want %d", exit, n, count)
		}
		h.scale(0)
		h.awaitRunning(0)
	}
	f(Adopt, 3, 1)
	f(Adopt, 3, 2)
	f(Stop, 2, 1)
}

func TestEngineOthersAreLeftAlone(t *testing.T) {
	e := needEngine(t)
	foreign := []string{
		e.foreign(nil),
		e.foreign(map[string]string{labelOwner: "somebody", labelService: "shop", labelVersion: "v1", labelInstance: "v1-0001"}),
		e.foreign(map[string]string{labelOwner: ownerOf(t), labelService: "cart", labelVersion: "v1", labelInstance: "v1-0001"}),
	}
	o := e.options("serve")
	h := newHouse(t, o)
	h.scale(1)
	h.awaitRunning(1)
	h.end()
	for _, id := range foreign {
		if c := e.inspect(id); !c.State.Running {
			t.Errorf("container %+v of somebody else was ended", c.Config.Labels)
		}
	}
}

func TestEngineMissingImage(t *testing.T) {
	e := needEngine(t)
	f := func(pull PullPolicy, want string) {
		t.Helper()
		o := e.options("serve")
		o.Image, o.Pull = "localhost:1/gatewayd-test-nothing:v1", pull
		h := newHouse(t, o)
		h.scale(1)
		ev := h.awaitEvents(StartFailed, 2)[0]
		if !strings.HasPrefix(ev.Reason, want) || ev.Instance.State != scaler.InstanceBackoff {
			t.Errorf("%s: got %q in state %s; want %q", pull, ev.Reason, ev.Instance.State, want)
		}
		h.end()
	}
	f(PullNever, `image "localhost:1/gatewayd-test-nothing:v1" is not there, and provider.docker.pull is never`)
	f(PullMissing, `cannot pull image "localhost:1/gatewayd-test-nothing:v1": `)
	f(PullAlways, `cannot pull image "localhost:1/gatewayd-test-nothing:v1": `)
}

func TestEngineMissingProgram(t *testing.T) {
	e := needEngine(t)
	o := e.options("serve")
	o.CPU = 4096
	h := newHouse(t, o)
	h.scale(1)
	if ev := h.awaitEvent(StartFailed); !strings.Contains(ev.Reason, "CPUs") {
		t.Errorf("got %q", ev.Reason)
	}
}
