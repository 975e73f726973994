package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/provider/process"
	"gatewayd/scaler"
)

// newServiceRunner builds the provider of a service without starting it. beside: another provider of the service still has instances.
func (g *Gateway) newServiceRunner(spec *config.Service, beside bool) (*runner, error) {
	switch p := spec.Provider; {
	case p.Process != nil:
		provider, err := g.newProcessProvider(spec, p.Process, beside)
		if err != nil {
			return nil, err
		}
		return newRunner(spec.Name, provider, g.log), nil
	case p.Docker != nil:
		owner := g.dockerOwner(p.Docker)
		if s := g.services[spec.Name]; s != nil {
			for slices.ContainsFunc(s.retiring, func(r *runner) bool { return r.owner == owner }) {
				owner += "+" // the settings were these before, and what is left from then is on its way out
			}
		}
		return g.newDockerRunner(spec, p.Docker, owner)
	case p.Exec != nil:
		return g.newExecRunner(spec, p.Exec)
	}
	return nil, errors.New("services.*.provider has no key that is known")
}

func (g *Gateway) newProcessProvider(spec *config.Service, p *config.ProcessProvider, beside bool) (*process.Provider, error) {
	name := spec.Name
	key := name
	if beside { // a key that none before it has: two of them may be on their way out at a time
		g.besides++
		key = fmt.Sprintf("%s#%d", name, g.besides)
	}
	cleared := beside
	env := make(map[string]string, len(p.Env))
	for k, v := range p.Env {
		env[k] = string(v)
	}
	opt := process.Options{
		Service: name, Owner: g.kept.identity, Command: p.Command, Env: env, Dir: p.Dir, StopTimeout: p.StopTimeout,
		TakeOver: g.legacy != nil && !g.ready.Load(),
		OnExit:   process.OnExit(p.OnGatewayExit), Backoff: process.Backoff{Base: p.Backoff.Initial, Max: p.Backoff.Max},
		Logger: g.log,
		Load:   func() ([]process.Record, error) { return g.loadProcesses(name, beside) },
		Save: func(records []process.Record) error {
			if err := g.kept.processes.Put(key, records); err != nil {
				return err
			}
			if !cleared { // all that earlier runs left is in these records now
				if err := g.dropBeside(name); err != nil {
					return err
				}
				cleared = true
			}
			return g.db.Sync()
		},
		OnEvent: func(e process.Event) { g.mail.post(func() { g.onProcessEvent(name, e) }) },
	}
	switch p.Output {
	case "log":
	case "none":
		opt.Output.Line = func(string, []byte) {}
	default:
		opt.Output.Dir = p.Output
	}
	return process.New(opt)
}

// loadProcesses returns what an earlier run left of a service. One that is started beside another has nothing to take over.
func (g *Gateway) loadProcesses(service string, beside bool) ([]process.Record, error) {
	if beside {
		return nil, nil
	}
	all, err := g.kept.processes.All()
	var records []process.Record
	for key, list := range all {
		if key == service || strings.HasPrefix(key, service+"#") {
			records = append(records, list...)
		}
	}
	return records, err
}

// dropBeside forgets the records that providers beside the first one of a service kept in earlier runs.
func (g *Gateway) dropBeside(service string) error {
	all, err := g.kept.processes.All()
	for key := range all {
		if strings.HasPrefix(key, service+"#") {
			err = errors.Join(err, g.kept.processes.Delete(key))
		}
	}
	return err
}

// onProcessEvent adds what only the provider knows to what the loop finds out from lists.
func (g *Gateway) onProcessEvent(service string, e process.Event) {
	s := g.services[service]
	if s == nil {
		return
	}
	switch e.Kind {
	case process.StartFailed:
		s.noteStartFailure(e.Instance.Version, e.Reason)
		g.publishStartFailure(service, e.Instance, e.Reason)
	case process.Exited:
		if _, i := s.instance(e.Instance.ID); i != nil && !i.everReady {
			s.noteStartFailure(e.Instance.Version, lastWords(e.Reason, e.Output))
		}
		g.logLastLines(service, e.Instance.ID, e.Reason, e.Output)
	}
}

func (g *Gateway) publishStartFailure(service string, i scaler.Instance, why string) {
	g.publishEvent(events.Event{Type: events.InstanceStopped, Service: service, Revision: i.Version, Instance: i.ID, Severity: events.Critical,
		Message: fmt.Sprintf("instance %s of %s cannot be started: %s; the next try is at %s", i.ID, service, why, i.RetryAt.Format(time.TimeOnly)),
		Data:    map[string]any{"reason": why, "retryAt": i.RetryAt}})
}

// logLastLines shows what an instance wrote before it died.
func (g *Gateway) logLastLines(service, instance, reason string, lines []string) {
	if len(lines) > 0 {
		g.log.Warn("an instance died; its last lines follow", "service", service, "instance", instance, "reason", reason,
			"output", strings.Join(lines, "\n"))
	}
}

// lastWords is why an instance ended, with what it said last.
func lastWords(reason string, output []string) string {
	if len(output) == 0 {
		return reason
	}
	return reason + ", after " + strconv.Quote(output[len(output)-1])
}

// startTimeout is how long an instance may take to its first good check; 0 is no limit.
func startTimeout(spec *config.Service) time.Duration {
	switch p := spec.Provider; {
	case p == nil:
	case p.Process != nil:
		return p.Process.StartTimeout
	case p.Docker != nil:
		return p.Docker.StartTimeout
	}
	return 0
}

// giveUpStarts replaces instances that run but did not become fit for traffic in time.
func (g *Gateway) giveUpStarts(s *service, now time.Time) {
	limit := startTimeout(s.spec)
	if limit == 0 {
		return
	}
	s.each(func(r *revision, i *instance) {
		since := i.info.StartedAt
		if since.Before(g.startedAt) { // it was taken over, and may have been ready long ago
			since = g.startedAt
		}
		if i.everReady || i.draining() || i.gone || i.info.State != scaler.InstanceRunning || now.Sub(since) < limit {
			return
		}
		why := "it was not fit for traffic within startTimeout (" + limit.String() + ")"
		if report, ok := g.checker.State(i.check); ok && report.LastError != "" {
			why += ": " + report.LastError
		}
		s.noteStartFailure(r.version, why)
		i.leaving, i.deadline = true, now
		g.publishEvent(events.Event{Type: events.InstanceUnhealthy, Service: s.name, Revision: r.version, Instance: i.id,
			Severity: events.Critical, Message: fmt.Sprintf("instance %s of %s is given up: %s", i.id, s.name, why), Data: map[string]any{"reason": why}})
	})
}

func (s *service) noteStartFailure(version, why string) {
	r := s.revision(version)
	if r == nil {
		return
	}
	r.startFailures++
	r.startError = why
	if r.role == api.RoleStable { // that a new version does not start is no reason not to scale the old one
		s.scale.startFailures++
	}
}

// startRunner starts a provider and has it report to the loop.
func (g *Gateway) startRunner(s *service, rn *runner) {
	rn.start(
		func(list []scaler.Instance, err error) {
			g.mail.post(func() {
				if err != nil {
					g.providerAway(s, err)
					return
				}
				s.providerError, s.stocked = "", true
				g.syncProvided(s, rn, list)
			})
		},
		func(version string, err error) {
			g.mail.post(func() {
				if r := s.revision(version); r != nil {
					r.asked = -1 // ask again at the next turn
				}
				g.publishEvent(events.Event{Type: events.LimitReached, Service: s.name, Revision: version, Severity: events.Critical,
					Message: fmt.Sprintf("cannot scale %s: %v", s.name, err), Data: map[string]any{"limit": "provider", "value": err.Error()}})
			})
		})
}

// providerAway keeps what is known: nothing is taken for gone because nobody can tell.
func (g *Gateway) providerAway(s *service, err error) {
	if s.providerError == err.Error() {
		return
	}
	s.providerError = err.Error()
	g.publishEvent(events.Event{Type: events.LimitReached, Service: s.name, Severity: events.Critical,
		Message: fmt.Sprintf("the provider of %s does not answer: %v; what runs is kept", s.name, err),
		Data:    map[string]any{"limit": "provider", "value": err.Error()}})
}
