package balancer

import (
	"math"
	"sync/atomic"
	"time"

	"gatewayd/internal/histogram"
)

// MaxInFlight is how many requests one endpoint can hold at once, whatever its limit says.
const MaxInFlight = 1_000_000

// Identity names an endpoint. Instance is stable for as long as the instance lives, and unique within the revision.
type Identity struct {
	Service, Revision, Instance, Address string
}

// Endpoint is the data path's view of an instance. Create it once per Identity and hand it to every pool that follows: what it
// counts and knows survives them. A new endpoint is not healthy. All methods may be called from any goroutine.
type Endpoint struct {
	// ID is the instance's. None of these change.
	ID, Service, Revision, Address string

	// Transport is what the data path hangs on the endpoint to reach it. It is set before the endpoint's first pool and
	// never changed; this package does not look at it.
	Transport any

	key uint64 // hash of the ID, for consistent hashing

	_ [2*cacheLine - 88]byte

	// What a picker reads shares a line with what an acquire writes: a pick touches one line of each endpoint it looks at.

	// load holds the requests taken so far in the upper bits and those in flight in the lower; written by the data path.
	load atomic.Uint64
	// ewma holds cost and stamp, see ewma.go; written by the data path.
	ewma atomic.Uint64
	// state holds the bits below, each with a writer of its own.
	state atomic.Uint32
	// healthySince is when the endpoint last became healthy; written by the health loop.
	healthySince atomic.Int64
	// drainUntil is when a draining endpoint stops to serve bound sessions; written by the control loop.
	drainUntil atomic.Int64

	_ [cacheLine - 40]byte

	outcomes outcomes

	_ [cacheLine - 40]byte

	latency histogram.Histogram
}

const (
	cacheLine = 64

	inFlightBits = 20
	inFlightMask = 1<<inFlightBits - 1
	oneRequest   = 1<<inFlightBits | 1
)

const (
	stateHealthy  uint32 = 1 << iota // last word of the health checks
	stateSeen                        // was healthy at least once
	stateEjected                     // outlier detection took it out
	stateDraining                    // takes nobody new
)

// NewEndpoint returns an endpoint that is not healthy yet: whoever checks it, or decides that it needs no check, says so
// with SetHealthy.
func NewEndpoint(id Identity) *Endpoint {
	return &Endpoint{
		ID: id.Instance, Service: id.Service, Revision: id.Revision, Address: id.Address,
		key: hashString(id.Instance),
	}
}

// Identity returns what the endpoint was created with.
func (e *Endpoint) Identity() Identity {
	return Identity{Service: e.Service, Revision: e.Revision, Instance: e.ID, Address: e.Address}
}

// InFlight returns how many requests hold the endpoint.
func (e *Endpoint) InFlight() int64 { return int64(e.load.Load() & inFlightMask) }

// Requests returns how many requests ever took the endpoint.
func (e *Endpoint) Requests() uint64 { return e.load.Load() >> inFlightBits }

// TryAcquire takes the endpoint for one request unless limit requests hold it already; 0 means no limit but MaxInFlight.
// Whoever gets true calls Release exactly once.
func (e *Endpoint) TryAcquire(limit int64) bool {
	if limit <= 0 {
		if e.load.Add(oneRequest)&inFlightMask <= MaxInFlight {
			return true
		}
		e.load.Add(^uint64(oneRequest - 1))
		return false
	}
	limit = min(limit, MaxInFlight)
	for {
		// Add and undo would show others a slot as taken that is not, for a moment: one of them could go to sleep in
		// the queue over it, with nobody left to wake it.
		l := e.load.Load()
		if int64(l&inFlightMask) >= limit {
			return false
		}
		if e.load.CompareAndSwap(l, l+oneRequest) {
			return true
		}
	}
}

// Release gives back what TryAcquire, Pool.Pick or Pool.Bound took. Where a Gate is in use, ask it afterwards whether
// somebody waits.
func (e *Endpoint) Release() {
	if e.load.Add(math.MaxUint64)&inFlightMask == inFlightMask {
		panic("BUG: endpoint " + e.ID + " released more often than acquired")
	}
}

// SetHealthy records what the health checks say. The step from unhealthy to healthy starts slow start at now.
func (e *Endpoint) SetHealthy(healthy bool, now int64) {
	if !healthy {
		e.state.And(^stateHealthy)
		return
	}
	if e.state.Load()&stateHealthy == 0 {
		e.healthySince.Store(now)
		e.state.Or(stateHealthy | stateSeen)
	}
}

// SetEjected takes the endpoint out on behalf of outlier detection, or lets it back in.
func (e *Endpoint) SetEjected(ejected bool) {
	if ejected {
		e.state.Or(stateEjected)
	} else {
		e.state.And(^stateEjected)
	}
}

// SetDraining stops new requests at once; sessions bound to the endpoint are served until deadline (Unix nanoseconds).
func (e *Endpoint) SetDraining(deadline int64) {
	e.drainUntil.Store(deadline)
	e.state.Or(stateDraining)
}

// ClearDraining lets new requests in again.
func (e *Endpoint) ClearDraining() { e.state.And(^stateDraining) }

// Healthy returns what SetHealthy said last; false before its first call.
func (e *Endpoint) Healthy() bool { return e.state.Load()&stateHealthy != 0 }

// HealthySince returns when the endpoint last became healthy, 0 if it never was.
func (e *Endpoint) HealthySince() int64 { return e.healthySince.Load() }

// Ejected reports whether outlier detection holds the endpoint out.
func (e *Endpoint) Ejected() bool { return e.state.Load()&stateEjected != 0 }

// Draining reports whether the endpoint drains, and until when it serves bound sessions.
func (e *Endpoint) Draining() (deadline int64, ok bool) {
	return e.drainUntil.Load(), e.state.Load()&stateDraining != 0
}

// Eligible reports whether the endpoint may take new requests: healthy, not ejected, not draining.
func (e *Endpoint) Eligible() bool {
	return e.state.Load()&(stateHealthy|stateEjected|stateDraining) == stateHealthy
}

// Observe records the time from the end of the request to the first byte of the response. Not the whole exchange: for
// streams that is the client's patience. It feeds the latency histogram and the peak-sensitive average.
func (e *Endpoint) Observe(ttfb time.Duration, now int64) {
	e.latency.Observe(ttfb)
	e.observeCost(ttfb, now)
}

// Latency overwrites dst with the histogram of all that Observe was told.
func (e *Endpoint) Latency(dst *histogram.Counts) { e.latency.Snapshot(dst) }
