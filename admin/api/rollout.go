package api

import "time"

// RolloutRequest asks for a new version of a service. What is left out comes from
// the service's configuration.
type RolloutRequest struct {
	Version      string        `json:"version"`
	Strategy     string        `json:"strategy,omitempty"` // canary, blue-green, rolling
	Steps        []RolloutStep `json:"steps,omitempty"`
	AutoRollback *bool         `json:"autoRollback,omitempty"`
	Supersede    bool          `json:"supersede,omitempty"` // take the place of one that is under way
	Reason       string        `json:"reason,omitempty"`
}

// RolloutStep gives the candidate a share of the traffic for a time.
type RolloutStep struct {
	Weight   float64  `json:"weight"` // percent
	Duration Duration `json:"duration"`
}

// RolloutStatus is where a rollout is in its life.
type RolloutStatus string

// The states of a rollout. The last four are ends.
const (
	RolloutRunning    RolloutStatus = "running"
	RolloutPaused     RolloutStatus = "paused"
	RolloutCompleted  RolloutStatus = "completed"
	RolloutRolledBack RolloutStatus = "rolled-back"
	RolloutFailed     RolloutStatus = "failed"
	RolloutAborted    RolloutStatus = "aborted"
)

// Ended reports whether the rollout is over.
func (s RolloutStatus) Ended() bool { return s != RolloutRunning && s != RolloutPaused }

// Rollout is one rollout, under way or over.
type Rollout struct {
	ID        string        `json:"id"`
	Service   string        `json:"service"`
	Version   string        `json:"version"`
	From      string        `json:"from"` // the version that it replaces
	Strategy  string        `json:"strategy"`
	Status    RolloutStatus `json:"status"`
	Step      int           `json:"step"` // from 1; 0 before the first
	Steps     int           `json:"steps"`
	Weight    float64       `json:"weight"` // percent of the traffic that the new version gets
	Reason    string        `json:"reason"` // one sentence: what it waits for, or why it ended
	Evidence  []Evidence    `json:"evidence"`
	StartedAt time.Time     `json:"startedAt"`
	EndedAt   *time.Time    `json:"endedAt,omitempty"`
}

// Evidence is one comparison of the candidate with the stable revision over the same seconds.
type Evidence struct {
	Metric            string  `json:"metric"` // errorRate, responseTime, ...
	Unit              string  `json:"unit,omitempty"`
	Stable            float64 `json:"stable"`
	Candidate         float64 `json:"candidate"`
	StableRequests    uint64  `json:"stableRequests"`
	CandidateRequests uint64  `json:"candidateRequests"`
	Verdict           string  `json:"verdict"` // pass, fail, undecided
	Detail            string  `json:"detail,omitempty"`
}

// RolloutAction is what can be asked of a rollout that is under way.
type RolloutAction string

// The actions on a rollout.
const (
	ActionPause   RolloutAction = "pause"
	ActionResume  RolloutAction = "resume"
	ActionPromote RolloutAction = "promote"
	ActionAbort   RolloutAction = "abort"
)

// RolloutRef names a rollout that was begun.
type RolloutRef struct {
	ID string `json:"id"`
}
