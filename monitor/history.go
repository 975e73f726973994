package monitor

import (
	"fmt"
	"slices"
	"time"
)

const (
	historyLimit = 2000 // of each list
	historyAge   = 7 * 24 * time.Hour
	contextAge   = 10 * time.Minute // how long what was done may explain an alert
	contextLimit = 5
)

// history is what happened, oldest first, for the context of alerts and for reports.
type history struct {
	Events   []Event   `json:"events,omitempty"`
	Alerts   []Alert   `json:"alerts,omitempty"`   // raised; ResolvedAt is set when they end
	Findings []Finding `json:"findings,omitempty"` // likewise
}

func (h *history) note(e Event) {
	h.Events = bounded(append(h.Events, e), func(e Event) time.Time { return e.At }, e.At)
}

// raise records a new alert; one that got more severe replaces what is recorded of it.
func (h *history) raise(a Alert) {
	for i := len(h.Alerts) - 1; i >= 0; i-- {
		if h.Alerts[i].ID == a.ID && h.Alerts[i].ResolvedAt == nil {
			h.Alerts[i] = a
			return
		}
	}
	h.Alerts = bounded(append(h.Alerts, a), func(a Alert) time.Time { return a.Since }, a.Since)
}

func (h *history) resolve(a Alert) { h.raise(a) }

func (h *history) find(f Finding) {
	for i := len(h.Findings) - 1; i >= 0; i-- {
		if h.Findings[i].ID == f.ID {
			h.Findings[i] = f
			return
		}
	}
	h.Findings = bounded(append(h.Findings, f), func(f Finding) time.Time { return f.Since }, f.Since)
}

func bounded[T any](list []T, at func(T) time.Time, now time.Time) []T {
	drop := max(len(list)-historyLimit, 0)
	for drop < len(list) && now.Sub(at(list[drop])) > historyAge {
		drop++
	}
	return slices.Delete(list, 0, drop)
}

// context is what was done to a service shortly before now, newest first.
func (h *history) context(service string, now time.Time) []string {
	var lines []string
	for i := len(h.Events) - 1; i >= 0 && len(lines) < contextLimit; i-- {
		e := h.Events[i]
		if now.Sub(e.At) > contextAge {
			break
		}
		if e.Service == service {
			lines = append(lines, fmt.Sprintf("%s %s", e.At.UTC().Format("15:04:05"), e.Text))
		}
	}
	return lines
}
