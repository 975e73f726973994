package simulate

import (
	"html"
	"io"
	"strings"
)

// The picture's measures, in pixels.
const (
	svgWidth  = 1000
	svgPanel  = 190 // height of an autoscaler's panel
	svgLeft   = 56
	svgRight  = 16
	svgTop    = 56
	svgGap    = 34
	svgPoints = 900 // columns that the time is divided into
)

// WriteSVG draws, for each autoscaler, the instances that were needed and those that
// were ready over time, on one scale. It needs a Report that Run returned:
// the series are not part of its JSON.
func (r *Report) WriteSVG(w io.Writer) error {
	b := &errWriter{w: w}
	height := svgTop + len(r.Scores)*(svgPanel+svgGap) + 10
	b.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", svgWidth, height, svgWidth, height)
	b.printf(`<rect width="100%%" height="100%%" fill="#fff"/>` + "\n")
	b.printf(`<text x="%d" y="22" font-size="16" fill="#111">%s: instances needed and ready</text>`+"\n", svgLeft, html.EscapeString(r.Trace))
	b.printf(`<text x="%d" y="40" fill="#555">grey: needed; blue: ready; red: fewer ready than needed; %.1f h, start-up delay %.0f s</text>`+"\n", svgLeft, r.Hours, r.StartDelay)
	most := r.PeakNeed
	for i := range r.Scores {
		for _, n := range columns(r.Scores[i].ready) {
			most = max(most, n)
		}
	}
	for i := range r.Scores {
		r.panel(b, &r.Scores[i], svgTop+i*(svgPanel+svgGap), most)
	}
	b.printf("</svg>\n")
	return b.err
}

func (r *Report) panel(b *errWriter, s *Score, top, most int) {
	bottom := top + svgPanel
	y := func(n int) float64 { return float64(bottom) - float64(n)/float64(max(most, 1))*(svgPanel-18) }
	b.printf(`<text x="%d" y="%d" fill="#111">%s</text>`+"\n", svgLeft, top+10, html.EscapeString(s.Name))
	b.printf(`<text x="%d" y="%d" fill="#555" text-anchor="end">J %.2f, cost %.2f, slow %.2f %%, %.1f turns/h</text>`+"\n", svgWidth-svgRight, top+10, s.J, s.RelativeCost, s.SlowPercent, s.FlipsPerHour)
	for _, n := range []int{0, most / 2, most} {
		b.printf(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" fill="#555" text-anchor="end">%d</text>`+"\n",
			svgLeft, svgWidth-svgRight, y(n), y(n), svgLeft-6, y(n)+4, n)
	}
	need, ready := columns(r.need), columns(s.ready)
	b.printf(`<path d="%s" fill="#d4d4d4" stroke="none"/>`+"\n", area(need, y, bottom))
	b.printf(`<path d="%s" fill="none" stroke="#d33" stroke-width="1.6"/>`+"\n", short(need, ready, y))
	b.printf(`<path d="%s" fill="none" stroke="#1f5fbf" stroke-width="1.2"/>`+"\n", line(ready, y))
	r.hours(b, bottom)
}

// hours writes the time axis: at most a dozen marks at round hours.
func (r *Report) hours(b *errWriter, bottom int) {
	step := 1.0
	for _, s := range []float64{1, 2, 3, 6, 12, 24, 48, 168} {
		if step = s; r.Hours/s <= 12 {
			break
		}
	}
	for h := 0.0; h <= r.Hours; h += step {
		x := svgLeft + h/r.Hours*(svgWidth-svgLeft-svgRight)
		b.printf(`<text x="%.1f" y="%d" fill="#555" text-anchor="middle">%.0f h</text>`+"\n", x, bottom+15, h)
	}
}

// columns takes the largest value of each column of the picture.
func columns(v []int) []int {
	n := min(svgPoints, len(v))
	out := make([]int, n)
	for i, x := range v {
		c := i * n / len(v)
		out[c] = max(out[c], x)
	}
	return out
}

func column(i, n int) float64 {
	return svgLeft + float64(i)/float64(n)*(svgWidth-svgLeft-svgRight)
}

// line is a staircase through v.
func line(v []int, y func(int) float64) string {
	var b strings.Builder
	e := &errWriter{w: &b}
	for i, n := range v {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		e.printf("%s%.1f %.1fH%.1f", verb, column(i, len(v)), y(n), column(i+1, len(v)))
	}
	return b.String()
}

func area(v []int, y func(int) float64, bottom int) string {
	var b strings.Builder
	e := &errWriter{w: &b}
	e.printf("M%d %d", svgLeft, bottom)
	b.WriteString(strings.Replace(line(v, y), "M", "L", 1))
	e.printf("V%dZ", bottom)
	return b.String()
}

// short marks where fewer are ready than needed.
func short(need, ready []int, y func(int) float64) string {
	var b strings.Builder
	e := &errWriter{w: &b}
	for i := range need {
		if ready[i] < need[i] {
			e.printf("M%.1f %.1fV%.1f", column(i, len(need)), y(ready[i]), y(need[i]))
		}
	}
	return b.String()
}
