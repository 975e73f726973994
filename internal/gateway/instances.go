package gateway

import (
	"fmt"
	"net"
	"slices"
	"time"

	"gatewayd/admin/api"
	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/health"
	"gatewayd/health/probe"
	"gatewayd/proxy"
	"gatewayd/scaler"
)

// syncListed brings the instances of a service with listed ones in line with its settings.
func (g *Gateway) syncListed(s *service) {
	var r *revision
	switch {
	case len(s.revisions) == 0:
		r = s.addRevision(s.spec.Version, api.RoleStable)
		r.weight = 100
	case s.revisions[0].version != s.spec.Version: // the same instances under another name
		r = s.revisions[0]
		r.version, r.stats = s.spec.Version, proxy.NewRevisionStats(s.name, s.spec.Version)
	default:
		r = s.revisions[0]
	}
	for _, i := range slices.Clone(r.instances) {
		if !slices.ContainsFunc(s.spec.Instances, func(c config.Instance) bool { return c.Address == i.id }) {
			g.startLeaving(s, i, "it is no longer listed")
		}
	}
	for _, c := range s.spec.Instances {
		_, i := s.instance(c.Address)
		if i == nil {
			i = &instance{id: c.Address, version: r.version, launched: g.now()}
			r.instances = append(r.instances, i)
			g.connect(s, i, c.Address)
		}
		i.leaving = false
		if !i.manualDrain {
			i.endpoint.ClearDraining()
		}
		i.weight = c.Weight
	}
	s.dirty = true
}

// syncProvided takes in what a runner said exists now.
func (g *Gateway) syncProvided(s *service, rn *runner, list []scaler.Instance) {
	seen := map[string]bool{}
	for k := range list {
		info := list[k]
		seen[info.ID] = true
		r := s.revision(info.Version)
		if r == nil {
			if info.State == scaler.InstanceStopping {
				continue
			}
			// Left over from a revision that was retired while it could not be stopped.
			r = s.addRevision(info.Version, api.RolePrevious)
		}
		_, i := s.instance(info.ID)
		if i == nil {
			i = &instance{id: info.ID, version: info.Version, weight: 1, runner: rn, launched: g.now()}
			r.instances = append(r.instances, i)
		}
		g.syncOne(s, i, info)
	}
	for _, r := range s.revisions {
		for _, i := range slices.Clone(r.instances) {
			if i.runner == rn && !seen[i.id] {
				g.forget(s, r, i)
			}
		}
	}
	s.dirty = true
}

// syncOne takes in what is new about one instance.
func (g *Gateway) syncOne(s *service, i *instance, info scaler.Instance) {
	fresh := !info.StartedAt.Equal(i.info.StartedAt)
	before := i.info
	i.info = info
	if fresh && !info.StartedAt.IsZero() {
		i.launched, i.everReady, i.startDelay = info.StartedAt, false, 0
		how := "was started"
		if info.StartedAt.Before(g.startedAt) {
			how = "was taken over"
		}
		g.publishEvent(events.Event{Type: events.InstanceStarted, Service: s.name, Revision: i.version, Instance: i.id,
			Message: fmt.Sprintf("instance %s of %s %s (version %s)", i.id, s.name, how, i.version),
			Data:    map[string]any{"address": info.Address}})
	}
	if info.State == scaler.InstanceBackoff && before.State != scaler.InstanceBackoff {
		g.instanceDown(s, i, info)
	}
	running := info.State == scaler.InstanceRunning && info.Address != ""
	switch {
	case !running && i.endpoint != nil:
		g.disconnect(s, i)
	case running && i.endpoint == nil:
		g.connect(s, i, info.Address)
	case running && i.endpoint.Address != info.Address:
		g.disconnect(s, i)
		g.connect(s, i, info.Address)
	case running && fresh:
		// Another process answers there: nothing that was known of the old one holds.
		i.status = health.Starting
		i.endpoint.SetHealthy(false, g.now().UnixNano())
		g.checker.Restart(checkAddress(info.Address, s.spec.HealthCheck.Port))
	}
}

func (g *Gateway) instanceDown(s *service, i *instance, info scaler.Instance) {
	g.publishEvent(events.Event{Type: events.InstanceStopped, Service: s.name, Revision: i.version, Instance: i.id,
		Severity: events.Warning,
		Message:  fmt.Sprintf("instance %s of %s is down (%s); it is started again", i.id, s.name, info.LastError),
		Data:     map[string]any{"reason": info.LastError, "restarts": info.Restarts, "retryAt": info.RetryAt, "oomKilled": info.OOMKilled}})
}

// connect gives an instance its endpoint.
func (g *Gateway) connect(s *service, i *instance, address string) {
	i.endpoint = balancer.NewEndpoint(balancer.Identity{Service: s.name, Revision: i.version, Instance: i.id, Address: address})
	i.endpoint.Transport = proxy.NewTransport(address, s.transportOptions(address))
	i.status, i.statusSince = health.Starting, g.now()
	if i.draining() {
		i.endpoint.SetDraining(i.deadline.UnixNano())
	}
	g.checksChanged = true
	s.dirty = true
}

// disconnect takes the endpoint away from an instance that does not run.
func (g *Gateway) disconnect(s *service, i *instance) {
	i.endpoint.SetHealthy(false, g.now().UnixNano())
	i.endpoint.Transport.(*proxy.Transport).Retire()
	i.endpoint, i.status = nil, ""
	g.checksChanged = true
	s.dirty = true
}

// forget drops an instance that exists no more.
func (g *Gateway) forget(s *service, r *revision, i *instance) {
	if i.endpoint != nil {
		g.disconnect(s, i)
	}
	r.drop(i)
	delete(s.windows, i.id)
	reason := "it was asked to stop"
	severity := events.Info
	if !i.leaving && !i.gone {
		reason, severity = "it is gone without being asked to stop", events.Warning
	}
	g.publishEvent(events.Event{Type: events.InstanceStopped, Service: s.name, Revision: r.version, Instance: i.id, Severity: severity,
		Message: fmt.Sprintf("instance %s of %s is gone: %s", i.id, s.name, reason), Data: map[string]any{"reason": reason}})
	s.dirty = true
}

// startLeaving has an instance drain and then stop.
func (g *Gateway) startLeaving(s *service, i *instance, why string) {
	if i.leaving {
		return
	}
	i.leaving = true
	g.startDrain(s, i, why)
}

// startDrain takes an instance out of traffic: nobody new, those bound to it until the deadline.
func (g *Gateway) startDrain(s *service, i *instance, why string) {
	i.deadline = g.now().Add(s.spec.DrainTimeout)
	i.quietSince = time.Time{}
	if i.endpoint != nil {
		i.endpoint.SetDraining(i.deadline.UnixNano())
	}
	g.publishEvent(events.Event{Type: events.InstanceDraining, Service: s.name, Revision: i.version, Instance: i.id,
		Message: fmt.Sprintf("instance %s of %s drains: %s", i.id, s.name, why), Data: map[string]any{"deadline": i.deadline}})
	s.dirty = true
}

// comeBack ends a drain.
func (g *Gateway) comeBack(s *service, i *instance) {
	i.leaving, i.manualDrain = false, false
	if i.endpoint != nil {
		i.endpoint.ClearDraining()
	}
	s.dirty = true
}

// drained tells whether a leaving instance may be stopped: nothing is in flight, and has not been for a moment in which
// requests that had picked it just before could have begun; or its deadline is over.
func (i *instance) drained(now time.Time, sticky bool) bool {
	if i.endpoint == nil || !now.Before(i.deadline) {
		return true
	}
	if i.endpoint.InFlight() > 0 {
		i.quietSince = time.Time{}
		return false
	}
	if i.quietSince.IsZero() {
		i.quietSince = now
	}
	quiet := 200 * time.Millisecond
	if sticky { // bound clients may come back between two requests
		quiet = 10 * time.Second
	}
	return now.Sub(i.quietSince) >= quiet
}

// checksOf brings what is checked in line with the instances.
func (g *Gateway) syncChecks() {
	g.checksChanged = false
	var entries []probe.Entry
	for _, s := range g.services {
		s.each(func(_ *revision, i *instance) {
			if i.endpoint == nil {
				return
			}
			if s.check == nil {
				g.setStatus(s, i, health.Healthy, "it is not checked")
				return
			}
			e := probe.Entry{Address: checkAddress(i.endpoint.Address, s.spec.HealthCheck.Port), Check: *s.check}
			i.check = e.Key()
			entries = append(entries, e)
			if report, ok := g.checker.State(i.check); ok && report.Status != i.status {
				g.setStatus(s, i, report.Status, report.LastError)
			}
		})
	}
	if err := g.checker.Set(entries); err != nil {
		g.log.Error("cannot set up health checks: the ones from before go on", "err", err)
	}
}

// onTransition takes in what a check found out.
func (g *Gateway) onTransition(key probe.Key, t health.Transition) {
	for _, s := range g.services {
		s.each(func(_ *revision, i *instance) {
			if i.endpoint != nil && i.check == key {
				g.setStatus(s, i, t.To, t.Reason)
			}
		})
	}
}

func (g *Gateway) setStatus(s *service, i *instance, status health.Status, reason string) {
	if i.status == status {
		return
	}
	now := g.now()
	from := i.status
	i.status, i.statusSince, i.reason = status, now, reason
	i.endpoint.SetHealthy(status == health.Healthy, now.UnixNano())
	s.dirty = true
	switch status {
	case health.Healthy:
		i.reason = ""
		if !i.everReady && i.launched.After(g.startedAt) { // else it was taken over, and may have been ready long ago
			i.startDelay = now.Sub(i.launched)
			g.noteStart(s, i)
		}
		i.everReady = true
		if d, ok := s.outlier.CheckPassed(i.id, from == health.Unhealthy, now); ok {
			g.applyOutlier(s, d)
		}
		g.publishEvent(events.Event{Type: events.InstanceHealthy, Service: s.name, Revision: i.version, Instance: i.id,
			Message: fmt.Sprintf("instance %s of %s is fit for traffic", i.id, s.name)})
	case health.Unhealthy:
		g.publishEvent(events.Event{Type: events.InstanceUnhealthy, Service: s.name, Revision: i.version, Instance: i.id,
			Severity: events.Warning, Message: fmt.Sprintf("instance %s of %s is not fit for traffic: %s", i.id, s.name, reason),
			Data: map[string]any{"reason": reason}})
	}
}

// checkOf translates the settings of a health check; nil means that there is none.
func checkOf(spec *config.Service, parts *serviceParts) *probe.Check {
	h := &spec.HealthCheck
	if h.Type == config.CheckNone {
		return nil
	}
	c := &probe.Check{
		Kind: probe.Kind(h.Type), Timeout: h.Timeout, Path: h.Path, Host: h.Host, Headers: h.Headers, Service: h.ServiceName,
		TLS: parts.tls.config(),
		Policy: health.Policy{
			Interval: h.Interval, HealthyThreshold: h.HealthyThreshold, UnhealthyThreshold: h.UnhealthyThreshold,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval,
			FastFraction: float64(h.FastInterval) / float64(h.Interval), Jitter: h.JitterPercent.Fraction(),
		},
	}
	for _, r := range h.ExpectStatus {
		c.Expect = append(c.Expect, probe.StatusRange{From: r.From, To: r.To})
	}
	if parts.tls != nil {
		c.TLSName = parts.tls.key
	}
	return c
}

// checkAddress is where an instance is checked; port 0 is its own.
func checkAddress(address string, port int) string {
	if port == 0 {
		return address
	}
	return net.JoinHostPort(hostOf(address), fmt.Sprint(port))
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
