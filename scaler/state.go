package scaler

import (
	"time"

	"gatewayd/internal/window"
)

// State is what Decide remembers of one service from one call to the next. Its
// exported fields make up what should survive a restart and travel as JSON; the
// rest is filled again within a metrics window. The zero State is a service that was
// never decided on. It belongs to one goroutine and must not be copied while in use.
type State struct {
	// Target is the last Want, from which the next decision starts; Known says
	// that there was one.
	Target int  `json:"target"`
	Known  bool `json:"known"`
	// Hold is the manual setting, nil when scaling is automatic. Set by the caller.
	Hold *Hold `json:"hold,omitempty"`
	// Paused stops automatic scaling, like Spec.Disabled. Set by the caller.
	Paused bool `json:"paused,omitempty"`

	Policies    map[string]*PolicyState `json:"policies,omitempty"` // by policy name
	LastRequest time.Time               `json:"lastRequest"`        // when there last was anything to do
	Starts      Starts                  `json:"starts"`
	Learned     Learned                 `json:"learned"`

	traffic *traffic
	said    said
}

// Hold is a number of instances that somebody set by hand.
type Hold struct {
	Instances int       `json:"instances"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"`
}

// PolicyState is what one policy remembers.
type PolicyState struct {
	LastChange time.Time      `json:"lastChange"` // when it last brought about a change
	Highest    window.Extreme `json:"highest"`    // its wants, for StabilizeDown
	Lowest     window.Extreme `json:"lowest"`     // its wants, for StabilizeUp

	schedule scheduleState
}

// said is what the last reason was about.
type said struct {
	reason string
	policy string
	want   int
	bounds [boundCount]BoundName
	held   string
	limit  float64
	stale  bool
	at     time.Time
}

func (ps *PolicyState) cooling(p *Policy, now time.Time) bool {
	return p.CooldownPeriod > 0 && !ps.LastChange.IsZero() && now.Sub(ps.LastChange) < p.CooldownPeriod
}

func (st *State) policy(name string) *PolicyState {
	ps := st.Policies[name]
	if ps == nil {
		if st.Policies == nil {
			st.Policies = make(map[string]*PolicyState)
		}
		ps = &PolicyState{}
		st.Policies[name] = ps
	}
	return ps
}

// observe takes the sample in before anything is decided.
func (st *State) observe(sp *Spec, s *Sample, now time.Time) {
	if st.traffic == nil || st.traffic.window != sp.window() {
		st.traffic = newTraffic(sp.window())
	}
	st.traffic.record(s, now)
	st.Starts.observe(s, now)
	if s.Blind || s.Arrivals+s.InFlight+s.Queue > 0 || st.LastRequest.IsZero() {
		// While nothing can be seen the service must not be taken for idle.
		st.LastRequest = now
	}
	st.Learned.observe(sp, s, now)
}
