package simulate

import (
	"math"
	"time"

	"gatewayd/scaler"
)

// Plant is the model of a service behind the gateway: per revision one line of
// waiting requests, first come first served, in front of instances with Slots each. It
// leaves out how requests spread over instances, retries, slow first requests after a
// start, the cost of instances that are draining, and errors.
type Plant struct {
	Slots        int           // requests that an instance works on at a time
	ServiceTime  time.Duration // mean, lognormal
	ServiceCV    float64       // its coefficient of variation
	StartDelay   time.Duration // from launch to ready; billed
	QueueTimeout time.Duration // after which a waiting request is refused with 503
	WaitBelow    time.Duration // a request that waits longer, or is refused, is slow
	FailedStarts float64       // share of starts that fail, after StartDelay
	Seed         uint64
}

// DefaultPlant is the one that the published comparisons use: 4 slots of 200 ms, that is 20
// requests per second and instance.
func DefaultPlant() Plant {
	return Plant{
		Slots: 4, ServiceTime: 200 * time.Millisecond, ServiceCV: 1, StartDelay: 30 * time.Second,
		QueueTimeout: 10 * time.Second, WaitBelow: 100 * time.Millisecond, Seed: 1,
	}
}

// plant is a Plant in motion.
type plant struct {
	Plant
	rates   []float64 // per second
	service *lognormal
	timeout float64
	wait    float64
	delay   float64

	now       float64
	arrivals  stream
	services  stream
	failures  stream
	split     stream
	second    int
	needed    float64 // of the unit exponential until the next arrival
	arrivalAt float64

	stable, canary pool
	weight         float64 // of canary, 0 to 1

	tally  tally
	billed float64 // instance seconds
}

// tally is what happened since the last tick.
type tally struct {
	arrivals, done, slow, dropped, started int
	busy                                   float64 // slot seconds
	worked, worked2                        float64 // sums of service times and of their squares
	became, failed                         int     // instances
}

func newPlant(pl Plant, rates []float64, ready int) *plant {
	p := &plant{
		Plant: pl, rates: rates, service: newLognormal(pl.ServiceTime.Seconds(), pl.ServiceCV),
		timeout: pl.QueueTimeout.Seconds(), wait: pl.WaitBelow.Seconds(), delay: pl.StartDelay.Seconds(),
		arrivals: stream(pl.Seed), services: stream(pl.Seed + 0x1000), failures: stream(pl.Seed + 0x2000), split: stream(pl.Seed + 0x3000),
	}
	p.stable.ready = ready
	p.needed = p.arrivals.exponential()
	p.findArrival()
	return p
}

// findArrival works out when the next request comes: the rate is constant within
// each second, and a unit exponential is used up at that rate.
func (p *plant) findArrival() {
	t := p.arrivalAt
	for p.second < len(p.rates) {
		r := p.rates[p.second]
		left := float64(p.second+1) - t
		if p.needed <= r*left {
			p.arrivalAt = t + p.needed/r
			return
		}
		p.needed -= r * left
		p.second++
		t = float64(p.second)
	}
	p.arrivalAt = math.Inf(1)
}

// run lets the plant live until the moment end.
func (p *plant) run(end float64) {
	for {
		// Ties go to what frees or adds room before what takes it.
		t, what := p.next()
		if t > end {
			break
		}
		p.pass(t)
		switch what {
		case 0:
			p.finish(&p.stable)
		case 1:
			p.finish(&p.canary)
		case 2:
			p.becomeReady(&p.stable)
		case 3:
			p.becomeReady(&p.canary)
		default:
			p.arrive()
		}
	}
	p.pass(end)
	p.refuseLate(&p.stable)
	p.refuseLate(&p.canary)
}

func (p *plant) next() (t float64, what int) {
	t, what = p.arrivalAt, 4
	if h := p.stable.done; len(h) > 0 && h[0] <= t {
		t, what = h[0], 0
	}
	if h := p.canary.done; len(h) > 0 && h[0] <= t {
		t, what = h[0], 1
	}
	if s := p.stable.starting; len(s) > 0 && s[0] <= t {
		t, what = s[0], 2
	}
	if s := p.canary.starting; len(s) > 0 && s[0] <= t {
		t, what = s[0], 3
	}
	return t, what
}

func (p *plant) pass(t float64) {
	dt := t - p.now
	p.tally.busy += dt * float64(p.stable.busy+p.canary.busy)
	p.billed += dt * float64(p.stable.size()+p.canary.size())
	p.now = t
}

func (p *plant) arrive() {
	p.tally.arrivals++
	to := &p.stable
	if p.weight > 0 && p.split.uniform() < p.weight {
		to = &p.canary
	}
	if to.line.n == 0 && to.busy < to.ready*p.Slots {
		p.start(to, p.now)
	} else {
		to.line.push(p.now)
	}
	p.needed = p.arrivals.exponential()
	p.findArrival()
}

func (p *plant) start(q *pool, arrived float64) {
	if p.now-arrived > p.wait {
		p.tally.slow++
	}
	p.tally.started++
	s := p.service.draw(&p.services)
	p.tally.worked += s
	p.tally.worked2 += s * s
	q.busy++
	q.done.push(p.now + s)
}

func (p *plant) finish(q *pool) {
	q.done.pop()
	q.busy--
	p.tally.done++
	p.fill(q)
}

// fill starts waiting requests while there is room.
func (p *plant) fill(q *pool) {
	for q.line.n > 0 && q.busy < q.ready*p.Slots {
		arrived := q.line.pop()
		if p.now-arrived > p.timeout {
			p.refuse()
			continue
		}
		p.start(q, arrived)
	}
}

func (p *plant) refuseLate(q *pool) {
	for q.line.n > 0 && p.now-q.line.first() > p.timeout {
		q.line.pop()
		p.refuse()
	}
}

func (p *plant) refuse() {
	p.tally.dropped++
	p.tally.slow++
}

func (p *plant) becomeReady(q *pool) {
	q.starting = q.starting[:copy(q.starting, q.starting[1:])]
	if p.FailedStarts > 0 && p.failures.uniform() < p.FailedStarts {
		p.tally.failed++
		return
	}
	q.ready++
	p.tally.became++
	p.fill(q)
}

// scale makes q run n instances: launches, or takes away the newest first, of which those
// that are starting are newer than any that is ready. Requests in flight on an
// instance that leaves are finished.
func (p *plant) scale(q *pool, n int) {
	for q.size() < n {
		q.starting = append(q.starting, p.now+p.delay)
	}
	for q.size() > n && len(q.starting) > 0 {
		q.starting = q.starting[:len(q.starting)-1]
	}
	q.ready = min(q.ready, n)
	p.fill(q)
}

// abort takes the canary away: its instances stop, what waited for them
// goes to the end of the stable revision's line.
func (p *plant) abort() {
	p.weight = 0
	for p.canary.line.n > 0 {
		p.stable.line.push(p.canary.line.pop())
	}
	p.scale(&p.canary, 0)
	p.fill(&p.stable)
}

// sample turns what happened since the last call into what the gateway would see.
func (p *plant) sample(span time.Duration) scaler.Sample {
	t := &p.tally
	s := scaler.Sample{
		Span: span, Arrivals: t.arrivals, Completions: t.done, Slow: t.slow,
		InFlight: p.stable.busy + p.canary.busy, Queue: p.stable.line.n + p.canary.line.n,
		BusySlots: t.busy / span.Seconds(),
		Ready:     p.stable.ready + p.canary.ready, Starting: len(p.stable.starting) + len(p.canary.starting),
		StartFailures: t.failed,
	}
	if n := float64(t.started); n > 0 {
		mean := t.worked / n
		s.ServiceTime = time.Duration(mean * 1e9)
		if n > 1 && mean > 0 {
			s.ServiceCV = math.Sqrt(max(t.worked2/n-mean*mean, 0)) / mean
		}
	}
	for range t.became {
		s.StartDelays = append(s.StartDelays, scaler.StartDelay{Took: p.StartDelay})
	}
	*t = tally{}
	return s
}
