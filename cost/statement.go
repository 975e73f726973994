package cost

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Entry is one line of a Statement.
type Entry struct {
	Key
	PerHour       Money   `json:"perHour"` // now
	Today         Money   `json:"today"`
	Month         Money   `json:"month"`
	Forecast      Money   `json:"forecast"`          // of the whole month
	InstanceHours float64 `json:"instanceHours"`     // this month
	Requests      uint64  `json:"requests"`          // this month
	Per1000       *Money  `json:"per1000,omitempty"` // this month; nil without requests
	IdleShare     float64 `json:"idleShare"`         // this month: of what was paid, what was not used; in [0, 1]

	used, cost amount
	rest       Money // forecast from now to the end of the month
}

// Statement is what the ledger says at a time.
type Statement struct {
	At       time.Time `json:"at"`
	Zone     string    `json:"zone"`
	Since    time.Time `json:"since"` // nothing was booked before
	Total    Entry     `json:"total"`
	Entries  []Entry   `json:"entries"`  // by service, revision and pool
	Services []Entry   `json:"services"` // by service
	Pools    []Entry   `json:"pools"`    // by pool
	Days     []Day     `json:"days"`     // the last 31 with a cost, oldest first
}

// Day is what one day cost.
type Day struct {
	Date string `json:"date"`
	Cost Money  `json:"cost"`
}

// Running counts the instances that the last Observe was told of.
func (l *Ledger) Running() map[Key]int {
	n := map[Key]int{}
	for _, m := range l.meters {
		if m.Seen.Equal(l.last) {
			n[m.Key]++
		}
	}
	return n
}

// Statement sums up to the last Observe.
func (l *Ledger) Statement() Statement {
	local := l.last.In(l.zone)
	s := Statement{At: l.last, Zone: l.zone.String(), Since: l.since}
	today, month := local.Format(dateFormat), local.Format("2006-01")
	weekly := l.lastWeek()
	entries := map[Key]*Entry{}
	entry := func(k Key) *Entry {
		if entries[k] == nil {
			entries[k] = &Entry{Key: k}
		}
		return entries[k]
	}
	for _, date := range slices.Sorted(maps.Keys(l.days)) {
		if date[:len(month)] != month {
			continue
		}
		for k, a := range l.days[date] {
			e := entry(k)
			e.cost.add(a.Cost)
			e.used.add(a.Used)
			e.InstanceHours += time.Duration(a.Nanos).Hours()
			e.Requests += a.Requests
			if date == today {
				e.Today += a.Cost.money()
			}
		}
	}
	for _, m := range l.meters {
		if m.Seen.Equal(l.last) {
			entry(m.Key).PerHour += m.Rate.Cost
		}
	}
	for k, e := range entries {
		e.rest = l.rest(weekly[k], e.PerHour)
	}
	s.Entries = finish(entries)
	s.Services = group(s.Entries, func(k Key) Key { return Key{Service: k.Service} })
	s.Pools = group(s.Entries, func(k Key) Key { return Key{Pool: k.Pool} })
	if total := group(s.Entries, func(Key) Key { return Key{} }); len(total) == 1 {
		s.Total = total[0]
	}
	s.Days = l.recentDays()
	return s
}

// group sums entries whose keys by makes equal.
func group(entries []Entry, by func(Key) Key) []Entry {
	sums := map[Key]*Entry{}
	for _, e := range entries {
		k := by(e.Key)
		to := sums[k]
		if to == nil {
			to = &Entry{Key: k}
			sums[k] = to
		}
		to.PerHour += e.PerHour
		to.rest += e.rest
		to.Today += e.Today
		to.InstanceHours += e.InstanceHours
		to.Requests += e.Requests
		to.cost.add(e.cost)
		to.used.add(e.used)
	}
	return finish(sums)
}

// finish works out what follows from the sums, and sorts by key.
func finish(entries map[Key]*Entry) []Entry {
	var list []Entry
	for _, e := range entries {
		e.Month = e.cost.money()
		e.Forecast = e.Month + e.rest
		if e.Requests > 0 {
			per := Money(float64(e.Month) / float64(e.Requests) * 1000)
			e.Per1000 = &per
		}
		if e.cost.Whole > 0 {
			e.IdleShare = min(max(1-float64(e.used.Whole)/float64(e.cost.Whole), 0), 1)
		}
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Pool, b.Pool))
	})
	return list
}

func (l *Ledger) recentDays() []Day {
	dates := slices.Sorted(maps.Keys(l.days))
	var days []Day
	for _, date := range dates[max(len(dates)-31, 0):] {
		var sum amount
		for _, a := range l.days[date] {
			sum.add(a.Cost)
		}
		days = append(days, Day{date, sum.money()})
	}
	return days
}

// forecastDays is how far back a forecast looks: a week has all its days in it once.
const forecastDays = 7

// lastWeek is what each key cost since the midnight six days ago.
func (l *Ledger) lastWeek() map[Key]amount {
	first := l.last.In(l.zone).AddDate(0, 0, 1-forecastDays).Format(dateFormat)
	sums := map[Key]amount{}
	for date, day := range l.days {
		if date < first {
			continue
		}
		for k, a := range day {
			sum := sums[k]
			sum.add(a.Cost)
			sums[k] = sum
		}
	}
	return sums
}

// rest forecasts what a key will cost from now to the end of the month: the hours that
// are left times the mean hourly cost of the last week. Within the first hour of a
// ledger it is what the key costs now.
func (l *Ledger) rest(week amount, perHour Money) Money {
	local := l.last.In(l.zone)
	y, mo, d := local.Date()
	left := time.Date(y, mo+1, 1, 0, 0, 0, 0, l.zone).Sub(local).Hours()
	begin := time.Date(y, mo, d+1-forecastDays, 0, 0, 0, 0, l.zone)
	if l.since.After(begin) {
		begin = l.since
	}
	span := l.last.Sub(begin)
	if span < time.Hour {
		return Money(float64(perHour) * left)
	}
	return Money(float64(week.money()) / span.Hours() * left)
}
