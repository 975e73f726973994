package scaler

import (
	"slices"
	"time"
)

const (
	keptStarts   = 20 // measured starts that are kept per revision
	keptRevision = 2  // revisions whose starts are kept

	// defaultStartDelay is assumed of a service that says nothing and was never started.
	defaultStartDelay = 10 * time.Second

	// From failuresAllowed failed starts in a row the service stops growing, for
	// firstBackoff after the next failure and twice as long after each further one.
	failuresAllowed = 3
	firstBackoff    = 10 * time.Second
	longestBackoff  = 5 * time.Minute
)

// StartDelay is how long one instance took from its start until it was ready.
type StartDelay struct {
	Revision string
	Took     time.Duration
}

// Starts is what is known about starting instances: how long it takes, per
// revision, and whether it works at present.
type Starts struct {
	Revisions  []RevisionStarts `json:"revisions,omitempty"` // the one started last comes last
	Failures   int              `json:"failures,omitempty"`  // in a row, of all revisions
	RetryAfter time.Time        `json:"retryAfter"`          // no growing before
}

// RevisionStarts holds the latest measured delays of a revision, oldest first.
type RevisionStarts struct {
	Revision string          `json:"revision"`
	Delays   []time.Duration `json:"delaysNs"`
}

func (h *Starts) observe(s *Sample, now time.Time) {
	for _, d := range s.StartDelays {
		h.record(d)
		h.Failures, h.RetryAfter = 0, time.Time{}
	}
	for range s.StartFailures {
		h.Failures++
		if over := h.Failures - failuresAllowed; over >= 0 {
			wait := firstBackoff << min(over, 10)
			h.RetryAfter = now.Add(min(wait, longestBackoff))
		}
	}
}

func (h *Starts) record(d StartDelay) {
	i := slices.IndexFunc(h.Revisions, func(r RevisionStarts) bool { return r.Revision == d.Revision })
	r := RevisionStarts{Revision: d.Revision}
	if i >= 0 {
		r = h.Revisions[i]
		h.Revisions = slices.Delete(h.Revisions, i, i+1)
	}
	r.Delays = append(r.Delays, d.Took)
	if n := len(r.Delays); n > keptStarts {
		r.Delays = r.Delays[:copy(r.Delays, r.Delays[n-keptStarts:])]
	}
	h.Revisions = append(h.Revisions, r)
	if n := len(h.Revisions); n > keptRevision {
		h.Revisions = slices.Delete(h.Revisions, 0, n-keptRevision)
	}
}

// Delay is the start-up delay to plan with: the 90th percentile (nearest rank) of
// the latest starts, of the slower of the revisions started last, or assumed, else a
// default, when nothing was measured.
func (h *Starts) Delay(assumed time.Duration) time.Duration {
	var slowest time.Duration
	for i := range h.Revisions {
		slowest = max(slowest, h.Revisions[i].p90())
	}
	if slowest > 0 {
		return slowest
	}
	return orElse(assumed, defaultStartDelay)
}

func (r *RevisionStarts) p90() time.Duration {
	var sorted [keptStarts]time.Duration
	n := copy(sorted[:], r.Delays)
	if n == 0 {
		return 0
	}
	slices.Sort(sorted[:n])
	return sorted[(9*n+9)/10-1]
}

func (h *Starts) backingOff(now time.Time) bool { return now.Before(h.RetryAfter) }
