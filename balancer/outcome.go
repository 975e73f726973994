package balancer

import (
	"sync/atomic"
	"time"
)

// Cause is the class of a failed exchange. A client that left is no cause: it says nothing about the endpoint.
type Cause uint8

// The classes. Connect covers refused, unreachable and handshake failures, Reset a connection that broke or a response
// that was malformed, Timeout a response that did not begin in time.
const (
	Status5xx Cause = iota
	Connect
	Reset
	Timeout
	NumCauses
)

// String returns the name of the class as metrics and events print it.
func (c Cause) String() string {
	switch c {
	case Status5xx:
		return "5xx"
	case Connect:
		return "connect"
	case Reset:
		return "reset"
	case Timeout:
		return "timeout"
	}
	panic("BUG: unknown cause")
}

// outcomes is written by the data path only. A success writes nothing unless it ends a run of failures.
type outcomes struct {
	consecutive atomic.Uint32
	failures    [NumCauses]atomic.Uint64
}

// Fail counts a failed exchange and returns how many failed in a row by now, this one included.
func (e *Endpoint) Fail(c Cause) (consecutive uint32) {
	e.outcomes.failures[c].Add(1)
	return e.outcomes.consecutive.Add(1)
}

// Succeed ends a run of failures.
func (e *Endpoint) Succeed() {
	if e.outcomes.consecutive.Load() != 0 {
		e.outcomes.consecutive.Store(0)
	}
}

// Stats is a copy of an endpoint's figures for samplers and views; counters count from the endpoint's creation.
type Stats struct {
	InFlight    int64
	Requests    uint64 // taken by a request, retries and mirrored ones included
	Failures    [NumCauses]uint64
	Consecutive uint32 // failures since the last success
	Cost        time.Duration
	Healthy     bool
	Ejected     bool
	Draining    bool
}

// Failed returns the failures of all classes.
func (s *Stats) Failed() uint64 {
	n := uint64(0)
	for _, f := range s.Failures {
		n += f
	}
	return n
}

// Stats returns the figures as of now; Cost is the peak-sensitive latency average, faded for the time without traffic.
func (e *Endpoint) Stats(now int64) Stats {
	load, state := e.load.Load(), e.state.Load()
	s := Stats{
		InFlight:    int64(load & inFlightMask),
		Requests:    load >> inFlightBits,
		Consecutive: e.outcomes.consecutive.Load(),
		Cost:        time.Duration(e.cost(now)),
		Healthy:     state&stateHealthy != 0,
		Ejected:     state&stateEjected != 0,
		Draining:    state&stateDraining != 0,
	}
	for i := range s.Failures {
		s.Failures[i] = e.outcomes.failures[i].Load()
	}
	return s
}
