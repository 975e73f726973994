package launch

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gatewayd/scaler"
)

// copyOf is an instance of a provider that has nothing of its own.
type copyOf struct{ Instance }

func wrap(in Instance) *copyOf { return &copyOf{in} }

func newFleet() *Fleet[*copyOf] {
	n := 0.0
	return NewFleet(Backoff{}.WithDefaults(time.Second, time.Minute), func() float64 { n += 1.0 / 256; return n - float64(int(n)) }, wrap)
}

func at(second int) time.Time { return time.Unix(int64(second), 0) }

func idsOf(l []*copyOf) string {
	var ids []string
	for _, m := range l {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func TestStatesAreThoseOfScaler(t *testing.T) {
	f := func(s State, want scaler.InstanceState) {
		t.Helper()
		if scaler.InstanceState(s) != want {
			t.Errorf("got %q; want %q", s, want)
		}
	}
	f(Starting, scaler.InstanceStarting)
	f(Running, scaler.InstanceRunning)
	f(Stopping, scaler.InstanceStopping)
	f(BackingOff, scaler.InstanceBackoff)
}

func TestCheckScale(t *testing.T) {
	f := func(asked string, count int, want string) {
		t.Helper()
		got := ""
		if err := CheckScale("shop", asked, count); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f("shop", 0, "")
	f("shop", 65535, "")
	f("shop", -1, `cannot scale "shop" to -1: want 0 to 65535 instances`)
	f("shop", 65536, `cannot scale "shop" to 65536: want 0 to 65535 instances`)
	f("cart", 1, `cannot scale service "cart": this provider runs "shop"`)
}

func TestOrderOfList(t *testing.T) {
	f := newFleet()
	for _, in := range []Instance{{ID: "b", StartedAt: at(9)}, {ID: "old", StartedAt: at(8)}, {ID: "new-b"}, {ID: "a", StartedAt: at(9)}, {ID: "new-a"}} {
		if !f.Adopt(wrap(in)) || f.Adopt(wrap(in)) {
			t.Fatalf("%s: want it adopted once", in.ID)
		}
	}
	if got := idsOf(f.List()); got != "old a b new-a new-b" {
		t.Fatalf("got %s", got)
	}
}

// What stops: those that leave, in that order, then the newest; never twice, and never one of another version.
func TestWhoStops(t *testing.T) {
	fleet := newFleet()
	f := func(count int, leaving, want string) {
		t.Helper()
		added, stopped := fleet.Scale("v1", count, strings.Fields(leaving), at(50))
		if got := idsOf(stopped); got != want || added != nil {
			t.Fatalf("%q stop and %q were added; want %q", got, idsOf(added), want)
		}
	}
	for i, id := range []string{"a", "b", "c", "d", "e", "f"} {
		fleet.Adopt(wrap(Instance{ID: id, Version: "v1", Address: "x", StartedAt: at(i + 1)}))
	}
	fleet.Adopt(wrap(Instance{ID: "w", Version: "v2", Address: "x", StartedAt: at(40)}))
	f(6, "a b", "")
	f(5, "", "f")
	f(3, "w f nobody b", "b e")
	f(3, "c", "")
	f(2, "c c a", "c")
	f(0, "d a", "d a")
	if in := fleet.Get("w"); in.State != Running {
		t.Fatalf("that of another version is %s", in.State)
	}
}

// Ids are free ones: of no instance that is there, and none that is reserved.
func TestFreeIDs(t *testing.T) {
	f := NewFleet(Backoff{}, func() float64 { return 0 }, wrap)
	f.Reserved = map[string]bool{"a_b-0001": true}
	added, _ := f.Scale("a/b", 3, nil, at(1))
	if got := idsOf(added); got != "a_b-0000 a_b-0002 a_b-0003" {
		t.Fatalf("got %s", got)
	}
	if f.Get("nobody") != nil || f.Has("nobody") || !f.Has("a_b-0002") || f.Get("a_b-0002") != added[1] {
		t.Fatal("Get and Has disagree with what was added")
	}
}

// One failure is taken for the instance's own. After two in a row new ones of the version wait, too, until all of it is forgotten.
func TestFailingVersionHoldsBackNewInstances(t *testing.T) {
	fleet := newFleet()
	add := func(now, failures int) *copyOf {
		t.Helper()
		added, _ := fleet.Scale("v1", len(fleet.List())+1, nil, at(now))
		if held := added[0].State == BackingOff; held != (failures > 1) || held != (added[0].LastError != "") {
			t.Fatalf("after %d failures a new instance is %+v", failures, added[0])
		}
		return added[0]
	}
	a := add(0, 0)
	a.Begin(at(1))
	fleet.StartFailed(a, "no port", at(2))
	if a.State != BackingOff || a.RetryAt.Before(at(3)) || a.LastError != "no port" || a.Restarts != 0 {
		t.Fatalf("got %+v", a)
	}
	add(2, 1)
	a.Begin(at(10))
	if a.State != Starting || !a.RetryAt.IsZero() {
		t.Fatalf("got %+v", a)
	}
	a.Started("127.0.0.1:1")
	fleet.Exited(a, "killed", true, at(11))
	if a.Restarts != 1 || !a.OOMKilled || a.Address != "" || a.StartedAt != at(10) {
		t.Fatalf("got %+v", a)
	}
	held := add(11, 2)
	if held.RetryAt != a.RetryAt {
		t.Fatalf("a new instance is started at %s; want %s", held.RetryAt, a.RetryAt)
	}
	for _, m := range fleet.List() {
		fleet.Remove(m, at(11)) // before the retry: the version is still known to fail
	}
	b := add(11, 2)
	if other, _ := fleet.Scale("v2", 1, nil, at(11)); other[0].State != Starting {
		t.Fatalf("another version waits, too: %+v", other[0])
	}
	fleet.Remove(b, at(100))
	fleet.Remove(add(11, 0), at(100))
}

// Nothing brings back an instance that is being stopped.
func TestStoppingIsForGood(t *testing.T) {
	fleet := newFleet()
	added, _ := fleet.Scale("v1", 1, nil, at(0))
	in := added[0]
	if !in.Stop() || in.Stop() {
		t.Fatal("want it stopped once")
	}
	f := func(what func()) {
		t.Helper()
		what()
		if in.State != Stopping || !in.RetryAt.IsZero() {
			t.Fatalf("got %+v", in)
		}
	}
	f(func() { in.Begin(at(1)) })
	f(func() { in.Started("127.0.0.1:1") })
	f(func() { in.Reached("") })
	f(func() { fleet.Exited(in, "exit status 1", false, at(2)) })
	f(func() { fleet.StartFailed(in, "exit status 1", at(3)) })
	f(func() { fleet.Scale("v1", 3, []string{in.ID}, at(4)) })
}

// twin keeps instances in the order they came, and looks for the next to stop one at a time.
type twin []*twinInstance

type twinInstance struct {
	id, version string
	state       State
	started     int // second; 0: never
}

func (w twin) live(version string) (n int) {
	for _, in := range w {
		if in.version == version && in.state != Stopping {
			n++
		}
	}
	return n
}

func (w twin) find(id string) *twinInstance {
	i := slices.IndexFunc(w, func(in *twinInstance) bool { return in.id == id })
	if i < 0 {
		return nil
	}
	return w[i]
}

func (w twin) nextToStop(version string, leaving []string) *twinInstance {
	for _, id := range leaving {
		if in := w.find(id); in != nil && in.version == version && in.state != Stopping {
			return in
		}
	}
	var newest *twinInstance
	for _, in := range w {
		age := func(i *twinInstance) int {
			if i.started == 0 {
				return 1 << 30
			}
			return i.started
		}
		if in.version == version && in.state != Stopping && (newest == nil || cmp.Or(cmp.Compare(age(in), age(newest)), cmp.Compare(in.id, newest.id)) > 0) {
			newest = in
		}
	}
	return newest
}

func (w twin) String() string {
	lines := make([]string, 0, len(w))
	for _, in := range w {
		lines = append(lines, fmt.Sprint(in.id, " ", in.version, " ", in.state, " ", in.started))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func stringOf(f *Fleet[*copyOf]) string {
	var w twin
	for _, m := range f.List() {
		started := 0
		if !m.StartedAt.IsZero() {
			started = int(m.StartedAt.Unix())
		}
		w = append(w, &twinInstance{m.ID, m.Version, m.State, started})
	}
	return w.String()
}

func TestFleetAgainstTwin(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		// No wait at all, so that no version holds back its new instances: other tests look at that.
		fleet := NewFleet(Backoff{}, r.Float64, wrap)
		var w twin
		for now := 1; now <= 200; now++ {
			w = turn(t, r, fleet, w, now)
			if got, want := stringOf(fleet), w.String(); got != want {
				t.Fatalf("seed %d, second %d: got\n%s\nwant\n%s", seed, now, got, want)
			}
		}
	}
}

// turn does the same at random to both.
func turn(t *testing.T, r *rand.Rand, fleet *Fleet[*copyOf], w twin, now int) twin {
	if r.IntN(4) == 0 || len(w) == 0 {
		version, count := fmt.Sprint("v", r.IntN(2)), r.IntN(6)
		var leaving []string
		for range r.IntN(4) {
			if len(w) > 0 {
				leaving = append(leaving, w[r.IntN(len(w))].id)
			}
		}
		added, stopped := fleet.Scale(version, count, leaving, at(now))
		if len(added) != max(0, count-w.live(version)) {
			t.Fatalf("second %d: %d were added to %d; want %d", now, len(added), w.live(version), count)
		}
		for _, m := range added {
			w = append(w, &twinInstance{m.ID, version, Starting, 0})
		}
		var want []string
		for w.live(version) > count {
			in := w.nextToStop(version, leaving)
			in.state = Stopping
			want = append(want, in.id)
		}
		if got := idsOf(stopped); got != strings.Join(want, " ") {
			t.Fatalf("second %d: %q stop; want %q", now, got, want)
		}
		return w
	}
	in := w[r.IntN(len(w))]
	m := fleet.Get(in.id)
	become := func(s State) {
		if in.state != Stopping {
			in.state = s
		}
	}
	switch r.IntN(5) {
	case 0, 1:
		m.Begin(at(now))
		m.Started("127.0.0.1:1")
		in.started = now
		become(Running)
	case 2:
		m.Begin(at(now))
		fleet.StartFailed(m, "no port", at(now))
		become(BackingOff)
	case 3:
		fleet.Exited(m, "exit status 1", false, at(now))
		become(BackingOff)
	case 4:
		fleet.Remove(m, at(now))
		return slices.DeleteFunc(w, func(other *twinInstance) bool { return other == in })
	}
	return w
}

func TestPlainName(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		if got := PlainName(s); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f("v1.2-rc_3", "v1.2-rc_3")
	f("a/b:ü", "a_b__")
	f("", "_")
}
