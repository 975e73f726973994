package gateway

import (
	"context"
	"slices"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
	"gatewayd/proxy"
	"gatewayd/scaler"
)

// tickEvery is the control loop's own beat: scaling samples, drains, ejections and rollouts are looked at that often.
const tickEvery = 100 * time.Millisecond

// loop runs what is posted and what falls due, until ctx ends. It is the only writer of services and the only one that publishes.
func (g *Gateway) loop(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.mail.wake:
			for _, fn := range g.mail.take() {
				fn()
			}
		case <-tick.C:
			g.tick(g.now())
		}
		g.settle()
	}
}

// settle brings what follows from the services in line with them, once for everything that was done in a turn.
func (g *Gateway) settle() {
	if g.checksChanged {
		g.syncChecks()
	}
	g.publish()
}

// tick does what time brings about.
func (g *Gateway) tick(now time.Time) {
	g.ticks++
	for _, s := range g.ordered {
		g.sample(s, now)
		g.stepRollout(s, now)
		g.steer(s, now)
		for _, d := range s.outlier.Tick(now) {
			g.applyOutlier(s, d)
		}
		g.readmit(s, now)
		g.giveUpStarts(s, now)
		g.endMaintenance(s, now)
	}
	if g.ticks%10 == 0 {
		g.everySecond(now)
	}
}

// everySecond does what need not be done more often.
func (g *Gateway) everySecond(now time.Time) {
	for _, s := range g.ordered {
		g.compareOutliers(s, now)
		s.each(func(_ *revision, i *instance) {
			if i.endpoint != nil {
				i.endpoint.Transport.(*proxy.Transport).Sweep(now.Add(-s.spec.Timeouts.Idle).UnixNano())
			}
		})
	}
	if g.ticks%(30*10) == 0 {
		g.keepServices() // what was learned meanwhile
	}
	g.observe(now)
}

// publish builds the view of every service that changed and makes them current, all at once.
func (g *Gateway) publish() {
	changed := g.resite
	for _, s := range g.ordered {
		if !s.dirty {
			continue
		}
		g.setOutlierMembers(s)
		if err := s.buildView(); err != nil {
			g.log.Error("cannot rebuild the view of a service: the one from before stays", "service", s.name, "err", err)
			s.dirty = false
			continue
		}
		changed = true
	}
	if !changed {
		return
	}
	g.resite = false
	snap := &proxy.Snapshot{Generation: g.generation, Sites: g.sites.byListener, Services: make([]*proxy.ServiceView, len(g.ordered))}
	for i, s := range g.ordered {
		snap.Services[i] = s.view
	}
	g.proxy.Publish(snap)
	g.copyViews()
}

// steer moves the instances of a service towards how many each revision should have: those too many drain and then stop, those missing are
// started, and a draining one comes back rather than a new one being started.
func (g *Gateway) steer(s *service, now time.Time) {
	g.steerRetiring(s, now)
	if s.runner == nil {
		g.steerListed(s, now)
		return
	}
	g.holdToLimits(s)
	for _, r := range slices.Clone(s.revisions) {
		g.steerRevision(s, r, now)
		if r.role == api.RolePrevious && r.want == 0 && len(r.instances) == 0 {
			s.past.add(r)
			s.revisions = slices.DeleteFunc(s.revisions, func(o *revision) bool { return o == r })
			s.dirty = true
		}
	}
}

// steerListed forgets listed instances that have drained after they were taken out of the config.
func (g *Gateway) steerListed(s *service, now time.Time) {
	for _, r := range s.revisions {
		for _, i := range slices.Clone(r.instances) {
			if i.leaving && i.drained(now, s.spec.Affinity != nil) {
				g.forget(s, r, i)
			}
		}
	}
}

func (g *Gateway) steerRevision(s *service, r *revision, now time.Time) {
	var staying, leaving []*instance
	var stop []string // asked to stop, and not known to be stopping yet
	total := 0
	for _, i := range r.instances {
		if i.runner != s.runner || i.info.State == scaler.InstanceStopping {
			continue
		}
		total++
		switch {
		case i.gone:
			stop = append(stop, i.id)
		case i.leaving:
			leaving = append(leaving, i)
		default:
			staying = append(staying, i)
		}
	}
	for k := len(leaving) - 1; k >= 0 && len(staying) < r.want; k-- {
		if back := leaving[k]; now.Before(back.deadline) { // else it was given up, or is about to be stopped
			leaving = slices.Delete(leaving, k, k+1)
			g.comeBack(s, back)
			staying = append(staying, back)
		}
	}
	if extra := len(staying) - r.want; extra > 0 {
		for _, i := range victims(staying, extra) {
			g.startLeaving(s, i, "there are more instances than wanted")
			leaving = append(leaving, i)
		}
	}
	before := len(stop)
	for _, i := range leaving {
		if i.drained(now, s.spec.Affinity != nil) {
			i.gone = true
			stop = append(stop, i.id)
			s.dirty = true
		}
	}
	count := r.want + len(leaving) - (len(stop) - before)
	if len(stop) > 0 {
		// A provider stops some only where there are too many: one that is replaced stops first, and what takes its place is asked for after that.
		count = min(count, total-len(stop))
	}
	// What was asked for is asked for again while it has not come about: a container may have been removed by hand, a script have done nothing.
	if r.asked != count || len(stop) > before || total != count && now.Sub(r.askedAt) >= askAgainAfter {
		r.asked, r.askedAt = count, now
		s.runner.set(r.version, wish{count, stop})
	}
}

// askAgainAfter is how long a provider has to bring about what it was asked for, before it is asked again.
const askAgainAfter = 5 * time.Second

// victims returns the n instances that go first: those that serve nothing yet, then the least loaded, then the newest.
func victims(from []*instance, n int) []*instance {
	sorted := slices.Clone(from)
	slices.SortStableFunc(sorted, func(a, b *instance) int {
		if as, bs := a.serving(), b.serving(); as != bs {
			if bs {
				return -1
			}
			return 1
		}
		if a.endpoint != nil && b.endpoint != nil {
			if d := a.endpoint.InFlight() - b.endpoint.InFlight(); d != 0 {
				return int(d)
			}
		}
		return b.launched.Compare(a.launched)
	})
	return sorted[:n]
}

// steerRetiring ends the instances of an earlier provider setting once those of the new one can take over.
func (g *Gateway) steerRetiring(s *service, now time.Time) {
	for _, old := range slices.Clone(s.retiring) {
		serving := 0
		s.each(func(_ *revision, i *instance) {
			if i.runner != old && i.serving() {
				serving++
			}
		})
		enough := serving >= s.totalWanted() && serving > 0
		busy := 0
		s.each(func(_ *revision, i *instance) {
			if i.runner != old {
				return
			}
			if enough || i.leaving {
				g.startLeaving(s, i, "its settings have changed")
			}
			if !i.leaving || !i.drained(now, s.spec.Affinity != nil) {
				busy++
			}
		})
		if busy > 0 {
			continue
		}
		s.retiring = slices.DeleteFunc(s.retiring, func(r *runner) bool { return r == old })
		g.background.Go(func() {
			old.retire()
			g.mail.post(func() {
				g.syncProvided(s, old, nil)
				g.dropOwner(s.name, old.owner)
			})
		})
	}
}

// totalWanted is how many instances all revisions should have together.
func (s *service) totalWanted() int {
	n := 0
	for _, r := range s.revisions {
		n += r.want
	}
	return n
}

// publishEvent puts an event on the bus and, where it matters, into the log.
func (g *Gateway) publishEvent(e events.Event) {
	g.bus.Publish(g.now(), e)
	args := []any{"service", e.Service}
	if e.Service == "" {
		args = nil
	}
	if e.Severity.Rank() >= events.Warning.Rank() {
		g.log.Warn(e.Message, args...)
		return
	}
	g.log.Info(e.Message, args...)
}
