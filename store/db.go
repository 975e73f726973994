package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// errClosed is returned by writes after Close.
var errClosed = errors.New("store is closed")

// changes holds documents by bucket and key that are not yet in the file. A nil
// document is one that was deleted.
type changes map[string]map[string][]byte

func (c changes) set(bucket, key string, doc []byte) {
	if c[bucket] == nil {
		c[bucket] = map[string][]byte{}
	}
	c[bucket][key] = doc
}

func (c changes) lookup(bucket, key string) (doc []byte, known bool) {
	doc, known = c[bucket][key]
	return doc, known
}

// addTo copies all changes over those of other.
func (c changes) addTo(other changes) {
	for bucket, docs := range c {
		if other[bucket] == nil {
			other[bucket] = make(map[string][]byte, len(docs))
		}
		maps.Copy(other[bucket], docs)
	}
}

// DB is an open store. All methods may be called from several goroutines.
//
// A document is looked for in pending, then in committing, then in the file. In
// memory nothing is ever committed: pending is the store.
type DB struct {
	path  string
	opts  Options
	bolt  *bbolt.DB // nil in memory
	aside string

	commitMu sync.Mutex // held by the one commit at a time; taken before mu
	updateMu sync.Mutex // held by the one Update at a time; taken before commitMu

	mu         sync.RWMutex // protects the fields below
	pending    changes
	committing changes // being written to the file now
	closed     bool
	failed     error // of the last commit
}

// Path returns the path that Open was given; empty in memory.
func (db *DB) Path() string { return db.path }

// SetAside returns the path under which Open put a damaged file, or "".
func (db *DB) SetAside() string { return db.aside }

// Err returns why the last commit failed, or nil when it did not. What
// failed to be committed is kept in memory and tried again.
func (db *DB) Err() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.failed
}

// Run commits what was written every Options.FlushInterval until ctx ends, and
// then once more. It returns the error of that last commit.
func (db *DB) Run(ctx context.Context) error {
	ticker := time.NewTicker(db.opts.FlushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return db.Sync()
		case <-ticker.C:
			_ = db.Sync() // logged there, and kept for the next tick
		}
	}
}

// Sync returns when everything written before the call is on disk. In memory
// it does nothing.
func (db *DB) Sync() error {
	if db.bolt == nil {
		return nil
	}
	db.commitMu.Lock()
	defer db.commitMu.Unlock()
	return db.commit()
}

// commit writes pending to the file in one transaction; commitMu is held.
func (db *DB) commit() error {
	db.mu.Lock()
	if len(db.pending) == 0 {
		db.mu.Unlock()
		return nil
	}
	db.committing, db.pending = db.pending, changes{}
	db.mu.Unlock()

	err := db.bolt.Update(func(tx *bbolt.Tx) error { return writeAll(tx, db.committing) })
	if err != nil {
		err = fmt.Errorf("cannot write state file %q: %w", db.path, err)
	}

	db.mu.Lock()
	defer db.mu.Unlock()
	if err != nil {
		db.pending.addTo(db.committing) // what was written meanwhile wins
		db.pending = db.committing
	}
	db.committing = nil
	db.logTransition(err)
	db.failed = err
	return err
}

// logTransition tells when commits begin to fail and when they succeed again; mu is held.
func (db *DB) logTransition(err error) {
	if err != nil && db.failed == nil {
		db.opts.Log.Error("cannot save state; it is kept in memory and tried again", "path", db.path, "err", err)
	}
	if err == nil && db.failed != nil {
		db.opts.Log.Info("state is saved again", "path", db.path)
	}
}

// writeAll puts every change into tx.
func writeAll(tx *bbolt.Tx, all changes) error {
	for bucket, docs := range all {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return fmt.Errorf("cannot create bucket %q: %w", bucket, err)
		}
		for _, key := range slices.Sorted(maps.Keys(docs)) { // in order, for that is cheapest for a B+tree
			if doc := docs[key]; doc != nil {
				err = b.Put([]byte(key), doc)
			} else {
				err = b.Delete([]byte(key))
			}
			if err != nil {
				return fmt.Errorf("cannot write %q in bucket %q: %w", key, bucket, err)
			}
		}
	}
	return nil
}

// Close commits what is left and lets go of the file. Reads and writes after it are
// refused. In memory everything is gone.
func (db *DB) Close() error {
	err := db.Sync()
	db.commitMu.Lock()
	defer db.commitMu.Unlock()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	if db.bolt == nil {
		return nil
	}
	return errors.Join(err, db.bolt.Close())
}

// put keeps a change until the next commit.
func (db *DB) put(all changes) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return errClosed
	}
	all.addTo(db.pending)
	if db.bolt == nil { // nothing below that a deletion has to hide
		for bucket, docs := range all {
			for key, doc := range docs {
				if doc == nil {
					delete(db.pending[bucket], key)
				}
			}
		}
	}
	return nil
}

// get returns the document at key, nil if there is none.
func (db *DB) get(bucket, key string) ([]byte, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return nil, errClosed
	}
	for _, layer := range []changes{db.pending, db.committing} {
		if doc, known := layer.lookup(bucket, key); known {
			return doc, nil
		}
	}
	if db.bolt == nil {
		return nil, nil
	}
	var doc []byte
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucket)); b != nil {
			doc = slices.Clone(b.Get([]byte(key)))
		}
		return nil
	})
	return doc, err
}

// entry is one document of a scan.
type entry struct {
	key string
	doc []byte
}

// scan returns the documents of a bucket whose key is not below from, by ascending key.
func (db *DB) scan(bucket, from string) ([]entry, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return nil, errClosed
	}
	found := map[string][]byte{}
	if db.bolt != nil {
		err := db.bolt.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if b == nil {
				return nil
			}
			c := b.Cursor()
			for k, v := c.Seek([]byte(from)); k != nil; k, v = c.Next() {
				found[string(k)] = slices.Clone(v)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, layer := range []changes{db.committing, db.pending} {
		maps.Copy(found, layer[bucket])
	}
	var entries []entry
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if doc := found[key]; doc != nil && key >= from {
			entries = append(entries, entry{key, doc})
		}
	}
	return entries, nil
}
