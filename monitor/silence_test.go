package monitor

import (
	"fmt"
	"testing"
)

func TestSilencesInForce(t *testing.T) {
	m := New(Policy{})
	f := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, s := range m.Silences() {
			got = append(got, s.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	f()
	m.Silence(Silence{ID: "late", Until: at(300)})
	m.Silence(Silence{ID: "b", Until: at(100)})
	m.Silence(Silence{ID: "a", Until: at(100)})
	f("a", "b", "late")
	m.Unsilence("b")
	f("a", "late")
	m.Evaluate(at(100)) // the moment it ends
	f("late")
}
