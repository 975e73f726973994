package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// metaBucket holds the version of the file.
const (
	metaBucket = "_meta"
	schemaKey  = "schema"
)

// Migration changes the documents of a file from one version to the next. All
// migrations of one Open and the new version become durable together, or not at all.
type Migration func(m *Migrator) error

// Migrator gives a Migration the raw documents. Use it within the Migration only.
type Migrator struct{ tx *bbolt.Tx }

// Rewrite replaces every document of a bucket with what fn makes of it; nil
// removes it. A bucket that does not exist is empty.
func (m *Migrator) Rewrite(bucket string, fn func(key string, doc json.RawMessage) (json.RawMessage, error)) error {
	b := m.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	all := changes{}
	err := b.ForEach(func(k, v []byte) error {
		doc, err := fn(string(k), slices.Clone(v))
		if err != nil {
			return fmt.Errorf("cannot rewrite %q in bucket %q: %w", k, bucket, err)
		}
		all.set(bucket, string(k), doc)
		return nil
	})
	if err != nil {
		return err
	}
	return writeAll(m.tx, all)
}

// Drop removes a bucket with all its documents, if it exists.
func (m *Migrator) Drop(bucket string) error {
	err := m.tx.DeleteBucket([]byte(bucket))
	if errors.Is(err, bolterrors.ErrBucketNotFound) {
		return nil
	}
	return err
}

// migrate runs the steps that the file has not seen. A new file needs none.
func migrate(bolt *bbolt.DB, steps []Migration) error {
	return bolt.Update(func(tx *bbolt.Tx) error {
		version, err := schemaVersion(tx, len(steps))
		if err != nil {
			return err
		}
		if version > len(steps) {
			return fmt.Errorf("it has version %d, this gatewayd knows versions up to %d; run the newer gatewayd, or move the file away to begin anew",
				version, len(steps))
		}
		for i := version; i < len(steps); i++ {
			if err := steps[i](&Migrator{tx: tx}); err != nil {
				return fmt.Errorf("step %d to %d: %w", i, i+1, err)
			}
		}
		meta := changes{}
		doc, err := json.Marshal(len(steps))
		if err != nil {
			return err
		}
		meta.set(metaBucket, schemaKey, doc)
		return writeAll(tx, meta)
	})
}

// schemaVersion returns the version of the file, which is current for a new one.
func schemaVersion(tx *bbolt.Tx, current int) (version int, err error) {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return current, nil
	}
	if err := json.Unmarshal(meta.Get([]byte(schemaKey)), &version); err != nil {
		return 0, fmt.Errorf("cannot read its version: %w", err)
	}
	return version, nil
}
