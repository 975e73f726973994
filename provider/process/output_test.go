package process

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLinesOfInstances(t *testing.T) {
	t.Setenv("GATEWAYD_TOKEN", "secret")
	h := newHouse(t, "talk", func(o *Options) { o.Env["GREETING"] = "hello from {{.Version}}" })
	h.scale(1)
	h.awaitRunning(1)
	h.awaitLines(1, "listening on ")
	h.mu.Lock()
	defer h.mu.Unlock()
	// A line beyond the limit comes in parts, and the gateway's own secrets are not handed down.
	want := []string{strings.Repeat("x", lineLimit), "y", "env hello from v1 "}
	if len(h.lines) < 3 || !slices.Equal(h.lines[:3], want) {
		t.Fatalf("got %.100q", h.lines)
	}
}

func TestOutputToTheLog(t *testing.T) {
	var log bytes.Buffer
	h := newHouse(t, "fail", func(o *Options) {
		o.Output.Line = nil
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Backoff.Base, o.Backoff.Max = time.Minute, time.Minute
	})
	h.scale(1)
	id := h.awaitEvent(Exited).Instance.ID
	h.end()
	if want := fmt.Sprintf("msg=output instance=%s line=\"reading the config\"", id); !strings.Contains(log.String(), want) {
		t.Fatalf("got\n%s\nwant %s", log.String(), want)
	}
}

func TestOutputToFiles(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, "fail", func(o *Options) {
		o.Output = Output{Dir: dir}
		o.Backoff.Base, o.Backoff.Max = time.Minute, time.Minute
	})
	h.scale(1)
	e := h.awaitEvent(Exited)
	b, err := os.ReadFile(filepath.Join(dir, "shop", e.Instance.ID+".log"))
	if want := "reading the config\ncannot read it\n"; err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b, err, want)
	}
	if want := []string{"reading the config", "cannot read it"}; !slices.Equal(e.Output, want) {
		t.Fatalf("got %q; want %q", e.Output, want)
	}
}

func TestFileTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f := func(content string, want ...string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := fileTail(path); !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	f("")
	f("one", "one")
	f("one\n\ntwo\n", "one", "two")
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf("line %d", i))
	}
	f(strings.Join(all, "\n"), all[990:]...)
	f(strings.Repeat("x", tailBytes)+"\nlast\n", "last") // what is cut in the middle is left out
	if got := fileTail("/nowhere"); got != nil {
		t.Fatalf("got %q", got)
	}
}

func TestTail(t *testing.T) {
	var s sink
	var want []string
	for i := range 25 {
		line := fmt.Sprint(i)
		s.remember(line)
		want = append(want, line)
		want = want[max(0, len(want)-tailLines):]
		if got := s.tail(); !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
}

func TestTrim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	s := &sink{path: path}
	if err := s.trim(10); err != nil {
		t.Fatalf("a missing file: %s", err)
	}
	f := func(content, wantNow, wantOld string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.trim(10); err != nil {
			t.Fatal(err)
		}
		now, _ := os.ReadFile(path)
		old, _ := os.ReadFile(path + ".old")
		if string(now) != wantNow || string(old) != wantOld {
			t.Fatalf("got %q and old %q; want %q and %q", now, old, wantNow, wantOld)
		}
	}
	f("0123456789", "0123456789", "")
	f("0123456789a", "", "0123456789a")
	f("b", "b", "0123456789a")
	f("bbbbbbbbbbbb", "", "bbbbbbbbbbbb")
}

func TestPrune(t *testing.T) {
	o := Output{Dir: t.TempDir(), KeepFiles: 2}
	dir := filepath.Join(o.Dir, "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.log", "b.log", "c.log", "d.log", "e.log", "a.log.old", "notes.txt"} {
		write(t, dir, name, "x")
		at := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.prune("shop", func(id string) bool { return id == "b" }); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	// b still runs; d and e are the newest of the rest.
	if want := []string{"b.log", "d.log", "e.log", "notes.txt"}; !slices.Equal(got, want) {
		t.Fatalf("got %q; want %q", got, want)
	}
	if err := (Output{}).prune("shop", nil); err != nil {
		t.Fatal(err)
	}
}
