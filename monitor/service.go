package monitor

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// forgetAfter is how long an instance or revision that is gone keeps its windows.
const forgetAfter = 10 * time.Minute

// maxInstances bounds what one service may make a Monitor remember at once.
const maxInstances = 2000

// service is what is kept of one service.
type service struct {
	name      string
	known     time.Time
	last      Observation // Instances is nil: they are in instances
	series    series
	revisions map[string]*revision
	instances map[string]*instance
	usual     usual
	scaling   scalingCurve
	count     int       // instances of the newest observation
	settled   time.Time // since when count has not changed
}

type revision struct {
	name   string
	known  time.Time // first seen
	series series
}

type instance struct {
	id     string
	known  time.Time
	last   InstanceObservation // Latency is empty: it is in series
	series series
}

func newService(name string, at time.Time) *service {
	return &service{
		name:      name,
		known:     at,
		series:    newSeries(serviceWidths()),
		revisions: map[string]*revision{},
		instances: map[string]*instance{},
		settled:   at,
	}
}

func (s *service) observe(o Observation) {
	total := cell{ticks: 1, arrived: o.Arrived, rejected: o.Rejected}
	if o.Queue > 0 {
		total.waiting = 1
	}
	total.queue.add(float64(o.Queue))
	total.instances.add(float64(len(o.Instances)))
	total.wanted.add(float64(o.Wanted))
	total.cost.add(o.CostPerHour)

	revisions := map[string]*cell{}
	var inFlight, slots int
	limited := len(o.Instances) > 0
	for i := range o.Instances {
		seen := &o.Instances[i]
		c := s.observeInstance(o.At, seen)
		if c == nil {
			continue
		}
		if revisions[seen.Revision] == nil {
			revisions[seen.Revision] = &cell{ticks: 1}
		}
		for _, to := range []*cell{&total, revisions[seen.Revision]} {
			to.add(c)
		}
		inFlight += seen.InFlight
		slots += seen.Slots
		limited = limited && seen.Slots > 0
	}
	total.inFlight.add(float64(inFlight))
	if limited {
		total.slots.add(float64(slots))
	}
	if len(o.Instances) != s.count {
		s.count, s.settled = len(o.Instances), o.At
	}
	s.series.add(o.At, &total)
	for _, name := range slices.Sorted(maps.Keys(revisions)) {
		s.observeRevision(o.At, name, revisions[name])
	}
	s.last = o
	s.last.Instances = nil
	s.forgetGone(o.At)
}

// add puts an instance's cell of one observation into that of its service or
// revision: its counts, and its gauges as one more voice in the mean.
func (c *cell) add(o *cell) {
	c.requests += o.requests
	c.errors += o.errors
	c.refused += o.refused
	c.restarts += o.restarts
	c.latency.Merge(o.latency)
	c.cpu.merge(o.cpu)
	c.memory.merge(o.memory)
}

func (s *service) observeInstance(at time.Time, seen *InstanceObservation) *cell {
	in := s.instances[seen.Instance]
	if in == nil {
		if len(s.instances) >= maxInstances {
			return nil
		}
		in = &instance{id: seen.Instance, known: at, series: newSeries(instanceWidths())}
		in.last.Restarts = seen.Restarts
		s.instances[seen.Instance] = in
	}
	c := &cell{ticks: 1, requests: seen.Requests, errors: seen.Errors, refused: seen.ConnectFailures, latency: seen.Latency}
	c.restarts = uint64(max(seen.Restarts-in.last.Restarts, 0))
	c.cpu.add(seen.CPU)
	c.memory.add(seen.Memory)
	c.inFlight.add(float64(seen.InFlight))
	if seen.Slots > 0 {
		c.slots.add(float64(seen.Slots))
	}
	in.series.add(at, c)
	in.last = *seen
	in.last.Latency = Latency{}
	return c
}

func (s *service) observeRevision(at time.Time, name string, c *cell) {
	r := s.revisions[name]
	if r == nil {
		r = &revision{name: name, known: at, series: newSeries(revisionWidths())}
		s.revisions[name] = r
	}
	r.series.add(at, c)
}

func (s *service) forgetGone(at time.Time) {
	maps.DeleteFunc(s.instances, func(_ string, in *instance) bool { return at.Sub(in.series.last) > forgetAfter })
	maps.DeleteFunc(s.revisions, func(_ string, r *revision) bool { return at.Sub(r.series.last) > forgetAfter })
}

// present are the instances of the newest observation, sorted by id.
func (s *service) present() []*instance {
	var list []*instance
	for _, in := range s.instances {
		if in.series.last.Equal(s.last.At) {
			list = append(list, in)
		}
	}
	slices.SortFunc(list, func(a, b *instance) int { return cmp.Compare(a.id, b.id) })
	return list
}
