package cost

import (
	"maps"
	"time"
)

const (
	keepDays     = 400 // of accounts
	keepRevision = 35  // days; older ones of a service are summed under no revision
	keepGone     = time.Hour
)

// Instance is what a Ledger needs to know of an instance that runs.
type Instance struct {
	ID       string // unique among all services together with Service
	Service  string
	Revision string
	Pool     string
	Started  time.Time  // zero: unknown, booked from when it is first seen
	Given    Resources  // what it may take
	Usage    *Resources // what it takes; nil: unknown
	Price    Price      // of its pool
}

// Key is what a Ledger books by.
type Key struct {
	Service  string `json:"service"`
	Revision string `json:"revision,omitempty"`
	Pool     string `json:"pool,omitempty"`
}

// meter is how far an instance is booked.
type meter struct {
	Key   Key       `json:"key"`
	Until time.Time `json:"until"`
	Seen  time.Time `json:"seen"`
	Rate  rate      `json:"rate"` // from Until on
}

// Ledger books what instances cost: instance time by price, by service, revision, pool
// and day. It is not safe for use from several goroutines.
//
// An instance that is seen is booked from when it started, or was booked last, up to
// now, at the rate it had when it was seen last. So one that goes on while nobody
// watches, the gateway being down, is booked in full as soon as it is seen again; one that ended
// meanwhile is booked up to when it was seen last. Nothing is booked twice, and nothing
// for a time when no instance is known to have run.
type Ledger struct {
	zone   *time.Location
	since  time.Time
	last   time.Time
	meters map[string]*meter
	days   map[string]map[Key]*account // by date in zone

	unsettled map[string]bool // dates that were booked on since the last Settle
	changed   bool            // since the last Journal
}

// NewLedger begins a ledger at now; its days are those of zone.
func NewLedger(zone *time.Location, now time.Time) *Ledger {
	return &Ledger{zone: zone, since: now, last: now, meters: map[string]*meter{}, days: map[string]map[Key]*account{}, unsettled: map[string]bool{}}
}

const dateFormat = "2006-01-02"

// Observe books all instances up to now. A now before the last one books nothing.
func (l *Ledger) Observe(now time.Time, instances []Instance) {
	if now.Before(l.last) {
		return
	}
	for _, in := range instances {
		l.observe(now, in)
	}
	maps.DeleteFunc(l.meters, func(_ string, m *meter) bool { return now.Sub(m.Seen) > keepGone })
	if now.In(l.zone).Format(dateFormat) != l.last.In(l.zone).Format(dateFormat) {
		l.tidy(now)
	}
	l.last = now
}

func (l *Ledger) observe(now time.Time, in Instance) {
	id := in.Service + "\x00" + in.ID
	m := l.meters[id]
	present := rateOf(in)
	if m == nil || !in.Started.IsZero() && in.Started.After(m.Seen) {
		// New, or started anew under the same name.
		m = &meter{Until: l.begin(in, now), Rate: present}
		l.meters[id] = m
	}
	m.Key = Key{in.Service, in.Revision, in.Pool}
	l.book(m, now)
	m.Until, m.Seen, m.Rate = now, now, present
}

// begin is from when an instance that is seen for the first time is booked.
func (l *Ledger) begin(in Instance, now time.Time) time.Time {
	switch {
	case in.Started.IsZero() || in.Started.After(now):
		return now
	case in.Started.Before(l.since):
		return l.since
	}
	return in.Started
}

// book splits the time at the midnights of the ledger's zone.
func (l *Ledger) book(m *meter, now time.Time) {
	for from := m.Until; from.Before(now); {
		y, mo, d := from.In(l.zone).Date()
		to := time.Date(y, mo, d+1, 0, 0, 0, 0, l.zone)
		if !to.After(from) || to.After(now) {
			to = now
		}
		a := l.account(from, m.Key)
		d2 := to.Sub(from)
		a.Cost.charge(m.Rate.Cost, d2)
		a.Used.charge(m.Rate.Used, d2)
		a.Nanos += uint64(d2)
		from = to
	}
}

func (l *Ledger) account(at time.Time, k Key) *account {
	date := at.In(l.zone).Format(dateFormat)
	l.unsettled[date], l.changed = true, true
	day := l.days[date]
	if day == nil {
		day = map[Key]*account{}
		l.days[date] = day
	}
	if day[k] == nil {
		day[k] = &account{}
	}
	return day[k]
}

// Served books n requests of a key at now, for the cost per 1,000 requests.
func (l *Ledger) Served(now time.Time, k Key, n uint64) {
	if n > 0 {
		l.account(now, k).Requests += n
	}
}

// tidy drops the days that are too old and sums old revisions.
func (l *Ledger) tidy(now time.Time) {
	oldest := now.In(l.zone).AddDate(0, 0, -keepDays).Format(dateFormat)
	detailed := now.In(l.zone).AddDate(0, 0, -keepRevision).Format(dateFormat)
	maps.DeleteFunc(l.days, func(date string, _ map[Key]*account) bool { return date < oldest })
	for date, day := range l.days {
		if date >= detailed {
			continue
		}
		summed := map[Key]*account{}
		for k, a := range day {
			k.Revision = ""
			if summed[k] == nil {
				summed[k] = &account{}
			}
			summed[k].merge(a)
		}
		l.days[date] = summed
	}
}
