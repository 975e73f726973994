package cost

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// savedVersion is of the shape below.
const savedVersion = 1

type savedLedger struct {
	Version int              `json:"version"`
	Zone    string           `json:"zone"`
	Since   time.Time        `json:"since"`
	Last    time.Time        `json:"last"`
	Meters  map[string]meter `json:"meters"`
	Booked  []savedAccount   `json:"booked"`
}

type savedAccount struct {
	Date string `json:"date"`
	Key
	account
}

// MarshalJSON saves the ledger exactly.
func (l *Ledger) MarshalJSON() ([]byte, error) {
	return l.marshal(l.days)
}

// Settle begins a new journal. It is called when what MarshalJSON gave is safe.
func (l *Ledger) Settle() { clear(l.unsettled) }

// Journal saves what changed since the last Settle, which is much less than the whole: the meters, and the days that were booked on.
// It is nil when nothing was booked since the last Journal.
func (l *Ledger) Journal() ([]byte, error) {
	if !l.changed {
		return nil, nil
	}
	l.changed = false
	days := map[string]map[Key]*account{}
	for date := range l.unsettled {
		days[date] = l.days[date]
	}
	return l.marshal(days)
}

// Replay brings a ledger that was loaded up to what Journal saved after it. A journal that is older than the ledger changes nothing.
func (l *Ledger) Replay(journal []byte) error {
	j, err := LoadLedger(journal, l.zone)
	if err != nil {
		return fmt.Errorf("cannot replay the journal: %w", err)
	}
	if !j.last.After(l.last) {
		return nil
	}
	l.since, l.last, l.meters = j.since, j.last, j.meters
	maps.Copy(l.days, j.days)
	for date := range j.days {
		l.unsettled[date] = true
	}
	return nil
}

// Empty tells whether nothing was ever booked.
func (l *Ledger) Empty() bool { return len(l.days) == 0 && len(l.meters) == 0 }

func (l *Ledger) marshal(days map[string]map[Key]*account) ([]byte, error) {
	s := savedLedger{Version: savedVersion, Zone: l.zone.String(), Since: l.since, Last: l.last, Meters: map[string]meter{}}
	for id, m := range l.meters {
		s.Meters[id] = *m
	}
	for date, day := range days {
		for k, a := range day {
			s.Booked = append(s.Booked, savedAccount{date, k, *a})
		}
	}
	slices.SortFunc(s.Booked, func(a, b savedAccount) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Pool, b.Pool))
	})
	return json.Marshal(s)
}

// LoadLedger reads what MarshalJSON saved. In another zone than before, the days booked
// already keep the borders they had.
func LoadLedger(data []byte, zone *time.Location) (*Ledger, error) {
	var s savedLedger
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("cannot read ledger: %w", err)
	}
	if s.Version != savedVersion {
		return nil, fmt.Errorf("cannot read ledger: version %d; want %d", s.Version, savedVersion)
	}
	l := NewLedger(zone, s.Since)
	l.last = s.Last
	for id, m := range s.Meters {
		if m.Rate.Cost < 0 || m.Rate.Used < 0 {
			return nil, fmt.Errorf("cannot read ledger: rate of %q is negative", id)
		}
		l.meters[id] = &m
	}
	for _, b := range s.Booked {
		if _, err := time.Parse(dateFormat, b.Date); err != nil || b.Cost.Rest >= nanosPerHour || b.Used.Rest >= nanosPerHour {
			return nil, fmt.Errorf("cannot read ledger: account of %q on %q is damaged", b.Service, b.Date)
		}
		if l.days[b.Date] == nil {
			l.days[b.Date] = map[Key]*account{}
		}
		l.days[b.Date][b.Key] = &b.account
	}
	return l, nil
}
