package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// NotifyPolicy is how alerts become messages. Zero fields get the values named.
type NotifyPolicy struct {
	MinSeverity Severity      // what is milder is never sent; Info
	GroupWait   time.Duration // to gather what begins together; 10 s; a page does not wait
	GroupEvery  time.Duration // between two messages of one group, unless a severity rose; 5 min
	Repeat      time.Duration // of an unchanged group; 4 h
}

func (p NotifyPolicy) withDefaults() NotifyPolicy {
	p.MinSeverity = orDefault(p.MinSeverity, Info)
	p.GroupWait = orDefault(p.GroupWait, 10*time.Second)
	p.GroupEvery = orDefault(p.GroupEvery, 5*time.Minute)
	p.Repeat = orDefault(p.Repeat, 4*time.Hour)
	return p
}

// group is what the readers of one service's notifications know.
type group struct {
	Begun time.Time        `json:"begun"`          // of the key: first message since all was well
	Peak  Severity         `json:"peak"`           // gravest told under the key
	Sent  time.Time        `json:"sent,omitempty"` // last message; zero: none yet
	News  time.Time        `json:"news,omitempty"` // since when there is something to tell; zero: nothing
	Told  map[string]Alert `json:"told"`           // as last told, by ID
	Over  map[string]Alert `json:"over,omitempty"` // told, ended since, not told that it did
}

// notify sorts firing alerts into groups and makes the messages that are due.
func (m *Monitor) notify(now time.Time, over []Alert) []Notification {
	members := map[string][]*Alert{}
	for _, a := range sorted(m.alerts) {
		if a.tellable() && a.Severity >= m.policy.Notify.MinSeverity {
			members[a.Service] = append(members[a.Service], a)
		}
	}
	for name := range members {
		if m.groups[name] == nil {
			m.groups[name] = &group{Told: map[string]Alert{}, Over: map[string]Alert{}}
		}
	}
	for _, a := range over {
		if g := m.groups[a.Service]; g != nil && g.knows(a.ID) {
			g.Over[a.ID] = a
		}
	}
	var list []Notification
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		g := m.groups[name]
		if n, due := g.message(name, members[name], m.policy.Notify, now); due {
			list = append(list, n)
		}
		if len(g.Told) == 0 && g.News.IsZero() && now.Sub(g.Sent) >= m.policy.Notify.GroupEvery {
			delete(m.groups, name)
		}
	}
	return list
}

func (g *group) knows(id string) bool {
	_, told := g.Told[id]
	return told
}

// message decides whether the group's readers are to be told something now. An alert
// that ended and came back between two messages is one that never ended; one that got
// milder is not worth a message.
func (g *group) message(name string, firing []*Alert, p NotifyPolicy, now time.Time) (Notification, bool) {
	var reason NotificationReason
	urgent := false
	for _, a := range firing {
		delete(g.Over, a.ID)
		told, known := g.Told[a.ID]
		switch {
		case !known:
			reason = ReasonNew
			urgent = urgent || a.Severity == Page
		case a.Severity > told.Severity:
			reason = cmp.Or(reason, ReasonRose)
			urgent = true
		}
	}
	if reason == "" && len(g.Over) > 0 {
		reason = ReasonResolved
	}
	switch {
	case reason == "":
		g.News = time.Time{}
		if len(firing) == 0 || g.Sent.IsZero() || now.Sub(g.Sent) < p.Repeat {
			return Notification{}, false
		}
		reason = ReasonReminder
	case g.News.IsZero():
		g.News = now
	}
	waited := reason == ReasonReminder || now.Sub(g.News) >= p.GroupWait
	spaced := g.Sent.IsZero() || now.Sub(g.Sent) >= p.GroupEvery
	if !urgent && !(waited && spaced) {
		return Notification{}, false
	}
	return g.send(name, firing, reason, now), true
}

func (g *group) send(name string, firing []*Alert, reason NotificationReason, now time.Time) Notification {
	if len(g.Told) == 0 {
		g.Begun, g.Peak = now, 0
	}
	n := Notification{
		Key:   fmt.Sprintf("%s@%s", cmp.Or(name, "gatewayd"), g.Begun.UTC().Format("20060102T150405Z")),
		Group: name, At: now, Reason: reason, Status: Resolved,
	}
	for _, id := range slices.Sorted(maps.Keys(g.Over)) {
		n.Resolved = append(n.Resolved, g.Over[id])
		n.Severity = max(n.Severity, g.Over[id].Severity)
		delete(g.Told, id)
	}
	g.Over = map[string]Alert{}
	for _, a := range firing {
		n.Firing = append(n.Firing, *a)
		g.Told[a.ID] = *a
	}
	if len(g.Told) > 0 {
		n.Status = Firing
		n.Severity = 0
		for _, a := range g.Told {
			n.Severity = max(n.Severity, a.Severity)
		}
	}
	g.Peak = max(g.Peak, n.Severity)
	n.Peak = g.Peak
	n.Title, n.Text = n.words()
	g.Sent, g.News = now, time.Time{}
	return n
}

func (n *Notification) words() (title, text string) {
	group := cmp.Or(n.Group, "gatewayd")
	var b strings.Builder
	for _, a := range n.Firing {
		fmt.Fprintf(&b, "%s: %s (since %s)\n", a.Severity, a.Summary, a.Since.UTC().Format(time.RFC3339))
		for _, c := range a.Context {
			fmt.Fprintf(&b, "  shortly before: %s\n", c)
		}
	}
	for _, a := range n.Resolved {
		fmt.Fprintf(&b, "resolved: %s of %s (began %s)\n", a.Metric, group, a.Since.UTC().Format(time.RFC3339))
	}
	if n.Status == Resolved {
		return fmt.Sprintf("[resolved] %s", group), b.String()
	}
	return fmt.Sprintf("[%s] %s: %s", n.Severity, group, summaries(n.Firing)), b.String()
}

func summaries(alerts []Alert) string {
	if len(alerts) == 0 {
		return "alerts that are silenced or told by graver ones go on"
	}
	if len(alerts) == 1 {
		return alerts[0].Summary
	}
	return fmt.Sprintf("%s (and %d more)", alerts[0].Summary, len(alerts)-1)
}
