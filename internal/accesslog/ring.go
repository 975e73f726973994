package accesslog

import "sync/atomic"

// ring is a bounded queue of lines with many writers and one reader (after Dmitry Vyukov's bounded MPMC queue). A
// writer claims a place, fills the buffer that belongs to it, and only then passes it on; it never waits.
type ring struct {
	places []place
	mask   uint64
	_      [64]byte      // tail and head are written by different cores
	tail   atomic.Uint64 // next place to claim, advanced by writers
	_      [56]byte
	head   uint64 // next place to read, the reader's own
}

// place is at turn p when it is free for claim p, and at p+1 when the line of that claim is ready.
type place struct {
	turn atomic.Uint64
	line []byte
}

// keepLine is the largest buffer that a place keeps for its next line.
const keepLine = 4096

// newRing returns a ring with size places, a power of two.
func newRing(size int) *ring {
	r := &ring{places: make([]place, size), mask: uint64(size - 1)}
	for i := range r.places {
		r.places[i].turn.Store(uint64(i))
	}
	return r
}

// claim returns a place to fill and its turn for ready, nil when the ring is full.
func (r *ring) claim() (p *place, turn uint64) {
	turn = r.tail.Load()
	for {
		p = &r.places[turn&r.mask]
		switch at := p.turn.Load(); {
		case at == turn:
			if r.tail.CompareAndSwap(turn, turn+1) {
				return p, turn
			}
			turn = r.tail.Load()
		case at < turn:
			return nil, 0
		default:
			turn = r.tail.Load()
		}
	}
}

// ready passes the place on to the reader.
func (p *place) ready(turn uint64) { p.turn.Store(turn + 1) }

// next appends the oldest line to dst and frees its place; ok is false when none is ready.
func (r *ring) next(dst []byte) (_ []byte, ok bool) {
	p := &r.places[r.head&r.mask]
	if p.turn.Load() != r.head+1 {
		return dst, false
	}
	dst = append(dst, p.line...)
	if cap(p.line) > keepLine {
		p.line = nil
	}
	p.turn.Store(r.head + uint64(len(r.places)))
	r.head++
	return dst, true
}

// empty tells the reader whether there is nothing to read.
func (r *ring) empty() bool { return r.places[r.head&r.mask].turn.Load() != r.head+1 }
