package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// publish sends n events, one a second, and returns the last.
func publish(b *Bus, n int) (last Event) {
	for i := range n {
		last = b.Publish(start().Add(time.Duration(i)*time.Second), Event{Type: InstanceStarted})
	}
	return last
}

func ids(all []Event) []uint64 {
	out := []uint64{}
	for _, e := range all {
		out = append(out, e.ID)
	}
	return out
}

func TestPublishFillsIn(t *testing.T) {
	b := New(Options{})
	e := b.Publish(start(), Event{Type: ConfigReloaded, Message: "m"})
	if e.ID != 1 || !e.Time.Equal(start()) || e.Severity != Info {
		t.Fatalf("got %+v; want id 1, the time of the call, severity info", e)
	}
	own := start().Add(-time.Hour)
	e = b.Publish(start(), Event{Type: ConfigReloaded, Time: own, Severity: Page})
	if e.ID != 2 || !e.Time.Equal(own) || e.Severity != Page {
		t.Fatalf("got %+v; want id 2 and what was given", e)
	}
}

func TestSubscribeAfter(t *testing.T) {
	f := func(capacity, published int, id uint64, wantIDs []uint64, wantMissed uint64) {
		t.Helper()
		b := New(Options{Capacity: capacity})
		publish(b, published)
		got, missed, _ := b.SubscribeAfter(id).Take(100)
		if !slices.Equal(ids(got), wantIDs) || missed != wantMissed {
			t.Fatalf("got %v, %d missed; want %v, %d missed", ids(got), missed, wantIDs, wantMissed)
		}
	}
	f(4, 0, 0, []uint64{}, 0)
	f(4, 3, 0, []uint64{1, 2, 3}, 0)
	f(4, 3, 2, []uint64{3}, 0)
	f(4, 3, 3, []uint64{}, 0)
	f(4, 10, 6, []uint64{7, 8, 9, 10}, 0)
	f(4, 10, 5, []uint64{7, 8, 9, 10}, 1)
	f(4, 10, 0, []uint64{7, 8, 9, 10}, 6)
	f(4, 3, 99, []uint64{1, 2, 3}, 1) // never given out: the ring was lost
	f(4, 0, 99, []uint64{}, 1)
}

func TestSubscribeSince(t *testing.T) {
	f := func(since time.Duration, want []uint64) {
		t.Helper()
		b := New(Options{Capacity: 4})
		publish(b, 6)
		got, missed, _ := b.SubscribeSince(start().Add(since)).Take(100)
		if !slices.Equal(ids(got), want) || missed != 0 {
			t.Fatalf("since %s: got %v, %d missed; want %v", since, ids(got), missed, want)
		}
	}
	f(-time.Hour, []uint64{3, 4, 5, 6})
	f(4*time.Second, []uint64{5, 6})
	f(4*time.Second+1, []uint64{6})
	f(time.Hour, []uint64{})
}

func TestSlowReaderLearnsWhatItMissed(t *testing.T) {
	b := New(Options{Capacity: 8})
	s := b.Subscribe()
	publish(b, 3)
	if got, missed, _ := s.Take(2); len(got) != 2 || missed != 0 {
		t.Fatalf("got %d events, %d missed; want 2, 0", len(got), missed)
	}
	publish(b, 20) // never waits for s
	got, missed, _ := s.Take(100)
	if missed != 13 || !slices.Equal(ids(got), []uint64{16, 17, 18, 19, 20, 21, 22, 23}) {
		t.Fatalf("got %v, %d missed; want the last 8, 13 missed", ids(got), missed)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		s := b.Subscribe()
		got := make(chan uint64)
		for range 3 { // readers beside each other, each sees everything
			own := *s
			go func() {
				e, _, _ := own.Next(t.Context())
				got <- e.ID
			}()
		}
		synctest.Wait()
		publish(b, 1)
		for range 3 {
			if id := <-got; id != 1 {
				t.Fatalf("got %d; want 1", id)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Take(1)
		if _, _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v; want the deadline of the context", err)
		}
	})
}

func TestNextKeepsMissedOverATimeout(t *testing.T) {
	b := New(Options{})
	s := b.SubscribeAfter(7)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Next(ctx); err == nil {
		t.Fatal("got an event; want none")
	}
	publish(b, 1)
	if _, missed, _ := s.Next(t.Context()); missed != 1 {
		t.Fatalf("got %d missed; want 1", missed)
	}
}

func TestRestore(t *testing.T) {
	old := New(Options{})
	publish(old, 5)
	kept, _, _ := old.SubscribeAfter(0).Take(100)
	b := New(Options{Capacity: 3, Restore: kept})
	e := b.Publish(start(), Event{Type: Audit})
	if e.ID != idStride {
		t.Fatalf("got id %d; want %d, above all ids that may have been given out", e.ID, idStride)
	}
	got, missed, _ := b.SubscribeAfter(0).Take(100)
	if !slices.Equal(ids(got), []uint64{4, 5, idStride}) || missed != 3 {
		t.Fatalf("got %v, %d missed; want 4, 5 and the new one, 3 missed", ids(got), missed)
	}
	if got, _, _ := b.SubscribeAfter(5).Take(100); !slices.Equal(ids(got), []uint64{idStride}) {
		t.Fatalf("after 5: got %v; want the new one", ids(got))
	}
}

func TestRecent(t *testing.T) {
	b := New(Options{Capacity: 4})
	publish(b, 6)
	odd := func(e *Event) bool { return e.ID%2 == 1 }
	if got := ids(b.Recent(10, nil)); !slices.Equal(got, []uint64{3, 4, 5, 6}) {
		t.Fatalf("got %v; want all that is kept", got)
	}
	if got := ids(b.Recent(1, odd)); !slices.Equal(got, []uint64{5}) {
		t.Fatalf("got %v; want the newest odd one", got)
	}
}

func TestRunPersistsEverythingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Restore: []Event{{ID: 1}}})
		publish(b, 2) // before Run: not lost
		var saved []Event
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- b.Run(ctx, func(batch []Event) error { saved = append(saved, batch...); return nil })
		}()
		synctest.Wait()
		publish(b, 300) // more than one batch
		synctest.Wait()
		last := publish(b, 3) // may still be unread when ctx ends
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(saved) != 305 || saved[304].ID != last.ID || !slices.IsSorted(ids(saved)) {
			t.Fatalf("got %d events, last %d; want 305 in order, last %d", len(saved), saved[len(saved)-1].ID, last.ID)
		}
	})
}

func TestRunReturnsTheLastFailure(t *testing.T) {
	b := New(Options{})
	publish(b, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	full := errors.New("disk full")
	if err := b.Run(ctx, func([]Event) error { return full }); !errors.Is(err, full) {
		t.Fatalf("got %v; want %v", err, full)
	}
}

// TestAgainstList holds the ring against a plain list of everything that was published.
func TestAgainstList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		capacity := 1 + rng.IntN(10)
		b := New(Options{Capacity: capacity})
		var list []Event
		type reader struct {
			s    *Subscription
			next int
		}
		var readers []reader
		for range 100 {
			switch op := rng.IntN(4); {
			case op < 2:
				list = append(list, publish(b, 1))
			case op == 2:
				id := rng.IntN(len(list) + 1)
				readers = append(readers, reader{b.SubscribeAfter(uint64(id)), id})
			case len(readers) > 0:
				r := &readers[rng.IntN(len(readers))]
				limit := 1 + rng.IntN(5)
				wantMissed := max(len(list)-capacity-r.next, 0)
				from := r.next + wantMissed
				to := min(from+limit, len(list))
				got, missed, wait := r.s.Take(limit)
				if !slices.Equal(ids(got), ids(list[from:to])) || missed != uint64(wantMissed) || (wait == nil) != (to > from) {
					t.Fatalf("got %v, %d missed; want %v, %d missed", ids(got), missed, ids(list[from:to]), wantMissed)
				}
				r.next = to
			}
		}
	}
}

func TestTypesAndSeverities(t *testing.T) {
	if Type("missed").Valid() || !Audit.Valid() || !ComponentScaled.Valid() {
		t.Fatal("Valid does not agree with Types")
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(Types()))); len(distinct) != len(Types()) {
		t.Fatalf("got %d distinct types of %d", len(distinct), len(Types()))
	}
	f := func(s Severity, want int) {
		t.Helper()
		if got := s.Rank(); got != want {
			t.Fatalf("%q: got %d; want %d", s, got, want)
		}
	}
	f(Info, 0)
	f(Warning, 1)
	f(Critical, 2)
	f(Page, 3)
	f("loud", -1)
}
