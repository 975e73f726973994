// Package scaler decides how many instances a service should run, and says why.
//
// Decide is a pure function of a Spec (the settings), a State (what is
// remembered), a Sample (what the data path saw since the last one) and the time. The
// same four give the same Decision, so that a decision can be replayed,
// simulated at any speed and explained afterwards. The package starts no goroutine, reads no
// clock and does no input or output: its caller ticks, keeps State in the store, and
// passes what was decided on to a Provider, the interface that this package declares
// for whatever runs instances.
package scaler
