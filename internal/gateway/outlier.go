package gateway

import (
	"fmt"
	"time"

	"gatewayd/balancer"
	"gatewayd/events"
	"gatewayd/health"
)

// onFailed is told of failures by requests under way. Only a run of them that may eject is worth the loop's time.
func (g *Gateway) onFailed(e *balancer.Endpoint, c balancer.Cause, consecutive uint32) {
	// One that cannot be ejected, because too many are, goes on failing: not every failure of it is news.
	if e.Ejected() || consecutive > 64 && consecutive%64 != 0 {
		return
	}
	g.mail.post(func() {
		s := g.services[e.Service]
		if s == nil {
			return
		}
		if _, i := s.instance(e.ID); i == nil || i.endpoint != e {
			return
		}
		if d, ok := s.outlier.Streak(e.ID, int(consecutive), failureKind(c), g.now()); ok {
			g.applyOutlier(s, d)
		}
	})
}

func failureKind(c balancer.Cause) health.FailureKind {
	switch c {
	case balancer.Connect:
		return health.FailureConnect
	case balancer.Timeout:
		return health.FailureTimeout
	case balancer.Status5xx:
		return health.FailureStatus
	}
	return health.FailureReset
}

func (g *Gateway) setOutlierMembers(s *service) {
	var ids []string
	s.each(func(_ *revision, i *instance) {
		if i.endpoint != nil && !i.draining() {
			ids = append(ids, i.id)
		}
	})
	for _, d := range s.outlier.SetMembers(ids, g.now()) {
		g.applyOutlier(s, d)
	}
}

// applyOutlier carries out what outlier detection decided.
func (g *Gateway) applyOutlier(s *service, d health.Decision) {
	_, i := s.instance(d.ID)
	if i == nil || i.endpoint == nil {
		return
	}
	switch d.Action {
	case health.Eject:
		i.endpoint.SetEjected(true)
		i.ejectedAt = d.At
		i.reason = d.Reason
		s.dirty = true
		g.publishEvent(events.Event{Type: events.InstanceEjected, Service: s.name, Revision: i.version, Instance: i.id, Severity: events.Warning,
			Message: fmt.Sprintf("instance %s of %s is ejected until %s: %s", i.id, s.name, d.Until.Format(time.TimeOnly), d.Reason),
			Data:    map[string]any{"reason": d.Reason, "for": d.Until.Sub(d.At).String()}})
	case health.Uneject:
		i.endpoint.SetEjected(false)
		i.endpoint.Succeed()
		i.reason = ""
		s.dirty = true
		g.publishEvent(events.Event{Type: events.InstanceHealthy, Service: s.name, Revision: i.version, Instance: i.id,
			Message: fmt.Sprintf("instance %s of %s takes traffic again: %s", i.id, s.name, d.Reason)})
	}
}

// readmit ends ejections for want of a connection as soon as a check, begun after the ejection, had one.
func (g *Gateway) readmit(s *service, now time.Time) {
	s.each(func(_ *revision, i *instance) {
		if i.endpoint == nil || !i.endpoint.Ejected() {
			return
		}
		report, ok := g.checker.State(i.check)
		if !ok || report.Successes == 0 || !report.LastCheck.Add(-report.LastDuration).After(i.ejectedAt) {
			return
		}
		if d, ok := s.outlier.CheckPassed(i.id, false, now); ok {
			g.applyOutlier(s, d)
		}
	})
}

// compareEvery is the window over which instances are compared with each other.
const compareEvery = 10 * time.Second

// compareOutliers ejects instances that do much worse than the others of their service.
func (g *Gateway) compareOutliers(s *service, now time.Time) {
	if now.Sub(s.compared) < compareEvery {
		return
	}
	s.compared = now
	var windows []health.Window
	s.each(func(_ *revision, i *instance) {
		if i.endpoint == nil {
			return
		}
		st := i.endpoint.Stats(now.UnixNano())
		cur := outcomes{st.Requests, st.Failed()}
		last, known := s.windows[i.id]
		s.windows[i.id] = cur
		if known && cur.requests >= last.requests {
			windows = append(windows, health.Window{ID: i.id, Requests: int(cur.requests - last.requests), Failures: int(cur.failures - last.failures)})
		}
	})
	for _, d := range s.outlier.Evaluate(windows, now) {
		g.applyOutlier(s, d)
	}
}
