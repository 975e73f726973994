package scaler

import (
	"fmt"
	"math"
	"time"
)

// The bounds within which a pushed figure's time must lie.
const (
	PushedMaxAge    = 5 * time.Minute
	PushedMaxFuture = 10 * time.Second // for clocks that differ
)

// PushedFigures is what a client reports about a service or one of its instances: any
// subset of the metrics by name, and when they were measured.
type PushedFigures struct {
	Timestamp time.Time // zero: now
	Values    map[Metric]float64
}

// PushedError names the field of a push that was refused.
type PushedError struct {
	Field string // as in the JSON of the push
	What  string
}

func (e *PushedError) Error() string { return fmt.Sprintf("cannot accept %s: %s", e.Field, e.What) }

// CheckPushed says why a push cannot be accepted, as a *PushedError, or nil: a
// metric that nobody knows, a value that is no finite number of 0 or more, a percentage
// above 100 for errorRate, a time in the future or too long ago, nothing at all. The
// first offending field in the order of Metrics is named.
func CheckPushed(f PushedFigures, now time.Time) error {
	if len(f.Values) == 0 {
		return &PushedError{"metrics", "no figure given; want at least one of " + metricNames()}
	}
	known := 0
	for _, m := range Metrics() {
		v, ok := f.Values[m]
		if !ok {
			continue
		}
		known++
		if what := badValue(m, v); what != "" {
			return &PushedError{string(m), what}
		}
	}
	if known < len(f.Values) {
		return &PushedError{unknownMetric(f.Values), "unknown metric; want one of " + metricNames()}
	}
	if f.Timestamp.IsZero() {
		return nil
	}
	if age := now.Sub(f.Timestamp); age > PushedMaxAge {
		return &PushedError{"timestamp", fmt.Sprintf("%s is %v ago; want at most %v", f.Timestamp.Format(time.RFC3339), age.Round(time.Second), PushedMaxAge)}
	} else if -age > PushedMaxFuture {
		return &PushedError{"timestamp", fmt.Sprintf("%s lies %v in the future; want at most %v", f.Timestamp.Format(time.RFC3339), (-age).Round(time.Second), PushedMaxFuture)}
	}
	return nil
}

func badValue(m Metric, v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fmt.Sprintf("%v is no finite number; want 0 or more", v)
	case v < 0:
		return fmt.Sprintf("%v is negative; want 0 or more", v)
	case m == MetricErrorRate && v > 100:
		return fmt.Sprintf("%v is above 100; want a percentage", v)
	}
	return ""
}

func unknownMetric(values map[Metric]float64) string {
	name := ""
	for m := range values {
		if !knownMetric(m) && (name == "" || string(m) < name) {
			name = string(m)
		}
	}
	return name
}

func knownMetric(m Metric) bool {
	for _, k := range Metrics() {
		if m == k {
			return true
		}
	}
	return false
}

func metricNames() string {
	s := ""
	for i, m := range Metrics() {
		if i > 0 {
			s += ", "
		}
		s += string(m)
	}
	return s
}
