// Package store keeps what must survive a restart: JSON documents by bucket
// and key, and bounded logs, in one bbolt file or, without a path, in memory.
//
// Writes are collected and committed together, so that a burst of them costs one
// fsync; a caller that has to know that its change is on disk uses
// DB.Update or DB.Sync. The file is locked: two gateways cannot share it. A
// damaged file is renamed and a new one begun, since a gateway that serves with an
// empty memory is better than one that does not start.
//
// The package knows nothing about what the documents mean. DB.Run, in a goroutine of
// the caller's, commits at intervals; no other goroutine exists.
package store
