package scaler

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	f := func(total int, holdAll bool, shares []Share, want ...int) {
		t.Helper()
		if got := Plan(total, shares, holdAll); !reflect.DeepEqual(got, want) {
			t.Errorf("Plan(%d, %+v, %v) = %v; want %v", total, shares, holdAll, got, want)
		}
	}
	stable := func(w float64) Share { return Share{Revision: "v1", Weight: w, Stable: true} }
	canary := func(w float64) Share { return Share{Revision: "v2", Weight: w} }
	f(10, false, []Share{stable(100)}, 10)
	f(10, false, []Share{stable(95), canary(5)}, 10, 1)
	f(10, true, []Share{stable(50), canary(50)}, 10, 5)
	f(10, false, []Share{stable(50), canary(50)}, 5, 5)
	f(7, false, []Share{stable(50), canary(50)}, 4, 4)
	f(10, true, []Share{stable(0), canary(100)}, 10, 10)
	f(10, false, []Share{stable(0), canary(100)}, 0, 10)
	f(10, false, []Share{stable(100), {Revision: "v2", Floor: 2}}, 10, 2)
	f(0, true, []Share{stable(50), canary(50)}, 0, 0)
	f(4, false, []Share{stable(0), canary(0)}, 4, 0)
}

func TestCostCap(t *testing.T) {
	f := func(budget, used, price float64, want int, wantOK bool) {
		t.Helper()
		c, ok := CostCap(budget, used, price)
		if c.Instances != want || ok != wantOK {
			t.Errorf("CostCap(%v, %v, %v) = %d, %v; want %d, %v", budget, used, price, c.Instances, ok, want, wantOK)
		}
	}
	f(1, 0, 0.1, 10, true)
	f(0.3, 0, 0.1, 3, true)
	f(1, 0.95, 0.1, 0, true)
	f(1, 2, 0.1, 0, true)
	f(1, 0, 0, 0, false)
}

func TestClamp(t *testing.T) {
	sp := &Spec{MinInstances: 2, MaxInstances: 8}
	f := func(want int, caps []Cap, wantN int, wantBounds ...BoundName) {
		t.Helper()
		n, bounds := Clamp(sp, want, caps)
		var names []BoundName
		for _, b := range bounds {
			names = append(names, b.Name)
		}
		if n != wantN || !slices.Equal(names, wantBounds) {
			t.Errorf("Clamp(%d, %v) = %d, %v; want %d, %v", want, caps, n, names, wantN, wantBounds)
		}
	}
	f(5, nil, 5)
	f(-3, nil, 2, BoundMin)
	f(9, nil, 8, BoundMax)
	f(9, []Cap{{BoundCost, "", 4}, {BoundCap, "", 6}}, 4, BoundMax, BoundCap, BoundCost)
}

func TestStartDelay(t *testing.T) {
	f := func(want time.Duration, delays ...StartDelay) {
		t.Helper()
		var h Starts
		h.observe(&Sample{StartDelays: delays}, monday)
		if got := h.Delay(12 * time.Second); got != want {
			t.Errorf("Delay after %v = %v; want %v", delays, got, want)
		}
	}
	var many []StartDelay
	for i := range 40 {
		many = append(many, StartDelay{"v1", time.Duration(i+1) * time.Second})
	}
	f(12 * time.Second)
	f(3*time.Second, StartDelay{"v1", 3 * time.Second})
	f(38*time.Second, many...) // of the last 20, 21 s to 40 s, the 18th
	f(38*time.Second, append(slices.Clone(many), StartDelay{"v2", time.Second})...)
	f(2*time.Second, append(slices.Clone(many), StartDelay{"v2", time.Second}, StartDelay{"v3", 2 * time.Second})...)
}

func TestServiceTimeFollowsARelease(t *testing.T) {
	var st ServiceTime
	feed := func(ms int, seconds int) {
		for range seconds {
			st.observe(&Sample{Completions: 100, ServiceTime: time.Duration(ms) * time.Millisecond, ServiceCV: 1})
		}
	}
	feed(200, 600)
	if math.Abs(st.Mean-0.2) > 1e-9 {
		t.Fatalf("mean = %v; want 0.2", st.Mean)
	}
	feed(300, 120)
	if math.Abs(st.Mean-0.3) > 0.02 {
		t.Errorf("mean two minutes after a release that takes 300 ms = %v; want 0.3", st.Mean)
	}
}

func TestSeriesAgainstDumbTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var sr series
	now := monday
	perStep := map[int64]float64{}
	for range 4000 {
		now = now.Add(seriesStep)
		n := float64(rng.IntN(50))
		sr.record(now, seriesStep, n)
		perStep[now.UnixNano()/int64(seriesStep)] = n
		ago := time.Duration(rng.IntN(100)) * seriesStep
		w := time.Duration(1+rng.IntN(400)) * seriesStep
		got, ok := sr.rate(ago, w)
		if !ok {
			continue
		}
		w = min(w, sr.known()-ago)
		to := now.Add(-ago).UnixNano() / int64(seriesStep)
		sum := 0.0
		for k := to - int64(w/seriesStep) + 1; k <= to; k++ {
			sum += perStep[k]
		}
		if want := sum / w.Seconds(); math.Abs(got-want) > 1e-6 {
			t.Fatalf("rate(%v, %v) = %v; want %v", ago, w, got, want)
		}
	}
}

func TestSeriesBeginsAnewAfterAGap(t *testing.T) {
	var sr series
	sr.record(monday, time.Second, 100)
	sr.record(monday.Add(time.Second), time.Second, 100)
	sr.record(monday.Add(time.Minute), time.Second, 100)
	if got := sr.mean(time.Minute); math.Abs(got-100) > 1e-9 || sr.known() != time.Second {
		t.Errorf("mean = %v over %v; want 100 over 1s", got, sr.known())
	}
}

func TestSeriesTellsAJumpFromNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	noise := func(mean float64) float64 { return math.Max(mean+math.Sqrt(mean)*rng.NormFloat64(), 0) }
	var sr series
	now := monday
	for range 7200 {
		now = now.Add(time.Second)
		sr.record(now, time.Second, noise(100))
		if sr.surging() {
			t.Fatalf("noise is taken for a surge at %v", now)
		}
	}
	now = now.Add(time.Second)
	sr.record(now, time.Second, noise(200))
	if !sr.surging() || sr.risen() < 130 {
		t.Errorf("after a second of twice the load: surging %v, risen to %v", sr.surging(), sr.risen())
	}
}

// A rise that goes on is carried on to the horizon; a step and noise are not.
func TestClimbing(t *testing.T) {
	f := func(name string, rate func(second int) float64, want, within float64) {
		t.Helper()
		var sr series
		now := time.Date(2024, 6, 3, 0, 0, 0, 0, time.UTC)
		got := 0.0
		for i := range 60 {
			now = now.Add(time.Second)
			sr.record(now, time.Second, rate(i))
			if got = sr.climbing(30 * time.Second); want == 0 && got != 0 {
				t.Errorf("%s: climbing to %v after %d s; want no climb", name, got, i+1)
			}
		}
		if math.Abs(got-want) > within {
			t.Errorf("%s: climbing to %v; want %v within %v", name, got, want, within)
		}
	}
	f("ten more a second", func(s int) float64 { return 100 + 10*float64(s) }, 100+10*(59+30), 10)
	f("a step", func(s int) float64 {
		if s < 40 {
			return 60
		}
		return 600
	}, 0, 0)
	f("a fall", func(s int) float64 { return 1000 - 10*float64(s) }, 0, 0)
	f("up and down in 20 s", func(s int) float64 { return 300 + 50*math.Sin(float64(s)/20*2*math.Pi) }, 0, 0)
	f("no change", func(s int) float64 { return 100 }, 0, 0)
}

func TestLateTableAgainstErlang(t *testing.T) {
	var lt lateTable
	q := station{slots: 4, service: 0.2, cv2: 1, wait: 0.1, slow: 0.01}
	lt.fit(q)
	for _, n := range []int{1, 3, 10, 32, 100} {
		for _, x := range []float64{0.3, 0.5, 0.72, 0.9, 0.97} {
			e := newErlang(x*float64(n*q.slots), n*q.slots)
			want := q.late(&e)
			if got := lt.share(n, e.load); math.Abs(got-want) > 0.02+0.05*want {
				t.Errorf("share(%d, %v of the slots) = %v; want %v", n, x, got, want)
			}
		}
		if got := lt.share(n, float64(2*n*q.slots)); got <= 1 {
			t.Errorf("share(%d) at twice the slots = %v; want above 1", n, got)
		}
	}
}

func TestResidualQuantilesAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	var r residuals
	r.begin(0.1, 1)
	var seen []float64
	for range 20_000 {
		f := math.Exp(0.2*rng.NormFloat64() + 0.1)
		r.add(100*f, 100, 5, 1)
		seen = append(seen, f)
	}
	slices.Sort(seen)
	for _, q := range []float64{0.05, 0.5, 0.9, 0.975, 0.995} {
		want := seen[int(q*float64(len(seen)))]
		if got := r.quantile(q); math.Abs(got/want-1) > 0.02 {
			t.Errorf("quantile(%v) = %v; want %v", q, got, want)
		}
	}
}

// A step in load is seen within two tenths of a second, wherever in a step of the series it falls.
func TestRisenAtAnyPhase(t *testing.T) {
	const tick = 100 * time.Millisecond
	for phase := time.Duration(0); phase < seriesStep; phase += 10 * time.Millisecond {
		var sr series
		now := time.Date(2024, 6, 3, 0, 0, 0, 0, time.UTC).Add(phase)
		for range 50 {
			now = now.Add(tick)
			sr.record(now, tick, 50*tick.Seconds())
		}
		for range 2 {
			now = now.Add(tick)
			sr.record(now, tick, 700*tick.Seconds())
		}
		if got := sr.risen(); got < 400 {
			t.Errorf("phase %v: after 200 ms of 700/s the rate has surely risen to %.0f/s; want 400 at least", phase, got)
		}
	}
}

// Silence is an observation too, and a load that comes out of it is the largest error there is.
func TestResidualsOfSilence(t *testing.T) {
	f := func(actual, forecast, quantile float64, want func(float64) bool) {
		t.Helper()
		var r residuals
		r.begin(0.1, 1)
		for range 20 {
			r.add(actual, forecast, 5, 1)
		}
		if got := r.quantile(quantile); !want(got) {
			t.Errorf("%v came where %v was expected: the %v quantile is %v", actual, forecast, quantile, got)
		}
	}
	f(0, 300, 0.5, func(q float64) bool { return q < 0.3 })
	f(300, 0, 0.5, func(q float64) bool { return q > 3.5 })
	f(0, 0, 0.5, func(q float64) bool { return q > 0.9 && q < 1.1 })
}

func TestPeakOfTheLastMinutes(t *testing.T) {
	var sr series
	now := time.Date(2024, 6, 3, 0, 0, 0, 0, time.UTC)
	for i := range 20 * 60 {
		now = now.Add(time.Second)
		rate := 0.
		if i < 10*60 {
			rate = 300
		}
		sr.record(now, time.Second, rate)
		silent := max(0, i+1-10*60)
		if got := peak(nil, &sr, 0, now); silent > 0 && silent <= 7*60 && math.Abs(got-300) > 1 || silent > 8*60+5 && got != 0 {
			t.Fatalf("after %d s of silence %v/s are reckoned with", silent, got)
		}
	}
}

// The season must be seen where there is one and ignored where there is none: the
// pinball loss decides.
func TestModelsAreChosenBySkill(t *testing.T) {
	f := func(name string, rate func(t float64) float64, want func(string) bool) {
		t.Helper()
		rng := rand.New(rand.NewPCG(17, 18))
		var o outlook
		var sr series
		now := time.Date(2024, 6, 3, 0, 0, 0, 0, time.UTC)
		for i := range 30_000 / 5 {
			now = now.Add(5 * time.Second)
			m := 5 * rate(float64(5*i))
			sr.record(now, 5*time.Second, m+math.Sqrt(m)*rng.NormFloat64())
			o.observe(&sr, 2*time.Minute, 0.2, now)
		}
		b := o.bandOf(sr.mean(shortMean) * 0.2)
		if got := models[b.Best].name; !want(got) {
			t.Errorf("%s: the model is %q", name, got)
		}
	}
	f("constant", func(float64) float64 { return 300 }, func(m string) bool { return m == "mean of 5 min" || m == "mean of 8 min" })
	f("jobs on the hour", func(t float64) float64 {
		if math.Mod(t, 3600) < 300 {
			return 700
		}
		return 300
	}, func(m string) bool { return m == "time of hour" })
	f("waves of two hours", func(t float64) float64 { return 300 + 200*math.Sin(t/7200*2*math.Pi) }, func(m string) bool { return m != "mean of 8 min" && m != "mean of 5 min" })
}

func TestMovesWaitForTheRegretAndTurnSeldom(t *testing.T) {
	var m moves
	n, turns, last := 10, 0, 0
	for i := range 12 * 3600 {
		best := 8 + 4*((i/120)%2) // changes its mind every two minutes
		regret := math.Abs(float64(best - n))
		next := m.decide(n, best, regret, time.Second, 30*time.Second)
		if d := direction2(n, next); d != 0 {
			if last != 0 && d != last {
				turns++
			}
			last = d
		}
		n = next
	}
	if turns == 0 || turns > 120 {
		t.Errorf("%d turns in 12 hours of 360; want some, and at most 10 an hour", turns)
	}
}

func direction2(from, to int) int {
	switch {
	case to > from:
		return 1
	case to < from:
		return -1
	}
	return 0
}
