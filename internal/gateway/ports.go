package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/admin/dashboard"
	"gatewayd/config"
	"gatewayd/events"
)

// ports is the gateway as the admin API sees it. Its methods may be called by anyone: looking is at copies, changing goes through the
// control loop.
type ports struct{ g *Gateway }

// setUpAdmin builds the admin server.
func (g *Gateway) setUpAdmin(cfg *config.Config) (err error) {
	p := ports{g}
	g.registry.Add(collector{g})
	opts := admin.Options{
		Access: adminAccess(cfg), System: p, Services: p, Scaler: p, Rollouts: p, Drainer: p, Maintenance: p, Reloader: p, Config: p,
		Events: g.bus, Metrics: g.registry, Audit: g.audit, Log: g.log, Dashboard: dashboard.New(),
	}
	g.addPorts(&opts)
	g.admin, err = admin.New(opts)
	return err
}

func adminAccess(cfg *config.Config) admin.Access {
	a := admin.Access{Hosts: cfg.Admin.Hosts}
	for _, t := range cfg.Admin.Tokens {
		a.Tokens = append(a.Tokens, admin.Token{Name: t.Name, Role: admin.Role(t.Role), Value: string(t.Value)})
	}
	return a
}

// audit keeps who changed what.
func (g *Gateway) audit(c admin.Change) {
	message := fmt.Sprintf("%s (%s, from %s) did %s", c.Caller.Name, c.Caller.Role, c.Caller.From, c.Action)
	if c.Reason != "" {
		message += fmt.Sprintf(" because %q", c.Reason)
	}
	e := events.Event{Type: events.Audit, Time: c.Time, Message: message, Data: map[string]any{
		"who": c.Caller.Name, "role": string(c.Caller.Role), "from": c.Caller.From, "action": c.Action, "reason": c.Reason, "status": c.Status,
	}}
	if c.Error != "" {
		e.Severity = events.Warning
		e.Message += "; it was refused: " + c.Error
	}
	g.publishEvent(e)
}

// Status implements admin.System.
func (p ports) Status() api.Status { return p.g.views.Load().status }

// Ready implements admin.System.
func (p ports) Ready() error {
	switch {
	case p.g.stopping.Load():
		return errors.New("the gateway is stopping")
	case !p.g.ready.Load():
		return errors.New("the gateway is starting")
	}
	return nil
}

// Services implements admin.Services.
func (p ports) Services() []api.Service { return p.g.views.Load().status.Services }

// Service implements admin.Services.
func (p ports) Service(name string) (api.Service, error) {
	for _, s := range p.Services() {
		if s.Name == name {
			return s, nil
		}
	}
	return api.Service{}, p.noService(name)
}

// noService is the error that there is no service of that name.
func (p ports) noService(name string) error {
	var known []string
	for _, s := range p.Services() {
		known = append(known, s.Name)
	}
	return api.NotFound("service", name, known...)
}

// onService runs fn in the control loop with the named service.
func (p ports) onService(ctx context.Context, name string, fn func(s *service) error) error {
	var err error
	callErr := p.g.mail.call(ctx, func() {
		s := p.g.services[name]
		if s == nil {
			err = p.noService(name)
			return
		}
		err = fn(s)
		p.g.settle()
		p.g.copyViews()
	})
	if callErr != nil {
		return callErr
	}
	return err
}

// Scale implements admin.Scaler.
func (p ports) Scale(ctx context.Context, name string, req api.ScaleRequest) (result api.ScaleResult, err error) {
	who := admin.CallerFrom(ctx).Name
	err = p.onService(ctx, name, func(s *service) error {
		result, err = p.g.scaleBy(s, req, who)
		return err
	})
	p.keepNow()
	return result, err
}

// keepNow puts on disk what was changed, before the caller is told that it was: it must survive a crash. What cannot be written is
// logged by the store, which tries again.
func (p ports) keepNow() { _ = p.g.db.Sync() }

// Push implements admin.Scaler.
func (p ports) Push(ctx context.Context, name string, figures api.PushedMetrics) error {
	return p.onService(ctx, name, func(s *service) error { return p.g.push(s, figures) })
}

// Drain implements admin.Drainer.
func (p ports) Drain(ctx context.Context, name, id string) error {
	return p.onInstance(ctx, name, id, func(s *service, i *instance) {
		if !i.manualDrain {
			i.manualDrain = true
			p.g.startDrain(s, i, "asked for by "+admin.CallerFrom(ctx).Name)
		}
	})
}

// Undrain implements admin.Drainer.
func (p ports) Undrain(ctx context.Context, name, id string) error {
	return p.onInstance(ctx, name, id, func(s *service, i *instance) { p.g.comeBack(s, i) })
}

func (p ports) onInstance(ctx context.Context, name, id string, fn func(*service, *instance)) error {
	return p.onService(ctx, name, func(s *service) error {
		_, i := s.instance(id)
		if i == nil {
			var known []string
			s.each(func(_ *revision, i *instance) { known = append(known, i.id) })
			return api.NotFound("instance", id, known...)
		}
		fn(s, i)
		return nil
	})
}

// SetMaintenance implements admin.Maintenance.
func (p ports) SetMaintenance(ctx context.Context, name string, req api.MaintenanceRequest) error {
	defer p.keepNow()
	return p.onService(ctx, name, func(s *service) error {
		p.g.setMaintenance(s, req, p.g.now())
		return nil
	})
}

// Reload implements admin.Reloader.
func (p ports) Reload(ctx context.Context) (api.ReloadResult, error) {
	return p.g.reload(ctx, "asked for by "+admin.CallerFrom(ctx).Name)
}

// EffectiveConfig implements admin.Config.
func (p ports) EffectiveConfig() any {
	return json.RawMessage(bytes.TrimSpace(p.g.views.Load().cfg.JSON()))
}
