// Package accesslog writes a line for every request without ever holding one up.
//
// Write prints the line into a buffer of a ring and returns; Run, which is the one goroutine that reads the ring, writes lines
// out in batches. When the disk is slower than the requests, the ring fills and further lines
// are dropped and counted. Write takes no lock and allocates nothing once the buffers have grown. The package
// starts no goroutine; the caller runs Run.
package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where the lines go.
type Options struct {
	Path   string // of the file that lines are appended to; "-": standard output
	Format Format

	// Lines is how many lines may wait to be written, a power of two. Default: 4096, which hold about 2 MiB, at most 16.
	Lines int

	Logger *slog.Logger // hears when lines begin and cease to be lost; not nil
}

const (
	batch      = 50 * time.Millisecond // for how long lines are gathered before they are written out
	wholeBatch = 64 << 10              // bytes that are written at once
	calm       = 10 * time.Second      // without a loss, until the log counts as complete again
)

// Log is an access log.
type Log struct {
	format Format
	path   string
	log    *slog.Logger
	lines  *ring
	wake   chan struct{} // of size 1: there are lines again, or half of the ring is used
	idle   atomic.Bool   // Run waits for the next line; set by Run, cleared by whoever wakes it

	dropped atomic.Uint64 // for want of a place; written by all callers of Write
	lost    atomic.Uint64 // because they could not be written; written by Run

	// Run's own:
	buf     []byte
	failing bool      // the write before failed
	losing  bool      // the logger was told of losses, and not yet of their end
	seen    uint64    // entries lost up to the batch before
	lossAt  time.Time // of the latest batch with losses

	mu   sync.Mutex // protects file
	file io.WriteCloser
}

// Open opens the file and makes it if there is none.
func Open(o Options) (*Log, error) {
	file, err := open(o.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot open access log: %w", err)
	}
	return newLog(o, file)
}

func newLog(o Options, file io.WriteCloser) (*Log, error) {
	if o.Lines == 0 {
		o.Lines = 4096
	}
	if o.Lines < 2 || o.Lines&(o.Lines-1) != 0 {
		return nil, fmt.Errorf("cannot build access log: lines: got %d; want a power of two from 2 on", o.Lines)
	}
	return &Log{
		format: o.Format, path: o.Path, log: o.Logger, file: file,
		lines: newRing(o.Lines),
		wake:  make(chan struct{}, 1),
		buf:   make([]byte, 0, wholeBatch),
	}, nil
}

func open(path string) (io.WriteCloser, error) {
	if path == "-" {
		return standardOutput{}, nil
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
}

// standardOutput is not ours to close.
type standardOutput struct{}

func (standardOutput) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (standardOutput) Close() error                { return nil }

// Write takes an entry for the log. It never waits; when there is no place, the entry is dropped and counted.
func (l *Log) Write(e *Entry) {
	p, turn := l.lines.claim()
	if p == nil {
		l.dropped.Add(1)
		return
	}
	p.line = l.format.append(p.line[:0], e)
	p.ready(turn)
	// Waking Run costs more than the line; so it is done for the first line after a pause and for every full half of the ring only.
	half := l.lines.mask >> 1
	if l.idle.Load() && l.idle.CompareAndSwap(true, false) || turn&half == half {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Dropped returns how many entries were not written since the log was opened, because they came faster than they could be
// written or because writing failed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() + l.lost.Load() }

// Run writes the lines out until ctx ends, and then those that wait. A line is out within 50 ms unless the disk is slow.
func (l *Log) Run(ctx context.Context) error {
	timer := time.NewTimer(batch)
	defer timer.Stop()
	for {
		l.drain()
		if l.lines.empty() {
			l.idle.Store(true)
			// A line may have come between the two.
			if l.lines.empty() {
				select {
				case <-ctx.Done():
					l.drain()
					return nil
				case <-l.wake:
				}
			}
			l.idle.Store(false)
		}
		timer.Reset(batch)
		select {
		case <-ctx.Done():
			l.drain()
			return nil
		case <-l.wake:
		case <-timer.C:
		}
	}
}

// drain writes out the lines that are ready, one round of the ring at most.
func (l *Log) drain() {
	count := 0
	for range len(l.lines.places) {
		var ok bool
		if l.buf, ok = l.lines.next(l.buf); !ok {
			break
		}
		if count++; len(l.buf) >= wholeBatch {
			l.flush(count)
			count = 0
		}
	}
	if count > 0 {
		l.flush(count)
	}
	l.tell()
}

func (l *Log) flush(count int) {
	l.mu.Lock()
	_, err := l.file.Write(l.buf)
	l.mu.Unlock()
	l.buf = l.buf[:0]
	if err != nil {
		l.lost.Add(uint64(count))
		if !l.failing {
			l.log.Error("cannot write access log", "path", l.path, "err", err)
		}
	}
	l.failing = err != nil
}

// tell logs when lines begin to be lost, and when none was lost for a while.
func (l *Log) tell() {
	total := l.Dropped()
	switch {
	case total > l.seen:
		if !l.losing {
			l.log.Warn("access log loses lines", "path", l.path, "lost", total)
		}
		l.losing, l.seen, l.lossAt = true, total, time.Now()
	case l.losing && time.Since(l.lossAt) >= calm:
		l.losing = false
		l.log.Info("access log is complete again", "path", l.path, "lost", total)
	}
}

// Reopen opens the file anew, for after it was renamed. On an error the old file stays in use. When it returns, nothing more is
// written to the old one.
func (l *Log) Reopen() error {
	file, err := open(l.path)
	if err != nil {
		return fmt.Errorf("cannot reopen access log: %w", err)
	}
	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()
	return old.Close()
}

// Close writes out what still waits and closes the file. Run must have returned and Write must not be called any more.
func (l *Log) Close() error {
	before := l.lost.Load()
	l.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.file.Close()
	if n := l.lost.Load() - before; n > 0 {
		err = errors.Join(fmt.Errorf("cannot write the last %d lines of the access log", n), err)
	}
	return err
}
