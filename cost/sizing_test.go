package cost

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// exactQuantile is the weighted quantile without buckets.
func exactQuantile(values, weights []float64, q float64) float64 {
	order := make([]int, len(values))
	total := 0.0
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortFunc(order, func(a, b int) int {
		if values[a] < values[b] {
			return -1
		}
		return 1
	})
	sum := 0.0
	for _, i := range order {
		if sum += weights[i]; sum >= q*total {
			return values[i]
		}
	}
	return math.NaN()
}

func TestHistogramAgainstExactQuantiles(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 6))
		h := newCPUHistogram()
		var values, weights []float64
		span := 90 * 24 * time.Hour
		for i := range 2000 {
			at := begin.Add(span * time.Duration(i) / 2000)
			v := math.Exp(r.NormFloat64())
			h.add(at, v, 1)
			values = append(values, v)
			weights = append(weights, math.Exp2(-(span-at.Sub(begin)).Hours()/24))
		}
		for _, q := range []float64{0.5, 0.9, 0.95} {
			want := exactQuantile(values, weights, q)
			if got := h.quantile(q); got < want*0.999 || got > want*1.06+0.01 {
				t.Errorf("seed %d: quantile %v is %v; want %v, or up to 6 %% more", seed, q, got, want)
			}
		}
	}
}

func TestSizing(t *testing.T) {
	s := NewSizing()
	if _, ok := s.Size(); ok {
		t.Error("it knows a size without samples")
	}
	for minute := range 3 * 1440 {
		now := begin.Add(time.Duration(minute) * time.Minute)
		cores := 0.2
		if minute%20 == 0 {
			cores = 0.5 // less often than one in ten, so not in the 90th percentile
		}
		s.Add(now, "a", cores, float64(200<<20+minute%1440*1024))
		s.Add(now, "b", math.NaN(), -1)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	loaded := NewSizing()
	if err := json.Unmarshal(data, loaded); err != nil {
		t.Fatal(err)
	}
	before, _ := s.Size()
	size, ok := loaded.Size()
	if !ok || size != before {
		t.Errorf("after a restart %+v; before %+v", size, before)
	}
	if c := size.Target.Cores(); c < 0.2*1.15 || c > 0.2*1.15*1.1+0.01 {
		t.Errorf("cpu target %v; want about 0.23", c)
	}
	if m := float64(size.Target.Memory) / (1 << 20); m < 201*1.15 || m > 201*1.15*1.1 {
		t.Errorf("memory target %v MiB; want about 232", m)
	}
	if size.Lower.MilliCPU > size.Target.MilliCPU || size.Upper.MilliCPU < size.Target.MilliCPU {
		t.Errorf("bounds %+v", size)
	}
	// It died for want of memory: it gets 100 MiB more than it had.
	s.Killed(begin.Add(3*24*time.Hour), "a", 400<<20)
	if after, _ := s.Size(); float64(after.Target.Memory) < 500*1.15*(1<<20) {
		t.Errorf("memory target %d MiB after it was killed at 400", after.Target.Memory>>20)
	}
}

// history is days of a service whose hours need what need says.
func history(days int, requests uint64, need func(hour int) int, running int) *Profile {
	p := &Profile{}
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for h := range days * 24 {
		n := need(h % 24)
		served := requests
		if n == 0 {
			served = 0
		}
		for minute := range 4 {
			p.Add(start.Add(time.Duration(h)*time.Hour+time.Duration(minute)*15*time.Minute), served, n, running)
		}
	}
	return p
}

func TestRecommend(t *testing.T) {
	calm := func(Change) (float64, error) { return 0.001, nil }
	base := Facts{
		Service: "shop", Min: 4, Each: Resources{1000, 1 << 30}, Pool: "od", Price: Price{CPUHour: 0.03, MemoryGiBHour: 0.01}, MaxSlow: 0.01,
		Profile: history(8, 100, func(int) int { return 4 }, 4),
	}
	f := func(name string, change func(*Facts), replay Replay, want ...Advice) []Recommendation {
		t.Helper()
		facts := base
		change(&facts)
		got, _ := Recommend(facts, replay)
		var types []Advice
		for _, r := range got {
			types = append(types, r.Type)
			if r.Saving <= 0 || r.What == "" || len(r.Evidence) == 0 || r.Config+r.Command == "" || r.Change.Service != "shop" {
				t.Errorf("%s: %+v lacks something", name, r)
			}
		}
		if !slices.Equal(types, want) {
			t.Errorf("%s: %v; want %v", name, types, want)
		}
		return got
	}
	night := func(hour int) int {
		if hour >= 8 && hour < 18 {
			return 4
		}
		return 1
	}
	f("needs all it has", func(*Facts) {}, calm)
	f("too little history", func(x *Facts) { x.Profile = &Profile{} }, calm)
	got := f("never needs its minimum", func(x *Facts) { x.Profile = history(8, 100, func(int) int { return 2 }, 4) }, calm, LowerMinimum)
	// Two instances fewer at 0.04 an hour.
	if len(got) == 1 && (got[0].Saving != FromUnits(2*0.04*730) || got[0].Confidence != 1 || got[0].Risk != 0.001 || *got[0].Change.MinInstances != 2) {
		t.Errorf("%+v", got[0])
	}
	got = f("busy by day", func(x *Facts) { x.Profile = history(4, 100, night, 4) }, calm, UseSchedule)
	if len(got) == 1 && (*got[0].Change.Schedule != Schedule{8, 10, 4} || *got[0].Change.MinInstances != 1 || got[0].Confidence != 4.0/7) {
		t.Errorf("%+v %+v", got[0], got[0].Change.Schedule)
	}
	f("nobody at night", func(x *Facts) {
		x.Min, x.Profile = 1, history(8, 100, func(h int) int { return night(h) / 4 }, 1)
	}, calm, ScaleToZero)
	f("dead", func(x *Facts) { x.Profile = history(8, 100, func(int) int { return 0 }, 4) }, calm, RetireService)
	f("silent for two days only", func(x *Facts) { x.Profile = history(2, 100, func(int) int { return 0 }, 4) }, calm, LowerMinimum)
	f("a cheaper pool with room", func(x *Facts) {
		x.Pools = []Pool{{Name: "od", Price: x.Price}, {Name: "spot", Capacity: Resources{4000, 0}, Price: Price{CPUHour: 0.01}}}
	}, calm, MovePool)
	f("a cheaper pool without room", func(x *Facts) {
		x.Pools = []Pool{{Name: "spot", Capacity: Resources{3999, 0}, Price: Price{CPUHour: 0.01}}}
	}, calm)
	small := NewSizing()
	for minute := range 2880 {
		small.Add(begin.Add(time.Duration(minute)*time.Minute), "a", 0.1, 100<<20)
	}
	got = f("uses a tenth", func(x *Facts) { x.Sizing = small }, calm, RightSize)
	if len(got) == 1 && (got[0].Change.Each.MilliCPU > 150 || got[0].Change.Each.Memory > 130<<20) {
		t.Errorf("%+v", got[0].Change.Each)
	}
	got = f("several, by saving", func(x *Facts) {
		x.Sizing, x.Profile = small, history(8, 100, func(int) int { return 3 }, 4)
	}, calm, RightSize, LowerMinimum)
	if len(got) == 2 && got[0].Saving < got[1].Saving {
		t.Errorf("%s comes before %s", got[0].Saving, got[1].Saving)
	}
}

func TestRecommendIsCheckedByReplay(t *testing.T) {
	facts := Facts{Service: "shop", Min: 4, Each: Resources{1000, 0}, Price: Price{CPUHour: 1}, MaxSlow: 0.01, Profile: history(8, 9, func(int) int { return 2 }, 4)}
	f := func(slow float64, err error, made int, reason string) {
		t.Helper()
		asked := 0
		got, refused := Recommend(facts, func(c Change) (float64, error) {
			asked++
			if *c.MinInstances != 2 {
				t.Errorf("asked for %+v", c)
			}
			return slow, err
		})
		if asked != 1 || len(got) != made || len(refused) != 1-made {
			t.Fatalf("asked %d times, made %d, refused %d", asked, len(got), len(refused))
		}
		if made == 0 && refused[0].Reason != reason {
			t.Errorf("reason %q; want %q", refused[0].Reason, reason)
		}
	}
	f(0.01, nil, 1, "")
	f(0.02, nil, 0, "2% of the requests would be slow, 1% may be")
	f(math.NaN(), nil, 0, "NaN% of the requests would be slow, 1% may be")
	f(0, errNoTrace, 0, "it could not be tried: no trace")
}

func TestTooLittleHistoryIsTold(t *testing.T) {
	f := func(p *Profile, want string) {
		t.Helper()
		made, refused := Recommend(Facts{Service: "shop", Profile: p}, nil)
		if len(made) != 0 || len(refused) != 1 || refused[0].Service != "shop" || refused[0].Type != "" || refused[0].Reason != want {
			t.Fatalf("got %+v, %+v; want %q", made, refused, want)
		}
	}
	f(nil, "nothing is known of it yet")
	f(&Profile{}, "nothing is known of it yet")
	p := &Profile{}
	at := time.Date(2026, 3, 10, 9, 20, 0, 0, time.UTC)
	for hour := range 3 {
		p.Add(at.Add(time.Duration(hour)*time.Hour), 1, 1, 1)
	}
	f(p, "3 of 24 hours of history are there; it begins at 2026-03-11 08:00 UTC, schedule and scale-to-zero after 3 days, dead-service after 7")
}

type testError string

func (e testError) Error() string { return string(e) }

const errNoTrace = testError("no trace")

func TestProfileKeepsTwoWeeks(t *testing.T) {
	p := history(30, 1, func(int) int { return 1 }, 2)
	if len(p.Hours) != profileHours || p.running() != 2 || p.requests() != 4*profileHours {
		t.Errorf("%d hours, %v running, %d requests", len(p.Hours), p.running(), p.requests())
	}
}

func TestMoney(t *testing.T) {
	f := func(m Money, text string) {
		t.Helper()
		if m.String() != text {
			t.Errorf("%d prints as %s; want %s", m, m, text)
		}
		data, _ := json.Marshal(m)
		var back Money
		if err := json.Unmarshal(data, &back); err != nil || back != m {
			t.Errorf("%s came back as %d (%v)", data, back, err)
		}
	}
	f(0, "0.00")
	f(Unit, "1.00")
	f(12345678901, "12.3457")
	f(FromUnits(0.1), "0.10")
	f(-FromUnits(2.5), "-2.50")
	if FromUnits(math.NaN()) != 0 || FromUnits(1e300) != math.MaxInt64 || FromUnits(-1e300) != math.MinInt64 {
		t.Error("out of range")
	}
}
