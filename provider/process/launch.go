package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// launcher starts processes from one thread that ends with run and not before: the kernel sends a child its
// PDEATHSIG when the thread that forked it ends, and Go ends threads as it likes unless they are locked.
type launcher struct {
	requests chan launchRequest
	done     chan struct{} // closed when run has returned
}

type launchRequest struct {
	cmd  *exec.Cmd
	errs chan error
}

func newLauncher() *launcher {
	return &launcher{requests: make(chan launchRequest), done: make(chan struct{})}
}

// run serves start until stop is closed. The goroutine ends with its thread locked, which ends the thread.
func (l *launcher) run(stop <-chan struct{}) {
	runtime.LockOSThread()
	defer close(l.done)
	for {
		select {
		case r := <-l.requests:
			r.errs <- r.cmd.Start()
		case <-stop:
			return
		}
	}
}

func (l *launcher) start(cmd *exec.Cmd) error {
	r := launchRequest{cmd: cmd, errs: make(chan error, 1)}
	select {
	case l.requests <- r:
		return <-r.errs
	case <-l.done:
		return errors.New("the provider has ended")
	}
}

// environment returns what an instance gets: the gateway's own environment without its GATEWAYD_ variables, which hold its
// tokens, then extra.
func environment(extra ...string) []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GATEWAYD_") {
			out = append(out, e)
		}
	}
	return append(out, extra...)
}

// launch starts a process for one run of an instance and returns when it exists.
func (p *Provider) launch(v Vars) (*proc, error) {
	group := p.cgroups.create(v.Instance)
	pr, err := p.launchIn(group, v)
	if err != nil && group != nil {
		// Whether a process may be started into a group shows only on trying: the rules for it are many.
		group.remove()
		pr, err = p.launchIn(nil, v)
	}
	return pr, err
}

func (p *Provider) launchIn(group *cgroup, v Vars) (*proc, error) {
	args, env, err := p.command.Render(v)
	if err != nil {
		return nil, err
	}
	sink, err := p.o.Output.open(p.o.Service, v.Instance, p.o.OnExit, p.o.Logger)
	if err != nil {
		return nil, err
	}
	cmd := p.newCmd(args, append(env, p.marks(v.Instance)...))
	cmd.Stdout, cmd.Stderr = sink.file, sink.file
	if group != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, group.fd()
	}
	pidfd := -1
	cmd.SysProcAttr.PidFD = &pidfd
	err = p.launcher.start(cmd)
	group.closeFD()
	sink.started()
	if err != nil {
		sink.finish()
		return nil, fmt.Errorf("cannot start %q: %w", args[0], plain(err, p.o.Dir))
	}
	return newProc(cmd, pidfd, sink, group)
}

func (p *Provider) newCmd(args, env []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = p.o.Dir
	cmd.Env = environment(env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.o.OnExit == Stop {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	return cmd
}

func (p *Provider) marks(id string) []string {
	return []string{
		envInstance + "=" + mark(p.o.Service, id, p.o.Owner),
		envGateway + "=" + p.identity,
		envOnExit + "=" + string(p.o.OnExit),
	}
}

// plain takes the path and the system call off an error of exec: the message names the program already.
func plain(err error, dir string) error {
	if dir != "" {
		if _, statErr := os.Stat(dir); statErr != nil {
			return statErr
		}
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
