package monitor

import "math"

// gauge is the mean and maximum of a figure over the observations that knew it.
// Four-byte floats halve what a ring takes; a week of sums keeps four digits.
type gauge struct {
	sum, max float32
	n        uint32
}

func (g *gauge) add(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	g.merge(gauge{sum: float32(v), max: float32(v), n: 1})
}

func (g *gauge) merge(o gauge) {
	if o.n == 0 {
		return
	}
	if g.n == 0 || o.max > g.max {
		g.max = o.max
	}
	g.sum += o.sum
	g.n += o.n
}

// mean is NaN when nobody knew the figure.
func (g gauge) mean() float64 {
	if g.n == 0 {
		return math.NaN()
	}
	return float64(g.sum) / float64(g.n)
}

// cell is what one step of time held, of a service, a revision or an instance.
type cell struct {
	index int64 // start of the cell in steps since 1970; a cell of a ring that is not this old is stale

	ticks    uint32 // observations
	waiting  uint32 // of them, with a queue
	requests uint64
	errors   uint64
	arrived  uint64
	rejected uint64
	refused  uint64 // connections that could not be made
	restarts uint64
	latency  Latency

	cpu, memory, queue, inFlight, slots, instances, wanted, cost gauge
}

func (c *cell) reset(index int64) {
	l := c.latency
	l.reset()
	*c = cell{index: index, latency: l}
}

// merge adds o's counts; the latency is left to those who need it.
func (c *cell) merge(o *cell) {
	c.ticks += o.ticks
	c.waiting += o.waiting
	c.requests += o.requests
	c.errors += o.errors
	c.arrived += o.arrived
	c.rejected += o.rejected
	c.refused += o.refused
	c.restarts += o.restarts
	c.cpu.merge(o.cpu)
	c.memory.merge(o.memory)
	c.queue.merge(o.queue)
	c.inFlight.merge(o.inFlight)
	c.slots.merge(o.slots)
	c.instances.merge(o.instances)
	c.wanted.merge(o.wanted)
	c.cost.merge(o.cost)
}

// errorShare is in [0, 1]; 0 without requests.
func (c *cell) errorShare() float64 {
	if c.requests == 0 {
		return 0
	}
	return float64(c.errors) / float64(c.requests)
}

// slotUse is the share of slots that are busy; NaN where slots have no limit.
func (c *cell) slotUse() float64 {
	if c.slots.n == 0 || c.slots.sum == 0 {
		return math.NaN()
	}
	return float64(c.inFlight.sum / c.slots.sum)
}
