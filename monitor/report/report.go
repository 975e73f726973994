// Package report renders a monitor.Report for people and programs: as text for a
// terminal, as JSON, and as one HTML file that needs nothing but itself. It
// only writes to the writers it is given, and starts no goroutine.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gatewayd/monitor"
)

// JSON writes r as one indented JSON object.
func JSON(w io.Writer, r monitor.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("cannot write report: %w", err)
	}
	return nil
}

// Text writes r as plain tables, times in zone.
func Text(w io.Writer, r monitor.Report, zone *time.Location) error {
	t := &text{Writer: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), zone: zone}
	t.line("Report from %s to %s", t.time(r.From), t.time(r.To))
	t.toDo(r)
	t.services(r)
	t.happenings(r)
	t.costs(r)
	if t.err == nil {
		t.err = t.Flush()
	}
	if t.err != nil {
		return fmt.Errorf("cannot write report: %w", t.err)
	}
	return nil
}

// text remembers the first error, so that its callers need not look after each line.
type text struct {
	*tabwriter.Writer
	zone *time.Location
	err  error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.Writer, format+"\n", args...)
	}
}

// head begins a section; tables of different sections do not share columns.
func (t *text) head(title string) {
	if t.err == nil {
		t.err = t.Flush()
	}
	t.line("\n%s", strings.ToUpper(title))
}

func (t *text) time(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04:05 MST") }

func (t *text) toDo(r monitor.Report) {
	if len(r.ToDo) == 0 {
		t.line("\nNothing needs to be done.")
		return
	}
	t.head("most worth doing")
	for i, d := range r.ToDo {
		t.line("%d. %s", i+1, oneLine(d.What))
		t.line("   because: %s", oneLine(d.Why))
		if d.Command != "" {
			t.line("   command: %s", oneLine(d.Command))
		}
	}
}

func (t *text) services(r monitor.Report) {
	t.head("services")
	t.line("SERVICE\tREQUESTS\tRATE\tPEAK\tERRORS\tREJECTED\tP50\tP95\tP99\tINSTANCES\tCPU\tMEMORY\tQUEUE")
	for _, s := range r.Services {
		t.line("%s\t%d\t%s/s\t%s/s\t%s%%\t%d\t%s ms\t%s ms\t%s ms\t%s\t%s\t%s\t%s", oneLine(s.Service), s.Requests, number(s.MeanRate), number(s.PeakRate),
			number(s.ErrorPercent), s.Rejected, number(s.P50), number(s.P95), number(s.P99), number(s.Instances), percent(s.CPU), percent(s.Memory), number(s.MaxQueue))
	}
}

func (t *text) happenings(r monitor.Report) {
	if len(r.Findings) > 0 {
		t.head("bottlenecks")
		for _, f := range r.Findings {
			t.line("%s\t%s\t%s\t%s\t%s", span(f.Since, f.ResolvedAt, t.zone), f.Severity, f.Type, oneLine(cmp.Or(f.Service, "gateway")), oneLine(f.Cause))
		}
	}
	if len(r.Alerts) > 0 {
		t.head("alerts")
		for _, a := range r.Alerts {
			t.line("%s\t%s\t%s\t%s", span(a.Since, a.ResolvedAt, t.zone), a.Severity, oneLine(a.ID), oneLine(a.Summary))
		}
	}
	for _, list := range []struct {
		title  string
		events []monitor.Event
	}{{"scaling", r.Scalings}, {"rollouts", r.Rollouts}} {
		if len(list.events) == 0 {
			continue
		}
		t.head(list.title)
		for _, e := range list.events {
			t.line("%s\t%s\t%s", t.time(e.At), oneLine(e.Service), oneLine(e.Text))
		}
	}
}

func (t *text) costs(r monitor.Report) {
	if len(r.Costs) > 0 {
		t.head("cost")
		t.line("SERVICE\tPER HOUR\tTODAY\tMONTH\tFORECAST\tPER 1,000 REQUESTS\tIDLE")
		for _, c := range r.Costs {
			t.line("%s\t%s\t%s\t%s\t%s\t%s\t%s%%", oneLine(c.Service), money(c.PerHour), money(c.Today), money(c.Month), money(c.Forecast), optionalMoney(c.Per1000), number(100*c.IdleShare))
		}
	}
	if len(r.Recommendations) > 0 {
		t.head("recommendations")
		for _, c := range r.Recommendations {
			t.line("%s\tsaves %s a month\t%s", oneLine(c.Service), money(c.Saving), oneLine(c.What))
		}
	}
}

// oneLine keeps what others named from breaking a table or moving a terminal's cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// span is when something began, and how long it lasted or that it still does.
func span(since time.Time, until *time.Time, zone *time.Location) string {
	begin := since.In(zone).Format("2006-01-02 15:04:05")
	if until == nil {
		return begin + ", goes on"
	}
	return fmt.Sprintf("%s, %s", begin, until.Sub(since).Round(time.Second))
}

// number prints at most one decimal from ten on, two below.
func number(v float64) string {
	decimals := 2
	switch {
	case v >= 100 || v <= -100:
		decimals = 0
	case v >= 10 || v <= -10:
		decimals = 1
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func money(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func optionalMoney(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 4, 64)
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v) + "%"
}
