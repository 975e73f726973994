package metrics

import (
	"math/rand/v2"
	"sync/atomic"
)

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

// stripes is enough for the cores of a large machine to meet rarely.
const stripes = 16

// StripedCounter is a Counter for figures that all cores add to at once. Adding
// costs the choice of a stripe, reading costs one load for each stripe. It takes
// 2 KiB. The zero value is ready.
type StripedCounter struct {
	stripes [stripes]struct {
		n atomic.Uint64
		_ [cacheLine - 8]byte
	}
}

// Inc adds 1.
func (c *StripedCounter) Inc() { c.Add(1) }

// Add adds n to a stripe chosen by chance.
func (c *StripedCounter) Add(n uint64) { c.stripes[rand.Uint32()%stripes].n.Add(n) }

// Value returns the sum over all stripes. What is added meanwhile may be in it or not.
func (c *StripedCounter) Value() uint64 {
	var sum uint64
	for i := range c.stripes {
		sum += c.stripes[i].n.Load()
	}
	return sum
}
