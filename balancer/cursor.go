package balancer

import "sync/atomic"

// cursor hands out positions in a sequence. One counter for all cores would be the most contended word of the process; so there are
// a few, each on a line of its own, and the caller says which is his. Each is exact in itself, and they start apart, so the sum is
// within cursorShards turns of exact.
type cursor struct {
	shards [cursorShards]struct {
		n atomic.Uint32
		_ [2*cacheLine - 4]byte
	}
}

const cursorShards = 8

// next returns a position in 0 .. length-1; each shard counts through all of them.
func (c *cursor) next(shard uint32, length uint32) uint32 {
	s := shard % cursorShards
	n := c.shards[s].n.Add(1) - 1
	return (n + s*length/cursorShards) % length
}
