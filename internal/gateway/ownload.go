package gateway

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/monitor"
)

// ownLoad measures what the gateway itself takes.
type ownLoad struct {
	cores     int // that there are to take
	at        time.Time
	cpu       time.Duration
	countedAt time.Time
	fds       int
}

// countFilesEvery is how often open files are counted, which takes a while where there are many.
const countFilesEvery = 5 * time.Second

func (l *ownLoad) observation(seen *sighting) monitor.GatewayObservation {
	o := monitor.GatewayObservation{At: seen.at, CPU: monitor.Unknown(), Delay: seen.late, Connections: seen.connections, Memory: memoryShare()}
	for _, ln := range seen.cfg.Listeners {
		o.ConnectionLimit += ln.Limits.MaxConnections
	}
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
		if wall := seen.at.Sub(l.at); !l.at.IsZero() && wall > 0 {
			o.CPU = 100 * float64(cpu-l.cpu) / float64(wall) / float64(l.cores)
		}
		l.at, l.cpu = seen.at, cpu
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 1<<31 {
		o.FDLimit = int(limit.Cur)
	}
	if seen.at.Sub(l.countedAt) >= countFilesEvery {
		l.countedAt, l.fds = seen.at, countFiles(o.FDLimit)
	}
	o.FDs = l.fds
	return o
}

// countFiles counts the open files. To count takes one more: where there is none left, it is limit.
func countFiles(limit int) int {
	d, err := os.Open("/proc/self/fd")
	if errors.Is(err, unix.EMFILE) {
		return limit
	}
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return len(names)
}

// memoryShare is the resident memory in percent of what the control group allows; unknown where there is no such bound.
func memoryShare() float64 {
	limit, err := readNumber("/sys/fs/cgroup/memory.max")
	if err != nil || limit <= 0 {
		return monitor.Unknown()
	}
	b, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return monitor.Unknown()
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return monitor.Unknown()
	}
	return 100 * float64(pages) * float64(os.Getpagesize()) / limit
}

func readNumber(path string) (float64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(bytes.TrimSpace(b)), 64)
}
