package demo

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	decayEvery = 100 * time.Millisecond
	leakStep   = 1 << 20 / 10 // bytes, each decayEvery
	leakMost   = 1 << 30      // bytes
	hoardMost  = 10000        // files
)

// decay is how an instance gets worse with time: what it keeps and should not. It belongs to the goroutine of run.
type decay struct {
	s      *Server
	leaked [][]byte
	files  []*os.File
}

// run follows the faults until the instance stops. Repaired, an instance lets go of everything.
func (d *decay) run() {
	defer d.letGo()
	tick := time.NewTicker(decayEvery)
	defer tick.Stop()
	for {
		state := d.s.state.Load()
		next := tick.C
		if !d.step(state.fault) {
			next = nil
		}
		select {
		case <-next:
		case <-state.replaced:
		case <-d.s.done:
			return
		}
	}
}

// step makes it a little worse, and tells whether it goes on.
func (d *decay) step(fault Fault) bool {
	switch fault {
	case FaultLeak:
		d.leak()
	case FaultHoard:
		d.hoard()
	default:
		d.letGo()
		return false
	}
	return true
}

func (d *decay) leak() {
	if len(d.leaked)*leakStep >= leakMost {
		return
	}
	b := make([]byte, leakStep)
	for i := 0; i < len(b); i += 1 << 10 {
		b[i] = 1 // memory that was never written to is not there
	}
	d.leaked = append(d.leaked, b)
}

// hoard opens a fiftieth of what the process may have open.
func (d *decay) hoard() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	have := int(min(limit.Cur, hoardMost))
	for range min(have/50+1, have*95/100-openFiles()) {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		d.files = append(d.files, f)
	}
}

func openFiles() int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return len(names)
}

func (d *decay) letGo() {
	for _, f := range d.files {
		f.Close()
	}
	d.leaked, d.files = nil, nil
}
