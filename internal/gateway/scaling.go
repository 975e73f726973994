package gateway

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/internal/histogram"
	"gatewayd/scaler"
)

// scaling is what the loop knows of how a service is scaled.
type scaling struct {
	spec      *scaler.Spec
	state     *scaler.State
	heldBy    string // who set the hold
	last      *scaler.Decision
	decisions map[decisionKey]uint64

	decided       time.Time
	sampled       meter
	arriving      arriving
	startDelays   []scaler.StartDelay // since the last decision
	startFailures int                 // since the last decision
	pushed        scaler.Pushed
	p95           scaler.Reading
}

// meter holds the counters of a service at the last sample.
type meter struct {
	at                  time.Time
	arrivals, slow      uint64
	completions, errors uint64
	firstByte           histogram.Counts
	busy                float64 // integral of in flight over time since the last decision, in request-seconds
	busyFor             time.Duration
	busyAt              time.Time
}

// configureScaling takes over the scaling settings of a service.
func (g *Gateway) configureScaling(s *service) {
	if s.spec.Provider == nil {
		s.scale.spec = nil
		return
	}
	s.scale.spec = ScalerSpec(s.spec)
	if s.scale.state == nil {
		s.scale.state = &scaler.State{Target: s.spec.Scaling.MinInstances, Known: true}
	}
	s.scale.state.Paused = g.cfg.Scaling.Paused
	if b := s.scale.spec.WaitBelow(); b > 0 {
		s.core.SetSlowWait(b)
	}
}

// ScalerSpec translates the scaling settings of a service that was validated. The result shares nothing with spec.
func ScalerSpec(spec *config.Service) *scaler.Spec {
	sc := &spec.Scaling
	out := &scaler.Spec{
		Service: spec.Name, Disabled: !sc.Enabled, MinInstances: sc.MinInstances, MaxInstances: sc.MaxInstances,
		EvaluationInterval: sc.EvaluationInterval, MetricsWindow: sc.MetricsWindow,
		StabilizeUp: sc.ScaleUpStabilization, StabilizeDown: sc.ScaleDownStabilization,
		IdleTimeout: sc.ScaleToZeroAfter, StartDelay: sc.StartDelay, Slots: spec.Limits.MaxConcurrencyPerInstance,
	}
	if out.StabilizeDown == 0 {
		out.StabilizeDown = -1 // none, where 0 means the default
	}
	for i := range sc.Policies {
		out.Policies = append(out.Policies, scalerPolicy(&sc.Policies[i]))
	}
	return out
}

func scalerPolicy(p *config.Policy) scaler.Policy {
	out := scaler.Policy{
		Name: p.Name, Type: scaler.PolicyType(p.Type), Disabled: !p.Enabled, Metric: scaler.Metric(p.TargetMetric),
		ScaleUpThreshold: p.ScaleUpThreshold, ScaleDownThreshold: p.ScaleDownThreshold,
		ScaleUpStep: p.ScaleUpStep, ScaleDownStep: p.ScaleDownStep,
		Target: p.Target, CronText: p.Cron, Duration: p.Duration, MinInstances: p.MinInstances,
		Objective: scaler.Objective{WaitBelow: p.Objective.WaitBelow, Percent: float64(p.Objective.Percent)},
	}
	if p.Type == config.PolicyThreshold {
		out.CooldownPeriod = p.CooldownPeriod // the other types have none, though the config's default is there
	}
	if p.Type == config.PolicySchedule {
		schedule, err := cron.ParseStandard("CRON_TZ=" + p.Timezone + " " + p.Cron)
		if err != nil {
			panic("BUG: a cron expression that was validated cannot be parsed: " + err.Error())
		}
		out.Cron = schedule
	}
	return out
}

// noteStart remembers how long an instance took from its start to its first good check.
func (g *Gateway) noteStart(s *service, i *instance) {
	s.scale.startDelays = append(s.scale.startDelays, scaler.StartDelay{Revision: i.version, Took: i.startDelay})
}

// sample watches the load of a service and decides when it is time: at each evaluation interval, and at once when requests wait or their
// number jumps, since waiting for the next interval would only make them wait longer.
func (g *Gateway) sample(s *service, now time.Time) {
	if s.scale.spec == nil {
		return
	}
	m := &s.scale.sampled
	if !m.busyAt.IsZero() {
		d := now.Sub(m.busyAt)
		m.busy += float64(s.inFlight()) * d.Seconds()
		m.busyFor += d
	}
	m.busyAt = now
	due := now.Sub(s.scale.decided) >= s.scale.spec.EvaluationInterval
	if s.scale.arriving.hurry(s.core.Arrivals.Load(), now) || due || s.core.Gate.Len() > 0 {
		g.decide(s, now)
	}
}

// arriving tells when more requests come than chance explains.
type arriving struct {
	at    time.Time
	count uint64    // of arrivals
	rate  float64   // requests/s of late
	until time.Time // after a jump: until when each tick is a decision
}

const (
	// jumpSigmas is how many standard deviations of a Poisson process a tick must be above what was usual. By chance that happens once
	// in eight hours, and costs a decision that was not due.
	jumpSigmas = 4.5
	// jumpLeast is how many requests more it must be at least: below, an instance hardly notices.
	jumpLeast = 5
	// hurryFor is how long after a jump each tick is a decision: how far the load has risen shows only in the ticks after it.
	hurryFor = time.Second
	// usualFor is how long the usual rate looks back.
	usualFor = 2 * time.Second
)

// hurry takes in how many requests have come until now, and tells whether a decision should not wait.
func (a *arriving) hurry(count uint64, now time.Time) bool {
	if a.jumped(count, now) {
		a.until = now.Add(hurryFor)
	}
	return now.Before(a.until)
}

// jumped takes in how many requests have come until now, and tells whether those of this tick are more than chance explains.
func (a *arriving) jumped(count uint64, now time.Time) bool {
	dt := now.Sub(a.at).Seconds()
	came := float64(delta(count, a.count))
	first := a.at.IsZero()
	a.at, a.count = now, count
	if first || dt <= 0 {
		return false
	}
	usual := a.rate * dt
	jump := came-usual > max(jumpSigmas*math.Sqrt(usual), jumpLeast)
	if jump {
		a.rate = came / dt
	} else {
		a.rate += (came/dt - a.rate) * min(dt/usualFor.Seconds(), 1)
	}
	return jump
}

// decide asks the scaler, and plans what each revision is to run.
func (g *Gateway) decide(s *service, now time.Time) {
	smp := s.takeSample(now)
	smp.Caps = g.capsFor(s)
	d := scaler.Decide(s.scale.spec, s.scale.state, &smp, now)
	s.scale.decided = now
	s.plan(d.Want)
	g.reserve(s)
	previous := s.scale.last
	s.scale.last = &d
	if d.Direction == scaler.Stay && previous != nil {
		return
	}
	g.keepService(s)
	g.noteDecision(s, &d)
	if d.Direction == scaler.Stay {
		return
	}
	g.publishEvent(events.Event{Type: events.ComponentScaled, Service: s.name,
		Message: fmt.Sprintf("%s goes from %d to %d instances: %s", s.name, d.From, d.Want, d.Reason),
		Data:    map[string]any{"from": d.From, "to": d.Want, "reason": d.Reason, "policy": d.Policy, "bounds": append([]scaler.Bound{}, d.Bounds...)}})
}

// takeSample says what happened since the last decision.
func (s *service) takeSample(now time.Time) scaler.Sample {
	m := &s.scale.sampled
	next := meter{at: now, arrivals: s.core.Arrivals.Load(), slow: s.core.Slow.Load(), busyAt: now}
	var counts histogram.Counts
	for _, r := range s.revisions {
		next.completions += r.stats.Requests.Load()
		next.errors += r.stats.Errors.Load()
		r.stats.FirstByte.Snapshot(&counts)
		next.firstByte.Add(&counts)
	}
	smp := scaler.Sample{
		Span: now.Sub(m.at), Arrivals: delta(next.arrivals, m.arrivals), Slow: delta(next.slow, m.slow),
		Completions: delta(next.completions, m.completions), Errors: delta(next.errors, m.errors),
		InFlight: int(s.inFlight()), Queue: s.core.Gate.Len(), BusySlots: -1,
		StartDelays: s.scale.startDelays, StartFailures: s.scale.startFailures, Pushed: s.scale.pushed,
	}
	if m.at.IsZero() {
		smp.Span = 0
	}
	if m.busyFor > 0 {
		smp.BusySlots = m.busy / m.busyFor.Seconds()
	}
	window := next.firstByte
	if window.Count >= m.firstByte.Count {
		window.Sub(&m.firstByte)
		if window.Count > 0 {
			smp.ServiceTime = window.Mean()
			s.scale.p95 = scaler.Reading{Value: float64(window.Quantile(0.95)) / float64(time.Millisecond), At: now}
		}
	}
	smp.ResponseTime = s.scale.p95
	s.countInstances(&smp, now)
	s.scale.sampled, s.scale.startDelays, s.scale.startFailures = next, nil, 0
	return smp
}

func delta(now, before uint64) int {
	if now < before {
		return 0
	}
	return int(now - before)
}

func (s *service) inFlight() int64 {
	n := int64(0)
	s.each(func(_ *revision, i *instance) {
		if i.endpoint != nil {
			n += i.endpoint.InFlight()
		}
	})
	return n
}

func (s *service) countInstances(smp *scaler.Sample, now time.Time) {
	s.each(func(r *revision, i *instance) {
		switch {
		case i.draining() || i.gone:
			smp.Draining++
		case r.role != api.RoleStable && !i.serving():
			// What a rollout starts, or fails to start, is not to hold up the scaling of what has the traffic.
		case i.info.State == scaler.InstanceBackoff:
			smp.Failed++
		case i.serving():
			smp.Ready++
			smp.Instances = append(smp.Instances, s.usage(i))
		case i.state() == api.StateStarting:
			smp.Starting++
		}
	})
}

// usage is what an instance consumes in percent of what it is given; what was pushed counts where the provider measures nothing.
func (s *service) usage(i *instance) scaler.InstanceSample {
	u := scaler.InstanceSample{ID: i.id, ReadySince: i.statusSince, CPU: i.cpu, Memory: i.memory}
	if m := i.info.Usage; !m.At.IsZero() {
		if c := s.spec.Resources.CPU; c > 0 {
			u.CPU = scaler.Reading{Value: m.CPU / c * 100, At: m.At}
		}
		if b := s.spec.Resources.Memory; b > 0 {
			u.Memory = scaler.Reading{Value: float64(m.MemoryBytes) / float64(b) * 100, At: m.At}
		}
	}
	return u
}

// plan splits the instances that the whole load needs over the revisions.
func (s *service) plan(total int) {
	if s.deploy != nil {
		s.planDeployment(total)
		return
	}
	shares := make([]scaler.Share, len(s.revisions))
	for k, r := range s.revisions {
		shares[k] = scaler.Share{Revision: r.version, Weight: r.weight, Stable: r.role == api.RoleStable}
	}
	counts := scaler.Plan(total, shares, false)
	for k, r := range s.revisions {
		r.want = counts[k]
	}
}

// scaleBy sets a number of instances by hand, or gives scaling back to the policies.
func (g *Gateway) scaleBy(s *service, req api.ScaleRequest, who string) (api.ScaleResult, error) {
	if s.scale.spec == nil {
		return api.ScaleResult{}, api.Conflict("service %q has listed instances: it cannot be scaled, only drained; give it a provider for that", s.name)
	}
	now := g.now()
	from := s.scale.state.Target
	if req.Auto {
		s.scale.state.Hold, s.scale.heldBy = nil, ""
	} else {
		s.scale.state.Hold = &scaler.Hold{Instances: *req.Instances, Reason: req.Reason, Since: now}
		s.scale.heldBy = who
	}
	g.decide(s, now)
	g.keepService(s)
	result := api.ScaleResult{Success: true, From: from, To: s.scale.last.Want}
	if !req.Auto && result.To != *req.Instances && len(s.scale.last.Bounds) > 0 {
		b := s.scale.last.Bounds[len(s.scale.last.Bounds)-1]
		result.ClampedBy = string(b.Name)
		if b.Detail != "" {
			result.ClampedBy += ": " + b.Detail
		}
	}
	return result, nil
}

// push takes in figures from outside.
func (g *Gateway) push(s *service, p api.PushedMetrics) error {
	now := g.now()
	values := map[scaler.Metric]float64{}
	for metric, v := range map[scaler.Metric]*float64{
		scaler.MetricCPU: p.CPU, scaler.MetricMemory: p.Memory, scaler.MetricRequestRate: p.RequestRate,
		scaler.MetricResponseTime: p.ResponseTime, scaler.MetricErrorRate: p.ErrorRate,
		scaler.MetricActiveConnections: p.ActiveConnections, scaler.MetricQueueLength: p.QueueLength,
	} {
		if v != nil {
			values[metric] = *v
		}
	}
	figures := scaler.PushedFigures{Values: values}
	at := now
	if p.Timestamp != nil {
		figures.Timestamp, at = *p.Timestamp, *p.Timestamp
	}
	if err := scaler.CheckPushed(figures, now); err != nil {
		if pe, ok := err.(*scaler.PushedError); ok {
			return api.Invalid(pe.Field, "%s", pe.What)
		}
		return err
	}
	if p.Instance != "" {
		_, i := s.instance(p.Instance)
		if i == nil {
			return api.Invalid("instance", "service %q has no instance %q", s.name, p.Instance)
		}
		for metric := range values {
			if metric != scaler.MetricCPU && metric != scaler.MetricMemory {
				return api.Invalid(string(metric), "got a figure of one instance; want it for the whole service: only cpu and memory are taken for an instance")
			}
		}
		if v, ok := values[scaler.MetricCPU]; ok {
			i.cpu = scaler.Reading{Value: v, At: at}
		}
		if v, ok := values[scaler.MetricMemory]; ok {
			i.memory = scaler.Reading{Value: v, At: at}
		}
		return nil
	}
	for metric, v := range values {
		if r := s.scale.pushed.Of(metric); r != nil {
			*r = scaler.Reading{Value: v, At: at}
		}
	}
	return nil
}

// all returns every instance.
func (s *service) all() []*instance {
	var list []*instance
	for _, r := range s.revisions {
		list = append(list, r.instances...)
	}
	return slices.Clip(list)
}

// decisionKey groups decisions in metrics.
type decisionKey struct{ direction, policy string }

// noteDecision counts a decision that changed something.
func (g *Gateway) noteDecision(s *service, d *scaler.Decision) {
	if d.Direction == scaler.Stay {
		return
	}
	if s.scale.decisions == nil {
		s.scale.decisions = map[decisionKey]uint64{}
	}
	policy := d.Policy
	if d.Manual {
		policy = "manual"
	}
	s.scale.decisions[decisionKey{string(d.Direction), policy}]++
	if err := g.kept.decisions.Append(d.At, *d); err != nil {
		g.log.Error("cannot keep a decision of the scaler", "service", s.name, "err", err)
	}
}
