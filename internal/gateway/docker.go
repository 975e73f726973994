package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/provider/docker"
)

// Containers outlive the gateway, and their settings do not change with the config. So the owner that their labels name is the gateway and a
// fingerprint of the settings: instances under other settings belong to another provider, which serves on until those of the new one are
// ready, and is then retired. Which owners there are is kept, so that this also works when the config changed
// while the gateway was down.

// dockerOwner names who owns containers with these settings.
func (g *Gateway) dockerOwner(p *config.DockerProvider) string {
	settings, err := json.Marshal(p)
	if err != nil {
		panic("BUG: the settings of a docker provider cannot be marshalled: " + err.Error())
	}
	secrets := fmt.Sprint(envOf(p.Env)) // hidden in the JSON
	return g.kept.identity + "-" + strconv.FormatUint(xxhash.Sum64String(string(settings)+secrets), 36)
}

func envOf(env map[string]config.Secret) map[string]string {
	plain := make(map[string]string, len(env))
	for k, v := range env {
		plain[k] = string(v)
	}
	return plain
}

// newDockerRunner builds the provider of a service's containers that belong to owner.
func (g *Gateway) newDockerRunner(spec *config.Service, p *config.DockerProvider, owner string) (*runner, error) {
	opt := docker.Options{
		Service: spec.Name, Owner: owner, Host: p.Host, Image: p.Image, Port: p.Port, Network: p.Network, Command: p.Command,
		Env: envOf(p.Env), CPU: p.CPU, MemoryBytes: uint64(p.Memory), Pull: docker.PullPolicy(p.Pull), StopTimeout: p.StopTimeout,
		OnExit: docker.OnExit(p.OnGatewayExit), Backoff: docker.Backoff{Base: p.Backoff.Initial, Max: p.Backoff.Max}, Logger: g.log,
		OnEvent: func(e docker.Event) { g.mail.post(func() { g.onDockerEvent(spec.Name, e) }) },
	}
	if opt.CPU == 0 {
		opt.CPU = spec.Resources.CPU
	}
	if opt.MemoryBytes == 0 {
		opt.MemoryBytes = uint64(spec.Resources.Memory)
	}
	provider, err := docker.New(opt)
	if err != nil {
		return nil, err
	}
	rn := newRunner(spec.Name, provider, g.log)
	rn.owner = owner
	return rn, nil
}

// onDockerEvent adds what only the provider knows to what the loop finds out from lists.
func (g *Gateway) onDockerEvent(service string, e docker.Event) {
	s := g.services[service]
	if s == nil {
		return
	}
	i := e.Instance
	switch e.Kind {
	case docker.StartFailed:
		s.noteStartFailure(i.Version, e.Reason)
		g.publishStartFailure(service, i, e.Reason)
	case docker.Exited:
		if _, known := s.instance(i.ID); known != nil && !known.everReady {
			s.noteStartFailure(i.Version, lastWords(e.Reason, e.Output))
		}
		g.logLastLines(service, i.ID, e.Reason, e.Output)
	case docker.OutOfMemory:
		g.publishEvent(events.Event{Type: events.LimitReached, Service: service, Revision: i.Version, Instance: i.ID, Severity: events.Critical,
			Message: fmt.Sprintf("instance %s of %s ran out of memory: %s", i.ID, service, e.Reason), Data: map[string]any{"limit": "memory"}})
	case docker.EngineBack:
		g.publishEvent(events.Event{Type: events.InstanceHealthy, Service: service, Message: "the Docker Engine of " + service + " answers again"})
	}
}

// useOwner notes that a service has containers of an owner.
func (g *Gateway) useOwner(service, owner string) {
	if owner == "" {
		return
	}
	owners, _, err := g.kept.owners.Get(service)
	if err == nil && !slices.Contains(owners, owner) {
		if err = g.kept.owners.Put(service, append(owners, owner)); err == nil {
			err = g.db.Sync()
		}
	}
	if err != nil {
		g.log.Error("cannot keep who owns the containers of a service: after a change of its settings, old ones may be left", "service", service, "err", err)
	}
}

// dropOwner notes that an owner has no container left.
func (g *Gateway) dropOwner(service, owner string) {
	owners, _, err := g.kept.owners.Get(service)
	if err != nil || owner == "" {
		return
	}
	owners = slices.DeleteFunc(owners, func(o string) bool { return o == owner })
	if len(owners) == 0 {
		err = g.kept.owners.Delete(service)
	} else {
		err = g.kept.owners.Put(service, owners)
	}
	if err != nil {
		g.log.Warn("cannot forget who owned the containers of a service", "service", service, "err", err)
	}
}

// takeBackOwners starts providers for the containers that a service has under earlier settings, so that they serve on until the new ones
// are ready.
func (g *Gateway) takeBackOwners(s *service) {
	p := s.spec.Provider
	if p == nil || p.Docker == nil || s.runner == nil {
		return
	}
	owners, _, err := g.kept.owners.Get(s.name)
	if err != nil {
		g.log.Warn("cannot read who owned containers of a service", "service", s.name, "err", err)
	}
	for _, owner := range owners {
		if owner == s.runner.owner {
			continue
		}
		rn, err := g.newDockerRunner(s.spec, p.Docker, owner)
		if err != nil {
			g.log.Error("cannot take back containers of earlier settings", "service", s.name, "err", err)
			continue
		}
		s.retiring = append(s.retiring, rn)
		g.startRunner(s, rn)
	}
}

// endForgottenContainers ends the containers of services that were taken out of the config while the gateway was down.
func (g *Gateway) endForgottenContainers() {
	all, err := g.kept.owners.All()
	if err != nil {
		g.log.Warn("cannot read who owned containers", "err", err)
	}
	for name, owners := range all {
		if g.services[name] != nil {
			continue
		}
		for _, owner := range owners {
			spec := &config.Service{Name: name}
			rn, err := g.newDockerRunner(spec, &config.DockerProvider{Image: "none", Port: 1, OnGatewayExit: config.ExitAdopt}, owner)
			if err != nil {
				g.log.Error("cannot end the containers of a service that is gone", "service", name, "err", err)
				continue
			}
			g.log.Info("a service with containers is no longer configured: they are ended", "service", name)
			rn.start(nil, nil)
			g.background.Go(func() {
				rn.retire()
				g.mail.post(func() { g.dropOwner(name, owner) })
			})
		}
	}
}
