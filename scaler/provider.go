package scaler

import (
	"context"
	"time"
)

// Provider runs the instances of one service. Processes, Docker and
// user scripts implement it; a Kubernetes provider maps Scale to the scale
// subresource with pod deletion costs for leaving, and List to EndpointSlices.
//
// All methods may be called from several goroutines. The caller serialises
// Scale for one revision.
type Provider interface {
	// Scale makes count instances of rev run and returns as soon as that is
	// under way; the instances themselves are seen through List. count is 0 or
	// more and counts every instance that List reports for rev as Starting
	// or Running. When instances have to go, those whose ids stand in leaving go
	// first, in that order, then the newest; the caller has drained
	// leaving before. An error means that nothing or only a part was done; List
	// tells which. Scale to the present count is a no-op.
	Scale(ctx context.Context, rev Revision, count int, leaving []string) error

	// List returns every instance of the service that exists now, of all revisions,
	// those that are being stopped included, ordered by StartedAt. The slice
	// belongs to the caller. An error means that nothing is known: the
	// caller keeps what it knew and must not take it for "no instances".
	List(ctx context.Context) ([]Instance, error)

	// Run owns the provider's background work (reaping, restarts with backoff,
	// watching the engine) until ctx ends, then ends or leaves the instances as
	// configured and returns. It calls changed, from any goroutine, whenever List may
	// tell something new. It returns nil after a clean end.
	Run(ctx context.Context, changed func()) error
}

// Revision is what a provider needs to know to start an instance of one version.
type Revision struct {
	Service string
	Version string
}

// InstanceState is what a provider knows about an instance. Whether it is
// fit for traffic is not the provider's business: health checks say that.
type InstanceState string

// The states of an instance as its provider sees it.
const (
	// InstanceStarting: launched, its address may not be known yet.
	InstanceStarting InstanceState = "starting"
	// InstanceRunning: it exists and has an address.
	InstanceRunning InstanceState = "running"
	// InstanceStopping: asked to end, still there.
	InstanceStopping InstanceState = "stopping"
	// InstanceBackoff: its last start failed or it died; it is started again at RetryAt.
	InstanceBackoff InstanceState = "backoff"
)

// Instance is one running copy of a service, as its provider sees it.
type Instance struct {
	ID        string // stable over its life, unique within the service, e.g. "v1-3f9a"
	Version   string
	Address   string // host:port, empty while unknown
	State     InstanceState
	StartedAt time.Time // of this run of it; zero before its first start
	RetryAt   time.Time // of the next start, in state backoff; else zero
	Restarts  int       // how often it died and was started again
	LastError string    // why it is in backoff or was restarted last, for people: "exit status 1", "image not found"
	OOMKilled bool      // its last end was for want of memory
	Usage     Usage
}

// Usage is what one instance consumes as its provider measures it.
type Usage struct {
	At          time.Time // of the measurement; zero: never measured
	CPU         float64   // cores, mean since the measurement before, 0 or more
	MemoryBytes uint64    // working set
	Files       int       // open file descriptors of the process that is nearest to its limit; 0 with FileLimit 0: not measured
	FileLimit   int       // that it may have open
}
