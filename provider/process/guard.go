package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatewayd/internal/launch"
)

// Guard keeps a small process beside the gateway that outlives it for a moment. When the gateway is gone, however it went, it
// kills every process that carries the gateway's mark and was to end with it: the children of instances, which the kernel's
// signal does not reach. One Guard serves all providers of a gateway; it should end after them.
type Guard struct {
	command []string
	log     *slog.Logger
}

// NewGuard returns a guard that runs command, the gateway's own program with arguments that make it call GuardMain. It
// starts nothing.
func NewGuard(command []string, log *slog.Logger) (*Guard, error) {
	if len(command) == 0 {
		return nil, errors.New("cannot guard without a command")
	}
	return &Guard{command: command, log: log}, nil
}

// guardDone is the last line that a gateway writes which ends its guard; one that is killed cannot write it.
const guardDone = "done\n"

// Run keeps the process running until ctx ends, then ends it and returns nil.
func (g *Guard) Run(ctx context.Context) error {
	var b launch.Streak
	pace := Options{}.withDefaults().Backoff
	for {
		begun := time.Now()
		err := g.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		g.log.Warn("the guard of the instances ended and is started again", "err", err)
		retry := time.NewTimer(time.Until(b.Fail(pace, begun, time.Now(), 0.5)))
		select {
		case <-ctx.Done():
			retry.Stop()
			return nil
		case <-retry.C:
		}
	}
}

// runOnce runs the process until it ends by itself, which is an error, or ctx ends.
func (g *Guard) runOnce(ctx context.Context) error {
	id, err := ownIdentity()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(g.command[0], g.command[1:]...)
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	cmd.Env = environment()
	// A session of its own: what is sent to the gateway's group or terminal must not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	r.Close()
	if err != nil {
		w.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		io.WriteString(w, guardDone)
		w.Close()
	})
	defer func() {
		if stop() {
			w.Close()
		}
	}()
	if _, err := io.WriteString(w, id+"\n"); err != nil {
		w.Close()
	}
	return cmd.Wait()
}

// GuardMain is what the guard's process does: it reads the gateway's identity and then until the end of in, which comes when the
// gateway is gone, and kills what it left. It returns when nothing is left, or when the gateway ends it.
func GuardMain(in io.Reader) error {
	// What ends a gateway is often sent to all processes of its name.
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(unread)
	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("cannot read from the gateway: %w", err)
	}
	gateway, rest, ok := strings.Cut(string(b), "\n")
	if rest == guardDone {
		return nil
	}
	if !ok || rest != "" {
		return fmt.Errorf("cannot guard %q: want the identity of the gateway and a line end", b)
	}
	find := func() ([]victim, error) {
		found, err := findMarked()
		found = slices.DeleteFunc(found, func(m marked) bool { return m.gateway != gateway || m.onExit != Stop })
		var out []victim
		for _, m := range found {
			out = append(out, victim{pid: m.pid, startTime: m.startTime, leads: m.leads()})
		}
		return out, err
	}
	return endVictims(context.Background(), find, 0)
}
