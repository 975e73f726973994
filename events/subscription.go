package events

import (
	"context"
	"time"
)

// Subscription is one reader's place in the ring. It holds no goroutine and no
// buffer and needs no closing. One goroutine at a time may use it.
type Subscription struct {
	bus    *Bus
	seq    uint64 // of the next event to read
	missed uint64 // not yet told to the reader
}

// Subscribe returns a reader of the events that are published from now on.
func (b *Bus) Subscribe() *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Subscription{bus: b, seq: b.end}
}

// SubscribeAfter returns a reader that begins with the first event after id. What
// came after id but is no longer kept counts as missed; after a restart that
// count is an upper bound, for ids have gaps there. An id that was never
// given out means that the ring was lost: everything kept is replayed, and one
// event counts as missed.
func (b *Bus) SubscribeAfter(id uint64) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Subscription{bus: b, seq: b.begin}
	switch {
	case id >= b.nextID:
		s.missed = 1
	case b.begin == b.end:
		s.missed = b.nextID - 1 - id
	case id+1 < b.at(b.begin).ID:
		s.missed = b.at(b.begin).ID - 1 - id
	default:
		s.seq = b.search(func(e *Event) bool { return e.ID > id })
	}
	return s
}

// SubscribeSince returns a reader that begins with the first kept event whose time is not
// before since. Nothing counts as missed.
func (b *Bus) SubscribeSince(since time.Time) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Subscription{bus: b, seq: b.search(func(e *Event) bool { return !e.Time.Before(since) })}
}

// search returns the sequence number of the first kept event for which found is
// true; b.end if there is none.
func (b *Bus) search(found func(*Event) bool) uint64 {
	for seq := b.begin; seq < b.end; seq++ {
		if found(b.at(seq)) {
			return seq
		}
	}
	return b.end
}

// Next waits for the next event. missed is how many events between the last
// one and this one were overwritten before they could be read. The error is ctx's.
func (s *Subscription) Next(ctx context.Context) (e Event, missed uint64, err error) {
	for {
		batch, missed, wait := s.Take(1)
		if len(batch) == 1 {
			return batch[0], missed, nil
		}
		s.missed = missed
		select {
		case <-ctx.Done():
			return Event{}, 0, ctx.Err()
		case <-wait:
		}
	}
}

// Take returns at most limit events that can be read without waiting, and how many
// before them were overwritten. Where there are none, wait is closed by the
// next Publish; else it is nil.
func (s *Subscription) Take(limit int) (batch []Event, missed uint64, wait <-chan struct{}) {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.seq < b.begin {
		s.missed += b.begin - s.seq
		s.seq = b.begin
	}
	missed, s.missed = s.missed, 0
	for ; s.seq < b.end && len(batch) < limit; s.seq++ {
		batch = append(batch, *b.at(s.seq))
	}
	if len(batch) == 0 {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		wait = b.changed
	}
	return batch, missed, wait
}
