package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"gatewayd/monitor"
)

//go:embed report.html
var page string

// HTML writes r as one file with drawn charts, times in zone. It
// holds no script and asks for nothing from anywhere.
func HTML(w io.Writer, r monitor.Report, zone *time.Location) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"number":   number,
		"percent":  percent,
		"money":    money,
		"optional": optionalMoney,
		"share":    func(v float64) string { return number(100 * v) },
		"time":     func(at time.Time) string { return at.In(zone).Format("2006-01-02 15:04:05 MST") },
		"span":     func(since time.Time, until *time.Time) string { return span(since, until, zone) },
		"charts":   func(s monitor.ServiceReport) []chart { return charts(s, r.From, r.To, zone) },
		"figure":   figure,
		"usual":    func(v *float64) string { return number(*v) },
	}).Parse(page)
	if err != nil {
		panic(fmt.Sprintf("BUG: the report's template does not parse: %v", err))
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("cannot write report: %w", err)
	}
	return nil
}
