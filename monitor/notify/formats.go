package notify

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatewayd/monitor"
)

// slackText is a message in the format of Slack's incoming webhooks, which Mattermost, Rocket.Chat and others understand too.
type slackText struct {
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color    string `json:"color"`
	Fallback string `json:"fallback"`
	Text     string `json:"text"`
	TS       int64  `json:"ts"` // Unix seconds
}

func slackMessage(n *monitor.Notification) slackText {
	color := "#439fe0"
	switch {
	case n.Status == monitor.Resolved:
		color = "good"
	case n.Severity >= monitor.Critical:
		color = "danger"
	case n.Severity == monitor.Warning:
		color = "warning"
	}
	return slackText{
		Text:        "*" + slackEscape(n.Title) + "*",
		Attachments: []slackAttachment{{Color: color, Fallback: slackEscape(n.Title), Text: slackEscape(strings.TrimSpace(n.Text)), TS: n.At.Unix()}},
	}
}

// slackEscape escapes what Slack gives a meaning: https://api.slack.com/reference/surfaces/formatting#escaping
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// managerAlert is an alert of the Alertmanager's v2 API (postableAlert).
type managerAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

const managerPath = "/api/v2/alerts"

func managerURL(base string) string {
	u, err := url.Parse(base)
	if err != nil || strings.HasSuffix(u.Path, managerPath) {
		return base
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + managerPath
	return u.String()
}

// managerAlerts are those that fire by n, and those that do not any more. An Alertmanager knows alerts by their labels, so one whose
// severity changed is another one to it.
func (s *Sender) managerAlerts(q *queue, n *monitor.Notification, now time.Time) []managerAlert {
	list := []managerAlert{}
	fires := map[string]bool{}
	for _, a := range q.after(n) {
		fires[labelKey(&a)] = true
		list = append(list, s.managerAlert(&a, now.Add(5*s.opt.Resend)))
	}
	told := map[string]bool{}
	for _, a := range slices.Concat(n.Resolved, q.Active[n.Group]) {
		key := labelKey(&a)
		if fires[key] || told[key] {
			continue
		}
		told[key] = true
		end := now
		if a.ResolvedAt != nil {
			end = *a.ResolvedAt
		}
		list = append(list, s.managerAlert(&a, end))
	}
	return list
}

// after is what fires in n's group once n is told: what n has, and what was told before and neither ended nor is told anew.
func (q *queue) after(n *monitor.Notification) []monitor.Alert {
	if n.Status == monitor.Resolved {
		return nil
	}
	firing := slices.Clone(n.Firing)
	for _, a := range q.Active[n.Group] {
		same := func(o monitor.Alert) bool { return o.ID == a.ID }
		if !slices.ContainsFunc(n.Firing, same) && !slices.ContainsFunc(n.Resolved, same) {
			firing = append(firing, a)
		}
	}
	return firing
}

// active remembers what fires after n was told.
func (q *queue) active(n monitor.Notification) {
	if firing := q.after(&n); len(firing) > 0 {
		q.Active[n.Group] = firing
		return
	}
	delete(q.Active, n.Group)
}

// remind tells an Alertmanager again what fires, for it takes alerts that it does not hear of for ended.
func (s *Sender) remind(ctx context.Context, r Receiver, q *queue) {
	if r.Kind != Alertmanager {
		return
	}
	s.mu.Lock()
	var list []managerAlert
	for _, group := range slices.Sorted(maps.Keys(q.Active)) {
		for _, a := range q.Active[group] {
			list = append(list, s.managerAlert(&a, time.Now().Add(5*s.opt.Resend)))
		}
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return
	}
	failed := s.post(ctx, request{managerURL(r.URL), r.Headers, r.Timeout}, list)
	if ctx.Err() == nil {
		s.note(r.ID(), failed, failed == nil)
	}
}

func labelKey(a *monitor.Alert) string { return a.ID + " " + a.Severity.String() }

func (s *Sender) managerAlert(a *monitor.Alert, end time.Time) managerAlert {
	m := managerAlert{
		Labels:      map[string]string{"alertname": a.Metric, "severity": a.Severity.String(), "source": "gatewayd", "alert_id": a.ID},
		Annotations: map[string]string{"summary": a.Summary, "value": fmt.Sprintf("%.4g%s", a.Value, a.Unit), "threshold": fmt.Sprintf("%.4g%s", a.Threshold, a.Unit)},
		StartsAt:    a.Since, EndsAt: end, GeneratorURL: s.opt.Source,
	}
	if a.Service != "" {
		m.Labels["service"] = a.Service
	}
	if len(a.Context) > 0 {
		m.Annotations["context"] = strings.Join(a.Context, "\n")
	}
	return m
}
