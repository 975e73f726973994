package rollout

// Observation is what was seen since the last step. Step reads it and keeps
// none of its slices.
type Observation struct {
	Stable    RevisionSeen `json:"stable"`
	Candidate RevisionSeen `json:"candidate"`
	// ProviderAway says that the provider could not be asked: the counts in
	// Stable and Candidate mean nothing then, the traffic still does.
	ProviderAway bool `json:"providerAway,omitempty"`
	// Wanted is how many instances the whole load of the service needs, as the
	// scaler sees it: from the load, not from what runs. >= 0.
	Wanted int `json:"wanted"`
	// BoundsMs are the upper bounds of the latency buckets of both revisions
	// in ms, ascending; what is above the last has a bucket of its own.
	BoundsMs   []float64     `json:"boundsMs,omitempty"`
	Validation *CheckResult  `json:"validation,omitempty"` // when one ended
	Checks     []CheckResult `json:"checks,omitempty"`     // own checks that ended
	Commands   []Command     `json:"commands,omitempty"`   // in order of arrival
}

// RevisionSeen is what one revision looks like.
type RevisionSeen struct {
	// Ready instances run and had their first good check. One that outlier
	// detection ejected is ready still: what it answers is for the judge to weigh.
	Ready    int `json:"ready"`
	Starting int `json:"starting"` // instances on their way
	Failed   int `json:"failed"`   // instances that are down and not starting
	// StartFailures counts starts that failed since the rollout began. It may
	// begin again at 0 when the owner restarts.
	StartFailures int     `json:"startFailures,omitempty"`
	Detail        string  `json:"detail,omitempty"` // of the last failed start
	Traffic       Traffic `json:"traffic"`
}

// Traffic counts the requests that ended since the last step.
type Traffic struct {
	Requests uint64 `json:"requests"` // tries that ended, mirrored ones included
	// Errors of Requests are those for which the revision is to blame: answers of 500 to
	// 599, refused and cut connections, timeouts. A client that left is not among them.
	Errors uint64 `json:"errors"`
	// Latency counts answered requests by bucket: one more entry than
	// Observation.BoundsMs. Nil: latency is not known.
	Latency []uint64 `json:"latency,omitempty"`
}

// CheckResult is the end of a validation or an own check.
type CheckResult struct {
	Name string `json:"name,omitempty"` // of the check; empty for the validation
	OK   bool   `json:"ok"`
	// Inconclusive says that the check could not be made (the user's Prometheus
	// is away, a query without a value): neither a pass nor a failure.
	Inconclusive bool   `json:"inconclusive,omitempty"`
	Detail       string `json:"detail,omitempty"` // what was seen, for the message
}

// CommandKind is what a person or a newer rollout asks for.
type CommandKind string

// The commands.
const (
	Pause     CommandKind = "pause"     // hold where it is; a bad verdict still rolls back
	Resume    CommandKind = "resume"    // go on; at a pause step: with the next step
	Promote   CommandKind = "promote"   // skip what is left of steps and analysis
	Abort     CommandKind = "abort"     // back to stable, ends aborted
	Rollback  CommandKind = "rollback"  // back to stable, ends rolled back
	Supersede CommandKind = "supersede" // back to stable for a newer version, ends aborted
)

// Command is an order to a running rollout.
type Command struct {
	Kind    CommandKind `json:"kind"`
	Version string      `json:"version,omitempty"` // supersede: the newer version
	By      string      `json:"by,omitempty"`      // who asked, for the reason
}
