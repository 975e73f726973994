package histogram

import "time"

// Sharded is a Histogram that several cores write to at high rates: each its own copy, so that they do not fight over the same
// lines of memory. The zero value is ready; it takes 8 KiB, so it is for what all requests share and not for every endpoint.
type Sharded struct {
	shards [numShards]struct {
		Histogram
		_ [2*cacheLine - 2008%cacheLine]byte
	}
}

const (
	numShards = 4
	cacheLine = 64
)

// Observe counts d in the copy that shard selects: any number that is the same for all that runs on one core.
func (s *Sharded) Observe(shard uint32, d time.Duration) {
	s.shards[shard%numShards].Observe(d)
}

// Snapshot overwrites dst with the sum of all copies; see Histogram.Snapshot.
func (s *Sharded) Snapshot(dst *Counts) {
	s.shards[0].Snapshot(dst)
	var c Counts
	for i := 1; i < numShards; i++ {
		s.shards[i].Snapshot(&c)
		dst.Add(&c)
	}
}
