package gateway

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/cost"
	"gatewayd/events"
	"gatewayd/internal/histogram"
	"gatewayd/monitor"
	"gatewayd/scaler"
)

// watch draws the conclusions. All its fields belong to its own goroutine, which runs what is posted to watchers.mail.
type watch struct {
	g        *Gateway // for events and the log only
	monitor  *monitor.Monitor
	ledger   *cost.Ledger
	services map[string]*watched
	happened *events.Subscription
	own      ownLoad
	cfg      *config.Config
	budget   map[string]bool                     // budget alerts that fire, by kind
	middles  [histogram.NumBuckets]time.Duration // of the buckets of a histogram

	statement cost.Statement
	profiled  time.Time
	sized     time.Time
	saveAt    time.Time
	journalAt time.Time // of the ledger
}

// watched is what the watch knows of one service.
type watched struct {
	arrivals, refused uint64
	startDelay        time.Duration
	instances         map[string]*watchedInstance
	history
	profiledRequests uint64 // since the last entry in the profile
}

// watchedInstance holds an endpoint's counters as of the last look.
type watchedInstance struct {
	endpoint           *balancer.Endpoint // that they are of
	done, errors, cuts uint64
	latency            histogram.Counts
	restarts           int
	round              time.Time // last seen
}

func newWatched(h history) *watched {
	h.complete()
	return &watched{instances: map[string]*watchedInstance{}, history: h}
}

func newWatch(g *Gateway, now time.Time) *watch {
	w := &watch{g: g, monitor: monitor.New(monitor.Policy{}), services: map[string]*watched{}, budget: map[string]bool{}, happened: g.bus.Subscribe(), cfg: g.cfg,
		middles: bucketMiddles(), own: ownLoad{cores: g.loops()}}
	w.load(now)
	return w
}

// run takes in what is posted until ctx ends, and keeps what was learned.
func (w *watch) run(ctx context.Context) error {
	mail := w.g.watchers.mail
	for {
		select {
		case <-ctx.Done():
			for _, fn := range mail.take() {
				fn()
			}
			w.save(w.g.now())
			return nil
		case <-mail.wake:
			for _, fn := range mail.take() {
				fn()
			}
		}
	}
}

// takeIn brings everything up to what was seen.
func (w *watch) takeIn(seen *sighting) {
	now := seen.at
	w.takeEvents(now)
	w.forgetGone(seen)
	for i := range seen.services {
		w.takeService(&seen.services[i], now)
	}
	w.monitor.ObserveGateway(w.own.observation(seen))
	w.account(seen)
	w.assertConfig(seen.rejected)
	w.conclude(now)
	w.saveJournal(now)
	if !now.Before(w.saveAt) {
		w.save(now)
	}
}

func (w *watch) forgetGone(seen *sighting) {
	stays := map[string]bool{}
	for i := range seen.services {
		stays[seen.services[i].name] = true
	}
	for _, name := range w.monitor.Services() {
		if !stays[name] {
			w.monitor.Forget(name)
		}
	}
	for name := range w.services {
		if !stays[name] {
			delete(w.services, name)
			w.drop(serviceKey(name))
		}
	}
}

// takeEvents notes what was done to services.
func (w *watch) takeEvents(now time.Time) {
	for {
		batch, _, _ := w.happened.Take(100)
		for i := range batch {
			w.takeEvent(&batch[i], now)
		}
		if len(batch) < 100 {
			return
		}
	}
}

func (w *watch) takeEvent(e *events.Event, now time.Time) {
	n := monitor.Event{At: e.Time, Service: e.Service, Text: e.Message}
	switch e.Type {
	case events.ComponentScaled:
		n.Kind = monitor.EventScaled
		n.From, _ = e.Data["from"].(int)
		n.To, _ = e.Data["to"].(int)
		if s := w.services[e.Service]; s != nil && n.To > n.From {
			n.Grace = s.startDelay
		}
	case events.DeploymentStarted, events.DeploymentStep, events.DeploymentCompleted, events.DeploymentRolledBack, events.DeploymentFailed:
		n.Kind = monitor.EventRollout
	default:
		return
	}
	w.monitor.Note(n)
}

// takeService turns the totals of a service into what happened since the last look.
func (w *watch) takeService(ss *seenService, now time.Time) {
	s := w.services[ss.name]
	if s == nil {
		s = newWatched(history{})
		w.services[ss.name] = s
	}
	s.startDelay = ss.startDelay
	arrivals, refused := ss.core.Arrivals.Load(), ss.refused()
	o := monitor.Observation{
		At: now, Service: ss.name, Arrived: since(arrivals, s.arrivals), Rejected: since(refused, s.refused),
		Queue: ss.queue, QueueCapacity: ss.spec.Limits.Queue, Wanted: ss.wanted, Starting: ss.starting, LimitHeld: ss.limit,
		CostPerHour: w.costPerHour(ss.name),
	}
	s.arrivals, s.refused = arrivals, refused
	s.profiledRequests += o.Arrived
	s.Traffic.add(now, o.Arrived)
	if ss.maintenance {
		o.Rejected, o.Queue = 0, 0 // meant so
	}
	for i := range ss.instances {
		si := &ss.instances[i]
		in := w.takeInstance(ss, s, si, now)
		if si.fit {
			o.Instances = append(o.Instances, in)
		}
	}
	for id, in := range s.instances {
		if !in.round.Equal(now) {
			delete(s.instances, id)
		}
	}
	w.monitor.Observe(o)
}

// refused counts the requests that the gateway itself answered 503.
func (ss *seenService) refused() (n uint64) {
	for _, r := range ss.routes {
		r.Each(func(version string, status int, count uint64) {
			if version == "" && status == http.StatusServiceUnavailable {
				n += count
			}
		})
	}
	return n
}

func (w *watch) takeInstance(ss *seenService, s *watched, si *seenInstance, now time.Time) monitor.InstanceObservation {
	o := monitor.InstanceObservation{
		Instance: si.id, Revision: si.revision, Weight: si.weight, Started: si.started, Slots: ss.spec.Limits.MaxConcurrencyPerInstance,
		CPU: fresh(si.cpu, now), Memory: fresh(si.memory, now), Restarts: si.restarts, Connections: si.idle + si.active,
	}
	if now.Sub(si.usage.At) <= staleAfter {
		o.FDs, o.FDLimit = si.usage.Files, si.usage.FileLimit
	}
	last := s.instances[si.id]
	if last == nil {
		last = &watchedInstance{restarts: si.restarts}
		s.instances[si.id] = last
	}
	last.round = now
	if si.restarts > last.restarts && si.outOfMemory {
		s.Sizing.Killed(now, si.id, float64(ss.spec.Resources.Memory))
	}
	last.restarts = si.restarts
	if si.endpoint == nil {
		return o
	}
	if last.endpoint != si.endpoint {
		*last = watchedInstance{endpoint: si.endpoint, restarts: last.restarts, round: now}
	}
	st := si.endpoint.Stats(now.UnixNano())
	cuts := st.Failures[balancer.Connect]
	errors := st.Failed() - cuts
	done := st.Requests - min(st.Requests, uint64(max(st.InFlight, 0))+cuts)
	o.InFlight, o.Requests, o.Errors, o.ConnectFailures = int(st.InFlight), since(done, last.done), since(errors, last.errors), since(cuts, last.cuts)
	o.Errors = min(o.Errors, o.Requests)
	var latency histogram.Counts
	si.endpoint.Latency(&latency)
	o.Latency = w.latencySince(&latency, &last.latency)
	// A request that took its place between two of these reads may make done fall; it is counted the next time.
	last.done, last.errors, last.cuts, last.latency = max(done, last.done), errors, cuts, latency
	w.ledger.Served(now, cost.Key{Service: ss.name, Revision: si.revision, Pool: si.pool}, o.Requests)
	return o
}

func since(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// staleAfter is the age from which a reading says nothing about the present.
const staleAfter = time.Minute

func fresh(r scaler.Reading, now time.Time) float64 {
	if r.At.IsZero() || now.Sub(r.At) > staleAfter {
		return monitor.Unknown()
	}
	return r.Value
}

// latencySince is what was counted between two snapshots.
func (w *watch) latencySince(now, before *histogram.Counts) (l monitor.Latency) {
	if now.Count == before.Count {
		return l
	}
	for i, n := range now.Buckets {
		if d := since(n, before.Buckets[i]); d > 0 {
			l.Add(w.middles[i], uint32(min(d, 1<<31)))
		}
	}
	return l
}

// bucketMiddles are the middles of the buckets of a histogram.
func bucketMiddles() [histogram.NumBuckets]time.Duration {
	var middles [histogram.NumBuckets]time.Duration
	before := time.Duration(0)
	for i, edge := range histogram.Edges() {
		middles[i] = (before + edge) / 2
		before = edge
	}
	middles[histogram.NumBuckets-1] = before
	return middles
}

func (w *watch) costPerHour(name string) float64 {
	if len(w.cfg.ResourcePools) == 0 {
		return monitor.Unknown()
	}
	for i := range w.statement.Services {
		if e := &w.statement.Services[i]; e.Service == name {
			return e.PerHour.Units()
		}
	}
	return 0
}

// configCondition names the alert that a config was refused.
const configCondition = "config"

// assertConfig raises an alert while an older config runs because the newest was refused.
func (w *watch) assertConfig(why string) {
	if why == "" {
		w.monitor.Retract(configCondition, "")
		return
	}
	w.monitor.Assert(monitor.Condition{Key: configCondition, Severity: monitor.Warning, Value: 1, Threshold: 1,
		Summary: "the newest config file was refused; an older one runs: " + cmp.Or(why, "see the log")})
}
