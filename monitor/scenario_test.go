package monitor

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

const (
	faultAt   = 150 // seconds
	faultEnds = faultAt + 60
)

// scenario is a healthy service to which something happens.
type scenario struct {
	want     FindingType
	instance string         // it must name
	command  string         // beginning of it
	prepare  func(m *model) // from the start
	break_   func(m *model) // at faultAt
	during   func(m *model) // each second from then on
	gateway  func(now float64) GatewayObservation
	before   func(m *model, now float64) // each second until then
}

func healthyGateway(now float64) GatewayObservation {
	return GatewayObservation{At: at(now), CPU: 35 + 5*math.Sin(now), FDs: 500, FDLimit: 4096, Delay: 2 * time.Millisecond, Connections: 300, ConnectionLimit: 20000, Memory: 30}
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"more comes than the instances can do": {
			want: Capacity, command: "gatewayd scale shop ",
			break_: func(m *model) { m.rate = 520; m.cpuBound() },
		},
		"more comes, cpu unknown": {
			want: Capacity, command: "gatewayd scale shop ",
			prepare: func(m *model) { m.knowsCPU = false },
			break_:  func(m *model) { m.rate = 520 },
		},
		"the limit per instance is too low": {
			want:   ConcurrencyLimit,
			break_: func(m *model) { m.rate = 260; m.all(func(in *modelInstance) { in.Slots, in.cpuSeconds = 4, 0.004 }) },
		},
		"a lock inside the service": {
			want: ConcurrencyLimit,
			prepare: func(m *model) {
				m.lock, m.lockTime = new(float64), 0.006
				m.all(func(in *modelInstance) { in.cpuSeconds = 0.004 })
			},
			break_: func(m *model) { m.rate = 250 },
		},
		"a dependency gets slow": {
			want:   Dependency,
			break_: func(m *model) { m.all(func(in *modelInstance) { in.mean *= 3 }) },
		},
		"a dependency gets so slow that requests wait": {
			want:   Dependency,
			break_: func(m *model) { m.all(func(in *modelInstance) { in.mean *= 8 }) },
		},
		"a dependency gets slow, cpu unknown": {
			want:    Dependency,
			prepare: func(m *model) { m.knowsCPU = false },
			break_:  func(m *model) { m.all(func(in *modelInstance) { in.mean *= 8 }) },
		},
		"a dependency fails": {
			want:   Dependency,
			break_: func(m *model) { m.all(func(in *modelInstance) { in.failing = 0.3 }) },
		},
		"cpu is nearly used up": {
			want: CPU, command: "gatewayd scale shop ",
			break_: func(m *model) { m.all(func(in *modelInstance) { in.cpuSeconds = 0.042 }) },
		},
		"memory leaks fast": {
			want: Memory, instance: "v1-2", command: "gatewayd drain shop v1-2",
			break_: func(m *model) { m.instances[2].leak = 1.1 },
		},
		"memory is nearly used up": {
			want: Memory, instance: "v1-1", command: "gatewayd drain shop v1-1",
			break_: func(m *model) { m.instances[1].Memory = 90 },
		},
		"a release fails": {
			want: ErrorsAfterRelease, command: "gatewayd rollback shop",
			break_: func(m *model) { m.add("v2").failing = 0.15 },
		},
		"a release replaced everything and fails": {
			want: ErrorsAfterRelease, command: "gatewayd rollback shop",
			break_: func(m *model) {
				m.all(func(in *modelInstance) { in.Weight = 0 })
				for range 4 {
					m.add("v2").failing = 0.08
				}
			},
		},
		"a release dies again and again": {
			want: ErrorsAfterRelease, command: "gatewayd rollback shop",
			break_: func(m *model) { m.add("v2") },
			during: func(m *model) {
				if int(m.now)%7 == 0 {
					m.instances[4].Restarts++
				}
			},
		},
		"one instance is slow": {
			want: SlowInstance, instance: "v1-3", command: "gatewayd drain shop v1-3",
			break_: func(m *model) { m.instances[3].mean *= 5 },
		},
		"one of two instances is slow": {
			want: SlowInstance, instance: "v1-1", command: "gatewayd drain shop v1-1",
			prepare: func(m *model) { m.instances = m.instances[:2]; m.rate = 45 },
			break_:  func(m *model) { m.instances[1].mean *= 4 },
		},
		"one instance is slow, little traffic": {
			want: SlowInstance, instance: "v1-3", command: "gatewayd drain shop v1-3",
			prepare: func(m *model) { m.rate = 14; m.roundRobin() },
			break_:  func(m *model) { m.instances[3].mean *= 10 },
		},
		"one instance is slow, in turn": {
			want: SlowInstance, instance: "v1-3", command: "gatewayd drain shop v1-3",
			prepare: func(m *model) { m.roundRobin() },
			break_:  func(m *model) { m.instances[3].mean *= 3 },
		},
		"one instance hangs": {
			want: SlowInstance, instance: "v1-0", command: "gatewayd drain shop v1-0",
			break_: func(m *model) { m.instances[0].mean = 1e6 },
		},
		"one instance fails": {
			want: FailingInstance, instance: "v1-1", command: "gatewayd drain shop v1-1",
			break_: func(m *model) { m.instances[1].failing = 0.4 },
		},
		"one instance fails fast and attracts the load": {
			want: FailingInstance, instance: "v1-1", command: "gatewayd drain shop v1-1",
			break_: func(m *model) { m.instances[1].failing, m.instances[1].mean = 1, 0.001 },
		},
		"one instance dies again and again": {
			want: FailingInstance, instance: "v1-1", command: "gatewayd drain shop v1-1",
			during: func(m *model) {
				if int(m.now)%7 == 0 {
					m.instances[1].Restarts++
				}
			},
		},
		"one instance gets most of the load": {
			want: UnevenLoad,
			break_: func(m *model) {
				m.pick = func(free []*modelInstance) *modelInstance {
					if free[0] == m.instances[0] && m.rng.Float64() < 0.45 {
						return free[0]
					}
					return free[m.rng.IntN(len(free))]
				}
			},
		},
		"connections run out": {
			want:   ConnectionExhaustion,
			break_: func(m *model) { m.instances[2].Connections = 97 },
		},
		"file descriptors run out": {
			want:   ConnectionExhaustion,
			during: func(m *model) { m.instances[2].FDs = min(m.instances[2].FDs+60, 1024) },
		},
		"the limit on instances is reached": {
			want:   ScalingLimit,
			break_: func(m *model) { m.rate = 520; m.cpuBound(); m.wanted, m.limit = 6, "maxInstances" },
		},
		"the limit on cost is reached": {
			want: CostLimit, command: "gatewayd cost",
			break_: func(m *model) { m.rate = 520; m.cpuBound(); m.wanted, m.limit = 6, "resourceLimits.maxCostPerHour" },
		},
		"more instances do not help": {
			want: MoreDoNotHelp, command: "gatewayd scale shop ",
			prepare: func(m *model) {
				// It saturated a shared lock with two instances, then with three, and calmed down.
				m.lock, m.lockTime = new(float64), 0.006
				m.all(func(in *modelInstance) { in.cpuSeconds = 0.004 })
				m.instances = m.instances[:2]
			},
			before: func(m *model, now float64) {
				switch now {
				case 10:
					m.rate = 260
				case 40:
					m.add("v1").cpuSeconds = 0.004
				case 70:
					m.rate = 60
				}
			},
			break_: func(m *model) { m.add("v1").cpuSeconds = 0.004; m.rate = 300 },
		},
		"the gateway runs out of cpu": {
			want:    Gateway,
			gateway: func(now float64) GatewayObservation { o := healthyGateway(now); o.CPU = 96; return o },
			break_:  func(m *model) { m.all(func(in *modelInstance) { in.mean *= 2 }) },
		},
		"the gateway runs out of file descriptors": {
			want:    Gateway,
			gateway: func(now float64) GatewayObservation { o := healthyGateway(now); o.FDs = 3900; return o },
		},
		"the gateway's own loops run late": {
			want: Gateway,
			gateway: func(now float64) GatewayObservation {
				o := healthyGateway(now)
				o.Delay = 300 * time.Millisecond
				return o
			},
		},
	}
}

func (m *model) all(change func(*modelInstance)) {
	for _, in := range m.instances {
		change(in)
	}
}

// cpuBound makes full slots mean full CPU.
func (m *model) cpuBound() { m.all(func(in *modelInstance) { in.cpuSeconds = 0.0095 }) }

func (m *model) roundRobin() {
	turn := 0
	m.pick = func([]*modelInstance) *modelInstance {
		turn++
		return m.instances[turn%len(m.instances)]
	}
}

func TestScenarios(t *testing.T) {
	for name, sc := range scenarios() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				runScenario(t, sc, seed)
			}
		})
	}
}

func runScenario(t *testing.T, sc scenario, seed uint64) {
	t.Helper()
	world, mon := newModel(seed), New(Policy{})
	call := func(f func(*model)) {
		if f != nil {
			f(world)
		}
	}
	call(sc.prepare)
	found := false
	for second := 1; second <= faultEnds; second++ {
		now, broken := float64(second), second > faultAt
		if second == faultAt+1 {
			call(sc.break_)
		}
		if broken {
			call(sc.during)
		} else if sc.before != nil {
			sc.before(world, now)
		}
		mon.Observe(world.step())
		gateway := healthyGateway(now)
		if broken && sc.gateway != nil {
			gateway = sc.gateway(now)
		}
		mon.ObserveGateway(gateway)
		d := mon.Diagnose(at(now))
		if sc.before != nil && !broken {
			continue // a stormy past is not what is tested
		}
		for _, f := range d.Findings {
			switch {
			case f.Severity < Warning:
			case !broken && second > 100:
				t.Fatalf("seed %d: %s before anything happened: %s", seed, f.Type, f.Cause)
			case broken && f.Type != sc.want:
				t.Fatalf("seed %d: %d s after the fault: %s, want %s alone: %s %s", seed, second-faultAt, f.Type, sc.want, f.Cause, figures(f))
			case broken:
				checkFinding(t, sc, f)
				found = true
			}
		}
		if second == faultAt+30 && !found {
			t.Fatalf("seed %d: %s is not found within 30 s", seed, sc.want)
		}
	}
}

func checkFinding(t *testing.T, sc scenario, f Finding) {
	t.Helper()
	service := "shop"
	if sc.want == Gateway {
		service = ""
	}
	if f.Service != service || f.Cause == "" || f.Advice == "" || len(f.Evidence.Figures) == 0 || !f.Evidence.From.Before(f.Evidence.To) || f.Since.IsZero() {
		t.Fatalf("it lacks something: %+v", f)
	}
	if sc.instance != "" && f.Instance != sc.instance && !strings.HasPrefix(f.Cause, sc.instance) {
		t.Fatalf("it names %q: %s; want %s", f.Instance, f.Cause, sc.instance)
	}
	if !strings.HasPrefix(f.Command, sc.command) || sc.command == "" && f.Command != "" && sc.want != ConnectionExhaustion {
		t.Fatalf("command %q; want %q", f.Command, sc.command)
	}
}

func figures(f Finding) string {
	var b strings.Builder
	for _, g := range f.Evidence.Figures {
		usual := ""
		if g.Usual != nil {
			usual = fmt.Sprintf(" (usual %v)", *g.Usual)
		}
		fmt.Fprintf(&b, "; %s %v%s%s", g.Name, g.Value, g.Unit, usual)
	}
	return b.String()
}

// A healthy service whose load swings, that is scaled, released, and collects its garbage.
func TestHealthyLoadHasNoFindings(t *testing.T) {
	for seed := range uint64(8) {
		world, mon := newModel(100+seed), New(Policy{})
		world.knowsCPU = seed%3 != 0
		if seed%4 == 3 {
			world.roundRobin()
		}
		base := []float64{5, 40, 90, 120}[seed%4]
		world.all(func(in *modelInstance) { in.failing, in.noise = 0.003, 1.5 })
		for second := 1; second <= 600; second++ {
			now := float64(second)
			world.rate = base * (1 + 0.25*math.Sin(now/50) + 0.1*world.rng.NormFloat64())
			world.rate = math.Max(world.rate, 1)
			if world.rng.IntN(60) == 0 {
				world.rate *= 1.8 // a second of more
			}
			if second == 300 {
				in := world.add([]string{"v1", "v2"}[seed%2])
				in.failing, in.Started = 0.003, at(now)
			}
			mon.Observe(world.step())
			mon.ObserveGateway(healthyGateway(now))
			for _, f := range mon.Diagnose(at(now)).Findings {
				if f.Severity >= Warning {
					t.Fatalf("seed %d, second %d: %s: %s%s", seed, second, f.Type, f.Cause, figures(f))
				}
			}
		}
	}
}

// What is over is over, half a minute later, and can be found again.
func TestFindingIsResolved(t *testing.T) {
	world, mon := newModel(1), New(Policy{})
	var raised, resolved []Finding
	run := func(until int) {
		for world.now < float64(until) {
			mon.Observe(world.step())
			d := mon.Diagnose(at(world.now))
			raised = append(raised, d.Raised...)
			resolved = append(resolved, d.Resolved...)
		}
	}
	run(100)
	world.instances[1].failing = 0.5
	run(160)
	if len(raised) != 1 || len(resolved) != 0 {
		t.Fatalf("raised %d, resolved %d; want 1 and 0", len(raised), len(resolved))
	}
	world.instances[1].failing = 0
	run(240)
	if len(raised) != 1 || len(resolved) != 1 || resolved[0].ID != raised[0].ID || resolved[0].ResolvedAt == nil {
		t.Fatalf("raised %d, resolved %d; want 1 and 1 of the same", len(raised), len(resolved))
	}
	world.instances[1].failing = 0.5
	run(300)
	if len(raised) != 2 || raised[0].ID == raised[1].ID {
		t.Fatalf("raised %d; want 2 with different IDs", len(raised))
	}
}

// Following the advice ends the finding.
func TestDrainingTheSlowInstanceResolves(t *testing.T) {
	world, mon := newModel(2), New(Policy{})
	world.rate = 60
	var last Diagnosis
	for second := 1; second <= 260; second++ {
		switch second {
		case 100:
			world.instances[3].mean *= 5
		case 160:
			if len(last.Findings) != 1 || last.Findings[0].Command != "gatewayd drain shop v1-3" {
				t.Fatalf("findings %+v", last.Findings)
			}
			world.instances[3].Weight = 0
		}
		mon.Observe(world.step())
		last = mon.Diagnose(at(world.now))
	}
	if len(last.Findings) != 0 {
		t.Errorf("after the drain: %+v", last.Findings)
	}
}
