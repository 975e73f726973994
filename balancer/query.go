package balancer

// Query is what a picker may know of a request. It is reused: Reset it for the next request. Not for several goroutines.
type Query struct {
	// Hash of the client or key; ip-hash and maglev map equal hashes to equal endpoints.
	Hash uint64
	// Now in Unix nanoseconds; some milliseconds coarse is fine.
	Now int64
	// Shard spreads the shared counters of round-robin, weighted and least-connections between cores: any number that
	// is the same for all requests of one event loop or connection. Each shard is exact in itself.
	Shard uint32

	tried  [maxTried]*Endpoint
	nTried int
}

const maxTried = 4

// Avoid keeps the following picks off e: it failed this request already. The last four are remembered.
func (q *Query) Avoid(e *Endpoint) {
	q.tried[q.nTried%maxTried] = e
	q.nTried++
}

// Reset forgets the endpoints to avoid; the fields are the caller's to set.
func (q *Query) Reset() {
	q.tried = [maxTried]*Endpoint{}
	q.nTried = 0
}

func (q *Query) avoids(e *Endpoint) bool {
	return q.nTried != 0 && (q.tried[0] == e || q.tried[1] == e || q.tried[2] == e || q.tried[3] == e)
}
