// Package events is the one bus on which the gateway tells what happened: an
// instance came up, a service was scaled, a deployment went back.
//
// Events are kept in a bounded ring with increasing ids. A publisher only
// writes to the ring and never waits for a reader: a reader is a cursor into the
// ring, so one that is too slow loses the oldest events and is told how many.
// The package does not deliver anything over the network and does not log.
//
// The bus starts no goroutine of its own. Who wants the ring to survive a
// restart calls Bus.Run in a goroutine that it owns.
package events
