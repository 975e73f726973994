package monitor

import "time"

// longestHold bounds how long a flapping alert must stay clear before it is over,
// and is how long after its end a return counts as flapping.
const longestHold = 30 * time.Minute

type machineKey struct {
	rule     string
	service  string
	severity Severity
}

// machine takes one level of one rule for one service through
// inactive -> pending -> firing -> inactive.
type machine struct {
	State    AlertState    `json:"state"` // empty: inactive
	Since    time.Time     `json:"since"` // of State
	LastBad  time.Time     `json:"lastBad"`
	Hold     time.Duration `json:"hold"`               // how long it must be clear
	Resolved time.Time     `json:"resolved,omitempty"` // last time it ended

	stepped time.Time // last time its rule had a reading
}

// reading is what one level has to say now.
type reading struct {
	key        machineKey
	value      float64
	threshold  float64
	known      bool // there was something to measure
	bad        bool // reaches the raise level
	healthy    bool // beyond the clear level, or nothing to measure
	wait       time.Duration
	keepFiring time.Duration
}

// step moves the machine and tells its state. An alert that comes back within half
// an hour of its end has to stay clear twice as long as the time before, so one that
// swings slower than KeepFiring is not told over and over.
func (m *machine) step(r reading, now time.Time) AlertState {
	m.stepped = now
	if m.State == "" && r.bad {
		m.State, m.Since = Pending, now
	}
	if m.State == Pending {
		switch {
		case !r.bad:
			m.State, m.Since = "", now
		case now.Sub(m.Since) >= r.wait:
			m.fire(r, now)
		}
	}
	if m.State == Firing {
		if !r.healthy {
			m.LastBad = now
		} else if now.Sub(m.LastBad) >= m.Hold {
			m.State, m.Since, m.Resolved = "", now, now
		}
	}
	return m.State
}

func (m *machine) fire(r reading, now time.Time) {
	flapping := !m.Resolved.IsZero() && now.Sub(m.Resolved) < longestHold
	switch {
	case flapping:
		m.Hold = max(min(2*m.Hold, longestHold), r.keepFiring)
	default:
		m.Hold = r.keepFiring
	}
	m.State, m.Since, m.LastBad = Firing, now, now
}

// useless machines need not be kept: their rule or service is gone, or they know
// nothing that a new one would not.
func (m *machine) useless(now time.Time) bool {
	return !m.stepped.Equal(now) || m.State == "" && now.Sub(m.Resolved) >= longestHold
}
