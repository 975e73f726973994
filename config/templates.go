package config

import (
	"errors"
	"io"
	"strings"
	"text/template"
	"time"
	_ "time/tzdata" // so that schedules work, and are checked alike, where the system has no time zones

	"github.com/robfig/cron/v3"
)

// instanceVariables is what templates of a provider may use.
type instanceVariables struct {
	Executable, Service, Version, Instance, Address, Host, Port string
}

// queryVariables is what the query of an analysis check may use.
type queryVariables struct{ Service, Version string }

func isInstanceTemplate(s string) bool { return isTemplate(s, instanceVariables{}) }

func isQueryTemplate(s string) bool { return isTemplate(s, queryVariables{}) }

// isTemplate tells whether s is a template that can be executed with variables.
func isTemplate(s string, variables any) bool {
	t, err := template.New("").Parse(s)
	return err == nil && t.Execute(io.Discard, variables) == nil
}

func isTimezone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil
}

// isCron tells whether s is a schedule of five fields with a next time in a
// few years; "0 0 30 2 *" has none.
func isCron(s string) bool {
	schedule, err := ParseCron(s, "UTC")
	return err == nil && !schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero()
}

// ParseCron parses a Policy's cron and timezone. For those of a loaded Config the
// error is always nil.
func ParseCron(spec, timezone string) (cron.Schedule, error) {
	if strings.Contains(spec, "=") { // the parser would take TZ=..., and panics where nothing follows
		return nil, errors.New("a time zone in the schedule")
	}
	location, err := time.LoadLocation(timezone)
	if err != nil {
		return nil, err
	}
	fields := cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow
	schedule, err := cron.NewParser(fields).Parse(spec)
	if s, ok := schedule.(*cron.SpecSchedule); ok {
		s.Location = location
	}
	return schedule, err
}
