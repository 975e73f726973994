// Package monitor knows from what is observed each second how services fare:
// it keeps windows over their signals, raises and resolves alerts, names
// bottlenecks with their evidence and what to do about them, and sums it all
// up in a report.
//
// It is pure: observations and the present time go in, alerts, notifications,
// findings and reports come out. It starts no goroutine, reads no clock, does
// no I/O and delivers nothing; whoever owns a Monitor calls it from one
// goroutine and carries its notifications away. Memory is bounded per service,
// revision and instance; what is no longer observed is forgotten.
package monitor
