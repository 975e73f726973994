package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/proxy"
)

// reloadCounts are what /metrics tells of reloads. They belong to the control loop.
type reloadCounts struct {
	accepted, refused uint64
	lastGood          bool
}

// prepared is a config with everything made that can fail, before anything is changed.
type prepared struct {
	cfg       *config.Config
	order     map[string]int
	sites     *sites
	parts     map[string]*serviceParts
	runners   map[string]*runner // new ones, not started
	listeners *proxy.Change
}

// prepare makes all that a config needs. On an error nothing has changed.
func (g *Gateway) prepare(cfg *config.Config) (_ *prepared, err error) {
	p := &prepared{cfg: cfg, order: map[string]int{}, parts: map[string]*serviceParts{}, runners: map[string]*runner{}}
	for i, name := range cfg.ServiceNames() {
		p.order[name] = i
	}
	if p.sites, err = buildSites(cfg, p.order, g.sites); err != nil {
		return nil, err
	}
	for name, spec := range cfg.Services {
		if p.parts[name], err = g.prepareService(spec, g.services[name]); err != nil {
			return nil, fmt.Errorf("cannot build service %q: %w", name, err)
		}
		old := g.services[name]
		if spec.Provider == nil || old != nil && old.runner != nil && sameProvider(old.spec.Provider, spec.Provider) {
			continue
		}
		if p.runners[name], err = g.newServiceRunner(spec, old != nil && old.runner != nil); err != nil {
			return nil, fmt.Errorf("cannot set up the provider of service %q: %w", name, err)
		}
	}
	addresses := make(map[string]string, len(cfg.Listeners))
	for _, l := range cfg.Listeners {
		addresses[l.Name] = l.Address
	}
	if p.listeners, err = g.proxy.Prepare(addresses); err != nil {
		return nil, err
	}
	return p, nil
}

func (g *Gateway) prepareService(spec *config.Service, old *service) (*serviceParts, error) {
	p := &serviceParts{}
	var err error
	var previous *upstreamTLS
	if old != nil {
		previous = old.tls
	}
	if p.tls, err = newUpstreamTLS(spec.TLS, previous); err != nil {
		return nil, err
	}
	p.check = checkOf(spec, p)
	if spec.Maintenance.Page != "" {
		if p.page, err = os.ReadFile(spec.Maintenance.Page); err != nil {
			return nil, fmt.Errorf("cannot read maintenance.page: %w", err)
		}
	}
	if spec.Affinity != nil {
		if p.affinity, err = g.affinitySecret(spec); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// affinitySecret is the configured one, else one that was made once and is kept.
func (g *Gateway) affinitySecret(spec *config.Service) ([]byte, error) {
	if spec.Affinity.Secret != "" {
		return []byte(spec.Affinity.Secret), nil
	}
	secret, ok, err := g.kept.secrets.Get(spec.Name)
	if err != nil || ok {
		return secret, err
	}
	secret = make([]byte, 32)
	rand.Read(secret)
	return secret, g.kept.secrets.Put(spec.Name, secret)
}

// apply makes cfg the running config, or returns an error and changes nothing. It runs in the loop, or before there is one.
func (g *Gateway) apply(cfg *config.Config) error {
	p, err := g.prepare(cfg)
	if err != nil {
		return err
	}
	g.cfg, g.sites = cfg, p.sites
	setLevel(g.level, cfg.Log.Level)
	before, specs := g.ordered, map[string]*config.Service{}
	for _, s := range before {
		specs[s.name] = s.spec
	}
	g.ordered = make([]*service, len(p.order))
	known := map[string]*service{}
	for name, i := range p.order {
		s := g.applyService(cfg.Services[name], p)
		known[name], g.ordered[i] = s, s
	}
	for _, s := range before {
		if known[s.name] == nil {
			g.retireService(s)
		}
	}
	g.services = known
	g.generation++
	g.loadedAt = g.now()
	g.rejected = nil
	g.reloads.lastGood = true
	g.resite, g.checksChanged = true, true
	g.applyMonitoring(cfg)
	g.settle()
	if g.legacy != nil && !g.ready.Load() {
		g.waiting = p.listeners // the gateway whose place this one takes serves on until the instances are known
	} else {
		p.listeners.Commit()
	}
	for _, s := range g.ordered {
		g.followVersion(s, specs[s.name])
	}
	return nil
}

// followVersion begins a rollout where the owner wrote another version into the file of a running gateway.
func (g *Gateway) followVersion(s *service, before *config.Service) {
	if before == nil || s.runner == nil || before.Version == s.spec.Version || s.stable() == nil || s.stable().version == s.spec.Version {
		return
	}
	if _, err := g.startRollout(s, g.planOf(s, api.RolloutRequest{Version: s.spec.Version}), true, "the config file"); err != nil {
		g.publishEvent(events.Event{Type: events.DeploymentFailed, Service: s.name, Revision: s.spec.Version, Severity: events.Critical,
			Message: fmt.Sprintf("the config asks for version %s of %s, and no rollout can begin: %v", s.spec.Version, s.name, err)})
	}
}

func (g *Gateway) applyService(spec *config.Service, p *prepared) *service {
	s := g.services[spec.Name]
	if s == nil {
		s = newService(spec)
		g.restoreService(s, spec)
	}
	checkBefore, before := s.check, s.spec
	s.configure(spec, p.parts[spec.Name])
	if (checkBefore == nil) != (s.check == nil) || s.check != nil && checkBefore != nil && checkBefore.ID() != s.check.ID() {
		g.checksChanged = true
	}
	if rn := p.runners[spec.Name]; rn != nil {
		g.replaceRunner(s, rn, before)
	}
	g.configureScaling(s)
	if spec.Provider == nil {
		if s.runner != nil {
			s.retiring, s.runner = append(s.retiring, s.runner), nil
		}
		g.syncListed(s)
	} else if s.stable() == nil {
		r := s.addRevision(g.stableVersion(s), api.RoleStable)
		r.weight = 100
		s.plan(s.scale.state.Target)
		g.resumeRollout(s)
	}
	return s
}

// retireService lets a service that was taken out of the config end: routes do not lead to it any more, its requests in flight do end.
func (g *Gateway) retireService(s *service) {
	for _, i := range s.all() {
		if i.endpoint != nil {
			i.endpoint.SetDraining(g.now().Add(s.spec.DrainTimeout).UnixNano())
		}
	}
	g.leaving = append(g.leaving, s)
	g.background.Go(func() {
		deadline := time.Now().Add(s.spec.DrainTimeout)
		tick := time.NewTicker(tickEvery)
		defer tick.Stop()
		for s.core.InFlight.Load() > 0 && time.Now().Before(deadline) && !g.stopping.Load() {
			<-tick.C
		}
		for _, r := range append(s.retiring, s.runner) {
			if r != nil && !g.stopping.Load() {
				r.retire()
				g.mail.post(func() { g.dropOwner(s.name, r.owner) })
			}
		}
		g.mail.post(func() {
			for _, i := range s.all() {
				if i.endpoint != nil {
					i.endpoint.Transport.(*proxy.Transport).Retire()
				}
			}
			g.leaving = slices.DeleteFunc(g.leaving, func(o *service) bool { return o == s })
		})
	})
}

// reload reads the file again and applies it. A bad one changes nothing and is told everywhere.
func (g *Gateway) reload(ctx context.Context, why string) (api.ReloadResult, error) {
	cfg, loadErr := config.Load(g.opt.ConfigPath)
	g.noteFiles(cfg)
	var result api.ReloadResult
	var err error
	callErr := g.mail.call(ctx, func() {
		if err = loadErr; err == nil {
			changes := changesBetween(g.cfg, cfg)
			if err = g.fixedParts(cfg); err == nil {
				err = g.apply(cfg)
			}
			result = api.ReloadResult{Success: err == nil, Generation: g.generation, Changes: changes}
		}
		g.noteReload(why, err, result.Changes)
		g.copyViews()
	})
	if callErr != nil {
		return result, callErr
	}
	if err != nil {
		return result, reloadError(err)
	}
	return result, nil
}

// fixedParts refuses a change of what is opened once at the start.
func (g *Gateway) fixedParts(cfg *config.Config) error {
	if cfg.Admin.Listen != g.cfg.Admin.Listen {
		return fmt.Errorf("cannot change admin.listen from %q to %q while running: restart gatewayd for that", g.cfg.Admin.Listen, cfg.Admin.Listen)
	}
	if !reflect.DeepEqual(cfg.AccessLog, g.cfg.AccessLog) || !reflect.DeepEqual(cfg.Tracing, g.cfg.Tracing) {
		return errors.New("cannot change accessLog or tracing while running: restart gatewayd for that")
	}
	if cfg.State.Path != g.cfg.State.Path {
		return fmt.Errorf("cannot change state.path from %q to %q while running: restart gatewayd for that", g.cfg.State.Path, cfg.State.Path)
	}
	return g.admin.SetAccess(adminAccess(cfg))
}

// noteReload tells what became of a reload, in log, event, metric and status.
func (g *Gateway) noteReload(why string, err error, changes []string) {
	if err == nil {
		g.reloads.accepted++
		message := fmt.Sprintf("the config was reloaded (%s), generation %d: %d changes", why, g.generation, len(changes))
		g.publishEvent(events.Event{Type: events.ConfigReloaded, Message: message,
			Data: map[string]any{"generation": g.generation, "changes": changes}})
		return
	}
	g.reloads.refused++
	g.reloads.lastGood = false
	g.rejected = errorLines(err)
	g.publishEvent(events.Event{Type: events.ConfigRejected, Severity: events.Critical,
		Message: fmt.Sprintf("the config file was refused (%s) and generation %d runs on: %s", why, g.generation, g.rejected[0]),
		Data:    map[string]any{"errors": g.rejected}})
}

// errorLines are the errors of a config file, a line each.
func errorLines(err error) []string {
	var all config.Errors
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	lines := make([]string, len(all))
	for i := range all {
		lines[i] = all[i].Error()
	}
	return lines
}

func reloadError(err error) error {
	lines := errorLines(err)
	return &api.Error{Status: 422, Message: "the config file was refused; the running config stays", Field: "config", Details: lines}
}
