// Package balancer chooses the endpoint that serves a request.
//
// An Endpoint holds what the data path knows of an instance: in flight, outcomes, latency, and whether it may be used; its
// atomics outlive pools. A Pool is the immutable view of one revision's endpoints under one algorithm; its owner
// builds a new one when members, weights or health change and publishes it whole. A Split chooses the revision, a Gate
// holds requests back while all endpoints are at their limit.
//
// Picking takes no lock, never blocks and allocates nothing; only Gate.Wait blocks, in its caller's goroutine and on a timer. The package
// starts no goroutine, does no I/O and reads no clock: `now` is an argument, in Unix nanoseconds, and may be a few milliseconds coarse.
// It does not check health, it does not decide to eject, it does not retry and it does not dial.
package balancer
