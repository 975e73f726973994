package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	outputLimit = 1 << 20 // of what list prints
	stderrLimit = 8 << 10 // of what is kept of errors, the last of it
	stderrLines = 10
	// lingering is how long the output of a command that has ended is waited for: what it started may have it open for ever.
	lingering = 500 * time.Millisecond
)

// command runs one of the user's commands.
type command struct {
	args    []string
	env     []string // added to the gateway's own
	timeout time.Duration
	output  bool // its standard output is wanted
}

// failure is the error of a command.
type failure struct {
	text   string
	stderr []string // the last lines
}

func (f failure) Error() string { return f.text }

// run runs the command to its end and returns what it printed. At the timeout, at the end of ctx and when it prints too much, it is killed with
// all processes of its group.
func (c command) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("it was killed after %s", c.timeout))
	defer cancel()
	limited, tooMuch := context.WithCancelCause(ctx)
	defer tooMuch(nil)
	stdout := &bounded{full: func() { tooMuch(fmt.Errorf("it was killed because it printed more than %d bytes", outputLimit)) }}
	stderr := &tail{}
	cmd := exec.CommandContext(limited, c.args[0], c.args[1:]...)
	cmd.Env = append(environment(), c.env...)
	cmd.Stderr = stderr
	if c.output {
		cmd.Stdout = stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lingering
	err := cmd.Run()
	if cause := context.Cause(limited); cause != nil {
		return nil, c.failed(cause, stderr)
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, c.failed(plain(err), stderr)
	}
	return stdout.buf.Bytes(), nil
}

// failed makes an error that names the command, the cause, and the last line of its standard error, which says why as a rule.
func (c command) failed(cause error, stderr *tail) error {
	f := failure{text: fmt.Sprintf("%s: %s", c.args[0], cause), stderr: stderr.lines()}
	if n := len(f.stderr); n > 0 {
		f.text += ": " + f.stderr[n-1]
	}
	return f
}

// plain takes the path and the system call off an error of os/exec: the message names the program already.
func plain(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// environment is the gateway's own without its GATEWAYD_ variables, which hold its tokens.
func environment() []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GATEWAYD_") {
			out = append(out, e)
		}
	}
	return out
}

// bounded keeps what is written to it, up to outputLimit; then it calls full.
type bounded struct {
	buf  bytes.Buffer
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > outputLimit {
		b.full()
		return 0, io.ErrShortWrite
	}
	return b.buf.Write(p)
}

// tail keeps the last stderrLimit bytes that are written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - stderrLimit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) lines() []string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "?"))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-stderrLines):]
}
