package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noisyLog returns options that log into a buffer, and the buffer.
func noisyLog() (Options, *bytes.Buffer) {
	var log bytes.Buffer
	return Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}, &log
}

func TestDamagedFileIsSetAside(t *testing.T) {
	f := func(name string, damage func(sound []byte) []byte) {
		t.Helper()
		path := newPath(t)
		db := open(t, path, Options{})
		b := NewBucket[string](db, "x")
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := b.Put(key, strings.Repeat(key, 9000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		sound, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := damage(sound)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}

		opts, log := noisyLog()
		db = open(t, path, opts)
		want := path + ".damaged-20260102T030405.006Z"
		if db.SetAside() != want || !strings.Contains(log.String(), want) {
			t.Fatalf("%s: set aside as %q, log %q; want %q in both", name, db.SetAside(), log, want)
		}
		if kept, err := os.ReadFile(want); err != nil || !bytes.Equal(kept, damaged) {
			t.Fatalf("%s: the damaged file was not kept as it was: %v", name, err)
		}
		b = NewBucket[string](db, "x")
		if err := b.Put("new", "works"); err != nil {
			t.Fatal(err)
		}
		if all := mustAll(t, NewBucket[string](reopen(t, db), "x")); len(all) != 1 {
			t.Fatalf("%s: got %d documents; want the new one alone", name, len(all))
		}
	}
	page := os.Getpagesize()
	f("text", func([]byte) []byte { return []byte("this is no database\n") })
	f("cut short", func(sound []byte) []byte { return sound[:2*page] })
	f("cut in the middle", func(sound []byte) []byte { return sound[:len(sound)/2] })
	f("no meta page", func(sound []byte) []byte { clear(sound[:2*page]); return sound })
	f("pages zeroed", func(sound []byte) []byte { clear(sound[2*page:]); return sound })
	f("pages of noise", func(sound []byte) []byte {
		for i := 2 * page; i < len(sound); i++ {
			sound[i] = byte(i * 7)
		}
		return sound
	})
}

func TestSoundFileIsNotSetAside(t *testing.T) {
	db := open(t, newPath(t), Options{})
	if err := NewBucket[doc](db, "x").Put("a", doc{1}); err != nil {
		t.Fatal(err)
	}
	if db = reopen(t, db); db.SetAside() != "" {
		t.Fatalf("set aside as %q; want nothing set aside", db.SetAside())
	}
}

func TestLockedFile(t *testing.T) {
	db := open(t, newPath(t), Options{})
	_, err := Open(db.Path(), Options{LockTimeout: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "already in use by another gatewayd") || !strings.Contains(err.Error(), db.Path()) {
		t.Fatalf("got %v; want a word about the other gatewayd and the path", err)
	}
}

func TestUnusablePathIsAnErrorAndNoDamage(t *testing.T) {
	folder := t.TempDir()
	f := func(path string) {
		t.Helper()
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot open state file") {
			t.Fatalf("got %v; want that it cannot be opened", err)
		}
	}
	f(folder)
	f(filepath.Join(folder, "missing", "gatewayd.db"))
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Fatalf("got %v, %v; want the folder as it was", entries, err)
	}
}

func TestMigrations(t *testing.T) {
	path := newPath(t)
	db := open(t, path, Options{})
	if err := errors.Join(NewBucket[doc](db, "x").Put("a", doc{1}), NewBucket[doc](db, "x").Put("gone", doc{2}), NewBucket[doc](db, "old").Put("b", doc{1})); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rename := func(m *Migrator) error {
		return m.Rewrite("x", func(key string, d json.RawMessage) (json.RawMessage, error) {
			if key == "gone" {
				return nil, nil
			}
			return bytes.Replace(d, []byte(`"n"`), []byte(`"count"`), 1), nil
		})
	}
	drop := func(m *Migrator) error { return errors.Join(m.Drop("old"), m.Drop("never")) }
	fail := func(*Migrator) error { return errors.New("no") }

	if _, err := Open(path, Options{Migrations: []Migration{rename, drop, fail}}); err == nil || !strings.Contains(err.Error(), "step 2 to 3: no") {
		t.Fatalf("got %v; want the step that failed", err)
	}
	if db := open(t, path, Options{}); len(mustAll(t, NewBucket[doc](db, "old"))) != 1 {
		t.Fatal("a failed migration left its traces")
	} else {
		db.Close()
	}

	type counted struct{ Count int }
	steps := []Migration{rename, drop}
	for range 2 { // the second time nothing is left to do
		db, err := Open(path, Options{Migrations: steps})
		if err != nil {
			t.Fatal(err)
		}
		if all := mustAll(t, NewBucket[counted](db, "x")); len(all) != 1 || all["a"].Count != 1 || inFile(t, db, "old") {
			t.Fatalf("got %v; want the count under its new name, without the old bucket", all)
		}
		db.Close()
	}
	_, err := Open(path, Options{Migrations: steps[:1]})
	if err == nil || !strings.Contains(err.Error(), "it has version 2, this gatewayd knows versions up to 1") {
		t.Fatalf("got %v; want that the file is newer", err)
	}
	if damaged, _ := filepath.Glob(path + ".damaged*"); len(damaged) > 0 {
		t.Fatal("a newer file was set aside")
	}
}

func TestNewFileNeedsNoMigration(t *testing.T) {
	path := newPath(t)
	never := func(*Migrator) error { return errors.New("it ran") }
	db := open(t, path, Options{Migrations: []Migration{never}})
	db.Close()
	open(t, path, Options{Migrations: []Migration{never}})
}
