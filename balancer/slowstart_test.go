package balancer

import (
	"testing"
	"time"
)

// The curve: at the beginning a tenth of its share, then linear. With n warm endpoints beside it, the share of one with warmth w is
// w/(w+n); with hashing w/(1+n), as a key that it does not take yet goes to another for good.
func TestSlowStartCurve(t *testing.T) {
	const window, warm, n = 10 * time.Second, 4, 20_000
	f := func(a Algorithm, age time.Duration, wantWarmth float64) {
		t.Helper()
		members := healthy(ones(warm + 1)...)
		cold := members[warm].Endpoint
		now := start + 3600*second
		cold.SetHealthy(false, start)
		cold.SetHealthy(true, now-int64(age))
		p := mustPool(t, Options{Algorithm: a, Members: members, SlowStart: window})
		got := pickMany(p, now, n)[cold]
		share, tolerance := wantWarmth/(wantWarmth+warm), 0.15
		if a.hashes() {
			share = wantWarmth / (1 + warm)
		}
		if d := float64(got)/n - share; d > share*tolerance || d < -share*tolerance {
			t.Fatalf("%s at %s of %s: got %d of %d; want %v", a, age, window, got, n, share*n)
		}
	}
	for _, a := range []Algorithm{RoundRobin, Weighted, Random, IPHash, Maglev} {
		f(a, 0, 0.1)
		f(a, 5*time.Second, 0.55)
		f(a, 10*time.Second, 1)
		f(a, time.Minute, 1)
		f(a, -time.Second, 0.1) // became healthy by the clock of another core
	}
}

// Those that look at load give a cold endpoint a tenth of what the others hold, and let it have its tenth of an idle pool.
func TestSlowStartByLoad(t *testing.T) {
	now := start + 3600*second
	for _, a := range []Algorithm{LeastConnections, P2C} {
		members := healthy(1, 1, 1, 1, 1)
		cold := members[4].Endpoint
		cold.SetHealthy(false, start)
		cold.SetHealthy(true, now)
		p := mustPool(t, Options{Algorithm: a, Members: members, SlowStart: 10 * time.Second})
		if got := pickMany(p, now, 20_000)[cold]; got < 200 || got > 1000 {
			t.Fatalf("%s: cold endpoint got %d of 20000 in an idle pool; want about a tenth of a fifth", a, got)
		}
		for range 4000 {
			p.Pick(&Query{Now: now})
		}
		if got := cold.InFlight(); got < 50 || got > 150 {
			t.Fatalf("%s: cold endpoint holds %d of 4000; want about a tenth of what the others hold", a, got)
		}
	}
}

func TestSlowStartByLatency(t *testing.T) {
	now := start + 3600*second
	members := healthy(1, 1)
	cold := members[1].Endpoint
	cold.SetHealthy(false, start)
	cold.SetHealthy(true, now)
	for _, m := range members {
		m.Endpoint.Observe(10*time.Millisecond, now)
	}
	p := mustPool(t, Options{Algorithm: PeakEWMA, Members: append(members, healthy(1)...), SlowStart: 10 * time.Second})
	members[0].Endpoint.TryAcquire(0)
	if got := p.rules.warmth(cold, now); got != slowStartFloor {
		t.Fatalf("warmth = %v; want %v", got, slowStartFloor)
	}
	a, b := drawn{members[0].Endpoint, 1}, drawn{cold, 1}
	q := Query{Now: now}
	if warm, cool := p.latencyOf(&a, &q), p.latencyOf(&b, &q); cool != warm/2/slowStartFloor {
		t.Fatalf("cost of the cold one = %v; want ten times that of an idle warm one, %v", cool, warm/2)
	}
}

func TestSlowStartIsSkippedWhenMostAreNew(t *testing.T) {
	now := start + 3600*second
	f := func(fresh, all int, wantSlow bool) {
		t.Helper()
		members := healthy(ones(all)...)
		for _, m := range members[:fresh] {
			m.Endpoint.SetHealthy(false, start)
			m.Endpoint.SetHealthy(true, now)
		}
		p := mustPool(t, Options{Algorithm: RoundRobin, Members: members, SlowStart: 10 * time.Second})
		if got := p.rules.slowAt(now + second); got != wantSlow {
			t.Fatalf("%d of %d are new: slow start = %v; want %v", fresh, all, got, wantSlow)
		}
		if p.rules.slowAt(now + 11*second) {
			t.Fatalf("%d of %d: slow start goes on after the window", fresh, all)
		}
	}
	f(0, 4, false)
	f(1, 1, false)
	f(1, 2, true)
	f(1, 4, true)
	f(2, 4, true)
	f(3, 4, false)
	f(4, 4, false)
}
