// Package testkit holds what tests of several packages need: waiting for what others do, without sleeping, and dockerd.sh, a Docker
// Engine of one's own. It starts no goroutine.
package testkit

import (
	"testing"
	"time"
)

// Patience is how long tests wait for what must happen.
const Patience = 30 * time.Second

// Await waits until ok, looking again at each change. When that is in vain the test ends with what story returns.
func Await(t testing.TB, changes <-chan struct{}, what string, ok func() bool, story func() string) {
	t.Helper()
	limit := time.After(Patience)
	for !ok() {
		select {
		case <-changes:
		case <-limit:
			t.Fatalf("waited in vain until %s\n%s", what, story())
		}
	}
}

// AwaitThat waits until ok, looking again and again, for what happens elsewhere and nobody tells us.
func AwaitThat(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(Patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
