// Package health decides whether an endpoint is fit for traffic. It holds two pure machines: State turns the
// results of active checks into starting, healthy and unhealthy, and Outlier turns the outcomes of real requests into
// ejections. Time and chance are arguments, so the same input always gives the same decision, with its reason.
//
// It does not connect to anything, starts no goroutine and takes no lock: one owner calls a State or an Outlier at a
// time. health/probe does the checking; the data path reports outcomes.
package health
