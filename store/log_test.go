package store

import (
	"slices"
	"testing"
	"time"
)

func at(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }

func newLog(t *testing.T, db *DB, opts LogOptions) *Log[int] {
	t.Helper()
	l, err := NewLog[int](db, "decisions", opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendAll(t *testing.T, l *Log[int], from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := l.Append(at(n), n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogSince(t *testing.T) {
	bothKinds(t, func(t *testing.T, db *DB) {
		l := newLog(t, db, LogOptions{})
		appendAll(t, l, 0, 3)
		if err := l.Append(at(3), 3, 30, 300); err != nil { // one moment, in order
			t.Fatal(err)
		}
		f := func(since time.Time, want ...int) {
			t.Helper()
			if got, err := l.Since(since, at(100)); err != nil || !slices.Equal(got, want) {
				t.Fatalf("got %v, %v; want %v", got, err, want)
			}
		}
		f(time.Time{}, 0, 1, 2, 3, 30, 300)
		f(at(2), 2, 3, 30, 300)
		f(at(3), 3, 30, 300)
		f(at(4))
	})
}

func TestLogBounds(t *testing.T) {
	bothKinds(t, func(t *testing.T, db *DB) {
		byCount := newLog(t, db, LogOptions{MaxEntries: 16})
		appendAll(t, byCount, 0, 100)
		got, err := byCount.Since(time.Time{}, at(100))
		if err != nil || len(got) != 16 || got[0] != 84 || got[15] != 99 {
			t.Fatalf("got %v, %v; want the last 16", got, err)
		}
		if stored, _ := db.scan("_log-decisions", ""); len(stored) > 18 {
			t.Fatalf("%d entries are stored; want at most the bound and its slack", len(stored))
		}
		byAge := newLog(t, db, LogOptions{MaxEntries: 16, MaxAge: 10 * time.Second})
		if got, err := byAge.Since(time.Time{}, at(105)); err != nil || !slices.Equal(got, []int{95, 96, 97, 98, 99}) {
			t.Fatalf("got %v, %v; want those of the last 10s", got, err)
		}
	})
}

func TestLogGoesOnAfterARestart(t *testing.T) {
	db := open(t, newPath(t), Options{})
	appendAll(t, newLog(t, db, LogOptions{MaxEntries: 8}), 0, 9)
	db = reopen(t, db)
	l := newLog(t, db, LogOptions{MaxEntries: 8})
	if l.seq != 9 || l.count != 9 {
		t.Fatalf("got seq %d, count %d; want 9, 9", l.seq, l.count)
	}
	appendAll(t, l, 9, 12)
	if got, err := l.Since(time.Time{}, at(100)); err != nil || !slices.Equal(got, []int{4, 5, 6, 7, 8, 9, 10, 11}) {
		t.Fatalf("got %v, %v; want the last 8", got, err)
	}
}
