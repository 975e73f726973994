package gateway

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"gatewayd/admin/api"
	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/health"
	"gatewayd/health/probe"
	"gatewayd/proxy"
	"gatewayd/scaler"
)

// service is all that the control loop knows of one service. It belongs to the loop.
type service struct {
	name  string
	spec  *config.Service
	core  *proxy.Service // the data path's part, which survives snapshots
	tls   *upstreamTLS   // nil: plain
	check *probe.Check   // nil: instances are fit as soon as they have an address

	revisions     []*revision // the stable one first
	runner        *runner     // what runs the instances; nil where they are listed
	stocked       bool        // the provider has said once what there is
	resumed       bool        // the rollout is of an earlier run, whose instances are not all back yet
	providerError string      // why the provider does not answer, empty: it does
	retiring      []*runner   // of earlier provider settings, until their instances are gone
	outlier       *health.Outlier
	windows       map[string]outcomes // per instance, as of the last comparison
	compared      time.Time

	affinity    []byte // the secret that cookies are signed with
	keptVersion string // stable version of an earlier run, empty: none
	maintenance api.Maintenance
	page        []byte // answer of a service in maintenance, nil: a short text
	scale       scaling
	deploy      *deployment // under way, nil: none

	past       tally // of revisions that are gone
	totals     tally // of all revisions, as of the last measurement
	rates      rates
	rateWindow rateWindow
	trend      trend
	reserved   []string // pools of the instances that are to be started
	taken      []taken  // what it takes of pools and limits, as of takenAt
	takenAt    uint64

	view  *proxy.ServiceView // as published
	dirty bool               // view has to be built anew
}

// outcomes are an endpoint's counters at one time.
type outcomes struct{ requests, failures uint64 }

// revision is one version of a service.
type revision struct {
	version       string
	role          api.Role
	weight        float64 // percent of the traffic
	stats         *proxy.RevisionStats
	pool          *balancer.Pool
	instances     []*instance
	want          int       // instances that should run; with a runner
	startFailures int       // since it last became a candidate
	startError    string    // of the last one
	asked         int       // of the provider last, leaving ones included; -1: never
	askedAt       time.Time // when

	rates      rates
	rateWindow rateWindow
}

// instance is one running copy.
type instance struct {
	id       string
	version  string
	weight   int
	pool     string             // the resource pool that it takes its resources from; empty: none
	info     scaler.Instance    // as its provider told last; with a runner
	endpoint *balancer.Endpoint // nil while it has no address
	runner   *runner            // nil where it was listed
	check    probe.Key          // of its endpoint

	status      health.Status // as told by checks
	statusSince time.Time
	reason      string // why it is not fit
	everReady   bool
	ejectedAt   time.Time // of the last ejection
	launched    time.Time // when this run of it was first seen
	startDelay  time.Duration

	manualDrain bool      // by hand: it stays until undrained
	leaving     bool      // it drains and is then stopped
	deadline    time.Time // of its drain
	quietSince  time.Time // since when a draining one has nothing in flight
	gone        bool      // asked to be stopped

	cpu, memory scaler.Reading // pushed from outside

	rates      rates
	rateWindow rateWindow
}

// draining tells whether the instance takes nobody new.
func (i *instance) draining() bool { return i.manualDrain || i.leaving }

// serving tells whether it counts as capacity.
func (i *instance) serving() bool {
	return i.endpoint != nil && i.endpoint.Eligible()
}

// state is what people are told.
func (i *instance) state() api.InstanceState {
	switch {
	case i.draining():
		return api.StateDraining
	case i.endpoint == nil || i.status == health.Starting || i.status == "":
		return api.StateStarting
	case i.endpoint.Ejected():
		return api.StateEjected
	case i.status != health.Healthy:
		return api.StateUnhealthy
	}
	return api.StateReady
}

// newService builds the runtime of a service that was not there before.
func newService(spec *config.Service) *service {
	return &service{
		name: spec.Name, core: proxy.NewService(spec.Name, spec.Limits.Queue),
		outlier: health.NewOutlier(outlierPolicy(&spec.Outlier)), windows: map[string]outcomes{},
		maintenance: api.Maintenance{Mode: api.MaintenanceOff},
	}
}

// configure takes over settings. It changes nothing that outlives them.
func (s *service) configure(spec *config.Service, p *serviceParts) {
	s.spec, s.tls, s.check, s.page = spec, p.tls, p.check, p.page
	if p.affinity != nil {
		s.affinity = p.affinity
	}
	s.core.Gate.SetLimit(spec.Limits.Queue)
	s.outlier.SetPolicy(outlierPolicy(&spec.Outlier))
	for _, r := range s.revisions {
		for _, i := range r.instances {
			if i.endpoint != nil {
				i.endpoint.Transport.(*proxy.Transport).Configure(s.transportOptions(i.endpoint.Address))
			}
		}
	}
	s.dirty = true
}

// serviceParts are what a service needs of files and may fail on, made before anything is changed.
type serviceParts struct {
	tls      *upstreamTLS
	check    *probe.Check
	page     []byte
	affinity []byte
}

func (s *service) transportOptions(address string) proxy.TransportOptions {
	opt := proxy.TransportOptions{
		ConnectTimeout: s.spec.Timeouts.Connect, IdleTimeout: s.spec.Timeouts.Idle, MaxIdle: maxIdlePerInstance, TLS: s.tls.config(),
	}
	if opt.TLS != nil && opt.TLS.ServerName == "" {
		opt.TLS = s.tls.forHost(hostOf(address))
	}
	return opt
}

// maxIdlePerInstance bounds the idle connections to one instance; beyond it connections are closed after use.
const maxIdlePerInstance = 1024

func outlierPolicy(o *config.Outlier) health.OutlierPolicy {
	return health.OutlierPolicy{
		ConsecutiveFailures: o.ConsecutiveFailures, BaseEjection: o.BaseEjection, MaxEjection: o.MaxEjection,
		MaxEjectionPercent: int(o.MaxEjectionPercent), SuccessRate: health.DefaultSuccessRatePolicy(),
	}
}

// revision returns the revision of a version, nil if there is none.
func (s *service) revision(version string) *revision {
	for _, r := range s.revisions {
		if r.version == version {
			return r
		}
	}
	return nil
}

// addRevision adds a version without traffic.
func (s *service) addRevision(version string, role api.Role) *revision {
	r := &revision{version: version, role: role, stats: proxy.NewRevisionStats(s.name, version), asked: -1}
	s.revisions = append(s.revisions, r)
	s.dirty = true
	return r
}

func (s *service) stable() *revision {
	for _, r := range s.revisions {
		if r.role == api.RoleStable {
			return r
		}
	}
	return nil
}

// instance returns the instance with the id, and its revision.
func (s *service) instance(id string) (*revision, *instance) {
	for _, r := range s.revisions {
		for _, i := range r.instances {
			if i.id == id {
				return r, i
			}
		}
	}
	return nil, nil
}

// each calls f for every instance.
func (s *service) each(f func(*revision, *instance)) {
	for _, r := range s.revisions {
		for _, i := range r.instances {
			f(r, i)
		}
	}
}

// counts returns how many instances are serving and how many are on their way.
func (s *service) counts() (serving, starting int) {
	s.each(func(_ *revision, i *instance) {
		switch {
		case i.serving():
			serving++
		case i.state() == api.StateStarting && !i.gone:
			starting++
		}
	})
	return serving, starting
}

// buildView makes what the data path sees of the service from what the loop knows.
func (s *service) buildView() error {
	v := &proxy.ServiceView{
		Service: s.core, Limit: int64(s.spec.Limits.MaxConcurrencyPerInstance), QueueTimeout: s.patience(),
		Hold: s.holds(), HashKey: keySource(s.spec.Balancer.HashKey),
		Timeouts: proxy.Timeouts{ResponseHeader: s.spec.Timeouts.ResponseHeader, StreamIdle: s.spec.Timeouts.StreamIdle},
	}
	if a := s.spec.Affinity; a != nil {
		v.Affinity = &proxy.Affinity{Cookie: a.Cookie, MaxAge: int(a.TTL / time.Second), Secret: s.affinity}
	}
	if s.maintenance.Mode == api.MaintenanceOn {
		v.Maintenance = s.maintenanceAnswer()
	}
	shares := make([]balancer.Share, 0, len(s.revisions))
	for _, r := range s.revisions {
		if err := s.buildPool(r); err != nil {
			return err
		}
		if r.role == api.RoleStable {
			v.Stable = len(v.Revisions)
		}
		v.Revisions = append(v.Revisions, proxy.Revision{Version: r.version, Pool: r.pool, Stats: r.stats})
		shares = append(shares, balancer.Share{Revision: r.version, Pool: r.pool, Weight: int(r.weight*100 + 0.5)})
	}
	if len(shares) > 0 {
		var previous *balancer.Split
		if s.view != nil {
			previous = s.view.Split
		}
		split, err := balancer.NewSplit(shares, previous)
		if err != nil {
			return fmt.Errorf("cannot split the traffic of service %q: %w", s.name, err)
		}
		v.Split = split
	}
	s.addDeploymentRules(v)
	s.view, s.dirty = v, false
	return nil
}

func (s *service) buildPool(r *revision) error {
	opt := balancer.Options{
		Algorithm:      balancer.Algorithm(s.spec.Balancer.Algorithm),
		MaxConcurrency: int64(s.spec.Limits.MaxConcurrencyPerInstance),
		PanicPercent:   int(s.spec.Limits.PanicThresholdPercent), SlowStart: s.spec.Limits.SlowStart, Previous: r.pool,
	}
	if s.spec.Affinity != nil {
		opt.AffinitySecret = s.affinity
	}
	for _, i := range r.instances {
		if i.endpoint != nil && !i.gone {
			opt.Members = append(opt.Members, balancer.Member{Endpoint: i.endpoint, Weight: i.weight})
		}
	}
	pool, err := balancer.NewPool(opt)
	if err != nil {
		return fmt.Errorf("cannot build the pool of service %q, version %q: %w", s.name, r.version, err)
	}
	r.pool = pool
	return nil
}

// patience is how long a request may wait for an instance. A hold that ends by itself is waited for, however short the queue's patience is.
func (s *service) patience() time.Duration {
	p := s.spec.Limits.QueueTimeout
	if m := &s.maintenance; m.Mode == api.MaintenanceHold && m.Until != nil {
		p += m.Until.Sub(m.Since)
	}
	return p
}

// holds tells whether requests wait in the queue although nobody could serve them now: during maintenance in mode hold, and
// while the first instances of a service that is run by a provider are on their way.
func (s *service) holds() bool {
	if s.maintenance.Mode == api.MaintenanceHold {
		return true
	}
	if s.runner == nil {
		return false
	}
	serving, unfit := 0, 0
	s.each(func(_ *revision, i *instance) {
		switch {
		case i.serving():
			serving++
		case i.everReady && !i.gone && !i.draining():
			unfit++
		}
	})
	return serving == 0 && unfit == 0
}

func (s *service) maintenanceAnswer() *proxy.Maintenance {
	m := &proxy.Maintenance{RetryAfter: int(s.spec.Maintenance.RetryAfter / time.Second)}
	switch {
	case s.page != nil:
		m.Body, m.ContentType = s.page, "text/html; charset=utf-8"
	case s.maintenance.Message != "":
		m.Body, m.ContentType = []byte(s.maintenance.Message+"\n"), "text/plain; charset=utf-8"
	default:
		m.Body, m.ContentType = []byte("503 Service Unavailable: down for maintenance\n"), "text/plain; charset=utf-8"
	}
	if u := s.maintenance.Until; u != nil {
		m.RetryAfter = max(1, int(time.Until(*u)/time.Second))
	}
	return m
}

// sameProvider tells whether instances of one setting may go on under the other.
func sameProvider(a, b *config.Provider) bool { return reflect.DeepEqual(a, b) }

// drop removes an instance from the books.
func (r *revision) drop(i *instance) {
	r.instances = slices.DeleteFunc(r.instances, func(o *instance) bool { return o == i })
}
