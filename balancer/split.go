package balancer

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

// MaxShareWeight is the highest weight of a share; weights count in relation to each other.
const MaxShareWeight = 10000

// Share is a revision's part in a split.
type Share struct {
	Revision string
	Pool     *Pool
	Weight   int // 0 to MaxShareWeight; 0 takes nobody new
}

// Split spreads requests over the revisions of a service, exact to the request: over any stretch of consecutive picks, each revision's
// count is within 2 of its weight's share (see sequence.go), and within 4 over a stretch in which weights changed, however often. It is
// immutable but for its counter.
type Split struct {
	shares []Share
	turns  []uint16
	next   *atomic.Uint32
	only   int       // the share that takes everything; -1: look at turns
	carry  []float64 // what previous splits left owing beyond the turn that this one began with
	byPart map[string]int
}

// NewSplit builds a split. Given the one that it replaces, it goes on with the turn that those so far make due.
func NewSplit(shares []Share, previous *Split) (*Split, error) {
	s := &Split{shares: slices.Clone(shares), next: new(atomic.Uint32), only: -1, carry: make([]float64, len(shares))}
	weights := make([]int, len(shares))
	for i, share := range shares {
		if share.Weight < 0 || share.Weight > MaxShareWeight {
			return nil, fmt.Errorf("cannot split over revision %q: got weight %d; want 0 to %d", share.Revision, share.Weight, MaxShareWeight)
		}
		weights[i] = share.Weight
	}
	s.byPart = revisionParts(shares)
	s.turns = sequence(weights, MaxShareWeight)
	if len(s.turns) == 1 {
		s.only = int(s.turns[0])
	}
	if previous != nil {
		s.follow(previous)
	}
	return s, nil
}

func revisionParts(shares []Share) map[string]int {
	parts := make(map[string]int, len(shares))
	for i, share := range shares {
		if share.Pool != nil && share.Pool.affinity.secret != "" {
			parts[RevisionToken([]byte(share.Pool.affinity.secret), share.Revision)] = i
		}
	}
	return parts
}

// Pick returns the index of the share whose turn it is, -1 if all weights are 0. It says nothing of the pool's state: if that has nobody to
// offer, the caller decides whether another revision may serve.
func (s *Split) Pick() int {
	if s.only >= 0 {
		return s.only
	}
	if len(s.turns) == 0 {
		return -1
	}
	return int(s.turns[(s.next.Add(1)-1)%uint32(len(s.turns))])
}

// BoundShare returns the index of the share whose revision the token names, -1 if there is none. Its weight may be 0.
func (s *Split) BoundShare(token string) int {
	if part := revisionPart(token); part != "" {
		if i, ok := s.byPart[part]; ok {
			return i
		}
	}
	return -1
}

// Share returns the i-th share.
func (s *Split) Share(i int) Share { return s.shares[i] }

// Len returns how many shares there are.
func (s *Split) Len() int { return len(s.shares) }

// follow takes over where previous stands. With equal turns it shares the counter. Otherwise it starts at the turn of its own cycle before
// which the revisions are about as far ahead or behind as previous left them, and remembers the difference for the one that follows: a canary
// that was due comes soon, also when weights change more often than it has a turn, and nothing adds up.
func (s *Split) follow(previous *Split) {
	if s.sameTurns(previous) {
		s.next, s.carry = previous.next, previous.carry
		return
	}
	if len(s.turns) == 0 || len(previous.turns) == 0 {
		return
	}
	s.carry = s.owedBy(previous)
	start := s.closest(s.carry)
	for i, lag := range s.lags(start) {
		s.carry[i] -= lag
	}
	s.next.Store(uint32(start))
}

func (s *Split) sameTurns(o *Split) bool {
	return slices.Equal(s.turns, o.turns) && slices.EqualFunc(s.shares, o.shares, func(a, b Share) bool { return a.Revision == b.Revision })
}

// owedBy returns how many turns each share is behind its due. What a revision that is gone was owed or ahead goes to all others.
func (s *Split) owedBy(previous *Split) []float64 {
	owed, sum := make([]float64, len(s.shares)), 0.0
	at := int(previous.next.Load() % uint32(len(previous.turns)))
	for i, lag := range previous.lags(at) {
		revision := previous.shares[i].Revision
		if j := slices.IndexFunc(s.shares, func(sh Share) bool { return sh.Revision == revision }); j >= 0 {
			owed[j] = lag + previous.carry[i]
			sum += owed[j]
		}
	}
	for i := range owed {
		owed[i] -= sum / float64(len(owed))
	}
	return owed
}

// lags returns how far each share is behind its due before turn at of the cycle.
func (s *Split) lags(at int) []float64 {
	lags := s.gains()
	for i := range lags {
		lags[i] *= float64(at)
	}
	for _, i := range s.turns[:at] {
		lags[i]--
	}
	return lags
}

// gains returns what each share is due per turn.
func (s *Split) gains() []float64 {
	gains := make([]float64, len(s.shares))
	for _, i := range s.turns {
		gains[i] += 1 / float64(len(s.turns))
	}
	return gains
}

// closest returns the turn before which the lags differ least from owed.
func (s *Split) closest(owed []float64) int {
	best, least := 0, math.Inf(1)
	lags, gains := make([]float64, len(s.shares)), s.gains()
	for t, turn := range s.turns {
		distance := 0.0
		for i := range lags {
			distance = max(distance, math.Abs(lags[i]-owed[i]))
			lags[i] += gains[i]
		}
		lags[turn]--
		if distance < least-1e-9 {
			best, least = t, distance
		}
	}
	return best
}
