package launch

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Member is a pointer to a type that embeds Instance.
type Member interface {
	comparable
	core() *Instance
}

// Fleet keeps the instances of one service: which there are, which are started or stopped next, and when those that fail are tried
// again. It does none of that itself: whoever calls it starts and stops what it returns. It is not safe for concurrent use.
type Fleet[M Member] struct {
	// Reserved are ids that no new instance gets: they are in use elsewhere.
	Reserved map[string]bool

	backoff   Backoff
	uniform   func() float64
	wrap      func(Instance) M
	instances map[string]M
	streaks   map[string]*Streak // by version
}

// NewFleet returns an empty fleet. uniform returns random numbers in [0, 1); wrap makes a member of what is known of a new instance.
func NewFleet[M Member](backoff Backoff, uniform func() float64, wrap func(Instance) M) *Fleet[M] {
	return &Fleet[M]{backoff: backoff, uniform: uniform, wrap: wrap, instances: map[string]M{}, streaks: map[string]*Streak{}}
}

// CheckScale returns an error when a provider that runs service cannot make count instances of a revision of asked run.
func CheckScale(service, asked string, count int) error {
	if asked != service {
		return fmt.Errorf("cannot scale service %q: this provider runs %q", asked, service)
	}
	if count < 0 || count > math.MaxUint16 {
		return fmt.Errorf("cannot scale %q to %d: want 0 to %d instances", service, count, math.MaxUint16)
	}
	return nil
}

// Scale adds or stops instances of version until count of them are not Stopping; those that are backing off count. It returns what it
// added, each to be started at its RetryAt, and what is Stopping from now on: first those in leaving, in that order, then the newest.
func (f *Fleet[M]) Scale(version string, count int, leaving []string, now time.Time) (added, stopped []M) {
	live := slices.DeleteFunc(f.List(), func(m M) bool { return m.core().Version != version || m.core().State == Stopping })
	for range count - len(live) {
		added = append(added, f.add(version, now))
	}
	var order []M
	for _, id := range leaving {
		if m, ok := f.instances[id]; ok && slices.Contains(live, m) {
			order = append(order, m)
		}
	}
	slices.Reverse(live)
	for _, m := range append(order, live...) {
		if len(stopped) < len(live)-count && m.core().Stop() {
			stopped = append(stopped, m)
		}
	}
	return added, stopped
}

// add makes an instance. While its version fails it waits, too.
func (f *Fleet[M]) add(version string, now time.Time) M {
	in := Instance{ID: f.freeID(version), Version: version, State: Starting}
	// One failure alone does not hold back others: it may be that instance's own.
	if s := f.streaks[version]; s != nil && s.Failures > 1 && now.Before(s.NotBefore) {
		in.State, in.RetryAt, in.LastError = BackingOff, s.NotBefore, "other instances of this version fail"
	}
	m := f.wrap(in)
	f.instances[in.ID] = m
	return m
}

func (f *Fleet[M]) freeID(version string) string {
	for n := int(f.uniform() * (1 << 16)); ; n++ {
		id := fmt.Sprintf("%s-%04x", PlainName(version), n)
		if _, taken := f.instances[id]; !taken && !f.Reserved[id] {
			return id
		}
	}
}

// PlainName keeps of s what may stand in the names of files, cgroups and containers.
func PlainName(s string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, s), "_")
}

// Adopt adds an instance that runs already since startedAt, or returns false when there is one of its id.
func (f *Fleet[M]) Adopt(m M) bool {
	in := m.core()
	if f.Has(in.ID) {
		return false
	}
	in.Begun = in.StartedAt
	in.Reached(in.Address)
	f.instances[in.ID] = m
	return true
}

// Has tells whether there is an instance of that id.
func (f *Fleet[M]) Has(id string) bool { _, ok := f.instances[id]; return ok }

// Get returns the instance of that id, or nil.
func (f *Fleet[M]) Get(id string) M { return f.instances[id] }

// Len returns how many instances there are.
func (f *Fleet[M]) Len() int { return len(f.instances) }

// List returns all instances by StartedAt, those never started last.
func (f *Fleet[M]) List() []M {
	out := make([]M, 0, len(f.instances))
	for _, m := range f.instances {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b M) int { return byStart(a.core(), b.core()) })
	return out
}

// StartFailed takes in that the last attempt to start m failed, and says in RetryAt when the next one is.
func (f *Fleet[M]) StartFailed(m M, reason string, now time.Time) {
	f.fail(m.core(), reason, false, now)
}

// Exited takes in that m ended without being asked to, and says in RetryAt when it is started again.
func (f *Fleet[M]) Exited(m M, reason string, oomKilled bool, now time.Time) {
	m.core().Restarts++
	f.fail(m.core(), reason, oomKilled, now)
}

func (f *Fleet[M]) fail(in *Instance, reason string, oomKilled bool, now time.Time) {
	s := f.streaks[in.Version]
	if s == nil {
		s = &Streak{}
		f.streaks[in.Version] = s
	}
	retry := s.Fail(f.backoff, in.Begun, now, f.uniform())
	in.Address, in.LastError, in.OOMKilled = "", reason, oomKilled
	if in.State != Stopping {
		in.State, in.RetryAt = BackingOff, retry
	}
}

// Remove takes m out for good, and with the last instance of a version that is past its last retry the memory of its failures.
func (f *Fleet[M]) Remove(m M, now time.Time) {
	in := m.core()
	delete(f.instances, in.ID)
	for _, other := range f.instances {
		if other.core().Version == in.Version {
			return
		}
	}
	if s := f.streaks[in.Version]; s != nil && now.After(s.NotBefore) {
		delete(f.streaks, in.Version)
	}
}
