package monitor

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// model is a service in front of which a gateway stands: a central queue, instances
// with slots, requests that arrive at random and take a random time. One
// step is a second of virtual time, after which it tells what a gateway would observe.
type model struct {
	rng       *rand.Rand
	now       float64
	name      string
	rate      float64 // arrivals per second
	instances []*modelInstance
	queue     int
	queueCap  int
	events    completions
	pick      func(free []*modelInstance) *modelInstance // nil: least busy
	lock      *float64                                   // when a lock that all share is free next
	lockTime  float64                                    // seconds that each request holds it

	wanted   int
	starting int
	limit    string
	knowsCPU bool
	rejected uint64
}

type modelInstance struct {
	InstanceObservation
	mean       float64 // seconds
	cpuSeconds float64 // of a request
	failing    float64 // share of requests
	leak       float64 // memory points per second
	cpu        float64 // seconds used in this step
	noise      float64 // of memory
}

type completion struct {
	at, began float64
	in        *modelInstance
}

type completions []completion

func (c completions) Len() int           { return len(c) }
func (c completions) Less(i, j int) bool { return c[i].at < c[j].at }
func (c completions) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *completions) Push(v any)        { *c = append(*c, v.(completion)) }
func (c *completions) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// newModel is healthy: four instances that are about 45 % busy.
func newModel(seed uint64) *model {
	m := &model{rng: rand.New(rand.NewPCG(seed, 11)), name: "shop", rate: 90, queueCap: 200, knowsCPU: true}
	for range 4 {
		m.add("v1")
	}
	return m
}

func (m *model) add(revision string) *modelInstance {
	in := &modelInstance{
		InstanceObservation: InstanceObservation{
			Instance: fmt.Sprintf("%s-%d", revision, len(m.instances)), Revision: revision, Weight: 1, Slots: 8,
			FDLimit: 1024, FDs: 40, ConnectionLimit: 100, Connections: 10, Memory: 40,
		},
		mean: 0.080, cpuSeconds: 0.018,
	}
	m.instances = append(m.instances, in)
	return in
}

// took is a lognormal time with a coefficient of variation of 0.8.
func (m *model) took(mean float64) float64 {
	const sigma = 0.703
	return mean * math.Exp(sigma*m.rng.NormFloat64()-sigma*sigma/2)
}

func (m *model) choose() *modelInstance {
	var free []*modelInstance
	for _, in := range m.instances {
		if in.Weight > 0 && in.InFlight < in.Slots {
			free = append(free, in)
		}
	}
	if len(free) == 0 {
		return nil
	}
	if m.pick != nil {
		return m.pick(free)
	}
	at := m.rng.IntN(len(free)) // ties go round
	best := free[at]
	for i := range free {
		if in := free[(at+i)%len(free)]; in.InFlight < best.InFlight {
			best = in
		}
	}
	return best
}

func (m *model) dispatch(now float64) bool {
	in := m.choose()
	if in == nil {
		return false
	}
	in.InFlight++
	in.cpu += in.cpuSeconds
	done := now + m.took(in.mean)
	if m.lock != nil {
		begin := math.Max(now, *m.lock)
		*m.lock = begin + m.lockTime
		done = math.Max(done, *m.lock)
	}
	heap.Push(&m.events, completion{done, now, in})
	return true
}

func (m *model) complete(c completion) {
	in := c.in
	in.InFlight--
	in.Requests++
	in.Latency.Add(seconds(c.at-c.began), 1)
	if m.rng.Float64() < in.failing {
		in.Errors++
	}
	for m.queue > 0 && m.dispatch(c.at) {
		m.queue--
	}
}

// step runs one second.
func (m *model) step() Observation {
	end := m.now + 1
	m.rejected = 0
	for _, in := range m.instances {
		in.Requests, in.Errors, in.Latency, in.cpu = 0, 0, Latency{}, 0
	}
	arrived := uint64(0)
	for at := m.now + m.rng.ExpFloat64()/m.rate; at < end; at += m.rng.ExpFloat64() / m.rate {
		for len(m.events) > 0 && m.events[0].at <= at {
			m.complete(heap.Pop(&m.events).(completion))
		}
		arrived++
		switch {
		case m.queue == 0 && m.dispatch(at):
		case m.queue < m.queueCap:
			m.queue++
		default:
			m.rejected++
		}
	}
	for len(m.events) > 0 && m.events[0].at <= end {
		m.complete(heap.Pop(&m.events).(completion))
	}
	m.now = end
	return m.observation(arrived)
}

func at(second float64) time.Time {
	return time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC).Add(time.Duration(second * float64(time.Second)))
}

func (m *model) observation(arrived uint64) Observation {
	o := Observation{
		At: at(m.now), Service: m.name, Arrived: arrived, Rejected: m.rejected, Queue: m.queue, QueueCapacity: m.queueCap,
		Wanted: m.wanted, Starting: m.starting, LimitHeld: m.limit, CostPerHour: Unknown(),
	}
	for _, in := range m.instances {
		in.Memory += in.leak
		seen := in.InstanceObservation
		seen.CPU = Unknown()
		if m.knowsCPU {
			seen.CPU = min(100, math.Max(0, 100*in.cpu+3+3*m.rng.NormFloat64()))
		}
		// A sawtooth of collections, and noise.
		seen.Memory = min(100, in.Memory+8*math.Mod(m.now/37+float64(len(in.Instance)), 1)+in.noise*m.rng.NormFloat64())
		o.Instances = append(o.Instances, seen)
	}
	return o
}
