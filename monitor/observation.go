package monitor

import (
	"math"
	"time"
)

// Unknown stands for a figure that nobody measured: CPU and memory where no
// provider reports them and nobody pushes them.
func Unknown() float64 { return math.NaN() }

// Observation is what was seen of one service since the observation before,
// usually one second. Counts are of that time, gauges are of its end.
type Observation struct {
	At      time.Time
	Service string

	Arrived       uint64  // requests that came for the service, those refused included
	Rejected      uint64  // refused by the gateway: queue full, queue timeout, nobody to send to
	Queue         int     // waiting in the gateway for a free slot
	QueueCapacity int     // 0: not bounded
	Wanted        int     // instances the scaler would run if no limit held; 0: not scaled
	Starting      int     // instances that are not ready yet
	LimitHeld     string  // config key of the limit that keeps Wanted from being met: "maxInstances", "resourceLimits.maxCostPerHour", or "pool"; empty: none
	CostPerHour   float64 // of all instances of the service; Unknown() where no prices are set

	Instances []InstanceObservation // those that are ready or draining
}

// InstanceObservation is one instance's part of an Observation.
type InstanceObservation struct {
	Instance string
	Revision string
	Weight   float64   // its share of traffic against the others of its revision; 0: takes nobody new
	Started  time.Time // zero: unknown, taken for long ago

	Requests        uint64  // answered, or failed after they were sent
	Errors          uint64  // of Requests: 5xx answers, resets, timeouts
	ConnectFailures uint64  // connections that could not be made
	Latency         Latency // of Requests, from sent to answered; without the time in the gateway's queue
	InFlight        int     // busy slots
	Slots           int     // limit on InFlight; 0: none

	CPU             float64 // percent of what the instance is given; may exceed 100; Unknown()
	Memory          float64 // percent of what the instance is given; Unknown()
	Restarts        int     // since it was first started
	FDs             int     // open file descriptors; 0 with FDLimit 0: unknown
	FDLimit         int
	Connections     int // of the gateway to the instance, idle ones included
	ConnectionLimit int // 0: none
}

// GatewayObservation is what the gateway sees of itself.
type GatewayObservation struct {
	At              time.Time
	CPU             float64 // percent of the cores it may use; Unknown()
	FDs             int
	FDLimit         int           // 0: unknown
	Delay           time.Duration // how late its own loops run: the gateway's own queue
	Connections     int           // of clients
	ConnectionLimit int           // 0: none
	Memory          float64       // percent of its limit; Unknown()
}

// EventKind says what an Event tells about.
type EventKind string

// The kinds of events that give alerts their context and reports their lists.
const (
	EventScaled  EventKind = "scaled"
	EventRollout EventKind = "rollout"
)

// Event is something that was done to a service.
type Event struct {
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Kind    EventKind `json:"kind"`
	Text    string    `json:"text"` // one line, for people

	// From and To are instance counts, for EventScaled.
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`

	// Grace keeps latency warnings of the service from being notified for so long
	// after At: one start-up delay after a scale-up. It does not add up: an
	// Event within the grace of another one does not prolong it.
	Grace time.Duration `json:"grace,omitempty"`
}
