package monitor

import (
	"slices"
	"testing"
	"time"
)

// diagnosed collects the types of warning level that a monitor has named, in the order of their first time.
type diagnosed struct {
	t     *testing.T
	types []FindingType
	first map[FindingType]float64 // seconds
}

func (d *diagnosed) note(now float64, findings []Finding) {
	if d.first == nil {
		d.first = map[FindingType]float64{}
	}
	for _, f := range findings {
		if _, known := d.first[f.Type]; !known && f.Severity >= Warning {
			d.first[f.Type] = now
			d.types = append(d.types, f.Type)
		}
	}
}

// only fails unless want was named, by a time in seconds, and nothing else.
func (d *diagnosed) only(want FindingType, by float64) {
	d.t.Helper()
	if len(d.types) != 1 || d.types[0] != want || d.first[want] > by {
		d.t.Fatalf("got %v; want %s alone, by %v", d.first, want, by)
	}
}

// A gateway that is short of CPU looks less often than once a second.
func TestLateGatewayIsNamed(t *testing.T) {
	mon, d := New(Policy{}), diagnosed{t: t}
	for now := 1.0; now < 60; now += 2.3 {
		o := healthyGateway(now)
		o.Delay = 600 * time.Millisecond
		mon.ObserveGateway(o)
		d.note(now, mon.Diagnose(at(now)).Findings)
	}
	d.only(Gateway, 15)
}

// A claim that misses two diagnoses begins anew.
func TestClaimsMustLast(t *testing.T) {
	f := func(pattern string, want bool) {
		t.Helper()
		mon, found := New(Policy{}), false
		for second := range 40 {
			now := float64(second + 1)
			held := map[claimKey]bool{}
			mon.before, mon.diagnosed = mon.diagnosed, at(now)
			if pattern[second%len(pattern)] == 'x' {
				mon.hold(held, "shop", []claim{{kind: CPU, severity: Warning}}, at(now))
			}
			found = found || len(mon.settle(held, at(now)).Findings) > 0
		}
		if found != want {
			t.Fatalf("%s: got %v; want %v", pattern, found, want)
		}
	}
	f("x", true)
	f("x.", true)
	f("xxxx..", false)
	f("xxxxxxx.....", false)
	f("xxxxxxxxxx....", true)
}

// twoPeers observes a service of three, of which the first is what victim says.
func twoPeers(now float64, victim InstanceObservation, peer InstanceObservation) Observation {
	o := Observation{At: at(now), Service: "shop", QueueCapacity: 100}
	for i, in := range []InstanceObservation{victim, peer, peer} {
		in.Instance, in.Revision, in.Weight, in.Slots, in.CPU, in.Memory = []string{"v1-0", "v1-1", "v1-2"}[i], "v1", 1, 64, 5, 30
		if good := in.Requests - in.Errors; in.Latency.Count() == 0 && good > 0 {
			in.Latency.Add(20*time.Millisecond, uint32(good))
		}
		o.Arrived += in.Requests
		o.Instances = append(o.Instances, in)
	}
	return o
}

// With few requests an instance that hangs holds one until it ends without an answer, and then the next.
func TestHangingInstanceOfLittleTraffic(t *testing.T) {
	mon, d := New(Policy{}), diagnosed{t: t}
	const hangs = 60
	for now := 1.0; now < 200; now++ {
		peer := InstanceObservation{Requests: 10}
		victim := peer
		if now >= hangs {
			victim = InstanceObservation{InFlight: 1}
			if int(now)%10 == 9 {
				victim = InstanceObservation{Requests: 1, Errors: 1}
			}
		}
		if now >= 130 && now < 160 {
			victim = InstanceObservation{} // ejected
		}
		mon.Observe(twoPeers(now, victim, peer))
		d.note(now, mon.Diagnose(at(now)).Findings)
	}
	d.only(SlowInstance, hangs+25)
}

// Where all fail, the one that gets the most requests has the highest share of errors in a window that began before.
func TestAllFailAndOneGetsMore(t *testing.T) {
	mon, d := New(Policy{}), diagnosed{t: t}
	const fails = 60
	for now := 1.0; now < 100; now++ {
		victim, peer := InstanceObservation{Requests: 8}, InstanceObservation{Requests: 8}
		if now >= fails {
			victim, peer = InstanceObservation{Requests: 16, Errors: 16}, InstanceObservation{Requests: 4, Errors: 4}
			for _, in := range []*InstanceObservation{&victim, &peer} {
				in.Latency.Add(20*time.Millisecond, uint32(in.Requests))
			}
		}
		mon.Observe(twoPeers(now, victim, peer))
		d.note(now, mon.Diagnose(at(now)).Findings)
	}
	d.only(Dependency, fails+25)
}

// A service that is not a minute old has a usual.
func TestYoungServiceHasAUsual(t *testing.T) {
	world, mon, d := newModel(3), New(Policy{}), diagnosed{t: t}
	for world.now < 75 {
		if world.now == 45 {
			world.all(func(in *modelInstance) { in.mean *= 4 })
		}
		mon.Observe(world.step())
		d.note(world.now, mon.Diagnose(at(world.now)).Findings)
	}
	d.only(Dependency, 75)
}

// More instances behind a lock make each request take longer. That is no dependency that got slow.
func TestMoreSlotsAtALock(t *testing.T) {
	world, mon, d := newModel(4), New(Policy{}), diagnosed{t: t}
	world.lock, world.lockTime = new(float64), 0.01
	behindLock := func(in *modelInstance) { in.cpuSeconds, in.mean, in.Slots = 0.002, 0.002, 2 }
	world.all(behindLock)
	world.instances, world.rate = world.instances[:1], 150
	for world.now < 90 {
		if world.now == 14 || world.now == 28 {
			behindLock(world.add("v1"))
		}
		mon.Observe(world.step())
		d.note(world.now, mon.Diagnose(at(world.now)).Findings)
	}
	d.only(MoreDoNotHelp, 28+25)
}

// On a host that is short of CPU everything takes longer, and the gateway's own loops are late.
func TestHostShortOfCPUIsNoDependency(t *testing.T) {
	f := func(delay time.Duration, want ...FindingType) {
		t.Helper()
		world, mon, d := newModel(5), New(Policy{}), diagnosed{t: t}
		for world.now < 100 {
			if world.now == 60 {
				world.all(func(in *modelInstance) { in.mean *= 2.5 })
			}
			o := healthyGateway(world.now + 1)
			if world.now >= 60 {
				o.Delay = delay
			}
			mon.Observe(world.step())
			mon.ObserveGateway(o)
			d.note(world.now, mon.Diagnose(at(world.now)).Findings)
		}
		if !slices.Equal(d.types, want) {
			t.Fatalf("late by %s: got %v; want %v", delay, d.types, want)
		}
	}
	f(0, Dependency)
	f(40 * time.Millisecond)
	f(200*time.Millisecond, Gateway)
}
