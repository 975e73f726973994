package gateway

import (
	"fmt"
	"strings"
	"time"

	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/monitor"
	"gatewayd/monitor/notify"
)

// policyOf translates what is watched for.
func policyOf(cfg *config.Config) monitor.Policy {
	m := &cfg.Monitor
	p := monitor.Policy{Notify: monitor.NotifyPolicy{
		MinSeverity: monitor.Page, GroupWait: positive(m.Group.Wait), GroupEvery: m.Group.Interval, Repeat: m.Group.Repeat,
	}}
	for _, n := range m.Notify {
		p.Notify.MinSeverity = min(p.Notify.MinSeverity, severityOf(n.MinSeverity))
	}
	rules := map[string]int{}
	for i := range m.Thresholds {
		t := thresholdOf(&m.Thresholds[i])
		if rules[t.Metric]++; rules[t.Metric] > 1 {
			t.Name = fmt.Sprintf("%s-%d", t.Metric, rules[t.Metric])
		}
		p.Thresholds = append(p.Thresholds, t)
	}
	for _, o := range m.Objectives {
		p.Objectives = append(p.Objectives, monitor.Objective{Service: o.Service, Percent: float64(o.Percent),
			LatencyBelow: o.LatencyBelow, MinRequests: uint64(o.MinRequests)})
	}
	return p
}

func thresholdOf(c *config.Threshold) monitor.Threshold {
	t := monitor.Threshold{
		Metric: string(c.Metric), Service: c.Service, Unit: string(c.Unit), For: c.For, KeepFiring: c.KeepFiring, Window: c.Window,
		MinRequests: uint64(c.MinRequests),
	}
	for _, l := range []struct {
		severity monitor.Severity
		value    float64
	}{{monitor.Info, c.Info}, {monitor.Warning, c.Warning}, {monitor.Critical, c.Critical}, {monitor.Page, c.Page}} {
		if l.value > 0 {
			t.Levels = append(t.Levels, monitor.Level{Severity: l.severity, Raise: l.value, Clear: l.value * (1 - c.ClearPercent.Fraction())})
		}
	}
	return t
}

// positive keeps a 0 of the config, which is none, from being taken for a default.
func positive(d time.Duration) time.Duration { return max(d, 1) }

func severityOf(s config.Severity) monitor.Severity {
	v, err := monitor.ParseSeverity(string(s))
	if err != nil {
		panic("BUG: a severity that was validated is none: " + err.Error())
	}
	return v
}

// silencesOf translates the silences. Each is named by what it says, so that it is the same one after a reload.
func silencesOf(cfg *config.Config) []monitor.Silence {
	var list []monitor.Silence
	for _, s := range cfg.Monitor.Silences {
		list = append(list, monitor.Silence{
			ID:      fmt.Sprintf(configSilence+"%s %s %s", s.Service, s.Metric, s.Until.UTC().Format(time.RFC3339)),
			Service: s.Service, Metric: string(s.Metric), Until: s.Until, Comment: s.Reason, By: "config",
		})
	}
	return list
}

// receiversOf translates who hears of alerts and events.
func receiversOf(cfg *config.Config) ([]notify.Receiver, []notify.Hook) {
	var receivers []notify.Receiver
	for i := range cfg.Monitor.Notify {
		n := &cfg.Monitor.Notify[i]
		receivers = append(receivers, notify.Receiver{Kind: notify.Kind(n.Type), URL: string(n.URL), Headers: plain(n.Headers),
			MinSeverity: severityOf(n.MinSeverity), Timeout: n.Timeout})
	}
	var hooks []notify.Hook
	for i := range cfg.Events.Webhooks {
		w := &cfg.Events.Webhooks[i]
		h := notify.Hook{URL: string(w.URL), Headers: plain(w.Headers), Service: w.Service, Timeout: w.Timeout}
		for _, t := range w.Types {
			h.Types = append(h.Types, events.Type(t))
		}
		hooks = append(hooks, h)
	}
	return receivers, hooks
}

func plain(headers map[string]config.Secret) map[string]string {
	out := make(map[string]string, len(headers))
	for k, v := range headers {
		out[k] = string(v)
	}
	return out
}

// configure takes over a config.
func (w *watch) configure(cfg *config.Config) {
	w.cfg = cfg
	w.monitor.SetPolicy(policyOf(cfg))
	for _, s := range w.monitor.Silences() { // those of an earlier run too
		if strings.HasPrefix(s.ID, configSilence) {
			w.monitor.Unsilence(s.ID)
		}
	}
	for _, s := range silencesOf(cfg) {
		w.monitor.Silence(s)
	}
}
