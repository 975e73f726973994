package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// proc is a running process that leads a group of its own: one that this provider started, or one that it adopted.
type proc struct {
	pid       int
	startTime uint64
	cmd       *exec.Cmd // nil when adopted
	pidfd     *os.File  // nil where the kernel has none; readable when the process has ended
	sink      *sink     // nil when adopted
	group     *cgroup   // nil when it has none
	exited    chan struct{}
	left      chan struct{} // closed by leave
	unwatched chan struct{} // closed when watch has returned
	stopBy    atomic.Int64  // set by stop: until when (Unix ns) the group may end by itself
	released  atomic.Bool   // another gateway looks after it: here it is only waited for

	reaping sync.Mutex // held to signal, and to wait for the process
	reaped  bool       // its number may be another's; protected by reaping

	// Set before exited is closed.
	reason string // "exit status 1"; of an adopted one nobody can tell
	oom    bool
}

func unwatched(pid int, group *cgroup) *proc {
	return &proc{pid: pid, group: group, exited: make(chan struct{}), left: make(chan struct{}), unwatched: make(chan struct{})}
}

// newProc wraps a process that was just started and takes over pidfd, sink and group.
func newProc(cmd *exec.Cmd, pidfd int, s *sink, group *cgroup) (*proc, error) {
	p := unwatched(cmd.Process.Pid, group)
	p.cmd, p.sink = cmd, s
	st, err := statOf(p.pid) // it was not waited for yet, so it is there, if only as a zombie
	if err != nil {
		syscall.Kill(-p.pid, syscall.SIGKILL)
		cmd.Wait()
		s.finish()
		group.remove()
		return nil, fmt.Errorf("cannot read the start time of process %d: %w", p.pid, err)
	}
	p.startTime = st.Starttime
	p.pidfd = pollable(pidfd)
	return p, nil
}

// adopt returns the process of an earlier gateway with that pid and start time, or false when it is gone.
func adopt(pid int, start uint64, group *cgroup) (*proc, bool) {
	if pid <= 0 {
		return nil, false
	}
	// The descriptor first, the start time second: then it is the descriptor of the right process.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1
	}
	p := unwatched(pid, group)
	p.startTime, p.pidfd = start, pollable(fd)
	if now, err := startTime(pid); err != nil || now != start {
		p.closeFD()
		return nil, false
	}
	return p, true
}

// pollable wraps a pidfd so that waiting for it costs no thread.
func pollable(fd int) *os.File {
	if fd < 0 {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "pidfd")
}

func (p *proc) closeFD() {
	if p.pidfd != nil {
		p.pidfd.Close()
	}
}

// watch waits until the process has ended, kills what is left of its group, and closes exited; or it returns after leave, or at the end of
// a released one. It runs in a goroutine of its own.
func (p *proc) watch() {
	defer close(p.unwatched)
	defer p.closeFD()
	if !p.await() {
		return
	}
	if p.released.Load() {
		p.reaping.Lock()
		p.reaped = true
		p.cmd.Wait()
		p.reaping.Unlock()
		p.sink.finish()
		return
	}
	p.awaitGroup()
	p.oom = p.group.oomKilled()
	p.reap()
	p.group.kill()
	p.sink.finish()
	p.group.remove()
	close(p.exited)
}

// awaitGroup gives the children of a process that was asked to stop the rest of its time.
func (p *proc) awaitGroup() {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Now().UnixNano() < p.stopBy.Load() && p.groupAlive() {
		<-tick.C
	}
}

// reap kills what is left of the group and waits for the process. While nobody waited for its leader, or while it has a
// member, the group's number cannot become that of another one.
func (p *proc) reap() {
	p.reaping.Lock()
	defer p.reaping.Unlock()
	p.reaped = true
	p.reason = "its end was not seen"
	if p.cmd == nil {
		if p.groupAlive() {
			syscall.Kill(-p.pid, syscall.SIGKILL)
		}
		return
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	err := p.cmd.Wait()
	if st := p.cmd.ProcessState; st != nil {
		p.reason = st.String()
	} else {
		p.reason = err.Error()
	}
}

// await returns true when the process has ended, and false after leave.
func (p *proc) await() bool {
	if p.pidfd == nil {
		return p.awaitPolling()
	}
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return p.awaitPolling()
	}
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err == nil {
		return true
	}
	select {
	case <-p.left:
		return false
	default:
		return p.awaitPolling()
	}
}

// awaitPolling is await for a kernel without pidfd (before 5.3).
func (p *proc) awaitPolling() bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if start, err := startTime(p.pid); err != nil || start != p.startTime {
			return true
		}
		select {
		case <-p.left:
			return false
		case <-tick.C:
		}
	}
}

// leave ends watch, without touching the process, and returns when it has ended.
func (p *proc) leave() {
	close(p.left)
	if p.pidfd != nil {
		p.pidfd.SetReadDeadline(time.Unix(1, 0))
	}
	<-p.unwatched
}

// stop asks the group to end, waits for all of it up to timeout, then kills it; with no timeout it kills it at once. It returns when
// the process is gone. watch must run.
func (p *proc) stop(timeout time.Duration) {
	p.stopBy.Store(time.Now().Add(timeout).UnixNano())
	if timeout > 0 {
		p.signal(syscall.SIGTERM)
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	select {
	case <-p.exited:
		return
	case <-deadline.C:
	}
	p.signal(syscall.SIGKILL)
	p.group.kill()
	<-p.exited
}

// signal sends to the whole group, unless its number may be another's by now.
func (p *proc) signal(sig syscall.Signal) {
	p.reaping.Lock()
	defer p.reaping.Unlock()
	if p.reaped {
		return
	}
	if p.cmd == nil {
		if start, err := startTime(p.pid); err != nil || start != p.startTime {
			return
		}
	}
	syscall.Kill(-p.pid, sig)
}

// groupAlive tells whether any process of the group still runs.
func (p *proc) groupAlive() bool {
	procs, err := procfs.AllProcs()
	if err != nil {
		return false
	}
	for _, other := range procs {
		if st, err := other.Stat(); err == nil && st.PGRP == p.pid && !ended(st) {
			return true
		}
	}
	return false
}
