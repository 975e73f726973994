package gateway

import (
	"context"
	"strings"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/rollout"
)

// planOf makes the plan of a rollout from the service's settings and what the request says otherwise.
func (g *Gateway) planOf(s *service, req api.RolloutRequest) rollout.Plan {
	c := &s.spec.Rollout
	p := rollout.Plan{
		Service: s.name, Version: req.Version, Stable: s.stable().version, Strategy: rollout.Strategy(c.Strategy),
		ManualPromotion: c.ManualPromotion, Warm: c.KeepPrevious, Validation: len(c.Validation.Requests) > 0,
		ValidationTimeout: c.Validation.Timeout, AutoRollback: c.AutoRollback, Deadline: c.Deadline, PauseLimit: c.PauseLimit,
		Static: s.runner == nil,
	}
	if req.Strategy != "" {
		p.Strategy = rollout.Strategy(req.Strategy)
	}
	if req.AutoRollback != nil {
		p.AutoRollback = *req.AutoRollback
	}
	switch p.Strategy {
	case rollout.Canary:
		p.Steps = canarySteps(c.Steps, req.Steps)
	case rollout.Rolling:
		p.Rolling = &rollout.Batches{Size: amount(c.Rolling.Batch), Surge: amount(c.Rolling.MaxSurge),
			Unavailable: amount(c.Rolling.MaxUnavailable), Interval: c.Rolling.Interval}
	}
	p.Analysis, p.Checks = analysisOf(&c.Analysis)
	return p.Trim()
}

func canarySteps(configured []config.RolloutStep, asked []api.RolloutStep) []rollout.CanaryStep {
	var steps []rollout.CanaryStep
	for _, a := range asked {
		steps = append(steps, rollout.CanaryStep{Weight: a.Weight, Duration: time.Duration(a.Duration)})
	}
	if len(asked) > 0 {
		return steps
	}
	for _, c := range configured {
		step := rollout.CanaryStep{Weight: float64(c.Weight), Duration: c.Duration, Pause: c.Pause, Mirror: float64(c.Mirror)}
		if h := c.Cohort; h != nil {
			step.Cohort = &rollout.Cohort{Header: strings.ToLower(h.Header), Cookie: h.Cookie, Value: h.Value, Percent: float64(h.Percent)}
		}
		steps = append(steps, step)
	}
	return steps
}

func amount(a config.Amount) rollout.Amount {
	return rollout.Amount{Count: a.Count, Percent: float64(a.Percent)}
}

func analysisOf(c *config.Analysis) (*rollout.Analysis, []rollout.Check) {
	a := &rollout.Analysis{
		MinRequests: c.MinRequests, MaxErrorRateIncrease: c.MaxErrorRateIncrease, MaxLatencyIncreasePercent: c.MaxLatencyIncreasePercent,
		Confidence: c.Confidence, MaxErrorRate: float64(c.MaxErrorRate),
		MaxP95Ms: float64(c.MaxP95) / float64(time.Millisecond), MaxP99Ms: float64(c.MaxP99) / float64(time.Millisecond),
	}
	var checks []rollout.Check
	for _, k := range c.Checks {
		check := rollout.Check{Name: k.Name, Interval: k.Interval, FailureLimit: k.FailureLimit}
		switch {
		case k.HTTP != nil:
			check.Kind, check.URL = rollout.CheckHTTP, string(k.HTTP.URL)
		case k.Exec != nil:
			check.Kind, check.Command = rollout.CheckExec, k.Exec.Command
		case k.Prometheus != nil:
			check.Kind, check.URL, check.Query = rollout.CheckPrometheus, string(k.Prometheus.URL), k.Prometheus.Query
			check.Min, check.Max = k.Prometheus.Min, k.Prometheus.Max
		}
		checks = append(checks, check)
	}
	return a, checks
}

// Start implements admin.Rollouts.
func (p ports) Start(ctx context.Context, name string, req api.RolloutRequest) (id string, err error) {
	who := admin.CallerFrom(ctx).Name
	err = p.onService(ctx, name, func(s *service) error {
		if s.stable() == nil || s.runner == nil {
			return api.Conflict("service %q has listed instances: a new version needs a provider that can start it", s.name)
		}
		id, err = p.g.startRollout(s, p.g.planOf(s, req), req.Supersede, who)
		return err
	})
	return id, err
}

// Rollback implements admin.Rollouts: what is under way goes back; else the version before the last completed rollout comes back.
func (p ports) Rollback(ctx context.Context, name string) (id string, err error) {
	who := admin.CallerFrom(ctx).Name
	err = p.onService(ctx, name, func(s *service) error {
		if d := s.deploy; d != nil {
			id = d.st.ID
			return p.g.command(s, rollout.Command{Kind: rollout.Rollback, By: who})
		}
		for _, st := range p.g.rollouts.ended {
			if st.Plan.Service != s.name || st.End.Status != rollout.Completed || st.Plan.Version != s.stable().version {
				continue
			}
			plan := st.Plan.Revert(st.Plan.Stable)
			id, err = p.g.startRollout(s, plan, false, who)
			return err
		}
		return api.Conflict("service %q has no completed rollout to %q that could be taken back", s.name, s.stable().version)
	})
	return id, err
}

// command gives an order to the rollout of a service.
func (g *Gateway) command(s *service, c rollout.Command) error {
	if err := s.deploy.st.Accepts(c); err != nil {
		return api.Conflict("%s", err)
	}
	s.deploy.commands = append(s.deploy.commands, c)
	g.stepRollout(s, g.now())
	return nil
}

// Rollouts implements admin.Rollouts.
func (p ports) Rollouts() []api.Rollout { return p.g.views.Load().rollouts }

// Rollout implements admin.Rollouts.
func (p ports) Rollout(id string) (api.Rollout, error) {
	var known []string
	for _, r := range p.Rollouts() {
		if r.ID == id {
			return r, nil
		}
		known = append(known, r.ID)
	}
	return api.Rollout{}, api.NotFound("rollout", id, known...)
}

// Act implements admin.Rollouts.
func (p ports) Act(ctx context.Context, id string, action api.RolloutAction) (api.Rollout, error) {
	r, err := p.Rollout(id)
	if err != nil {
		return r, err
	}
	kind := map[api.RolloutAction]rollout.CommandKind{api.ActionPause: rollout.Pause, api.ActionResume: rollout.Resume,
		api.ActionPromote: rollout.Promote, api.ActionAbort: rollout.Abort}[action]
	who := admin.CallerFrom(ctx).Name
	err = p.onService(ctx, r.Service, func(s *service) error {
		switch {
		case s.deploy != nil && s.deploy.next != nil && s.deploy.next.ID == id:
			if kind != rollout.Abort {
				return api.Conflict("cannot %s rollout %q: it has not begun, rollout %q has to go back first", kind, id, s.deploy.st.ID)
			}
			p.g.withdrawNext(s, "aborted by "+who+" before it began")
			return nil
		case s.deploy == nil || s.deploy.st.ID != id:
			return api.Conflict("rollout %q has ended (%s)", id, r.Status)
		}
		return p.g.command(s, rollout.Command{Kind: kind, By: who})
	})
	if err != nil {
		return r, err
	}
	return p.Rollout(id)
}
