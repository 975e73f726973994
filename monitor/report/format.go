// Package report renders a monitor.Report as one HTML file that needs nothing but
// itself. It only writes to the writer it is given, and starts no goroutine.
package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

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

// figure prints a value with its unit, if it has one.
func figure(v float64, unit string) string { return strings.TrimSpace(number(v) + " " + unit) }
