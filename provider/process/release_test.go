package process

import (
	"context"
	"syscall"
	"testing"
)

// keep runs Keep of a house whose Run was ended, and returns a channel that is closed when it returns.
func (h *house) keep(ctx context.Context) <-chan struct{} {
	kept := make(chan struct{})
	go func() { defer close(kept); h.Keep(ctx) }()
	return kept
}

func TestReleasedInstancesAreTakenOver(t *testing.T) {
	f := func(mode OnExit) {
		t.Helper()
		store := storeIn(t)
		edit := func(o *Options) {
			o.OnExit, o.Load, o.Save = mode, store.load, store.save
		}
		one := newHouse(t, "serve", edit)
		t.Cleanup(func() { endMarked(t, one.o.Owner) })
		one.scale(3)
		before := one.awaitRunning(3)
		pids := []int{one.pid(before[0].ID), one.pid(before[1].ID), one.pid(before[2].ID)}
		one.Release()
		one.end()
		kept := one.keep(t.Context())

		two := newHouse(t, "serve", func(o *Options) { edit(o); o.TakeOver = true })
		for i, in := range two.awaitRunning(3) {
			if two.pid(in.ID) != pids[i] || in.Address != before[i].Address {
				t.Fatalf("%s: took over %+v (process %d); want %+v (%d)", mode, in, two.pid(in.ID), before[i], pids[i])
			}
		}
		syscall.Kill(pids[0], syscall.SIGKILL)
		two.awaitEvent(Restarted)
		two.awaitRunning(3)
		two.scale(0)
		for _, pid := range pids {
			awaitGone(t, pid)
		}
		<-kept
		if two.count(Started) != 0 || two.count(Adopted) != 3 {
			t.Fatalf("%s: got %+v; want all taken over and none started", mode, two.events)
		}
	}
	f(Stop)
	f(Adopt)
}

// A gateway that was replaced is killed by a signal to it alone: what it started must not outlive the promise that was made for it.
func TestEndOfKeepEndsWhatWasReleased(t *testing.T) {
	store := storeIn(t)
	one := newHouse(t, "serve", func(o *Options) { o.Load, o.Save = store.load, store.save })
	one.scale(1)
	pid := one.pid(one.awaitRunning(1)[0].ID)
	one.Release()
	one.end()
	ctx, cancel := context.WithCancel(t.Context())
	kept := one.keep(ctx)
	cancel()
	<-kept
	awaitGone(t, pid)
}
