package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"gatewayd/monitor"
)

// The drawing area of a chart, in the units of its view box.
const (
	chartWidth, chartHeight = 640.0, 180.0
	plotLeft, plotRight     = 48.0, 632.0
	plotTop, plotBottom     = 10.0, 156.0
)

// chart is what the template draws.
type chart struct {
	Title, Unit   string
	Width         float64
	Height        float64
	Left, Right   float64
	Top, Bottom   float64
	Lines         []line
	Rows, Columns []tick
}

// line is one series of a chart, as the d of an SVG path.
type line struct {
	Name, Class, Path string
	Last              string
}

// tick is a label at a place of an axis.
type tick struct {
	At    float64
	Label string
}

type seriesOf struct {
	name, class string
	value       func(monitor.ChartPoint) float64
}

// charts of one service: load, latency, trouble.
func charts(s monitor.ServiceReport, from, to time.Time, zone *time.Location) []chart {
	return []chart{
		draw("Requests", "/s", s.Points, from, to, zone, []seriesOf{{"rate", "a", func(p monitor.ChartPoint) float64 { return p.Rate }}}),
		draw("Latency", "ms", s.Points, from, to, zone, []seriesOf{
			{"p50", "a", func(p monitor.ChartPoint) float64 { return p.P50 }},
			{"p95", "b", func(p monitor.ChartPoint) float64 { return p.P95 }},
			{"p99", "c", func(p monitor.ChartPoint) float64 { return p.P99 }},
		}),
		draw("Instances and queue", "", s.Points, from, to, zone, []seriesOf{
			{"instances", "a", func(p monitor.ChartPoint) float64 { return p.Instances }},
			{"wanted", "b", func(p monitor.ChartPoint) float64 { return p.Wanted }},
			{"queue", "c", func(p monitor.ChartPoint) float64 { return p.Queue }},
		}),
		draw("Errors", "%", s.Points, from, to, zone, []seriesOf{{"errors", "c", func(p monitor.ChartPoint) float64 { return p.ErrorPercent }}}),
	}
}

func draw(title, unit string, points []monitor.ChartPoint, from, to time.Time, zone *time.Location, list []seriesOf) chart {
	c := chart{Title: title, Unit: unit, Width: chartWidth, Height: chartHeight, Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom}
	highest := 0.0
	for _, p := range points {
		for _, s := range list {
			highest = max(highest, s.value(p))
		}
	}
	top, step := scale(highest)
	y := func(v float64) float64 { return plotBottom - (plotBottom-plotTop)*v/top }
	x := func(at time.Time) float64 {
		return plotLeft + (plotRight-plotLeft)*at.Sub(from).Seconds()/math.Max(to.Sub(from).Seconds(), 1)
	}
	for v := 0.0; v <= top*1.001; v += step {
		c.Rows = append(c.Rows, tick{y(v), number(v)})
	}
	for i := range 5 {
		at := from.Add(to.Sub(from) * time.Duration(i) / 4)
		c.Columns = append(c.Columns, tick{x(at), timeLabel(at.In(zone), to.Sub(from))})
	}
	for _, s := range list {
		l := line{Name: s.name, Class: s.class, Path: path(points, s.value, x, y)}
		if len(points) > 0 {
			l.Last = number(s.value(points[len(points)-1]))
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// path lifts the pen where points are missing: more than two and a half steps apart.
func path(points []monitor.ChartPoint, value func(monitor.ChartPoint) float64, x func(time.Time) float64, y func(float64) float64) string {
	step := time.Duration(math.MaxInt64)
	for i := 1; i < len(points); i++ {
		step = min(step, points[i].At.Sub(points[i-1].At))
	}
	var b strings.Builder
	for i, p := range points {
		pen := "L"
		if i == 0 || p.At.Sub(points[i-1].At) > step*5/2 {
			pen = "M"
		}
		at := min(max(x(p.At), plotLeft), plotRight)
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, at, y(value(p)))
	}
	return b.String()
}

// scale rounds the highest value up to a round top with three to six rows below it.
func scale(highest float64) (top, step float64) {
	if !(highest > 0) || math.IsInf(highest, 0) {
		return 1, 0.5
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, f := range []float64{0.2, 0.25, 0.5, 1, 2, 2.5} {
		step = unit * f
		if n := math.Ceil(highest/step - 1e-9); n <= 5 {
			return n * step, step
		}
	}
	return 10 * unit, 5 * unit
}

func timeLabel(at time.Time, span time.Duration) string {
	switch {
	case span <= 10*time.Minute:
		return at.Format("15:04:05")
	case span <= 26*time.Hour:
		return at.Format("15:04")
	}
	return at.Format("Jan 2 15:04")
}
