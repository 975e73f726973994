package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups makes a cgroup v2 for each instance, below root. A nil cgroups makes none.
type cgroups struct {
	root    string // of this service
	service string
	log     *slog.Logger
}

// cgroup is the group of one instance: it knows its whole use, whatever became of its processes. Methods of a nil one do nothing.
type cgroup struct {
	dir string
	f   *os.File // open while a process is started into it
}

// newCgroups returns where groups for instances of service can be made, or an error that says why they cannot. The gateway does
// not move itself into another group for it: whoever runs it decides about that, and hands down a folder of its own.
func newCgroups(root, service string, log *slog.Logger) (*cgroups, error) {
	if root == "" {
		var err error
		if root, err = ownCgroup(); err != nil {
			return nil, err
		}
	}
	// Controllers can be handed down only from a group without processes, or from the root. Without them a
	// group still counts CPU time and can be killed as a whole; memory then comes from /proc.
	if available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil && bytes.Contains(available, []byte("memory")) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
			log.Debug("cannot measure memory by cgroup", "cgroup", root, "err", err)
		}
	}
	probe := filepath.Join(root, fmt.Sprintf("gatewayd-%s-%d", service, os.Getpid()))
	if err := os.Mkdir(probe, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	defer os.Remove(probe)
	if _, err := readKey(filepath.Join(probe, "cpu.stat"), "usage_usec"); err != nil {
		return nil, fmt.Errorf("cannot measure by cgroup: %w", err)
	}
	return &cgroups{root: root, service: service, log: log}, nil
}

// ownCgroup returns the folder of the gateway's own cgroup v2.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return findCgroup(string(mounts), string(own))
}

// findCgroup combines the mount point of cgroup2 with the process's path in that hierarchy (the line of hierarchy 0).
func findCgroup(mounts, own string) (string, error) {
	var point string
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			point = fields[4]
		}
	}
	if point == "" {
		return "", errors.New("no cgroup v2 is mounted")
	}
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(point, path), nil
		}
	}
	return "", errors.New("the gateway is in no cgroup v2")
}

// create makes the group of an instance. Without one the instance runs all the same.
func (c *cgroups) create(id string) *cgroup {
	if c == nil {
		return nil
	}
	g := &cgroup{dir: c.dir(id)}
	os.Remove(g.dir) // of a run whose gateway was killed
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		c.log.Warn("cannot make a cgroup", "instance", id, "err", err)
		return nil
	}
	f, err := os.Open(g.dir)
	if err != nil {
		c.log.Warn("cannot open a cgroup", "instance", id, "err", err)
		g.remove()
		return nil
	}
	g.f = f
	return g
}

// sweep removes the empty groups that killed gateways left. The kernel refuses to remove one that is in use.
func (c *cgroups) sweep() {
	if c == nil {
		return
	}
	left, err := filepath.Glob(c.dir("*"))
	if err != nil {
		return // the service's name is no pattern
	}
	for _, dir := range left {
		os.Remove(dir)
	}
}

func (c *cgroups) dir(id string) string {
	return filepath.Join(c.root, "gatewayd-"+c.service+"-"+id)
}

// recorded returns the group that a record names, or nil when it names none or it is gone.
func recorded(dir string) *cgroup {
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
		return nil
	}
	return &cgroup{dir: dir}
}

func (g *cgroup) path() string {
	if g == nil {
		return ""
	}
	return g.dir
}

func (g *cgroup) fd() int { return int(g.f.Fd()) }

func (g *cgroup) closeFD() {
	if g != nil {
		g.f.Close()
	}
}

// cpu returns the CPU time that the group has used, ever.
func (g *cgroup) cpu() (time.Duration, error) {
	us, err := readKey(filepath.Join(g.dir, "cpu.stat"), "usage_usec")
	return time.Duration(us) * time.Microsecond, err
}

// memory returns the working set in bytes: what the group holds without file pages that could be dropped at
// once. An error means that the group has no memory controller.
func (g *cgroup) memory() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, "memory.current"))
	if err != nil {
		return 0, err
	}
	current, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return 0, err
	}
	inactive, err := readKey(filepath.Join(g.dir, "memory.stat"), "inactive_file")
	if err != nil {
		return 0, err
	}
	return current - min(inactive, current), nil
}

// oomKilled tells whether the kernel killed a process of the group for want of memory.
func (g *cgroup) oomKilled() bool {
	if g == nil {
		return false
	}
	n, err := readKey(filepath.Join(g.dir, "memory.events"), "oom_kill")
	return err == nil && n > 0
}

// kill kills every process of the group, those too that left the process group or its session.
func (g *cgroup) kill() {
	if g != nil {
		os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// remove removes the group. The kernel refuses for a moment after its last process was killed.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		if err := unix.Rmdir(g.dir); !errors.Is(err, unix.EBUSY) {
			return
		}
		<-tick.C
	}
}

// readKey returns the number behind key in a file of lines "key number".
func readKey(path, key string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), key+" "); ok {
			return strconv.ParseUint(v, 10, 64)
		}
	}
	return 0, fmt.Errorf("cannot find %q in %q", key, path)
}
