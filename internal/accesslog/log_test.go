package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a file that can be held up and can fail.
type disk struct {
	mu     sync.Mutex // protects all below
	data   bytes.Buffer
	writes int
	err    error
	gate   chan struct{} // not nil: a write waits until it is closed
	closed bool
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	if d.err != nil {
		return 0, d.err
	}
	return d.data.Write(p)
}

func (d *disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// state returns the paths of the lines written so far, and in how many writes.
func (d *disk) state(t *testing.T) (paths []string, writes int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.data.String()) {
		var e struct{ Path string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		paths = append(paths, e.Path)
	}
	return paths, d.writes
}

type heard struct {
	mu sync.Mutex // protects b
	b  bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

func (h *heard) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.b.String()
	h.b.Reset()
	return s
}

func (h *heard) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// running builds a log on d and runs it until stop is called. When running returns, Run waits for the first line.
func running(t *testing.T, d *disk, lines int) (l *Log, h *heard, stop func()) {
	t.Helper()
	h = new(heard)
	l, err := newLog(Options{Path: "access.log", Lines: lines, Logger: h.logger()}, d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	for !l.idle.Load() {
		runtime.Gosched()
	}
	return l, h, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func write(l *Log, paths ...string) {
	for _, p := range paths {
		l.Write(&Entry{Path: []byte(p)})
	}
}

// TestBatches: the first line after a pause goes out within a batch together with what came meanwhile; nothing wakes in between.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(disk)
		l, _, stop := running(t, d, 64)
		f := func(wantWrites int, want ...string) {
			t.Helper()
			synctest.Wait()
			if got, writes := d.state(t); !slices.Equal(got, want) || writes != wantWrites {
				t.Errorf("got %q in %d writes; want %q in %d", got, writes, want, wantWrites)
			}
		}
		time.Sleep(time.Minute)
		write(l, "/1", "/2")
		f(0)
		time.Sleep(batch)
		f(1, "/1", "/2")
		time.Sleep(time.Minute)
		write(l, "/3")
		time.Sleep(batch / 2)
		write(l, "/4")
		f(1, "/1", "/2")
		time.Sleep(batch / 2)
		f(2, "/1", "/2", "/3", "/4")
		write(l, "/5")
		stop()
		f(3, "/1", "/2", "/3", "/4", "/5")
		write(l, "/6")
		if err := l.Close(); err != nil || !d.closed {
			t.Errorf("closed=%v, %v", d.closed, err)
		}
		f(4, "/1", "/2", "/3", "/4", "/5", "/6")
	})
}

// TestSlowDisk: Write never waits; what finds no place is dropped and counted, and the logger hears of it once.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		l, h, stop := running(t, d, 8)
		write(l, "/first")
		time.Sleep(batch) // Run now holds /first and waits for the disk
		synctest.Wait()
		for i := range 20 {
			write(l, fmt.Sprint("/", i))
		}
		if l.Dropped() != 12 {
			t.Errorf("%d dropped; want 12", l.Dropped())
		}
		close(d.gate)
		d.mu.Lock()
		d.gate = nil
		d.mu.Unlock()
		time.Sleep(batch)
		synctest.Wait()
		got, _ := d.state(t)
		if want := []string{"/first", "/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7"}; !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
		if got, want := h.take(), "level=WARN msg=\"access log loses lines\" path=access.log lost=12\n"; got != want {
			t.Errorf("the logger heard %q; want %q", got, want)
		}
		time.Sleep(calm)
		write(l, "/later")
		time.Sleep(batch)
		synctest.Wait()
		if got, want := h.take(), "level=INFO msg=\"access log is complete again\" path=access.log lost=12\n"; got != want {
			t.Errorf("the logger heard %q; want %q", got, want)
		}
		stop()
		l.Close()
	})
}

func TestFailingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{err: errors.New("no space left")}
		l, h, stop := running(t, d, 64)
		for range 3 {
			write(l, "/1", "/2")
			time.Sleep(batch)
			synctest.Wait()
		}
		if l.Dropped() != 6 {
			t.Errorf("%d dropped; want 6", l.Dropped())
		}
		want := "level=ERROR msg=\"cannot write access log\" path=access.log err=\"no space left\"\n" +
			"level=WARN msg=\"access log loses lines\" path=access.log lost=2\n"
		if got := h.take(); got != want {
			t.Errorf("the logger heard %q; want %q", got, want)
		}
		d.mu.Lock()
		d.err = nil
		d.mu.Unlock()
		write(l, "/3")
		time.Sleep(batch)
		synctest.Wait()
		if got, _ := d.state(t); !slices.Equal(got, []string{"/3"}) {
			t.Errorf("got %q", got)
		}
		stop()
		d.err = errors.New("gone")
		write(l, "/4")
		if err := l.Close(); err == nil || !strings.Contains(err.Error(), "last 1 lines") {
			t.Errorf("got %v", err)
		}
	})
}

// TestManyWriters: every line that was not dropped is there once and whole, in its writer's order.
func TestManyWriters(t *testing.T) {
	const writers, each = 8, 2000
	d := new(disk)
	l, _, stop := running(t, d, 64)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Write(&Entry{Path: fmt.Appendf(nil, "/%d/%06d", w, i), UserAgent: bytes.Repeat([]byte("x"), i%300)})
			}
		})
	}
	wg.Wait()
	stop()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	paths, _ := d.state(t)
	if uint64(len(paths))+l.Dropped() != writers*each {
		t.Errorf("%d lines and %d dropped; want %d", len(paths), l.Dropped(), writers*each)
	}
	if len(paths) < 64 {
		t.Errorf("only %d lines", len(paths))
	}
	last := make(map[byte]string)
	for _, p := range paths {
		if p <= last[p[1]] {
			t.Fatalf("%s after %s", p, last[p[1]])
		}
		last[p[1]] = p
	}
}

func TestBigLinesGiveTheirMemoryBack(t *testing.T) {
	r := newRing(2)
	for _, size := range []int{keepLine + 1, 100, keepLine + 1, keepLine + 1} {
		p, turn := r.claim()
		p.line = append(p.line[:0], make([]byte, size)...)
		p.ready(turn)
		if line, ok := r.next(nil); !ok || len(line) != size {
			t.Fatalf("got %d bytes, %v; want %d", len(line), ok, size)
		}
	}
	for i := range r.places {
		if c := cap(r.places[i].line); c > keepLine {
			t.Errorf("place %d keeps %d bytes", i, c)
		}
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	o := Options{Path: path, Logger: slog.New(slog.DiscardHandler)}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	write(l, "/1")
	l.drain()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(l, "/2")
	l.drain() // still to the old one
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(l, "/3")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := func(name string, want ...string) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := new(disk)
		d.data.Write(b)
		if got, _ := d.state(t); !slices.Equal(got, want) {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
	f(path+".1", "/1", "/2")
	f(path, "/3")
	// A file that is there is added to.
	if l, err = Open(o); err != nil {
		t.Fatal(err)
	}
	write(l, "/4")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f(path, "/3", "/4")
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Path: dir}); err == nil || !strings.HasPrefix(err.Error(), "cannot open access log: ") {
		t.Errorf("got %v", err)
	}
	for _, lines := range []int{-1, 1, 3, 1000} {
		if _, err := newLog(Options{Lines: lines}, new(disk)); err == nil || !strings.Contains(err.Error(), "want a power of two") {
			t.Errorf("%d lines: got %v", lines, err)
		}
	}
	path := filepath.Join(dir, "sub", "access.log")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil || !strings.HasPrefix(err.Error(), "cannot reopen access log: ") {
		t.Errorf("got %v", err)
	}
	write(l, "/1") // the old file stays in use
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if l, err = Open(Options{Path: "-", Logger: slog.New(slog.DiscardHandler)}); err != nil || l.Reopen() != nil || l.Close() != nil {
		t.Errorf("standard output: %v", err)
	}
}
