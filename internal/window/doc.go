// Package window keeps figures of the recent past in ring buffers of equal time
// buckets: sums, counts, means, extremes (Ring), rows of counters from which
// quantiles can be read (Rows), and the exact maximum or minimum of a sliding
// window (Extreme). Time is always an argument; the package reads no clock, starts
// nothing and takes no lock: each value belongs to one goroutine at a time.
package window
