package metrics

import "sync/atomic"

// cacheLine is what two cores may fight over: 64 bytes on most machines, and
// prefetched in pairs.
const cacheLine = 128

// Counter only grows. It fills its cache lines alone, so neighbours in a struct do not
// slow each other down. The zero value is ready.
type Counter struct {
	_ [cacheLine - 8]byte
	n atomic.Uint64
	_ [cacheLine - 8]byte
}

// Inc adds 1.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value returns the sum of all that was added.
func (c *Counter) Value() uint64 { return c.n.Load() }
