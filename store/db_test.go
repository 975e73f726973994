package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type doc struct {
	N int `json:"n"`
}

// open opens a store that the test closes.
func open(t *testing.T, path string, opts Options) *DB {
	t.Helper()
	db, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "gatewayd.db") }

// reopen closes db and opens its file again.
func reopen(t *testing.T, db *DB) *DB {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, db.Path(), Options{})
}

// crash leaves the file as a killed process would: what was not committed is gone.
func crash(t *testing.T, db *DB) *DB {
	t.Helper()
	if err := db.bolt.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, db.Path(), Options{})
}

func mustAll[T any](t *testing.T, b Bucket[T]) map[string]T {
	t.Helper()
	all, err := b.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bothKinds runs f with a store in a file and with one in memory.
func bothKinds(t *testing.T, f func(t *testing.T, db *DB)) {
	t.Run("file", func(t *testing.T) { f(t, open(t, newPath(t), Options{})) })
	t.Run("memory", func(t *testing.T) { f(t, open(t, "", Options{})) })
}

func TestPutGetDelete(t *testing.T) {
	bothKinds(t, func(t *testing.T, db *DB) {
		b := NewBucket[doc](db, "targets")
		if _, ok, err := b.Get("a"); ok || err != nil {
			t.Fatalf("got %v, %v; want nothing", ok, err)
		}
		for _, step := range []func() error{
			func() error { return b.Put("a", doc{1}) }, func() error { return b.Put("b", doc{2}) },
			db.Sync,
			func() error { return b.Put("a", doc{3}) }, func() error { return b.Delete("b") }, func() error { return b.Delete("never") },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok, err := b.Get("a"); !ok || err != nil || got.N != 3 {
			t.Fatalf("got %v, %v, %v; want 3", got, ok, err)
		}
		if _, ok, _ := b.Get("b"); ok {
			t.Fatal("b is still there")
		}
		if all := mustAll(t, b); len(all) != 1 || all["a"].N != 3 {
			t.Fatalf("got %v; want a: 3 alone", all)
		}
	})
}

func TestEmptyKeyAndBadValueAreRefused(t *testing.T) {
	db := open(t, "", Options{})
	if err := NewBucket[doc](db, "x").Put("", doc{}); err == nil || !strings.Contains(err.Error(), "key is empty") {
		t.Fatalf("got %v; want a word about the key", err)
	}
	if err := NewBucket[func()](db, "x").Put("k", func() {}); err == nil || !strings.Contains(err.Error(), `"k"`) {
		t.Fatalf("got %v; want a word about k", err)
	}
}

func TestSurvivesCloseAndCrash(t *testing.T) {
	db := open(t, newPath(t), Options{})
	b := NewBucket[doc](db, "targets")
	if err := b.Put("closed", doc{1}); err != nil {
		t.Fatal(err)
	}
	db = reopen(t, db) // Close commits
	b = NewBucket[doc](db, "targets")
	err := db.Update(func(tx *Tx) error {
		b.DeleteIn(tx, "closed")
		return b.PutIn(tx, "updated", doc{2})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put("unsynced", doc{3}); err != nil {
		t.Fatal(err)
	}
	db = crash(t, db)
	if all := mustAll(t, NewBucket[doc](db, "targets")); len(all) != 1 || all["updated"].N != 2 {
		t.Fatalf("got %v; want what Update wrote, and nothing else", all)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	bothKinds(t, func(t *testing.T, db *DB) {
		b := NewBucket[doc](db, "targets")
		if err := b.Put("a", doc{1}); err != nil {
			t.Fatal(err)
		}
		refused := errors.New("refused")
		err := db.Update(func(tx *Tx) error {
			if err := b.PutIn(tx, "a", doc{2}); err != nil {
				return err
			}
			if got, ok, err := b.GetIn(tx, "a"); !ok || err != nil || got.N != 2 {
				t.Errorf("got %v, %v, %v; want what this update wrote", got, ok, err)
			}
			b.DeleteIn(tx, "a")
			if _, ok, _ := b.GetIn(tx, "a"); ok {
				t.Error("a is still there within the update")
			}
			return refused
		})
		if got, _, _ := b.Get("a"); !errors.Is(err, refused) || got.N != 1 {
			t.Fatalf("got %v, %v; want the error and the old document", got, err)
		}
	})
}

func TestRunCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(newPath(t), Options{FlushInterval: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- db.Run(ctx) }()
		if err := NewBucket[doc](db, "x").Put("a", doc{1}); err != nil {
			t.Fatal(err)
		}
		if inFile(t, db, "x") {
			t.Fatal("it was committed at once")
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if !inFile(t, db, "x") {
			t.Fatal("it was not committed after the interval")
		}
		if err := NewBucket[doc](db, "last").Put("a", doc{1}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil || !inFile(t, db, "last") {
			t.Fatalf("got %v; want a last commit at the end", err)
		}
	})
}

// inFile reports whether the bucket is in the file itself.
func inFile(t *testing.T, db *DB, bucket string) (found bool) {
	t.Helper()
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		found = tx.Bucket([]byte(bucket)) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFailedCommitIsKeptAndTriedAgain(t *testing.T) {
	path := newPath(t)
	db := open(t, path, Options{})
	b := NewBucket[doc](db, "x")
	if err := b.Put("a", doc{1}); err != nil {
		t.Fatal(err)
	}
	db.bolt.Close()
	if err := db.Sync(); err == nil || !strings.Contains(err.Error(), path) || db.Err() == nil {
		t.Fatalf("got %v, Err %v; want an error that names the file", err, db.Err())
	}
	bolt, err := bbolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.bolt = bolt
	if err := db.Sync(); err != nil || db.Err() != nil || !inFile(t, db, "x") {
		t.Fatalf("got %v, Err %v; want the commit made up for", err, db.Err())
	}
}

func TestClosed(t *testing.T) {
	bothKinds(t, func(t *testing.T, db *DB) {
		b := NewBucket[doc](db, "x")
		if err := errors.Join(db.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		_, _, getErr := b.Get("a")
		_, allErr := b.All()
		for _, err := range []error{b.Put("a", doc{}), getErr, allErr} {
			if !errors.Is(err, errClosed) {
				t.Fatalf("got %v; want %v", err, errClosed)
			}
		}
	})
}

func TestUndecodableDocumentLeavesTheOthers(t *testing.T) {
	db := open(t, "", Options{})
	if err := errors.Join(NewBucket[string](db, "x").Put("bad", "text"), NewBucket[doc](db, "x").Put("good", doc{1})); err != nil {
		t.Fatal(err)
	}
	b := NewBucket[doc](db, "x")
	all, err := b.All()
	if err == nil || !strings.Contains(err.Error(), `"bad"`) || all["good"].N != 1 || len(all) != 1 {
		t.Fatalf("got %v, %v; want good, and an error about bad", all, err)
	}
	if _, ok, err := b.Get("bad"); ok || err == nil {
		t.Fatalf("got %v, %v; want an error", ok, err)
	}
}

// TestAgainstMap holds a store that commits and restarts at random against a map.
func TestAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		db := open(t, newPath(t), Options{})
		want := map[string]doc{}
		for step := range 200 {
			b := NewBucket[doc](db, "x")
			key := fmt.Sprint("k", rng.IntN(10))
			switch op := rng.IntN(20); {
			case op < 10:
				want[key] = doc{step}
				_ = b.Put(key, doc{step})
			case op < 16:
				delete(want, key)
				_ = b.Delete(key)
			case op < 18:
				_ = db.Sync()
			case op == 18:
				db = reopen(t, db)
			default:
				if got, ok, err := b.Get(key); err != nil || got != want[key] || ok != (want[key] != doc{}) {
					t.Fatalf("step %d: got %v, %v, %v; want %v", step, got, ok, err, want[key])
				}
			}
			if got := mustAll(t, NewBucket[doc](db, "x")); !maps.Equal(got, want) {
				t.Fatalf("step %d: got %v; want %v", step, got, want)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	db := open(t, newPath(t), Options{})
	b := NewBucket[doc](db, "x")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			key := fmt.Sprint(worker)
			for n := 1; n <= 30; n++ {
				if n%10 == 0 {
					_ = db.Update(func(tx *Tx) error { return b.PutIn(tx, key, doc{n}) })
				} else {
					_ = b.Put(key, doc{n})
				}
				if got, _, err := b.Get(key); err != nil || got.N != n {
					t.Errorf("worker %s: got %v, %v; want %d", key, got, err, n)
				}
				_, _ = b.All()
			}
		})
	}
	wg.Wait()
	if got := mustAll(t, b); len(got) != 4 {
		t.Fatalf("got %v; want 4 documents", got)
	}
}

func TestFileIsPrivate(t *testing.T) {
	db := open(t, newPath(t), Options{})
	info, err := os.Stat(db.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v; want mode 0600", info.Mode(), err)
	}
}
