package cost

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var begin = time.Date(2026, 3, 27, 21, 17, 3, 123456789, time.UTC)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	return z
}

// restart saves and loads the ledger as a restart of the gateway does.
func restart(t *testing.T, l *Ledger) *Ledger {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadLedger(data, l.zone)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// rationalTwin books like a Ledger, in fractions, with one sum for all.
type rationalTwin struct {
	until map[string]time.Time
	seen  map[string]time.Time
	rate  map[string]Money
	sum   *big.Rat
}

func (w *rationalTwin) observe(now time.Time, list []Instance, since time.Time) {
	for _, in := range list {
		until, known := w.until[in.ID]
		rate := w.rate[in.ID]
		if !known || in.Started.After(w.seen[in.ID]) {
			until, rate = in.Started, in.Price.PerHour(in.Given)
			if until.Before(since) {
				until = since
			}
		}
		part := big.NewRat(int64(now.Sub(until)), int64(time.Hour))
		w.sum.Add(w.sum, part.Mul(part, big.NewRat(int64(rate), 1)))
		w.until[in.ID], w.seen[in.ID], w.rate[in.ID] = now, now, in.Price.PerHour(in.Given)
	}
	for id, seen := range w.seen {
		if now.Sub(seen) > keepGone {
			delete(w.until, id)
		}
	}
}

func TestLedgerSumsExactly(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		l := NewLedger(zone(t, []string{"UTC", "Europe/Berlin", "Asia/Kathmandu"}[seed%3]), begin)
		w := &rationalTwin{map[string]time.Time{}, map[string]time.Time{}, map[string]Money{}, new(big.Rat)}
		now := begin
		var running []Instance
		for step := range 400 {
			now = now.Add(time.Duration(r.Int64N(int64(3 * time.Second))))
			if r.IntN(40) == 0 {
				now = now.Add(time.Duration(r.Int64N(int64(9 * time.Hour)))) // nobody watched
			}
			if r.IntN(4) == 0 || len(running) == 0 {
				running = append(running, Instance{
					ID: string(rune('a'+step%26)) + time.Duration(step).String(), Service: "shop", Revision: []string{"v1", "v2"}[r.IntN(2)], Pool: "p",
					Started: now.Add(-time.Duration(r.Int64N(int64(time.Minute)))), Given: Resources{MilliCPU: 333, Memory: 7 << 20},
				})
			}
			if r.IntN(4) == 0 {
				running = slices.Delete(running, 0, 1)
			}
			for i := range running {
				if r.IntN(10) == 0 {
					running[i].Price = Price{CPUHour: r.Float64(), MemoryGiBHour: r.Float64()}
				}
			}
			l.Observe(now, running)
			w.observe(now, running, begin)
			if r.IntN(50) == 0 {
				l = restart(t, l)
			}
		}
		got := new(big.Rat)
		for _, day := range l.days {
			for _, a := range day {
				got.Add(got, big.NewRat(a.Cost.Whole, 1))
				got.Add(got, new(big.Rat).SetFrac(new(big.Int).SetUint64(a.Cost.Rest), new(big.Int).SetUint64(nanosPerHour)))
			}
		}
		if got.Cmp(w.sum) != 0 {
			t.Fatalf("seed %d: booked %s; want %s", seed, got.FloatString(12), w.sum.FloatString(12))
		}
	}
}

// A ledger whose process is killed at any time is what its last save and its last journal make of it.
func TestAKilledLedgerLosesNothingOfItsJournal(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 8))
		l := NewLedger(zone(t, []string{"UTC", "Europe/Berlin"}[seed%2]), begin)
		saved, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		now := begin
		var running []Instance
		for step := range 300 {
			now = now.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))
			if r.IntN(3) == 0 {
				in := one(time.Duration(step).String(), now.Add(-time.Duration(r.Int64N(int64(36*time.Hour)))))
				in.Price.CPUHour = r.Float64()
				running = append(running, in)
			}
			if r.IntN(3) == 0 && len(running) > 0 {
				running = slices.Delete(running, 0, 1)
			}
			l.Observe(now, running)
			l.Served(now, Key{Service: "shop", Revision: "v1", Pool: "p"}, r.Uint64N(3))
			journal, err := l.Journal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := LoadLedger(saved, l.zone)
			if err != nil {
				t.Fatal(err)
			}
			if journal == nil {
				continue // nothing was booked
			}
			if err := again.Replay(journal); err != nil {
				t.Fatal(err)
			}
			want, _ := json.Marshal(l)
			got, _ := json.Marshal(again)
			if string(got) != string(want) {
				t.Fatalf("seed %d, step %d: got\n%s\nwant\n%s", seed, step, got, want)
			}
			switch r.IntN(10) {
			case 0:
				saved = want
				l.Settle()
			case 1:
				l = again // killed here
			}
		}
	}
}

func TestTheJournalIsSmallAndOldOnesAreNotReplayed(t *testing.T) {
	l := NewLedger(time.UTC, begin)
	a := one("a", begin)
	for day := range 100 {
		l.Observe(begin.AddDate(0, 0, day), []Instance{a})
	}
	old, _ := l.Journal()
	l.Settle()
	l.Observe(begin.AddDate(0, 0, 100), []Instance{a})
	journal, err := l.Journal()
	if err != nil || len(journal) > len(old)/10 {
		t.Fatalf("got %d bytes, %v; want a tenth of the %d of all days at most", len(journal), err, len(old))
	}
	if again, err := l.Journal(); again != nil || err != nil {
		t.Fatalf("got %s, %v; want nothing, since nothing was booked", again, err)
	}
	before, _ := json.Marshal(l)
	if err := l.Replay(old); err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(l); string(after) != string(before) {
		t.Fatal("an old journal changed the ledger")
	}
	if err := l.Replay([]byte("{")); err == nil {
		t.Fatal("got no error for a damaged journal")
	}
}

func one(id string, started time.Time) Instance {
	return Instance{ID: id, Service: "shop", Revision: "v1", Pool: "p", Started: started, Given: Resources{MilliCPU: 1000}, Price: Price{CPUHour: 1}}
}

func TestLedgerOverGaps(t *testing.T) {
	start := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)
	f := func(name string, steps func(observe func(after time.Duration, list ...Instance)), want Money) {
		t.Helper()
		l := NewLedger(time.UTC, start)
		steps(func(after time.Duration, list ...Instance) {
			l = restart(t, l)
			l.Observe(start.Add(after), list)
		})
		if got := l.Statement().Total.Month; got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
	type observe = func(time.Duration, ...Instance)
	a, h := one("a", start), time.Hour
	f("watched all the time", func(o observe) { o(0, a); o(h, a); o(2*h, a) }, 2*Unit)
	f("runs on while nobody watches", func(o observe) { o(0, a); o(8*h, a) }, 8*Unit)
	f("started while nobody watched", func(o observe) { o(0); o(8*h, one("b", start.Add(5*h))) }, 3*Unit)
	f("ended while nobody watched", func(o observe) { o(0, a); o(h, a); o(8 * h) }, 1*Unit)
	f("started anew under its name", func(o observe) { o(0, a); o(h, a); o(8*h, one("a", start.Add(6*h))) }, 3*Unit)
	f("ran before there was a ledger", func(o observe) { o(h, one("a", start.Add(-99*h))) }, 1*Unit)
	f("missing in one list", func(o observe) { o(0, a); o(h / 2); o(h, a) }, 1*Unit)
	f("its start is not known", func(o observe) { o(0); o(h, one("a", time.Time{})); o(2*h, one("a", time.Time{})) }, 1*Unit)
	f("the clock goes back", func(o observe) { o(0, a); o(2*h, a); o(h, a); o(3*h, a) }, 3*Unit)
	f("starts in the future", func(o observe) { o(h, one("a", start.Add(2*h))) }, 0)
}

func TestLedgerDaysOfZone(t *testing.T) {
	// On 2026-03-29 Berlin's clocks skip an hour: that day has 23.
	berlin := zone(t, "Europe/Berlin")
	start := time.Date(2026, 3, 28, 12, 0, 0, 0, berlin)
	l := NewLedger(berlin, start)
	l.Observe(start, []Instance{one("a", start)})
	l.Observe(time.Date(2026, 3, 31, 6, 0, 0, 0, berlin), []Instance{one("a", start)})
	s := l.Statement()
	want := []Day{{"2026-03-28", 12 * Unit}, {"2026-03-29", 23 * Unit}, {"2026-03-30", 24 * Unit}, {"2026-03-31", 6 * Unit}}
	if !slices.Equal(s.Days, want) {
		t.Errorf("days %v; want %v", s.Days, want)
	}
	if s.Total.Today != 6*Unit || s.Total.Month != 65*Unit || s.Total.PerHour != Unit || s.Total.Forecast != 83*Unit {
		t.Errorf("today %s, month %s, now %s, forecast %s", s.Total.Today, s.Total.Month, s.Total.PerHour, s.Total.Forecast)
	}
	l.Observe(time.Date(2026, 4, 1, 0, 0, 0, 0, berlin), []Instance{one("a", start)})
	if s := l.Statement(); s.Total.Month != 0 || len(s.Days) != 4 || s.Total.Forecast != 720*Unit {
		t.Errorf("a new month began with %s, forecast %s", s.Total.Month, s.Total.Forecast)
	}
}

func TestIdleIsNeverNegative(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		l := NewLedger(time.UTC, begin)
		pool := Pool{Name: "p", Capacity: Resources{r.Int64N(4000), r.Int64N(8 << 30)}, Price: Price{CPUHour: r.Float64(), MemoryGiBHour: r.Float64(), InstanceHour: r.Float64()}}
		for step := range 20 {
			var list []Instance
			for id := range r.IntN(5) {
				in := one(string(rune('a'+id)), begin)
				in.Given = Resources{r.Int64N(2000), r.Int64N(2 << 30)}
				in.Price = pool.Price
				if r.IntN(3) > 0 {
					in.Usage = &Resources{r.Int64N(9000), r.Int64N(9 << 30)}
				}
				list = append(list, in)
			}
			l.Observe(begin.Add(time.Duration(step)*time.Minute), list)
			perHour, share := PoolIdle(pool, list)
			if perHour < 0 || share < 0 || share > 1 {
				t.Fatalf("seed %d: pool is idle for %s, share %v", seed, perHour, share)
			}
		}
		s := l.Statement()
		for _, e := range slices.Concat(s.Entries, s.Services, s.Pools, []Entry{s.Total}) {
			if e.IdleShare < 0 || e.IdleShare > 1 || e.Month < 0 {
				t.Fatalf("seed %d: %+v", seed, e)
			}
		}
	}
	// Given one core, uses a quarter of it: three quarters are idle.
	l := NewLedger(time.UTC, begin)
	in := one("a", begin)
	in.Usage = &Resources{MilliCPU: 250}
	l.Observe(begin, []Instance{in})
	l.Observe(begin.Add(time.Hour), []Instance{in})
	l.Served(begin, Key{"shop", "v1", "p"}, 4000)
	if e := l.Statement().Total; e.IdleShare != 0.75 || *e.Per1000 != Unit/4 || e.InstanceHours != 1 {
		t.Errorf("idle %v, per 1000 requests %s, hours %v", e.IdleShare, e.Per1000, e.InstanceHours)
	}
}

func TestStatementSumsUp(t *testing.T) {
	l := NewLedger(time.UTC, begin)
	a, b := one("a", begin), one("b", begin)
	b.Service, b.Pool = "cart", "q"
	l.Observe(begin.Add(90*time.Minute), []Instance{a, b})
	s := l.Statement()
	if len(s.Entries) != 2 || len(s.Services) != 2 || len(s.Pools) != 2 || s.Total.Month != 3*Unit || s.Total.PerHour != 2*Unit {
		t.Errorf("%+v", s)
	}
	var forecast Money
	for _, e := range s.Services {
		forecast += e.Forecast
	}
	if d := forecast - s.Total.Forecast; d < -2 || d > 2 {
		t.Errorf("services' forecasts sum to %s; the total is %s", forecast, s.Total.Forecast)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := NewLedger(time.UTC, begin)
	for day := range 500 {
		in := one("a", begin)
		in.Revision = time.Duration(day).String()
		l.Observe(begin.AddDate(0, 0, day), []Instance{in})
		l.Observe(begin.AddDate(0, 0, day).Add(time.Minute), []Instance{in})
	}
	detailed := 0
	for _, day := range l.days {
		for k := range day {
			if k.Revision != "" {
				detailed++
			}
		}
	}
	if len(l.days) > keepDays+2 || detailed > 2*(keepRevision+2) {
		t.Errorf("%d days, %d accounts with revision", len(l.days), detailed)
	}
}

func TestLoadLedgerRejects(t *testing.T) {
	f := func(data string) {
		t.Helper()
		if _, err := LoadLedger([]byte(data), time.UTC); err == nil {
			t.Errorf("%s was taken for a ledger", data)
		}
	}
	f(`x`)
	f(`{}`)
	f(`{"version": 2}`)
	f(`{"version": 1, "booked": [{"date": "yesterday"}]}`)
	f(`{"version": 1, "booked": [{"date": "2026-01-01", "cost": {"rest": 3600000000000}}]}`)
	f(`{"version": 1, "meters": {"a": {"rate": {"cost": -1}}}}`)
}

func FuzzLoadLedger(f *testing.F) {
	l := NewLedger(time.UTC, begin)
	l.Observe(begin.Add(time.Hour), []Instance{one("a", begin)})
	data, _ := json.Marshal(l)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := LoadLedger(data, time.UTC)
		if err == nil {
			l.Statement()
		}
	})
}

func TestBudget(t *testing.T) {
	f := func(b Budget, s Statement, want ...BudgetAlert) {
		t.Helper()
		got := b.Check(s)
		for i := range got {
			if got[i].Text == "" {
				t.Errorf("%+v tells nothing", got[i])
			}
			got[i].Text = ""
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v; want %+v", got, want)
		}
	}
	s := Statement{Since: begin, At: begin.AddDate(0, 0, 3), Total: Entry{PerHour: 9 * Unit, Month: 100 * Unit, Forecast: 900 * Unit}}
	f(Budget{}, s)
	f(Budget{MaxPerHour: 20 * Unit, PerMonth: 1000 * Unit}, s)
	f(Budget{MaxPerHour: 10 * Unit}, s, BudgetAlert{Kind: BudgetPerHour, Value: 9 * Unit, Limit: 10 * Unit})
	f(Budget{MaxPerHour: 9 * Unit}, s, BudgetAlert{Kind: BudgetPerHour, Critical: true, Value: 9 * Unit, Limit: 9 * Unit})
	f(Budget{PerMonth: 899 * Unit}, s, BudgetAlert{Kind: BudgetForecast, Value: 900 * Unit, Limit: 899 * Unit})
	f(Budget{PerMonth: 100 * Unit}, s, BudgetAlert{Kind: BudgetSpent, Critical: true, Value: 100 * Unit, Limit: 100 * Unit})
	s.At = begin.Add(time.Hour)
	f(Budget{PerMonth: 899 * Unit}, s)
}
