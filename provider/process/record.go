package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Record is what has to outlive the gateway about one instance. It is saved before a process is started, with Pid 0,
// and again when its pid is known.
type Record struct {
	ID        string    `json:"id"`
	Version   string    `json:"version"`
	Address   string    `json:"address"`
	Pid       int       `json:"pid"`       // 0: a start was intended, and may have happened
	StartTime uint64    `json:"startTime"` // of the process in clock ticks since boot: a reused pid has another
	BootID    string    `json:"bootId"`    // of the boot that StartTime counts from
	StartedAt time.Time `json:"startedAt"`
	Restarts  int       `json:"restarts"`
	Cgroup    string    `json:"cgroup,omitempty"` // its folder, if it has one
}

// The environment variables that mark a process as an instance. They are inherited by its children.
const (
	// envInstance is service/id/owner: it finds an instance that was started but not recorded.
	envInstance = "GATEWAYD_INSTANCE"
	// envGateway is the identity of the gateway process that started it.
	envGateway = "GATEWAYD_GATEWAY"
	// envOnExit is its OnExit.
	envOnExit = "GATEWAYD_ON_EXIT"
)

func validName(s string) bool {
	return s != "" && !strings.ContainsAny(s, "/\x00")
}

func mark(service, id, owner string) string { return service + "/" + id + "/" + owner }

// idOf returns the instance's id in a mark of service and owner, and false for one of somebody else.
func idOf(mark, service, owner string) (string, bool) {
	rest, ok := strings.CutPrefix(mark, service+"/")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "/"+owner)
}

// identity names a process so that no other ever has the same name during one boot: its pid and its start time.
func identity(pid int, startTime uint64) string {
	return strconv.Itoa(pid) + "-" + strconv.FormatUint(startTime, 10)
}

// ownIdentity is the identity of this process.
func ownIdentity() (string, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return "", fmt.Errorf("cannot read the gateway's own start time: %w", err)
	}
	return identity(os.Getpid(), start), nil
}

// identityAlive tells whether the process with that identity exists.
func identityAlive(id string) bool {
	pid, start, ok := strings.Cut(id, "-")
	n, err := strconv.Atoi(pid)
	if !ok || err != nil {
		return false
	}
	now, err := startTime(n)
	return err == nil && strconv.FormatUint(now, 10) == start
}

// startTime returns when pid started, in clock ticks since boot (field 22 of /proc/PID/stat). A process
// that ended but was not waited for counts as gone.
func startTime(pid int) (uint64, error) {
	st, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	if ended(st) {
		return 0, os.ErrProcessDone
	}
	return st.Starttime, nil
}

func statOf(pid int) (procfs.ProcStat, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return p.Stat()
}

func ended(st procfs.ProcStat) bool { return st.State == "Z" || st.State == "X" }

// bootID names this boot of the machine; empty where the kernel does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// marked is a process that carries the mark of an instance.
type marked struct {
	pid, group int
	startTime  uint64
	mark       string // of envInstance
	gateway    string // of envGateway
	onExit     OnExit // of envOnExit
}

// findMarked returns all processes that carry a mark, leaders of process groups first, then by start. Processes whose
// environment the gateway may not read are none of its own.
func findMarked() ([]marked, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	var out []marked
	for _, p := range procs {
		env, err := p.Environ()
		if err != nil {
			continue
		}
		m := marked{
			pid:     p.PID,
			mark:    lookupEnv(env, envInstance),
			gateway: lookupEnv(env, envGateway),
			onExit:  OnExit(lookupEnv(env, envOnExit)),
		}
		st, err := p.Stat()
		if m.mark == "" || err != nil || ended(st) {
			continue
		}
		m.group, m.startTime = st.PGRP, st.Starttime
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b marked) int {
		if a.leads() != b.leads() {
			if a.leads() {
				return -1
			}
			return 1
		}
		return int(min(max(int64(a.startTime)-int64(b.startTime), -1), 1))
	})
	return out, nil
}

func (m marked) leads() bool { return m.pid == m.group }

func lookupEnv(env []string, key string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, key+"="); ok {
			return v
		}
	}
	return ""
}
