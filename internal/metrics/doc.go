// Package metrics prints figures in the Prometheus text exposition format.
//
// Nothing is registered by name. A Collector writes the series of what exists at the
// moment of the scrape, so series go away with what they describe. The package
// has no goroutines and keeps no figures apart from the counters that it offers as
// fields to whoever owns them.
package metrics
