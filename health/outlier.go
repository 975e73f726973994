package health

import (
	"fmt"
	"slices"
	"time"
)

// OutlierPolicy says when real traffic ejects an endpoint. The zero value ejects nobody.
type OutlierPolicy struct {
	// ConsecutiveFailures in a row eject; 0 turns this rule off.
	ConsecutiveFailures int
	// BaseEjection is how long the first ejection lasts; the n-th in a row lasts n times as long.
	BaseEjection time.Duration
	// MaxEjection bounds what BaseEjection grows to; less than BaseEjection means BaseEjection.
	MaxEjection time.Duration
	// MaxEjectionPercent of the pool, 0 to 100, may be ejected at once. One may always be, where there are two or more.
	MaxEjectionPercent int
	// SuccessRate compares the members of a pool with each other; the zero value turns this rule off.
	SuccessRate SuccessRatePolicy
}

// DefaultOutlierPolicy returns what most pools want: 5 failures in a row, 30s growing to 5m, half of the pool.
func DefaultOutlierPolicy() OutlierPolicy {
	return OutlierPolicy{
		ConsecutiveFailures: 5,
		BaseEjection:        30 * time.Second,
		MaxEjection:         5 * time.Minute,
		MaxEjectionPercent:  50,
		SuccessRate:         DefaultSuccessRatePolicy(),
	}
}

// FailureKind says in which way a request failed.
type FailureKind string

// The kinds of failure.
const (
	FailureConnect     FailureKind = "connect"      // no connection came about
	FailureReset       FailureKind = "reset"        // the connection broke before the answer was whole
	FailureTimeout     FailureKind = "timeout"      // no answer in time
	FailureProtocol    FailureKind = "protocol"     // the answer was malformed
	FailureStatus      FailureKind = "status"       // a status that the pool counts as a failure, such as 502
	FailureClientAbort FailureKind = "client-abort" // the client left: counts against nobody
)

// phrase words kind behind "5 requests failed in a row, the last ".
func (k FailureKind) phrase() string {
	switch k {
	case FailureConnect:
		return "without a connection"
	case FailureReset:
		return "by a broken connection"
	case FailureTimeout:
		return "without an answer in time"
	case FailureProtocol:
		return "with a malformed answer"
	case FailureStatus:
		return "with an error status"
	}
	return "by " + string(k)
}

// Action is what a Decision asks its owner to do.
type Action string

// The actions.
const (
	Eject   Action = "eject"    // send nobody there before Until
	Uneject Action = "un-eject" // it may take traffic again
	Hold    Action = "hold"     // it would have been ejected, but the pool's bound forbids it
)

// Decision is one change that Outlier asks for.
type Decision struct {
	ID     string
	Action Action
	At     time.Time
	Until  time.Time // of an ejection; else zero
	Reason string    // one sentence for people, without a full stop
}

// Outlier watches the outcomes of one pool's requests and ejects the endpoints that fail. It is not safe for concurrent
// use. Calls for an id that is no member do nothing.
type Outlier struct {
	policy  OutlierPolicy
	members map[string]*member
	ejected int // members with until set
}

type member struct {
	streak   int       // failures in a row, while not ejected
	told     bool      // a Hold was given for this streak
	times    int       // ejections in a row; the decay by healthy time is applied at the next one
	until    time.Time // end of the ejection; zero while not ejected
	ejected  time.Time // when the ejection began
	returned time.Time // end of the last ejection
	kind     FailureKind
}

// NewOutlier returns an Outlier without members.
func NewOutlier(p OutlierPolicy) *Outlier {
	return &Outlier{policy: p, members: map[string]*member{}}
}

// SetPolicy replaces the policy. Ejections that are under way keep their end.
func (o *Outlier) SetPolicy(p OutlierPolicy) { o.policy = p }

// SetMembers replaces the pool's members: all its endpoints that are not draining, in any order. The history of those that stay is
// kept, that of the others forgotten. Where the smaller pool allows fewer ejections, those that were ejected first come back.
func (o *Outlier) SetMembers(ids []string, now time.Time) []Decision {
	next := make(map[string]*member, len(ids))
	for _, id := range ids {
		m := o.members[id]
		if m == nil {
			m = &member{}
		}
		next[id] = m
	}
	o.members = next
	o.ejected = 0
	for _, m := range next {
		if !m.until.IsZero() {
			o.ejected++
		}
	}
	var out []Decision
	for o.ejected > 0 && !o.allowed(o.ejected) {
		id := o.firstEjected()
		out = append(out, o.uneject(id, now, fmt.Sprintf("the pool shrank to %d", len(next))))
	}
	return out
}

func (o *Outlier) firstEjected() string {
	var first string
	for id, m := range o.members {
		if m.until.IsZero() {
			continue
		}
		if first == "" {
			first = id
			continue
		}
		if c := m.ejected.Compare(o.members[first].ejected); c < 0 || c == 0 && id < first {
			first = id
		}
	}
	return first
}

// Success takes in a request of id that went well. An answer that arrives during an ejection changes nothing.
func (o *Outlier) Success(id string) {
	if m := o.members[id]; m != nil && m.until.IsZero() {
		m.streak, m.told = 0, false
	}
}

// Failure takes in a request of id that failed and returns a decision, if it led to one.
func (o *Outlier) Failure(id string, kind FailureKind, now time.Time) (Decision, bool) {
	m := o.members[id]
	if m == nil {
		return Decision{}, false
	}
	return o.Streak(id, m.streak+1, kind, now)
}

// Streak is Failure for a data path that counts failures in a row itself, with an atomic per endpoint, and reports only when
// the count is at least ConsecutiveFailures: n is that count, kind that of the last failure.
func (o *Outlier) Streak(id string, n int, kind FailureKind, now time.Time) (Decision, bool) {
	m := o.members[id]
	if m == nil || kind == FailureClientAbort || !m.until.IsZero() {
		return Decision{}, false
	}
	if n <= m.streak {
		m.told = false
	}
	m.streak = n
	if o.policy.ConsecutiveFailures <= 0 || n < o.policy.ConsecutiveFailures {
		return Decision{}, false
	}
	cause := fmt.Sprintf("%s failed in a row, the last %s", requests(n), kind.phrase())
	return o.maybeEject(id, kind, cause, now)
}

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// maybeEject ejects id for cause unless the bound forbids it; then it says so once per streak.
func (o *Outlier) maybeEject(id string, kind FailureKind, cause string, now time.Time) (Decision, bool) {
	m := o.members[id]
	if !o.allowed(o.ejected + 1) {
		if m.told {
			return Decision{}, false
		}
		m.told = true
		return Decision{ID: id, Action: Hold, At: now, Reason: cause + "; not ejected: " + o.boundReason()}, true
	}
	m.times = o.timesAt(m, now) + 1
	d := min(o.longest(), time.Duration(m.times)*o.policy.BaseEjection)
	m.until, m.ejected, m.kind = now.Add(d), now, kind
	m.streak, m.told = 0, false
	o.ejected++
	reason := fmt.Sprintf("%s; ejected for %s", cause, d)
	if m.times > 1 {
		reason += fmt.Sprintf(", ejection %d in a row", m.times)
	}
	return Decision{ID: id, Action: Eject, At: now, Until: m.until, Reason: reason}, true
}

// timesAt is the count of m's ejections in a row after its decay: one is forgotten for each BaseEjection spent in traffic. It
// counts no further than the longest ejection, so that a bad day is not held against an endpoint for days.
func (o *Outlier) timesAt(m *member, now time.Time) int {
	base := o.policy.BaseEjection
	if m.times == 0 || base <= 0 {
		return m.times
	}
	return max(0, min(m.times, int(o.longest()/base))-int(now.Sub(m.returned)/base))
}

func (o *Outlier) longest() time.Duration { return max(o.policy.MaxEjection, o.policy.BaseEjection) }

// allowed tells whether n members may be ejected at once.
func (o *Outlier) allowed(n int) bool {
	size := len(o.members)
	if size < 2 {
		return n == 0
	}
	return n <= 1 || n*100 <= o.policy.MaxEjectionPercent*size
}

func (o *Outlier) boundReason() string {
	if len(o.members) < 2 {
		return "it is the only one of its pool"
	}
	return fmt.Sprintf("%d of %d are, and maxEjectionPercent is %d", o.ejected, len(o.members), o.policy.MaxEjectionPercent)
}

// CheckPassed takes in a good active check of id that started after the ejection. It ends an ejection for want of
// a connection, because the check just had one. Any other ejection it ends only when recovered is true, that is
// when the check had turned unhealthy and is healthy again: a check that was good all along, while requests failed,
// proves nothing about them.
func (o *Outlier) CheckPassed(id string, recovered bool, now time.Time) (Decision, bool) {
	m := o.members[id]
	if m == nil || m.until.IsZero() {
		return Decision{}, false
	}
	switch {
	case recovered:
		return o.uneject(id, now, "its health check recovered"), true
	case m.kind == FailureConnect || m.kind == FailureReset:
		return o.uneject(id, now, "its health check got an answer again"), true
	}
	return Decision{}, false
}

// Tick returns those whose ejection is over at now, ordered by id.
func (o *Outlier) Tick(now time.Time) []Decision {
	if o.ejected == 0 {
		return nil
	}
	var over []string
	for id, m := range o.members {
		if !m.until.IsZero() && !now.Before(m.until) {
			over = append(over, id)
		}
	}
	slices.Sort(over)
	out := make([]Decision, len(over))
	for i, id := range over {
		d := o.members[id].until.Sub(o.members[id].ejected)
		out[i] = o.uneject(id, now, fmt.Sprintf("its ejection of %s is over", d))
	}
	return out
}

func (o *Outlier) uneject(id string, now time.Time, reason string) Decision {
	m := o.members[id]
	m.until, m.returned = time.Time{}, now
	o.ejected--
	return Decision{ID: id, Action: Uneject, At: now, Reason: reason}
}

// EjectedUntil returns the end of id's ejection, and false when it is not ejected.
func (o *Outlier) EjectedUntil(id string) (time.Time, bool) {
	m := o.members[id]
	if m == nil || m.until.IsZero() {
		return time.Time{}, false
	}
	return m.until, true
}
