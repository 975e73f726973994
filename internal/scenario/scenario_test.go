package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/monitor"
)

func TestCapacity(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 40ms --latency-fixed --burn 2ms", service: `
    limits: {maxConcurrencyPerInstance: 2}
    resources: {cpu: 0.09}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(150)
	l.set(140)
	w.expect(o, monitor.Capacity, "")
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 50ms --latency-fixed", service: `
    limits: {maxConcurrencyPerInstance: 2}
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(150)
	l.set(110)
	w.expect(o, monitor.ConcurrencyLimit, "")
}

func TestDependencyIsSlow(t *testing.T) {
	t.Parallel()
	dependency := startDemo(t, "--latency", "20ms")
	w := start(t, setup{instances: 2, demo: "--latency 10ms --calls http://" + dependency + "/", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(knowsUsual * 20)
	sicken(t, dependency, "slow")
	w.expect(o, monitor.Dependency, "")
	sicken(t, dependency, "")
}

func TestDependencyFails(t *testing.T) {
	t.Parallel()
	dependency := startDemo(t, "--latency", "20ms")
	w := start(t, setup{instances: 3, demo: "--latency 10ms --calls http://" + dependency + "/", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(knowsUsual * 20)
	sicken(t, dependency, "errors")
	w.expect(o, monitor.Dependency, "")
	sicken(t, dependency, "")
}

// knowsUsual is how many seconds of healthy traffic the monitor wants to see before it knows what is usual.
const knowsUsual = 45

func TestCPU(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 30ms --burn 500us", service: `
    resources: {cpu: 0.1}
`})
	o, l := w.watch(), w.open(40)
	l.untilAnswered(200)
	for _, in := range w.instances() {
		sicken(t, in.Address, "burn")
	}
	w.expect(o, monitor.CPU, "")
}

func TestMemory(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5, memory: 72MiB}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(20 * 25)
	victim := w.instances()[1]
	sicken(t, victim.Address, "leak")
	w.expect(o, monitor.Memory, "")
	f, _ := o.find(monitor.Memory, "")
	for _, e := range f.Evidence {
		if e.Name == "time to exhaustion" && e.Value > 0 && e.Value < 120 && strings.Contains(f.Cause, victim.ID) {
			return
		}
	}
	t.Errorf("got %s; want %s and its time to exhaustion", describe(f.Finding), victim.ID)
}

func TestErrorsAfterRelease(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: `--latency 20ms --error-rate {{if eq .Version \"v2\"}}20%{{else}}0{{end}}`, service: `
    resources: {cpu: 0.5}
    rollout: {strategy: canary, steps: [{weight: 50, duration: 10m}], autoRollback: false}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(30 * 32)
	if _, err := w.admin.Deploy(context.Background(), "shop", api.RolloutRequest{Version: "v2"}); err != nil {
		t.Fatal(err)
	}
	w.expect(o, monitor.ErrorsAfterRelease, "")
}

func TestSlowInstance(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
    balancer: {algorithm: round-robin}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(30 * 10)
	victim := w.instances()[2]
	sicken(t, victim.Address, "slow")
	w.expect(o, monitor.SlowInstance, victim.ID)
}

// TestHangingInstance has an instance that answers nothing.
func TestHangingInstance(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
    limits: {maxConcurrencyPerInstance: 8}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(30 * 10)
	victim := w.instances()[0]
	sicken(t, victim.Address, "hang")
	w.expect(o, monitor.SlowInstance, victim.ID)
	sicken(t, victim.Address, "")
}

func TestFailingInstance(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(150)
	victim := w.instances()[0]
	sicken(t, victim.Address, "errors")
	w.expect(o, monitor.FailingInstance, victim.ID)
}

func TestDyingInstance(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(150)
	victim := w.instances()[0]
	w.kill(victim)
	w.until("the instance to be started again", func() bool {
		for _, in := range w.instances() {
			if in.ID == victim.ID && in.Restarts == 1 {
				victim = in
				return true
			}
		}
		return false
	})
	w.kill(victim)
	w.expect(o, monitor.FailingInstance, victim.ID)
}

func TestUnevenLoad(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, demo: "--latency 20ms --burn 2ms", service: `
    resources: {cpu: 0.12}
    balancer: {algorithm: maglev, hashKey: "header:x-user"}
`})
	o, l := w.watch(), w.newLoad()
	l.user = func() string {
		if l.now() > 30 && rand.Float64() < 0.6 {
			return "the busiest of all"
		}
		return fmt.Sprint(rand.IntN(1000))
	}
	l.open(30)
	l.untilAnswered(30 * 25)
	l.set(60)
	w.expect(o, monitor.UnevenLoad, "")
}

func TestConnectionExhaustion(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 3, shell: "ulimit -n 256;", demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(30)
	l.untilAnswered(150)
	sicken(t, w.instances()[1].Address, "hoard")
	w.expect(o, monitor.ConnectionExhaustion, "")
}

func TestScalingLimit(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 1, demo: "--latency 200ms", service: `
    resources: {cpu: 0.5}
    scaling:
      {minInstances: 1, maxInstances: 2, metricsWindow: 5s, policies: [{name: busy, type: target, targetMetric: activeConnections, target: 3}]}
`})
	o, l := w.watch(), w.open(8)
	l.untilAnswered(40)
	l.set(50)
	w.expect(o, monitor.ScalingLimit, "")
}

func TestCostLimit(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 1, demo: "--latency 200ms", top: `
resourcePools: [{name: local, capacity: {instances: 20}, price: {instanceHour: 1}}]
resourceLimits: {maxCostPerHour: 2.5}`, service: `
    resources: {cpu: 0.5}
    scaling:
      {minInstances: 1, maxInstances: 10, metricsWindow: 5s, policies: [{name: busy, type: target, targetMetric: activeConnections, target: 3}]}
`})
	o, l := w.watch(), w.open(8)
	l.untilAnswered(40)
	l.set(50)
	w.expect(o, monitor.CostLimit, "")
}

// TestMoreInstancesDoNotHelp gives a service that is stuck behind one lock more and more instances.
func TestMoreInstancesDoNotHelp(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 1, demo: "--latency 10ms --latency-fixed --lock " + filepath.Join(t.TempDir(), "lock"), service: `
    limits: {maxConcurrencyPerInstance: 2}
    resources: {cpu: 0.5}
    scaling: {minInstances: 1, maxInstances: 4}
`})
	o, l := w.watch(), w.closed(24)
	for n := 2; n <= 3; n++ {
		l.untilAnswered(saturated)
		if _, err := w.admin.Scale(context.Background(), "shop", api.ScaleRequest{Instances: &n, Reason: "to get through more"}); err != nil {
			t.Fatal(err)
		}
		w.untilReady(n)
	}
	w.expect(o, monitor.MoreDoNotHelp, "")
}

// saturated is how many requests pass the lock in the time that the monitor wants to see of each number of instances.
const saturated = 90 * 17

// patient is a listener that bears connections on which nothing comes.
func patient(connections int) string {
	return fmt.Sprintf(", limits: {headerTimeout: 10m, idleTimeout: 10m, maxConnections: %d}", connections)
}

func TestGatewayOutOfFiles(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 20ms", files: 200, listener: patient(20000), service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(100)
	w.hold(150)
	w.expect(o, monitor.Gateway, "")
}

func TestGatewayOutOfConnections(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 20ms", listener: patient(200), service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(100)
	w.hold(185)
	w.expect(o, monitor.Gateway, "")
}

// TestGatewayOutOfCPU has the one core of the gateway compress texts all the time. It takes that core away from all others, so it
// runs by itself, and only where there is time.
func TestGatewayOutOfCPU(t *testing.T) {
	if soak(t) == 0 {
		t.Skip("needs GATEWAYD_SOAK")
	}
	w := start(t, setup{instances: 2, demo: "--latency 20ms", cores: 1, route: ", compress: {algorithms: [br]}", service: `
    resources: {cpu: 2}
`})
	o, few := w.watch(), w.open(10)
	few.untilAnswered(50)
	l := w.newLoad()
	l.body = text(64 << 10)
	l.closed(40)
	before, began := w.cpuTime(), time.Now()
	w.until("the gateway to be named, or that others take its core", func() bool {
		_, named := o.find(monitor.Gateway, "")
		return named || time.Since(began) > 40*time.Second
	})
	share := (w.cpuTime() - before).Seconds() / time.Since(began).Seconds()
	if _, named := o.find(monitor.Gateway, ""); !named && share < 0.93 {
		t.Skipf("the gateway gets %.0f %% of a core: this machine has too much to do", 100*share)
	}
	w.expectSince(began, o, monitor.Gateway, "")
}

// text is made of words as they come, so that it can be compressed, with some work.
func text(n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%x ", rand.IntN(1<<14))
	}
	return b
}

// TestGatewayIsLate has the gateway's process stand still most of the time, as on a host where others take the CPU.
func TestGatewayIsLate(t *testing.T) {
	t.Parallel()
	w := start(t, setup{instances: 2, demo: "--latency 20ms", service: `
    resources: {cpu: 0.5}
`})
	o, l := w.watch(), w.open(20)
	l.untilAnswered(100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(600 * time.Millisecond)
		defer tick.Stop()
		for how := syscall.SIGSTOP; ; {
			w.process.Signal(how)
			select {
			case <-tick.C:
			case <-ctx.Done():
				w.process.Signal(syscall.SIGCONT)
				return
			}
			how ^= syscall.SIGSTOP ^ syscall.SIGCONT
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	w.expect(o, monitor.Gateway, "")
}
