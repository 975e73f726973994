package scaler

import "time"

// Sample is what is known about a service since the sample before. Where several gateways
// serve it, the caller sums over them. Decide reads it and keeps nothing of it.
type Sample struct {
	// Span is the time that the counts below stand for, since the last sample.
	Span time.Duration
	// Blind says that the data path's figures are missing (a gateway did not
	// report, say): everything from Arrivals to ServiceTime then says nothing.
	Blind bool

	Arrivals    int // requests that came in, those queued or refused included
	Completions int // responses from instances, errors included
	Errors      int // responses 5xx and failed exchanges, of Completions
	Slow        int // requests that left the queue in Span after waiting Spec.WaitBelow() or longer, or were refused
	InFlight    int // being worked on by instances, at the end of Span
	Queue       int // waiting in the gateway, at the end of Span

	BusySlots    float64       // mean requests in flight over Span; below 0: not measured, InFlight is used
	ServiceTime  time.Duration // mean time from slot to response of Completions, 0 when there were none
	ServiceCV    float64       // coefficient of variation of the same, 0 when not known
	ResponseTime Reading       // ms, 95th percentile over about Spec.MetricsWindow

	Ready    int // instances that take traffic, of all revisions
	Starting int // launched, not ready yet
	Draining int // take no new requests; no capacity
	Failed   int // waiting to be started again after a failed start or a crash; no capacity

	StartDelays   []StartDelay // of each instance that became ready in Span
	StartFailures int          // starts that failed in Span

	Instances []InstanceSample // of ready instances; one that is missing counts as not measured
	Pushed    Pushed           // figures for the service as a whole that were pushed

	// Caps are the limits from outside the service that hold now, such as what its
	// resource pool has left, in the order in which they apply. They go
	// below MinInstances where they must.
	Caps []Cap
}

// InstanceSample is what an instance consumes.
type InstanceSample struct {
	ID         string
	ReadySince time.Time
	CPU        Reading // percent
	Memory     Reading // percent
}

// Reading is a figure and when it was measured; a zero At means never.
type Reading struct {
	Value float64   `json:"value"`
	At    time.Time `json:"at"`
}

// Pushed holds the newest figures that were pushed for a service.
type Pushed struct {
	CPU, Memory, RequestRate, ResponseTime, ErrorRate, ActiveConnections, QueueLength Reading
}

// Of returns the reading of metric m.
func (p *Pushed) Of(m Metric) *Reading {
	switch m {
	case MetricCPU:
		return &p.CPU
	case MetricMemory:
		return &p.Memory
	case MetricRequestRate:
		return &p.RequestRate
	case MetricResponseTime:
		return &p.ResponseTime
	case MetricErrorRate:
		return &p.ErrorRate
	case MetricActiveConnections:
		return &p.ActiveConnections
	case MetricQueueLength:
		return &p.QueueLength
	}
	panic("BUG: unknown metric " + string(m))
}

func (s *Sample) busy() float64 {
	if s.BusySlots < 0 {
		return float64(s.InFlight)
	}
	return s.BusySlots
}
