package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/provider/process"
	"gatewayd/rollout"
	"gatewayd/scaler"
	"gatewayd/store"
)

// kept is what survives a restart, by kind.
type kept struct {
	identity  string // names this gateway over its lives
	services  store.Bucket[keptService]
	secrets   store.Bucket[[]byte]
	rollouts  store.Bucket[rollout.State]
	owners    store.Bucket[[]string] // of containers, by service
	processes store.Bucket[[]process.Record]
	events    *store.Log[events.Event]
	decisions *store.Log[scaler.Decision]
}

// keptService is what is kept of one service.
type keptService struct {
	Version     string          `json:"version"`           // of the stable revision
	Configured  string          `json:"configured"`        // services.S.version at that time
	Scaling     *scaler.State   `json:"scaling,omitempty"` // targets, holds, what was learned
	HeldBy      string          `json:"heldBy,omitempty"`  // who set the hold
	Maintenance api.Maintenance `json:"maintenance"`
}

// migrations bring the state file of an older program up to date.
func migrations() []store.Migration { return nil }

func (g *Gateway) openKept(cfg *config.Config) error {
	k := &g.kept
	k.services = store.NewBucket[keptService](g.db, "services")
	k.secrets = store.NewBucket[[]byte](g.db, "affinity-secrets")
	k.owners = store.NewBucket[[]string](g.db, "docker-owners")
	k.rollouts = store.NewBucket[rollout.State](g.db, "rollouts")
	k.processes = store.NewBucket[[]process.Record](g.db, "processes")
	var err error
	if k.events, err = store.NewLog[events.Event](g.db, "events", store.LogOptions{
		MaxEntries: cfg.State.Retention.Events, MaxAge: cfg.State.Retention.Age,
	}); err != nil {
		return fmt.Errorf("cannot read the events of earlier runs: %w", err)
	}
	if k.decisions, err = store.NewLog[scaler.Decision](g.db, "decisions", store.LogOptions{
		MaxEntries: cfg.State.Retention.Decisions * max(1, len(cfg.Services)), MaxAge: cfg.State.Retention.Age,
	}); err != nil {
		return fmt.Errorf("cannot read the decisions of earlier runs: %w", err)
	}
	names := store.NewBucket[string](g.db, "gateway")
	id, ok, err := names.Get("identity")
	if err != nil {
		return fmt.Errorf("cannot read the gateway's identity: %w", err)
	}
	if !ok {
		b := make([]byte, 6)
		rand.Read(b)
		id = "gatewayd-" + hex.EncodeToString(b)
		if err := names.Put("identity", id); err != nil {
			return fmt.Errorf("cannot keep the gateway's identity: %w", err)
		}
		if err := g.db.Sync(); err != nil {
			return fmt.Errorf("cannot keep the gateway's identity: %w", err)
		}
	}
	k.identity = id
	return nil
}

// restoreService gives a service back what earlier runs knew of it.
func (g *Gateway) restoreService(s *service, spec *config.Service) {
	doc, ok, err := g.kept.services.Get(s.name)
	if err != nil {
		g.log.Warn("cannot read what was kept of a service: it begins anew", "service", s.name, "err", err)
		return
	}
	if !ok {
		return
	}
	// A version that the owner wrote into the config since then is the newer word.
	if doc.Configured == spec.Version {
		s.keptVersion = doc.Version
	}
	if doc.Scaling != nil {
		s.scale.state = doc.Scaling
		s.scale.heldBy = doc.HeldBy
	}
	g.restoreDecision(s)
	if doc.Maintenance.Mode != "" {
		s.maintenance = doc.Maintenance
	}
}

// restoreDecision shows the last decision of earlier runs until there is a new one.
func (g *Gateway) restoreDecision(s *service) {
	all, err := g.kept.decisions.Since(time.Time{}, g.now())
	if err != nil {
		g.log.Warn("cannot read all decisions of earlier runs", "err", err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Service == s.name {
			s.scale.last = &all[i]
			return
		}
	}
}

// keepService writes down what has to survive of a service.
func (g *Gateway) keepService(s *service) {
	doc := keptService{Configured: s.spec.Version, Version: s.spec.Version, Maintenance: s.maintenance,
		Scaling: s.scale.state, HeldBy: s.scale.heldBy}
	if r := s.stable(); r != nil {
		doc.Version = r.version
	}
	if err := g.kept.services.Put(s.name, doc); err != nil {
		g.log.Error("cannot keep the state of a service: after a restart it begins with an older one", "service", s.name, "err", err)
	}
}

func (g *Gateway) keepServices() {
	for _, s := range g.ordered {
		g.keepService(s)
	}
}

// stableVersion is the version that a service begins with.
func (g *Gateway) stableVersion(s *service) string {
	if s.keptVersion != "" {
		return s.keptVersion
	}
	return s.spec.Version
}

// endMaintenance ends a maintenance that was set for a time.
func (g *Gateway) endMaintenance(s *service, now time.Time) {
	if u := s.maintenance.Until; u == nil || now.Before(*u) {
		return
	}
	g.setMaintenance(s, api.MaintenanceRequest{Mode: api.MaintenanceOff}, now)
}

func (g *Gateway) setMaintenance(s *service, req api.MaintenanceRequest, now time.Time) {
	m := api.Maintenance{Mode: req.Mode, Message: req.Message, Since: now}
	text := map[api.MaintenanceMode]string{
		api.MaintenanceOff: "takes requests again", api.MaintenanceOn: "answers 503 for maintenance", api.MaintenanceHold: "holds its requests for maintenance",
	}[req.Mode]
	if req.For > 0 && req.Mode != api.MaintenanceOff {
		until := now.Add(time.Duration(req.For))
		m.Until = &until
		text += " until " + until.Format(time.TimeOnly)
	}
	s.maintenance = m
	s.dirty = true
	g.keepService(s)
	g.publishEvent(events.Event{Type: events.MaintenanceChanged, Service: s.name, Message: fmt.Sprintf("service %s %s", s.name, text),
		Data: map[string]any{"mode": string(req.Mode)}})
}
