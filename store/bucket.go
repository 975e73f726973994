package store

import (
	"encoding/json"
	"fmt"
)

// Bucket holds documents of one type by key. It is a name for a place in a DB and
// costs nothing to make.
type Bucket[T any] struct {
	db   *DB
	name string
}

// NewBucket returns the bucket called name. One name has one type.
func NewBucket[T any](db *DB, name string) Bucket[T] {
	if name == "" || name[0] == '_' {
		panic(fmt.Sprintf("BUG: bucket name %q is empty or reserved", name))
	}
	return Bucket[T]{db: db, name: name}
}

// Put stores doc at key, which must not be empty. It is on disk after the next
// commit. doc is encoded before Put returns and may be changed afterwards.
func (b Bucket[T]) Put(key string, doc T) error {
	return b.db.write(func(tx *Tx) error { return b.PutIn(tx, key, doc) })
}

// PutIn is Put as part of an Update.
func (b Bucket[T]) PutIn(tx *Tx, key string, doc T) error {
	if key == "" {
		return fmt.Errorf("cannot store a document in bucket %q: key is empty", b.name)
	}
	encoded, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("cannot encode %q for bucket %q: %w", key, b.name, err)
	}
	tx.changes.set(b.name, key, encoded)
	return nil
}

// Get returns the document at key; ok is false when there is none.
func (b Bucket[T]) Get(key string) (doc T, ok bool, err error) {
	encoded, err := b.db.get(b.name, key)
	if err != nil || encoded == nil {
		return doc, false, err
	}
	doc, err = decode[T](b.name, key, encoded)
	return doc, err == nil, err
}

// GetIn is Get as part of an Update: it sees what that update wrote.
func (b Bucket[T]) GetIn(tx *Tx, key string) (doc T, ok bool, err error) {
	encoded, known := tx.changes.lookup(b.name, key)
	if !known {
		return b.Get(key)
	}
	if encoded == nil {
		return doc, false, nil
	}
	doc, err = decode[T](b.name, key, encoded)
	return doc, err == nil, err
}

// All returns every document by its key. A document that cannot be decoded is an
// error beside the others, which are returned nevertheless.
func (b Bucket[T]) All() (map[string]T, error) {
	entries, err := b.db.scan(b.name, "")
	if err != nil {
		return nil, err
	}
	all := make(map[string]T, len(entries))
	for _, e := range entries {
		doc, docErr := decode[T](b.name, e.key, e.doc)
		if docErr != nil {
			err = docErr
			continue
		}
		all[e.key] = doc
	}
	return all, err
}

// Delete removes the document at key, if there is one.
func (b Bucket[T]) Delete(key string) error {
	return b.db.write(func(tx *Tx) error { b.DeleteIn(tx, key); return nil })
}

// DeleteIn is Delete as part of an Update.
func (b Bucket[T]) DeleteIn(tx *Tx, key string) { tx.changes.set(b.name, key, nil) }

func decode[T any](bucket, key string, encoded []byte) (doc T, err error) {
	if err := json.Unmarshal(encoded, &doc); err != nil {
		return doc, fmt.Errorf("cannot decode %q in bucket %q: %w", key, bucket, err)
	}
	return doc, nil
}

// Tx collects the writes of one Update.
type Tx struct{ changes changes }

// Update calls fn once and stores all that it writes through the tx, or nothing if
// fn fails. When Update returns nil, this and everything written before is on
// disk. When only the commit fails, the change holds in memory, is tried again,
// and the error says so. Updates run one after another; fn must not call Update.
func (db *DB) Update(fn func(tx *Tx) error) error {
	db.updateMu.Lock()
	defer db.updateMu.Unlock()
	if err := db.write(fn); err != nil {
		return err
	}
	return db.Sync()
}

// write applies what fn collects, without waiting for the disk.
func (db *DB) write(fn func(tx *Tx) error) error {
	tx := &Tx{changes: changes{}}
	if err := fn(tx); err != nil {
		return err
	}
	return db.put(tx.changes)
}
