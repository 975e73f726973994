package balancer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Limits of a pool's members.
const (
	MaxMembers = 65535
	MaxWeight  = 65535
)

// Member is an endpoint and its share. Weight 0 drains: it takes nobody new and serves those bound to it.
type Member struct {
	Endpoint *Endpoint
	Weight   int // 0 to MaxWeight
}

// Options describe a pool. NewPool keeps none of the slices.
type Options struct {
	Algorithm Algorithm
	Members   []Member
	// MaxConcurrency limits the requests in flight per endpoint; 0 is none.
	MaxConcurrency int64
	// PanicPercent: when less than this share of the members with a weight is eligible, all that do not drain and were healthy
	// once are used again. 0 to 100, 0 turns it off.
	PanicPercent int
	// SlowStart is the window over which an endpoint that became healthy grows from 10 % of its weight to all of it; 0 is none.
	SlowStart time.Duration
	// AffinitySecret signs the tokens that bind a session to an endpoint; empty: the pool binds none.
	AffinitySecret []byte
	// Previous is the pool that this one replaces: sequences go on where they were, tables that stay the same are kept.
	Previous *Pool
	// Rand is the source of chance, safe for concurrent use; nil is math/rand/v2.
	Rand func() uint64
}

func (o *Options) validate() error {
	if err := o.Algorithm.check(); err != nil {
		return err
	}
	if len(o.Members) > MaxMembers {
		return fmt.Errorf("cannot balance %d instances; want at most %d", len(o.Members), MaxMembers)
	}
	seen := make(map[*Endpoint]bool, len(o.Members))
	for _, m := range o.Members {
		if m.Endpoint == nil || seen[m.Endpoint] {
			panic("BUG: a pool's members must be distinct endpoints")
		}
		seen[m.Endpoint] = true
		if m.Weight < 0 || m.Weight > MaxWeight {
			return fmt.Errorf("unexpected weight of instance %q: %d; want 0 to %d", m.Endpoint.ID, m.Weight, MaxWeight)
		}
	}
	if o.MaxConcurrency < 0 {
		return fmt.Errorf("unexpected limits.maxConcurrencyPerInstance: %d; want 0 (no limit) or more", o.MaxConcurrency)
	}
	if o.PanicPercent < 0 || o.PanicPercent > 100 {
		return fmt.Errorf("unexpected limits.panicThresholdPercent: %d; want 0 (off) to 100", o.PanicPercent)
	}
	if o.SlowStart < 0 {
		return fmt.Errorf("unexpected limits.slowStart: %s; want 0 (off) or more", o.SlowStart)
	}
	return nil
}

// Pool is the immutable view of one revision's endpoints. Its methods may be called from any goroutine.
//
// An endpoint's state is read at each pick, so that an ejection acts at once and without a new pool. What depends on the state of
// all of them is fixed when the pool is built: whether it panics, and who is in slow start. Build a new one on transitions.
type Pool struct {
	algorithm    Algorithm
	members      []Member
	takers       []Member // those with a weight
	rules        rules
	panicPercent int
	cursor       *cursor
	picker       picker
	random       func() uint64
	affinity     affinity
}

// NewPool builds a pool. It is cheap, except that ip-hash and maglev tables take milliseconds when members or weights changed.
func NewPool(o Options) (*Pool, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cannot build the pool: %w", err)
	}
	p := &Pool{
		algorithm:    o.Algorithm,
		members:      slices.Clone(o.Members),
		panicPercent: o.PanicPercent,
		cursor:       new(cursor),
		random:       o.Rand,
	}
	if p.random == nil {
		p.random = rand.Uint64
	}
	for _, m := range p.members {
		if m.Weight > 0 {
			p.takers = append(p.takers, m)
		}
	}
	p.rules = newRules(p.takers, &o)
	if o.Previous != nil {
		p.cursor = o.Previous.cursor
	}
	p.affinity = newAffinity(&o, p.members)
	p.picker = p.newPicker(o.Previous)
	return p, nil
}

func (p *Pool) newPicker(previous *Pool) picker {
	same := previous != nil && previous.algorithm == p.algorithm && slices.Equal(previous.takers, p.takers)
	switch p.algorithm {
	case RoundRobin:
		return newRoundRobin(p.takers, p.cursor)
	case Weighted:
		if same {
			return previous.picker
		}
		return newWeighted(p.takers, p.cursor)
	case LeastConnections:
		return newLeastConnections(p)
	case Random:
		return newRandomPicker(p)
	case P2C:
		return newP2C(p)
	case PeakEWMA:
		return newPeakEWMA(p)
	case IPHash:
		if same {
			return previous.picker
		}
		var table *rendezvous
		if previous != nil {
			table, _ = previous.picker.(*rendezvous)
		}
		return newRendezvous(p.takers, table)
	case Maglev:
		if same {
			return previous.picker
		}
		return newMaglev(p.takers)
	}
	panic("BUG: unknown algorithm " + string(p.algorithm))
}

// quickTries is how often the picker may propose before the pool walks all endpoints.
const quickTries = 8

// Pick returns an endpoint that may serve the request, acquired within its limit: the caller calls Release once. It returns nil when
// there is none; Why tells the reason.
func (p *Pool) Pick(q *Query) *Endpoint {
	slow := p.rules.slowAt(q.Now) && !p.algorithm.looksAtLoad()
	for try := range quickTries {
		e := p.picker.pick(q, try)
		if e == nil {
			break
		}
		if !p.rules.admits(e, q) || slow && !p.warm(e, q) {
			continue
		}
		if e.TryAcquire(p.rules.limit) {
			return e
		}
	}
	return p.walk(q)
}

// walk looks at every endpoint once, for when the picker met too many that cannot be used.
func (p *Pool) walk(q *Query) *Endpoint {
	n := len(p.takers)
	if n == 0 {
		return nil
	}
	start := scale(uint32(p.random()>>32), n)
	if p.algorithm.hashes() {
		start = scale(uint32(mix(q.Hash)>>32), n)
	}
	if e := p.walkFrom(start, q, &p.rules); e != nil {
		return e
	}
	// So many may have been ejected since the pool was built that it would panic by now.
	if r := p.rules.becomePanic(); !p.rules.panics() && p.shouldPanic() {
		return p.walkFrom(start, q, &r)
	}
	return nil
}

func (p *Pool) walkFrom(start int, q *Query, r *rules) *Endpoint {
	for i := range p.takers {
		e := p.takers[(start+i)%len(p.takers)].Endpoint
		if r.admits(e, q) && e.TryAcquire(r.limit) {
			return e
		}
	}
	return nil
}

// Reason tells why nothing could be picked.
type Reason uint8

// The reasons. Only AtLimit is worth waiting for a release; the others end when instances come or recover.
const (
	Empty        Reason = iota + 1 // the pool has no member
	NoneEligible                   // unhealthy, ejected, draining or weight 0, all of them
	AtLimit                        // some may be used, and hold as many requests as they may (or were to be avoided)
)

// String returns the reason in words.
func (r Reason) String() string {
	switch r {
	case Empty:
		return "no instances"
	case NoneEligible:
		return "no eligible instance"
	case AtLimit:
		return "all instances at their limit"
	}
	panic("BUG: unknown reason")
}

// Why tells why Pick just returned nil. State may have changed since: AtLimit is also what it says when one is free again.
func (p *Pool) Why() Reason {
	if len(p.members) == 0 {
		return Empty
	}
	r := p.rules
	if p.shouldPanic() {
		r = r.becomePanic()
	}
	for _, m := range p.takers {
		if r.uses(m.Endpoint) {
			return AtLimit
		}
	}
	return NoneEligible
}

// Endpoints returns all endpoints in the order of the members; the caller owns the slice.
func (p *Pool) Endpoints() []*Endpoint {
	es := make([]*Endpoint, len(p.members))
	for i, m := range p.members {
		es[i] = m.Endpoint
	}
	return es
}

// Members returns a copy of the members.
func (p *Pool) Members() []Member { return slices.Clone(p.members) }

// Len returns how many members there are.
func (p *Pool) Len() int { return len(p.members) }

// Algorithm returns what the pool was built with.
func (p *Pool) Algorithm() Algorithm { return p.algorithm }

// Eligible returns how many endpoints with a weight may take new requests, panic left aside.
func (p *Pool) Eligible() int {
	n := 0
	for _, m := range p.takers {
		if m.Endpoint.Eligible() {
			n++
		}
	}
	return n
}

// Panics reports whether the pool was built below its panic threshold.
func (p *Pool) Panics() bool { return p.rules.panics() }

// InFlight returns the requests in flight over all members.
func (p *Pool) InFlight() int64 {
	n := int64(0)
	for _, m := range p.members {
		n += m.Endpoint.InFlight()
	}
	return n
}

func (p *Pool) shouldPanic() bool { return belowThreshold(p.takers, p.panicPercent) }
