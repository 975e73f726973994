package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	defaultLockTimeout   = 2 * time.Second
	defaultFlushInterval = time.Second
	fileMode             = 0o600
)

// Options says how to open a store. The zero value is usable.
type Options struct {
	// LockTimeout is how long to wait for another process to let go of the file;
	// 0 means 2s.
	LockTimeout time.Duration
	// FlushInterval is how long a Put or Append may stay in memory while Run
	// runs; 0 means 1s.
	FlushInterval time.Duration
	// Migrations bring an older file up to date, Migrations[i] from version i to
	// i+1. Their number is the version that this program reads and writes.
	Migrations []Migration
	// Log gets a line when a file is set aside, and when commits begin to fail or
	// succeed again; nil means slog.Default().
	Log *slog.Logger
	// Now is the time that names a file set aside; the zero value means time.Now().
	Now time.Time
}

// Open opens or creates the file at path, waits for its lock, checks it and
// migrates it. An empty path keeps everything in memory. A file that
// is damaged is renamed, see DB.SetAside; a file of a newer version is an error and is
// left as it is.
func Open(path string, opts Options) (*DB, error) {
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = defaultLockTimeout
	}
	if opts.FlushInterval <= 0 {
		opts.FlushInterval = defaultFlushInterval
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	db := &DB{path: path, opts: opts, pending: changes{}}
	if path == "" {
		return db, nil
	}
	if err := db.openFile(); err != nil {
		return nil, err
	}
	if err := migrate(db.bolt, opts.Migrations); err != nil {
		db.bolt.Close()
		return nil, fmt.Errorf("cannot migrate state file %q: %w", path, err)
	}
	return db, nil
}

// openFile opens db.path, or a fresh file in the place of a damaged one.
func (db *DB) openFile() error {
	bolt, err := openBolt(db.path, db.opts.LockTimeout)
	var damage *damagedError
	if errors.As(err, &damage) {
		aside := db.path + ".damaged-" + db.opts.Now.UTC().Format("20060102T150405.000Z")
		if err := os.Rename(db.path, aside); err != nil {
			return fmt.Errorf("cannot set aside damaged state file %q: %w", db.path, err)
		}
		db.aside = aside
		db.opts.Log.Error("state file is damaged; it was set aside and a new one begun: targets, holds and history start over",
			"path", db.path, "movedTo", aside, "err", damage.cause)
		bolt, err = openBolt(db.path, db.opts.LockTimeout)
	}
	db.bolt = bolt
	return err
}

// damagedError says that the file could be read and is not a sound store.
type damagedError struct{ cause error }

func (e *damagedError) Error() string { return "damaged: " + e.cause.Error() }

// openBolt opens the file and checks every page of it. Corrupt pages make bbolt
// panic or fault on its memory map, which counts as damage.
func openBolt(path string, lockTimeout time.Duration) (bolt *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File
	defer func() {
		if r := recover(); r != nil {
			file.Close() // and with it the lock; bbolt cannot be closed in the middle of its work
			bolt, err = nil, &damagedError{fmt.Errorf("%v", r)}
		}
	}()
	bolt, err = bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return nil, openError(path, lockTimeout, err)
	}
	if err := check(bolt, file); err != nil {
		bolt.Close()
		return nil, &damagedError{err}
	}
	return bolt, nil
}

// openError tells what the system refuses from what is wrong with the content.
func openError(path string, lockTimeout time.Duration, err error) error {
	var pathErr *fs.PathError
	var errno syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("cannot open state file %q: already in use by another gatewayd (waited %s for its lock); stop that one or set another state.path",
			path, lockTimeout)
	case errors.As(err, &pathErr), errors.As(err, &errno):
		return fmt.Errorf("cannot open state file %q: %w", path, err)
	default:
		return &damagedError{err}
	}
}

// check walks all pages and returns the first inconsistency. A file shorter
// than its pages say is caught first, since reading beyond its end would be a fault.
func check(bolt *bbolt.DB, file *os.File) error {
	return bolt.View(func(tx *bbolt.Tx) error {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("file has %d bytes, its pages need %d", info.Size(), tx.Size())
		}
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
}
