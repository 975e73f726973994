package gateway

import (
	"fmt"
	"strings"

	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/provider/exec"
)

// newExecRunner builds the provider of a service whose instances are left to the owner's commands.
func (g *Gateway) newExecRunner(spec *config.Service, p *config.ExecProvider) (*runner, error) {
	provider, err := exec.New(exec.Options{
		Service: spec.Name, Scale: p.Scale, List: p.List, Env: envOf(p.Env), Timeout: p.Timeout, Interval: p.Interval, Logger: g.log,
		OnEvent: func(e exec.Event) { g.mail.post(func() { g.onExecEvent(spec.Name, e) }) },
	})
	if err != nil {
		return nil, err
	}
	return newRunner(spec.Name, provider, g.log), nil
}

// onExecEvent shows what a command wrote when it failed; that it failed is told by what comes of it.
func (g *Gateway) onExecEvent(service string, e exec.Event) {
	if e.Kind == exec.ListRecovered {
		g.publishEvent(events.Event{Type: events.InstanceHealthy, Service: service,
			Message: fmt.Sprintf("the list command of %s tells its instances again", service)})
		return
	}
	g.log.Warn("a command of the exec provider failed", "service", service, "kind", e.Kind, "reason", e.Reason, "output", strings.Join(e.Output, "\n"))
}

// replaceRunner puts a runner with new settings in the place of the present one. The instances of the old one serve on until the new
// ones are ready, except where both are commands of the owner: those tell of the same instances.
func (g *Gateway) replaceRunner(s *service, rn *runner, before *config.Service) {
	old := s.runner
	s.runner = rn
	g.useOwner(s.name, rn.owner)
	g.startRunner(s, rn)
	for _, r := range s.revisions {
		r.asked = -1
	}
	switch {
	case old == nil:
		g.takeBackOwners(s)
	case before.Provider.Exec != nil && s.spec.Provider.Exec != nil:
		for _, i := range s.all() {
			i.runner = rn
		}
		g.background.Go(old.stop)
	default:
		s.retiring = append(s.retiring, old)
	}
}
