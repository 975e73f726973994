package gateway

import (
	"fmt"
	"slices"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/scaler"
)

// views are copies of what the control loop knows, for those who only look. They are immutable once stored.
type views struct {
	status   api.Status
	cfg      *config.Config
	shutdown config.Shutdown
	rollouts []api.Rollout // newest first
}

// copyViews makes the copies anew: after every publication, and once a second.
func (g *Gateway) copyViews() {
	v := &views{cfg: g.cfg, shutdown: g.cfg.Shutdown, rollouts: g.describeRollouts()}
	v.status = api.Status{
		Overall: api.Healthy, Reasons: []string{}, Version: g.opt.Version, StartedAt: g.startedAt, Services: []api.Service{},
		Config: api.ConfigStatus{Path: g.opt.ConfigPath, Generation: g.generation, LoadedAt: g.loadedAt, Rejected: g.rejected},
	}
	for _, s := range g.ordered {
		sv := s.describe()
		v.status.Services = append(v.status.Services, sv)
		v.status.Overall = worse(v.status.Overall, sv.Health)
		for _, r := range sv.Reasons {
			v.status.Reasons = append(v.status.Reasons, s.name+": "+r)
		}
	}
	if len(g.rejected) > 0 {
		v.status.Overall = worse(v.status.Overall, api.Degraded)
		v.status.Reasons = append(v.status.Reasons, "the newest config file was refused; an older one runs: "+g.rejected[0])
	}
	if err := g.db.Err(); err != nil {
		v.status.Overall = worse(v.status.Overall, api.Degraded)
		v.status.Reasons = append(v.status.Reasons, "the state file cannot be written: "+err.Error())
	}
	g.addJudgement(&v.status)
	g.views.Store(v)
}

func worse(a, b api.Health) api.Health {
	if a == api.Critical || b == api.Critical {
		return api.Critical
	}
	if a == api.Degraded || b == api.Degraded {
		return api.Degraded
	}
	return api.Healthy
}

// describe is the service as the API shows it.
func (s *service) describe() api.Service {
	v := api.Service{
		Name: s.name, Health: api.Healthy, Reasons: []string{}, Provider: providerName(s.spec), Target: s.target(),
		InFlight: s.inFlight(), QueueLength: int64(s.core.Gate.Len()), Revisions: []api.Revision{},
		RequestRate: s.rates.requestRate, P50Ms: s.rates.p50Ms, P95Ms: s.rates.p95Ms, P99Ms: s.rates.p99Ms, ErrorRate: s.rates.errorRate,
	}
	for _, r := range s.revisions {
		rv := api.Revision{Version: r.version, Role: r.role, Weight: r.weight, Instances: []api.Instance{}, RequestRate: r.rates.requestRate,
			P50Ms: r.rates.p50Ms, P95Ms: r.rates.p95Ms, P99Ms: r.rates.p99Ms, ErrorRate: r.rates.errorRate}
		for _, i := range r.instances {
			rv.Instances = append(rv.Instances, s.describeInstance(i))
		}
		slices.SortFunc(rv.Instances, func(a, b api.Instance) int { return compareStarted(a.StartedAt, b.StartedAt, a.ID, b.ID) })
		v.Revisions = append(v.Revisions, rv)
		if r.role == api.RoleStable {
			v.Version = r.version
		}
	}
	s.describeScaling(&v)
	s.describeHealth(&v)
	if s.deploy != nil {
		v.Rollout = s.deploy.st.ID
	}
	if s.maintenance.Mode != api.MaintenanceOff {
		m := s.maintenance
		v.Maintenance = &m
	}
	return v
}

func compareStarted(a, b *time.Time, idA, idB string) int {
	switch {
	case a != nil && b != nil && !a.Equal(*b):
		return a.Compare(*b)
	case idA < idB:
		return -1
	case idA > idB:
		return 1
	}
	return 0
}

func (s *service) describeInstance(i *instance) api.Instance {
	v := api.Instance{ID: i.id, Address: i.info.Address, Weight: i.weight, Pool: i.pool, State: i.state(), Reason: i.reason, Restarts: i.info.Restarts}
	if i.endpoint != nil {
		v.Address, v.InFlight = i.endpoint.Address, i.endpoint.InFlight()
	}
	if v.Reason == "" && i.info.State == scaler.InstanceBackoff {
		v.Reason = fmt.Sprintf("%s; started again at %s", i.info.LastError, i.info.RetryAt.Format(time.TimeOnly))
	}
	v.RequestRate, v.ErrorRate = i.rates.requestRate, i.rates.errorRate
	v.P50Ms, v.P95Ms, v.P99Ms = i.rates.p50Ms, i.rates.p95Ms, i.rates.p99Ms
	u := s.usage(i)
	if !u.CPU.At.IsZero() {
		v.CPU = &u.CPU.Value
	}
	if !u.Memory.At.IsZero() {
		v.Memory = &u.Memory.Value
	}
	if !i.info.StartedAt.IsZero() {
		at := i.info.StartedAt
		v.StartedAt = &at
	}
	return v
}

func (s *service) describeScaling(v *api.Service) {
	if s.scale.spec == nil {
		v.MinInstances, v.MaxInstances = len(s.spec.Instances), len(s.spec.Instances)
		return
	}
	v.MinInstances, v.MaxInstances = s.spec.Scaling.MinInstances, s.spec.Scaling.MaxInstances
	v.Demand, _ = s.demand()
	sc := &api.Scaling{Mode: api.ScalingAuto}
	switch {
	case s.scale.state.Hold != nil:
		h := s.scale.state.Hold
		sc.Mode = api.ScalingManual
		sc.Hold = &api.Hold{Instances: h.Instances, Reason: h.Reason, By: s.scale.heldBy, Since: h.Since}
	case s.scale.spec.Disabled || s.scale.state.Paused:
		sc.Mode = api.ScalingPaused
	}
	if d := s.scale.last; d != nil {
		sc.Last = describeDecision(d)
	}
	v.Scaling = sc
}

// target is how many instances should run.
func (s *service) target() int {
	if s.scale.spec == nil {
		return len(s.spec.Instances)
	}
	return s.totalWanted()
}

// demand is how many instances the policies want, whatever holds them back; ok is false before the first decision.
func (s *service) demand() (instances float64, ok bool) {
	d := s.scale.last
	if d == nil {
		return 0, false
	}
	if len(d.Policies) == 0 {
		return float64(d.Want), true
	}
	for _, p := range d.Policies {
		instances = max(instances, float64(p.Want))
	}
	return instances, true
}

func describeDecision(d *scaler.Decision) *api.Decision {
	out := &api.Decision{Time: d.At, From: d.From, Want: d.Want, Reason: d.Reason, Policy: d.Policy}
	for _, b := range d.Bounds {
		out.Bounds = append(out.Bounds, b.String())
	}
	for _, p := range d.Policies {
		out.Wants = append(out.Wants, api.PolicyWant{Policy: p.Name, Want: p.Want, Value: p.Value, Reason: describeWant(&p)})
	}
	return out
}

func describeWant(p *scaler.PolicyWant) string {
	switch {
	case p.Stale:
		return "its signal is missing or too old"
	case p.SLO != nil:
		return fmt.Sprintf("load %.1f/s, sized for %.1f/s, service time %.0f ms", p.SLO.Load, p.SLO.Forecast, p.SLO.ServiceTime)
	case p.Metric != "" && p.Limit == 0:
		return fmt.Sprintf("%s is %.4g, between the thresholds", p.Metric, p.Value)
	case p.Metric != "":
		return fmt.Sprintf("%s is %.4g, limit %.4g", p.Metric, p.Value, p.Limit)
	case p.Held != "":
		return "held by " + p.Held
	}
	return ""
}

// describeHealth says how the service fares, and why.
func (s *service) describeHealth(v *api.Service) {
	serving, starting := s.counts()
	unfit := 0
	s.each(func(_ *revision, i *instance) {
		if st := i.state(); st == api.StateUnhealthy || st == api.StateEjected || i.info.State == scaler.InstanceBackoff {
			unfit++
		}
	})
	say := func(h api.Health, format string, args ...any) {
		v.Health = worse(v.Health, h)
		v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
	}
	switch {
	case s.maintenance.Mode != api.MaintenanceOff:
		say(api.Degraded, "it is in maintenance (%s)", s.maintenance.Mode)
	case serving == 0 && v.Target > 0 && starting > 0 && unfit == 0:
		say(api.Degraded, "its %d instances are still starting", starting)
	case serving == 0 && v.Target > 0:
		say(api.Critical, "no instance is fit for traffic")
	case unfit > 0:
		say(api.Degraded, "%d of %d instances are not fit for traffic", unfit, unfit+serving)
	}
	if s.providerError != "" {
		say(api.Degraded, "its provider does not answer: %s", s.providerError)
	}
	if s.view != nil {
		for _, r := range s.view.Revisions {
			if r.Pool.Panics() && r.Pool.Len() > 0 && serving > 0 {
				say(api.Critical, "fewer instances of version %s are fit than panicThresholdPercent: all are used", r.Version)
			}
		}
	}
}

func providerName(spec *config.Service) string {
	switch p := spec.Provider; {
	case p == nil:
		return "static"
	case p.Process != nil:
		return "process"
	case p.Docker != nil:
		return "docker"
	case p.Exec != nil:
		return "exec"
	}
	return "kubernetes"
}
