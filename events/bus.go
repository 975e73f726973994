package events

import (
	"sync"
	"time"
)

// defaultCapacity is how many events a bus keeps when Options does not say.
const defaultCapacity = 4096

// idStride is the granularity to which ids are rounded up after a restart. The
// last events before a crash may not have been persisted; without the gap their ids
// would be given out again and a reader that resumes by id would take new
// events for ones that it has seen.
const idStride = 1024

// Options says how much a bus keeps and what it begins with.
type Options struct {
	// Capacity is the number of events kept for replay; 0 means 4096.
	Capacity int
	// Restore holds the events from before the restart, with ascending ids. The
	// newest Capacity of them are kept.
	Restore []Event
}

// Bus keeps the newest events and hands them to readers. All methods may be called
// from several goroutines.
type Bus struct {
	capacity int
	restored uint64 // sequence number of the first event that was not restored

	mu      sync.Mutex    // protects the fields below
	ring    []Event       // ring[seq%capacity] is event number seq
	end     uint64        // sequence number of the next event; events [begin, end) are kept
	begin   uint64        //
	nextID  uint64        //
	changed chan struct{} // closed by the next Publish; nil while nobody waits
}

// New returns a bus that holds the restored events.
func New(opts Options) *Bus {
	capacity := opts.Capacity
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	b := &Bus{capacity: capacity, ring: make([]Event, 0, min(capacity, 64)), nextID: 1}
	for _, e := range opts.Restore {
		b.add(e)
		b.nextID = (e.ID/idStride + 1) * idStride
	}
	b.restored = b.end
	return b
}

// Publish gives e the next id, and now as its time where it has none, and
// returns it as readers will see it. A missing severity becomes Info. It never
// waits for a reader. e.Data belongs to the bus from now on.
func (b *Bus) Publish(now time.Time, e Event) Event {
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.Severity == "" {
		e.Severity = Info
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.ID = b.nextID
	b.nextID++
	b.add(e)
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	return e
}

// add appends e, over the oldest event where the ring is full.
func (b *Bus) add(e Event) {
	if len(b.ring) < b.capacity {
		b.ring = append(b.ring, e)
	} else {
		b.ring[b.end%uint64(b.capacity)] = e
		b.begin++
	}
	b.end++
}

// at returns the event with sequence number seq, which must be kept.
func (b *Bus) at(seq uint64) *Event { return &b.ring[seq%uint64(b.capacity)] }

// Recent returns the newest events that keep accepts, oldest first, at most
// limit of them. A nil keep accepts all.
func (b *Bus) Recent(limit int, keep func(*Event) bool) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Event
	for seq := b.end; seq > b.begin && len(found) < limit; seq-- {
		if e := b.at(seq - 1); keep == nil || keep(e) {
			found = append(found, *e)
		}
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}
