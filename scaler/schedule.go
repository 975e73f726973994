package scaler

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseCron reads the five fields of a cron expression (minute, hour, day of month,
// month, day of week; @daily and its like too) as meant in the time zone
// named by zone, an IANA name; empty means UTC.
func ParseCron(expr, zone string) (Schedule, error) {
	if zone == "" {
		zone = "UTC"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("cannot load timezone %q: %w", zone, err)
	}
	parsed, err := cron.ParseStandard(expr)
	if err != nil {
		return nil, fmt.Errorf("cannot parse cron %q: %w", expr, err)
	}
	if spec, ok := parsed.(*cron.SpecSchedule); ok {
		spec.Location = loc
	}
	return parsed, nil
}

// scheduleState remembers the answer for as long as it stays true,
// because finding the next activation of a cron expression walks the calendar.
type scheduleState struct {
	active  bool
	changes time.Time // when active has to be worked out again
}

// wantSchedule asks for the policy's MinInstances inside its spans, and already
// one start-up delay before, so that they are ready when the span begins.
func wantSchedule(p *Policy, st *scheduleState, now time.Time, lead time.Duration) PolicyWant {
	w := PolicyWant{Name: p.Name, Type: TypeSchedule}
	if !now.Before(st.changes) || now.Before(st.changes.Add(-24*time.Hour)) {
		st.active, st.changes = activeAt(p, now, lead)
	}
	if st.active {
		w.Want = p.MinInstances
	}
	return w
}

// activeAt says whether now lies in a span [begin-lead, begin+Duration), and until when, at
// most an hour, that answer holds.
func activeAt(p *Policy, now time.Time, lead time.Duration) (bool, time.Time) {
	holds := now.Add(time.Hour)
	begin := p.Cron.Next(now.Add(-p.Duration))
	if begin.IsZero() {
		return false, holds
	}
	if early := begin.Add(-lead); early.After(now) {
		return false, earlier(early, holds)
	}
	return true, earlier(begin.Add(p.Duration), holds)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
