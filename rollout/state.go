package rollout

import (
	"fmt"
	"time"
)

// Status is how a rollout stands.
type Status string

// The statuses. A rollout that gave the candidate no request ends failed, one
// that did ends rolled back, whatever the cause; aborted is a person's wish or
// a newer version's.
const (
	Running    Status = "running"
	Paused     Status = "paused"
	Completed  Status = "completed"
	RolledBack Status = "rolled-back"
	Failed     Status = "failed"
	Aborted    Status = "aborted"
)

// Ended reports whether nothing more will happen.
func (s Status) Ended() bool { return s != Running && s != Paused }

// Phase is where in its life a rollout is.
type Phase string

// The phases, in the order in which they come. PhaseReturning follows any of those before it.
const (
	PhaseStarting   Phase = "starting"   // the candidate's first instances become ready
	PhaseValidating Phase = "validating" // probe and smoke requests run; no traffic yet
	PhaseHolding    Phase = "holding"    // blue-green: waits for promote before the switch
	PhaseStepping   Phase = "stepping"   // canary: a step's capacity is started, its weight given and watched
	PhaseBatches    Phase = "batches"    // rolling: instances are replaced
	PhaseFilling    Phase = "filling"    // the candidate grows to the whole load
	PhaseWarm       Phase = "warm"       // the candidate has all traffic, the old set is kept
	PhaseReturning  Phase = "returning"  // stable gets its capacity, then the weight
	PhaseDone       Phase = "done"
)

// MaxGap is the longest time between two steps that counts as observed: what
// is longer was spent without a gateway and counts for no clock.
const MaxGap = 15 * time.Second

// State is everything about one rollout. It is a plain value that survives a
// round trip through JSON; only Step and Withdraw write to it. Copy it by that round trip.
type State struct {
	ID      string    `json:"id"`
	Plan    Plan      `json:"plan"`
	Status  Status    `json:"status"`
	Phase   Phase     `json:"phase"`
	Reason  string    `json:"reason,omitempty"` // why it stands as it does, in one sentence
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"` // of the last step

	StepIndex int     `json:"stepIndex"`           // canary: of Plan.Steps; rolling: the batch; from 0
	Load      int     `json:"load,omitempty"`      // instances that the whole load needs, at least 1
	Given     bool    `json:"given,omitempty"`     // the step has its weight, the batch its instances
	Extended  bool    `json:"extended,omitempty"`  // the step was said to be extended
	StepSeen  uint64  `json:"stepSeen,omitempty"`  // candidate requests since the step was given its weight
	Exposed   bool    `json:"exposed,omitempty"`   // the candidate had traffic
	PauseStep bool    `json:"pauseStep,omitempty"` // it is the plan that waits for resume
	Promoted  bool    `json:"promoted,omitempty"`  // a person promoted: no more steps and verdicts
	Share     float64 `json:"share,omitempty"`     // smoothed share of requests that the candidate gets, [0, 1]
	PeakShare float64 `json:"peakShare,omitempty"` // the highest Share so far

	Clocks Clocks       `json:"clocks"`
	Wish   Wish         `json:"wish"`
	Counts Counts       `json:"counts"`
	Judge  *Judge       `json:"judge,omitempty"`
	Checks []CheckState `json:"checks,omitempty"`
	Return *Return      `json:"return,omitempty"` // from PhaseReturning on
	End    *End         `json:"end,omitempty"`    // in PhaseDone

	Seq  uint64   `json:"seq"`            // of the last action
	Last []Action `json:"last,omitempty"` // what the last step returned that happens once
}

// Clocks add up observed time. All but Paused stand still while the rollout is paused.
type Clocks struct {
	Total   time.Duration `json:"total"`
	Phase   time.Duration `json:"phase"`   // in this phase
	Step    time.Duration `json:"step"`    // with the step's weight given and its capacity there
	Waiting time.Duration `json:"waiting"` // for instances of the candidate, the provider being there
	Paused  time.Duration `json:"paused"`  // in this pause
}

// Wish is what the owner was last asked for. A count of -1 was never asked for.
type Wish struct {
	Stable    int     `json:"stable"`
	Candidate int     `json:"candidate"`
	Weights   Weights `json:"weights"`
}

// Counts is what the provider last said.
type Counts struct {
	Stable    int `json:"stable"`    // ready
	Candidate int `json:"candidate"` // ready
	// Failures counts failed starts since the candidate last had all its instances.
	Failures     int  `json:"failures,omitempty"`
	LastFailures int  `json:"lastFailures,omitempty"` // StartFailures as last seen
	Away         bool `json:"away,omitempty"`
}

// Return is why a rollout goes back to stable, and how it will end.
type Return struct {
	Status  Status   `json:"status"`
	Reason  string   `json:"reason"`
	Verdict *Verdict `json:"verdict,omitempty"`
	// Useless says that the candidate answers nothing worth having: stable
	// need not have its whole capacity to be the better place.
	Useless bool `json:"useless,omitempty"`
}

// CheckState is how an own check stands.
type CheckState struct {
	Wait     time.Duration `json:"wait"` // until it is asked again
	Pending  bool          `json:"pending,omitempty"`
	Failures int           `json:"failures,omitempty"` // in a row
	Passed   bool          `json:"passed,omitempty"`   // since the step began
	Late     int           `json:"late,omitempty"`     // intervals that passed without a result
	Detail   string        `json:"detail,omitempty"`   // of the last result that did not pass
}

// New returns the state of a rollout that is about to begin. The plan must
// have passed Validate; its zero fields are filled in.
func New(id string, plan Plan, now time.Time) *State {
	plan = plan.WithDefaults()
	now = now.Round(0).UTC()
	return &State{
		ID:      id,
		Plan:    plan,
		Status:  Running,
		Phase:   PhaseStarting,
		Started: now,
		Now:     now,
		Wish:    Wish{Stable: -1, Candidate: -1},
		Judge:   &Judge{},
		Checks:  make([]CheckState, len(plan.Checks)),
	}
}

// Withdraw ends a rollout that has not begun: Step was never called with it. It ends aborted.
func (st *State) Withdraw(reason string, now time.Time) {
	st.Now = now.Round(0).UTC()
	st.Phase, st.Status, st.Reason = PhaseDone, Aborted, reason
	st.End = &End{Status: Aborted, Reason: reason}
}

// Reissue returns what must be carried out (again) after the state was loaded
// from the store: what is to hold, and what the last step asked for once. Of a rollout that has ended
// it is only wanted when its Finish may not have been carried out.
func Reissue(st *State) []Action {
	var out []Action
	add := func(a Action) {
		a.Seq = st.Seq
		out = append(out, a)
	}
	if st.Wish.Candidate >= 0 {
		// Weights first: they were given only once their capacity was ready, and what goes must have lost its own.
		weights := st.Wish.Weights
		add(Action{Kind: SetWeights, Weights: &weights})
		if st.Status != Completed {
			add(Action{Kind: SetInstances, Version: st.Plan.Stable, Count: st.Wish.Stable})
		}
		if !st.Status.Ended() || st.Status == Completed {
			add(Action{Kind: SetInstances, Version: st.Plan.Version, Count: st.Wish.Candidate})
		}
	}
	asked := map[string]bool{}
	for _, a := range st.Last {
		out = append(out, a)
		asked[string(a.Kind)+a.Check] = true
	}
	if st.Phase == PhaseValidating && !asked[string(StartValidation)] {
		add(Action{Kind: StartValidation, Version: st.Plan.Version})
	}
	for i, c := range st.Checks {
		name := st.Plan.Checks[i].Name
		if c.Pending && !asked[string(RunCheck)+name] && st.Phase != PhaseDone {
			add(Action{Kind: RunCheck, Check: name})
		}
	}
	return out
}

// View is a rollout as the API shows it.
type View struct {
	ID        string    `json:"id"`
	Service   string    `json:"service"`
	Version   string    `json:"version"`
	Stable    string    `json:"stable"`
	Strategy  Strategy  `json:"strategy"`
	Status    Status    `json:"status"`
	Phase     Phase     `json:"phase"`
	Step      int       `json:"step"`   // from 1; 0 before the first
	Steps     int       `json:"steps"`  // steps, or batches; 0: none
	Weight    float64   `json:"weight"` // of the candidate, percent
	Reason    string    `json:"reason"`
	Evidence  *Verdict  `json:"evidence,omitempty"` // nil before the first figures
	StartedAt time.Time `json:"startedAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// View returns the rollout as the API shows it. It shares nothing with the state.
func (st *State) View() View {
	v := View{
		ID: st.ID, Service: st.Plan.Service, Version: st.Plan.Version, Stable: st.Plan.Stable,
		Strategy: st.Plan.Strategy, Status: st.Status, Phase: st.Phase, Reason: st.Reason,
		Weight: st.Wish.Weights.Candidate, StartedAt: st.Started, UpdatedAt: st.Now,
		Steps: len(st.Plan.Steps),
	}
	if st.Plan.Strategy == Rolling {
		v.Steps = st.batches()
	}
	if st.Given || st.StepIndex > 0 {
		v.Step = min(st.StepIndex+1, v.Steps)
	}
	if st.End != nil {
		v.Evidence = st.End.Verdict
	} else if st.Judge.Candidate.Requests > 0 {
		verdict := st.verdict()
		v.Evidence = &verdict
	}
	return v
}

// Accepts says whether a command makes sense as the rollout stands; the error is fit for the person who gave it.
func (st *State) Accepts(c Command) error {
	name := fmt.Sprintf("rollout %s of %q to %q", st.ID, st.Plan.Service, st.Plan.Version)
	switch {
	case st.Status.Ended():
		return fmt.Errorf("cannot %s %s: it has ended: %s", c.Kind, name, st.Status)
	case st.Phase == PhaseReturning:
		return fmt.Errorf("cannot %s %s: it is going back to %q already", c.Kind, name, st.Plan.Stable)
	case c.Kind == Resume && st.Status != Paused:
		return fmt.Errorf("cannot resume %s: it is not paused", name)
	case c.Kind == Resume && st.Phase == PhaseHolding && st.PauseStep:
		return fmt.Errorf("cannot resume %s: it waits for promote", name)
	case c.Kind == Pause && st.Status == Paused:
		return fmt.Errorf("cannot pause %s: it is paused already", name)
	}
	switch c.Kind {
	case Pause, Resume, Promote, Abort, Rollback, Supersede:
		return nil
	}
	return fmt.Errorf("unknown command %q; want pause, resume, promote, abort, rollback or supersede", c.Kind)
}

// Admit says what a new plan means while a rollout of the same service may be
// running: nothing in the way (no command), a command for the running one, or an error. The new
// rollout begins once the running one has ended.
func Admit(running *State, next Plan, supersede bool) (*Command, error) {
	if running == nil || running.Status.Ended() {
		return nil, nil
	}
	p := running.Plan
	what := fmt.Sprintf("rollout %s of %q to %q is %s (%s)", running.ID, p.Service, p.Version, running.Status, running.Phase)
	switch {
	case !supersede:
		return nil, fmt.Errorf("cannot roll out %q: %s; abort it first, or ask to supersede it", next.Version, what)
	case next.Version == p.Version:
		return nil, fmt.Errorf("cannot roll out %q: %s and brings in the same version", next.Version, what)
	}
	return &Command{Kind: Supersede, Version: next.Version}, nil
}
