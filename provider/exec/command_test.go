package exec

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command that hangs is killed with all that it started in its group.
func TestTimeout(t *testing.T) {
	h := newHouse(t, "sleep 1000 & echo $! >$DIR/child; echo waiting >&2; wait", ":", func(o *Options) { o.Timeout = time.Second })
	err := h.Scale(t.Context(), shopV1, 1, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "scale.sh: it was killed after 1s: waiting") {
		t.Errorf("got %v", err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(h.read("child")))
	if err != nil {
		t.Fatal(err)
	}
	awaitGone(t, child)
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for isAlive(pid) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// isAlive tells whether pid runs. One that ended and was not waited for, as happens to orphans of a test in a container, does not.
func isAlive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestTooMuchOutput(t *testing.T) {
	h := newHouse(t, ":", "cat /dev/zero", nil)
	if e := h.awaitEvent(ListFailed); !strings.HasSuffix(e.Reason, "list.sh: it was killed because it printed more than 1048576 bytes") {
		t.Errorf("got %q", e.Reason)
	}
}

func TestMuchOfErrors(t *testing.T) {
	h := newHouse(t, "yes nonsense | head -n 100000 >&2; echo the end >&2; exit 1", ":", nil)
	err := h.Scale(t.Context(), shopV1, 1, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 1: the end") {
		t.Errorf("got %v", err)
	}
	if e := h.awaitEvent(ScaleFailed); len(e.Output) != 10 || e.Output[0] != "nonsense" {
		t.Errorf("got %q", e.Output)
	}
}

// What a scale command leaves running may hold its output open; the command has ended all the same.
func TestCommandThatLeavesProcesses(t *testing.T) {
	h := newHouse(t, "sleep 1000 & echo $! >$DIR/child", ":", nil)
	if err := h.Scale(t.Context(), shopV1, 1, nil); err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(h.read("child")))
	if err != nil || !isAlive(child) {
		t.Fatalf("process %d is gone, %v", child, err)
	}
	syscall.Kill(child, syscall.SIGKILL)
}
