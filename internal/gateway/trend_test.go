package gateway

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"gatewayd/admin/api"
	"gatewayd/internal/histogram"
)

// trendSeen makes the sample of a service that has had that many requests since the one before.
type trendKit struct {
	trend  trend
	now    time.Time
	totals tally
	window rateWindow
}

// second lets a second pass in which requests ended after the given times.
func (k *trendKit) second(latencies []time.Duration, failed uint64, gauge float64) {
	k.now = k.now.Add(time.Second)
	var h histogram.Histogram
	for _, d := range latencies {
		h.Observe(d)
	}
	var counts histogram.Counts
	h.Snapshot(&counts)
	k.totals.latency.Add(&counts)
	k.totals.requests += uint64(len(latencies))
	k.totals.errors += failed
	s := trendSample{at: k.now, counted: k.totals, recent: k.window.add(k.now, &k.totals), weights: map[string]float64{"v1": 100}}
	for i := range s.gauges {
		s.gauges[i] = gauge
	}
	k.trend.add(&s)
}

func TestTrendSteps(t *testing.T) {
	k := &trendKit{now: time.Unix(1_000_000_000, 0)} // a multiple of 10 s
	k.now = k.now.Add(-time.Second)
	for i := range 25 { // 0 to 24 s; the second ten seconds are slow and fail
		latency, failed := 10*time.Millisecond, uint64(0)
		if i >= 10 && i < 20 {
			latency, failed = 500*time.Millisecond, 1
		}
		k.second([]time.Duration{latency, latency}, failed, float64(i))
	}
	v := k.trend.view(time.Hour, 0)
	h := v.describe("shop")
	if len(h.Points) != 3 || time.Duration(h.Step) != 10*time.Second || h.Service != "shop" {
		t.Fatalf("got %d points with the step %s of %q; want two whole steps and one that is open, of 10s", len(h.Points), h.Step, h.Service)
	}
	f := func(i int, rate, errors, p50Near, inFlight float64) {
		t.Helper()
		p := h.Points[i]
		if math.Abs(p.RequestRate-rate) > 0.01 || p.ErrorRate != errors || math.Abs(*p.P50Ms-p50Near) > p50Near*histogram.MaxRelativeError || p.InFlight != inFlight || *p.P50Ms > *p.P95Ms {
			t.Errorf("point %d: got %+v, p50 %v; want %v/s, %v %%, p50 near %v and %v in flight", i, p, *p.P50Ms, rate, errors, p50Near, inFlight)
		}
	}
	f(0, 2, 0, 10, 4.5)    // what was before its first second is not known
	f(1, 2, 50, 500, 14.5) // seconds 10 to 19
	f(2, 2, 0, 10, 22)     // 20 to 24
	if got := h.Points[1].Time; got.Unix() != 1_000_000_019 {
		t.Errorf("the second point ends at %v; want its last sample", got)
	}
	if got := k.trend.view(5*time.Minute, 0); got.step != time.Second || len(got.points) != 25 {
		t.Errorf("got %d points of %s; want 25 of 1s", len(got.points), got.step)
	}
	if got := k.trend.view(5*time.Second, 0); len(got.points) != 5 {
		t.Errorf("got %d points in 5 s; want 5", len(got.points))
	}
}

func TestTrendChoosesTheRing(t *testing.T) {
	k := &trendKit{now: time.Unix(1_000_000_000, 0)}
	k.second(nil, 0, 0)
	f := func(window, step, want time.Duration) {
		t.Helper()
		if got := k.trend.view(window, step); got.step != want {
			t.Errorf("%s in steps of %s: got %s; want %s", window, step, got.step, want)
		}
	}
	f(time.Second, 0, time.Second)
	f(5*time.Minute, 0, time.Second)
	f(5*time.Minute, 5*time.Second, 10*time.Second)
	f(301*time.Second, 0, 10*time.Second)
	f(time.Hour, 10*time.Second, 10*time.Second)
	f(time.Hour, 11*time.Second, time.Minute)
	f(6*time.Hour, 0, time.Minute)
	f(24*time.Hour, 0, 5*time.Minute)
	f(24*time.Hour, time.Hour, 5*time.Minute)
}

func TestTrendTellsWhatNobodyKnows(t *testing.T) {
	k := &trendKit{now: time.Unix(1_000_000_000, 0)}
	if got := k.trend.view(time.Hour, 0); len(got.points) != 0 {
		t.Fatalf("got %d points of nothing", len(got.points))
	}
	k.second(nil, 0, math.NaN())
	v := k.trend.view(time.Hour, 0)
	p := v.describe("shop").Points[0]
	for name, figure := range map[string]*float64{"p50": p.P50Ms, "p95": p.P95Ms, "p99": p.P99Ms, "demand": p.Demand, "cpu": p.CPU, "memory": p.Memory, "cost": p.CostPerHour} {
		if figure != nil {
			t.Errorf("%s: got %v; want nothing", name, *figure)
		}
	}
	k.second(nil, 0, 7) // known half of the time
	v = k.trend.view(time.Hour, 0)
	if p := v.describe("shop").Points[0]; *p.CPU != 7 {
		t.Errorf("cpu: got %v; want the mean of what is known, 7", *p.CPU)
	}
}

// TestTrendAgainstAPlainList holds the rings against a list of all seconds, over two days with pauses.
func TestTrendAgainstAPlainList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	k := &trendKit{now: time.Unix(1_000_000_000, 0)}
	type second struct {
		at       int64
		requests int
		gauge    float64
	}
	var all []second
	for range 100_000 {
		if rnd.IntN(2000) == 0 {
			k.now = k.now.Add(time.Duration(rnd.IntN(900)) * time.Second) // the machine slept
		}
		n := rnd.IntN(3)
		gauge := float64(rnd.IntN(10))
		k.second(make([]time.Duration, n), 0, gauge)
		all = append(all, second{k.now.Unix(), n, gauge})
	}
	for i, r := range trendRings[1:] {
		v := k.trend.view(r.step*time.Duration(r.points), r.step)
		if v.step != r.step || len(v.points) > r.points+1 || len(v.points) < r.points/2 {
			t.Fatalf("%s: got %d points of %s", r.step, len(v.points), v.step)
		}
		at := func(nanos int64) int64 { return nanos / int64(r.step) }
		for j, p := range v.points[1:] {
			requests, sum, n := 0, 0.0, 0.0
			for _, s := range all {
				if at(s.at*int64(time.Second)) == at(p.at) {
					requests, sum, n = requests+s.requests, sum+s.gauge, n+1
				}
			}
			took := float64(p.at-v.points[j].at) / float64(time.Second)
			if math.Abs(float64(p.rate)*took-float64(requests)) > 0.01 || math.Abs(float64(p.gauges[gaugeQueue])-sum/n) > 1e-5 {
				t.Fatalf("ring %d, point %d: got %v/s over %v s and a mean of %v; want %d requests and %v", i+1, j+1, p.rate, took, p.gauges[gaugeQueue], requests, sum/n)
			}
			if i > 0 && j > 20 {
				break // the list is long
			}
		}
	}
	k.now = k.now.Add(-time.Hour) // the clock is set back
	k.second(nil, 0, 0)
	if got := k.trend.view(24*time.Hour, 0); len(got.points) != 1 {
		t.Fatalf("got %d points after the clock was set back; want one", len(got.points))
	}
}

// TestTrendIsBounded holds what the comment says of its size.
func TestTrendIsBounded(t *testing.T) {
	bytes, points := int(unsafe.Sizeof(trend{})), 0
	for _, r := range trendRings {
		points += r.points
	}
	bytes += points * int(unsafe.Sizeof(trendPoint{}))
	if points != 1308 || unsafe.Sizeof(trendPoint{}) != 72 || bytes < 100_000 || bytes > 110_000 {
		t.Fatalf("%d points of %d bytes, %d bytes in all; say so where trend is described", points, unsafe.Sizeof(trendPoint{}), bytes)
	}
	var r ring
	for i := range 1000 {
		r.push(trendPoint{at: int64(i)}, 300)
	}
	if len(r.points) != 300 || cap(r.points) != 300 || r.points[r.next].at != 700 {
		t.Fatalf("got %d points, room for %d, the oldest %d; want 300, 300 and 700", len(r.points), cap(r.points), r.points[r.next].at)
	}
}

func TestDigits(t *testing.T) {
	f := func(v float32, want string) {
		t.Helper()
		if got := fmt.Sprint(digits(v)); got != want {
			t.Errorf("%v: got %s; want %s", v, got, want)
		}
	}
	f(0, "0")
	f(119.27273, "119.27")
	f(0.1264, "0.1264")
	f(123456.7, "123460")
	f(0.0000123456, "1.2346e-05")
	f(-2.5, "-2.5")
}

func TestWeightsAreShared(t *testing.T) {
	s := &service{revisions: []*revision{{version: "v1", role: api.RoleStable, weight: 75}, {version: "v2", weight: 25}}}
	first := s.weights(nil)
	if fmt.Sprint(first) != "map[v1:75 v2:25]" {
		t.Fatalf("got %v", first)
	}
	same := s.weights(first)
	same["mark"] = 1 // written to the one map of both
	if first["mark"] != 1 {
		t.Fatal("the same weights were copied")
	}
	delete(same, "mark")
	s.revisions[1].weight = 50
	if after := s.weights(first); after["v2"] != 50 || first["v2"] != 25 {
		t.Fatalf("got %v after a step, and %v for the points before", after, first)
	}
}
