package rollout

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// rounded keeps three digits after the point.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

// number prints x with at most two digits after the point, large ones without, and those from a million on by their power of ten.
func number(x float64) string {
	switch {
	case math.Abs(x) >= 1e6:
		return strconv.FormatFloat(x, 'g', 2, 64)
	case math.Abs(x) >= 1000:
		return strconv.FormatFloat(math.Round(x), 'f', -1, 64)
	}
	return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
}

// points prints an increase of a percentage.
func points(x float64) string {
	if x == 1 {
		return "1 point"
	}
	return number(x) + " points"
}

// eValue prints an e-value; from some size on the figure says nothing more.
func eValue(x float64) string {
	if x >= 1e6 {
		return "above a million"
	}
	return number(x)
}

func percent(x float64) string { return number(x) + "%" }

func ms(x float64) string {
	if x >= 10 {
		x = math.Round(x)
	}
	return number(x) + "ms"
}

// span prints a duration without the zero units that time.Duration adds: 5m, 1h30m, 90s as 1m30s.
func span(d time.Duration) string {
	s := d.Round(time.Millisecond).String()
	if d >= time.Minute {
		s = strings.TrimSuffix(d.Round(time.Second).String(), "m0s")
		if s != d.Round(time.Second).String() {
			s += "m"
		}
		if trimmed, ok := strings.CutSuffix(s, "h0m"); ok {
			s = trimmed + "h"
		}
	}
	return s
}

// plural prints a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func instances(n int) string { return plural(n, "instance") }
