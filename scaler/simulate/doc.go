// Package simulate replays a trace of requests through scaler.Decide, the very
// function that the gateway runs, on a model of a service, and beside it through other
// autoscalers, so that a policy can be judged on real traffic before it is trusted.
//
// The model (Plant) is one line of waiting requests in the gateway in front of n instances of
// some slots each, with random arrivals and service times from fixed seeds, in virtual time:
// the same input gives the same output. It is an event loop in the caller's
// goroutine; nothing runs in the background. What it leaves out is listed at Plant.
package simulate
