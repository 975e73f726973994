package process

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/scaler"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every platform of Go.
const clockTick = time.Second / 100

// meter turns ever growing CPU time into cores.
type meter struct {
	of  *proc // whose time it is
	at  time.Time
	cpu time.Duration
}

// measure returns what p uses. CPU is 0 at the first measurement, which has none before it to compare with.
func (m *meter) measure(p *proc, now time.Time) (scaler.Usage, error) {
	cpu, memory, err := p.used()
	if err != nil {
		return scaler.Usage{}, err
	}
	if m.of != p {
		*m = meter{of: p}
	}
	u := scaler.Usage{At: now, MemoryBytes: memory}
	u.Files, u.FileLimit = treeFiles(p.pid)
	// CPU time in /proc shrinks when a child goes whose parent did not wait for it.
	if passed := now.Sub(m.at); !m.at.IsZero() && passed > 0 && cpu > m.cpu {
		u.CPU = float64(cpu-m.cpu) / float64(passed)
	}
	m.at, m.cpu = now, cpu
	return u, nil
}

// used returns the CPU time used so far and the memory held now by p and its descendants.
func (p *proc) used() (cpu time.Duration, memory uint64, err error) {
	cpu, memory, err = treeUsage(p.pid)
	if p.group == nil {
		return cpu, memory, err
	}
	if c, e := p.group.cpu(); e == nil {
		cpu, err = c, nil
	}
	if m, e := p.group.memory(); e == nil {
		memory = m
	}
	return cpu, memory, err
}

// treeUsage sums over pid and its descendants. Resident memory that they share is counted for each of them.
func treeUsage(pid int) (cpu time.Duration, memory uint64, err error) {
	st, err := statOf(pid)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot measure process %d: %w", pid, err)
	}
	ticks := uint64(st.UTime) + uint64(st.STime) + uint64(max(0, st.CUTime)) + uint64(max(0, st.CSTime))
	cpu, memory = time.Duration(ticks)*clockTick, uint64(st.ResidentMemory())
	for _, child := range children(pid) {
		c, m, err := treeUsage(child)
		if err == nil { // else it ended just now
			cpu, memory = cpu+c, memory+m
		}
	}
	return cpu, memory, nil
}

// treeFiles returns the open files of pid or that of its descendants which is nearest to its limit, and that limit; zeros where
// that cannot be read.
func treeFiles(pid int) (files, limit int) {
	files, limit = openFiles(pid)
	for _, child := range children(pid) {
		if f, l := treeFiles(child); l > 0 && (limit == 0 || f*limit > files*l) {
			files, limit = f, l
		}
	}
	return files, limit
}

func openFiles(pid int) (files, limit int) {
	var l unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l) != nil || l.Cur > math.MaxInt32 {
		return 0, 0
	}
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	// Since Linux 6.2 the size of the folder is the number of files; before, it is 0 and they have to be counted.
	if st, err := dir.Stat(); err == nil && st.Size() > 0 {
		return int(st.Size()), int(l.Cur)
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0
	}
	return len(names), int(l.Cur)
}

// children returns the children that any thread of pid forked.
func children(pid int) []int {
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil
	}
	var out []int
	for _, t := range tasks {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}
