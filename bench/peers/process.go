package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program under measurement, with its children.
type process struct {
	cmd *exec.Cmd
	log *os.File
}

// start runs a command, on one core if core is 0 or more. What it prints goes to a file in dir.
func start(dir, name string, core int, argv ...string) (*process, error) {
	if core >= 0 {
		argv = append([]string{"taskset", "-c", strconv.Itoa(core)}, argv...)
	}
	log, err := os.Create(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	return &process{cmd: cmd, log: log}, nil
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		p.cmd.Process.Kill()
		<-done
	}
	p.log.Close()
}

// said returns the end of what the process has printed.
func (p *process) said() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(len(b)-500, 0):]))
}

// family returns the ids of the process and of its children.
func (p *process) family() []int {
	ids := []int{p.cmd.Process.Pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		fields := statFields(path)
		if len(fields) > 1 && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
			if id, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// statFields returns the fields of a stat file that follow the command's name: state, parent, ...
func statFields(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	text := string(b)
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// cpu returns the processor time that the family has used, user and system, those of its members included that it has waited for. The
// clock of these figures ticks a hundred times a second.
func (p *process) cpu() time.Duration {
	ticks := 0
	for _, id := range p.family() {
		f := statFields(fmt.Sprintf("/proc/%d/stat", id))
		if len(f) < 15 {
			continue
		}
		for _, i := range []int{11, 12} {
			n, _ := strconv.Atoi(f[i])
			ticks += n
		}
		if id == p.cmd.Process.Pid {
			for _, i := range []int{13, 14} {
				n, _ := strconv.Atoi(f[i])
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// memory returns the family's resident memory in bytes.
func (p *process) memory() int64 {
	total := int64(0)
	for _, id := range p.family() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				total += n << 10
			}
		}
	}
	return total
}

// listening waits until something accepts connections on addr.
func listening(addr string) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing listens on %s: %w", addr, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
