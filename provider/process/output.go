package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Output says where the standard output and error of instances go. The zero value sends the lines of instances that end
// with the gateway to its log, and drops those of adopted ones, which have nobody to read them while no gateway runs.
type Output struct {
	// Dir gets a folder for the service with a file for each instance, ID.log, which instances write themselves.
	Dir string
	// MaxFileBytes bounds such a file: beyond it, its content moves to ID.log.old. What is written during
	// the move is lost. Default 16 MiB.
	MaxFileBytes int64
	// KeepFiles is how many files of instances that are gone are kept, the newest. Default 20.
	KeepFiles int
	// Line gets each line, without Dir and without Adopt, from one goroutine per instance. It must not keep line.
	// Longer lines than 4 KiB come in parts. Default: the log.
	Line func(instance string, line []byte)
}

const (
	lineLimit = 4 << 10
	tailLines = 10
	tailBytes = 4 << 10 // of a file, in which the last lines are looked for
)

func (o Output) withDefaults() Output {
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = 16 << 20
	}
	if o.KeepFiles == 0 {
		o.KeepFiles = 20
	}
	return o
}

// sink takes the output of one run of an instance. A nil sink takes none.
type sink struct {
	file *os.File // what the process writes to; closed here by started
	path string   // of the file, with Dir
	pipe *os.File // what the gateway reads from, without Dir
	done chan struct{}
	emit func(line []byte)

	mu   sync.Mutex // protects last
	last []string   // lines, oldest first
}

// open returns where a run of instance writes to.
func (o Output) open(service, instance string, mode OnExit, log *slog.Logger) (*sink, error) {
	if o.Dir != "" {
		return o.openFile(service, instance)
	}
	if mode == Adopt {
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return &sink{file: f}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the output of %q: %w", instance, err)
	}
	s := &sink{file: w, pipe: r, done: make(chan struct{})}
	s.emit = func(line []byte) { log.Info("output", "instance", instance, "line", string(line)) }
	if o.Line != nil {
		s.emit = func(line []byte) { o.Line(instance, line) }
	}
	return s, nil
}

func (o Output) path(service, instance string) string {
	return filepath.Join(o.Dir, service, instance+".log")
}

func (o Output) openFile(service, instance string) (*sink, error) {
	path := o.path(service, instance)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot make a folder for output: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open a file for output: %w", err)
	}
	return &sink{file: f, path: path}, nil
}

// attach returns the sink of an adopted instance: its file, if it writes one.
func (o Output) attach(service, instance string) *sink {
	if o.Dir == "" {
		return nil
	}
	return &sink{path: o.path(service, instance)}
}

// started is called once the process has its copy of file, or has failed to start.
func (s *sink) started() {
	s.file.Close()
	if s.pipe != nil {
		go s.read()
	}
}

// finish is called when the process has ended. Whoever still holds the pipe, because it left the process group, is not waited for.
func (s *sink) finish() {
	if s == nil || s.pipe == nil {
		return
	}
	s.pipe.SetReadDeadline(time.Now().Add(time.Second))
	<-s.done
	s.pipe.Close()
}

// read hands on lines until the pipe ends.
func (s *sink) read() {
	defer close(s.done)
	r := bufio.NewReaderSize(s.pipe, lineLimit)
	for {
		line, err := r.ReadSlice('\n')
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			s.remember(string(line))
			s.emit(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (s *sink) remember(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == tailLines {
		s.last = append(s.last[:0], s.last[1:]...)
	}
	s.last = append(s.last, line)
}

// tail returns the last lines that were written.
func (s *sink) tail() []string {
	if s == nil {
		return nil
	}
	if s.path != "" {
		return fileTail(s.path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.last)
}

func fileTail(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	from := max(0, size-tailBytes)
	b := make([]byte, size-from)
	n, _ := f.ReadAt(b, from)
	lines := strings.Split(strings.TrimRight(string(b[:n]), "\r\n"), "\n")
	if from > 0 {
		lines = lines[1:] // it begins in the middle of a line
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	return lines[max(0, len(lines)-tailLines):]
}

// trim bounds the file that an instance writes.
func (s *sink) trim(maxBytes int64) error {
	if s == nil || s.path == "" {
		return nil
	}
	st, err := os.Stat(s.path)
	if err != nil || st.Size() <= maxBytes {
		return nil // a file that was taken away is no error
	}
	if err := copyFile(s.path+".old", s.path); err != nil {
		return fmt.Errorf("cannot move the output in %q: %w", s.path, err)
	}
	// The process has the file open to append, so it goes on at the new end.
	return os.Truncate(s.path, 0)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// prune removes the files of instances that are gone, but for the newest KeepFiles.
func (o Output) prune(service string, alive func(id string) bool) error {
	if o.Dir == "" {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(o.Dir, service))
	if err != nil {
		return fmt.Errorf("cannot list output files: %w", err)
	}
	type ended struct {
		id      string
		written time.Time
	}
	var gone []ended
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".log")
		if info, err := e.Info(); ok && err == nil && !alive(id) {
			gone = append(gone, ended{id, info.ModTime()})
		}
	}
	slices.SortFunc(gone, func(a, b ended) int { return b.written.Compare(a.written) })
	for _, g := range gone[min(o.KeepFiles, len(gone)):] {
		path := o.path(service, g.id)
		os.Remove(path + ".old")
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot remove an output file: %w", err)
		}
	}
	return nil
}
