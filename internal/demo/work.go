package demo

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// work takes the time of one request in one of the slots, and reports whether it went well. A slot
// that is waited for is part of the time.
func (s *Server) work() bool {
	state := s.state.Load()
	if state.fault == FaultHang {
		select {
		case <-state.replaced:
		case <-s.done:
		}
	}
	if s.slots != nil {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	if s.opts.Calls != "" && !s.call() {
		return false
	}
	if s.lock != nil {
		s.lock.acquire()
		defer s.lock.release()
	}
	if d := s.duration(state.fault); d > 0 {
		time.Sleep(d)
	}
	if d := s.cpuTime(state.fault); d > 0 {
		burn(d)
	}
	return state.fault != FaultErrors && rand.Float64() >= s.opts.ErrorRate
}

// duration draws how long one request takes. A lognormal variable with mean m and a coefficient of
// variation of 1 is exp(N(ln m - s²/2, s²)) with s² = ln 2.
func (s *Server) duration(fault Fault) time.Duration {
	mean := s.opts.Latency
	if fault == FaultSlow {
		mean = max(mean*slowFactor, slowAtLeast)
	}
	if mean == 0 || s.opts.Fixed {
		return mean
	}
	return time.Duration(float64(mean) * math.Exp(rand.NormFloat64()*math.Sqrt(math.Ln2)-math.Ln2/2))
}

// cpuTime is what one request takes of a core.
func (s *Server) cpuTime(fault Fault) time.Duration {
	if fault == FaultBurn {
		return max(s.opts.Burn*burnFactor, burnAtLeast)
	}
	return s.opts.Burn
}

// burn returns when its thread has used d of CPU time, however many others want the core.
func burn(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for until := threadTime() + d; threadTime() < until; {
	}
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("BUG: a thread does not know its own time: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// callTimeout is how long the service that is called may take.
const callTimeout = 30 * time.Second

// call asks the service that this one depends on, and reports whether it answered well.
func (s *Server) call() bool {
	res, err := s.client.Get(s.opts.Calls)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode < http.StatusInternalServerError
}

// fileLock is a lock that instances share. Within one process one request at a time asks for it.
type fileLock struct {
	turn sync.Mutex
	file *os.File
}

func openLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock: %w", err)
	}
	return &fileLock{file: f}, nil
}

func (l *fileLock) acquire() {
	l.turn.Lock()
	l.flock(unix.LOCK_EX)
}

// handOver is how long a process leaves the lock to others before its next request asks for it: flock(2) is not fair, and who
// had it last would have it nearly always.
const handOver = 500 * time.Microsecond

func (l *fileLock) release() {
	l.flock(unix.LOCK_UN)
	time.AfterFunc(handOver, l.turn.Unlock)
}

func (l *fileLock) flock(how int) {
	for {
		err := unix.Flock(int(l.file.Fd()), how)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			panic("BUG: a file that is open cannot be locked: " + err.Error())
		}
	}
}
