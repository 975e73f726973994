package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatewayd/config"
	"gatewayd/health"
)

// An upgrade puts another process in the place of this one, without a connection refused or an instance restarted:
//
//  1. The new process starts with the listening sockets and reads its config. If it cannot, nothing has happened.
//  2. This one stops deciding, lets go of its instances and of the state file, and serves on with the snapshot it has.
//  3. The new one takes state and instances over. Once it knows which of them are fit for traffic, it accepts connections.
//  4. This one stops to accept, and drains. Then it stays, with nothing open, for as long as the new one runs: instances are the
//     children of the process that started them and end with it, and whoever started this process, be it a service manager, a
//     container or a shell, waits for it and sends it signals. These are passed on, and the end of the new one is its end.
//
// If step 3 fails, a fresh gateway in this very process does it instead.

const (
	loadPatience  = 30 * time.Second // for a new process to read its config
	servePatience = 60 * time.Second // for it to serve after that
	warmPatience  = 10 * time.Second // for what is known of instances that were taken over
	idlePatience  = 5 * time.Second  // for clients to send one more request on connections to the old process
)

// successor is the process that takes the place of this one. A goroutine that is tied to its thread waits for it, since the
// signal that it gets when this process dies comes with the end of that thread.
type successor struct {
	process *os.Process
	spare   *legacy     // the same once more, for the case that the process fails
	words   chan string // what it says; closed at its end
	tell    *os.File
	done    chan struct{} // closed when it has ended, and err is set
	err     error
}

// startSuccessor starts the new process and returns when it has read its config. On an error nothing has happened.
func (g *Gateway) startSuccessor(ctx context.Context, adminListener net.Listener) (*successor, error) {
	if err := upgradable(g.views.Load().cfg); err != nil {
		return nil, err
	}
	l, err := g.bequeath(adminListener)
	if err != nil {
		return nil, err
	}
	cmd, words, tell, err := g.successorCommand(l)
	if err != nil {
		return nil, err
	}
	n := &successor{words: make(chan string, 2), tell: tell, done: make(chan struct{})}
	if err := n.start(cmd); err != nil {
		words.Close()
		tell.Close()
		return nil, err
	}
	go n.listen(words)
	if err = n.hear(ctx, wordLoaded, loadPatience); err == nil {
		n.spare, err = g.bequeath(adminListener)
	}
	if err != nil {
		n.kill()
		return nil, err
	}
	return n, nil
}

// start starts the process from a thread that lives until it has ended.
func (n *successor) start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		n.process = cmd.Process
		for _, f := range cmd.ExtraFiles {
			f.Close()
		}
		started <- err
		if err == nil {
			n.err = cmd.Wait()
			close(n.done)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("cannot start %q: %w", cmd.Path, err)
	}
	return nil
}

// listen hands on the words of the process.
func (n *successor) listen(words *os.File) {
	defer words.Close()
	defer close(n.words)
	for r := bufio.NewReader(words); ; {
		word, err := r.ReadString('\n')
		if err != nil {
			return
		}
		select {
		case n.words <- word:
		default: // it says more than there is to say
			return
		}
	}
}

// upgradable returns an error where instances would not outlive this process.
func upgradable(cfg *config.Config) error {
	for _, name := range cfg.ServiceNames() {
		if p := cfg.Services[name].Provider; p != nil && p.Docker != nil && p.Docker.OnGatewayExit == config.ExitStop {
			return fmt.Errorf("the containers of %q would be stopped: services.%s.provider.docker.onGatewayExit is stop; want adopt", name, name)
		}
	}
	return nil
}

// bequeath duplicates what is listened on.
func (g *Gateway) bequeath(adminListener net.Listener) (*legacy, error) {
	l := &legacy{adminAddress: g.views.Load().cfg.Admin.Listen}
	var err error
	if l.sockets, err = g.proxy.Sockets(); err != nil {
		return nil, err
	}
	if l.admin, err = adminListener.(*net.TCPListener).File(); err != nil {
		l.close()
		return nil, fmt.Errorf("cannot duplicate the socket of the admin API: %w", err)
	}
	return l, nil
}

// successorCommand is this process's own command line, which gets l and two pipes for its files. It takes over l.
func (g *Gateway) successorCommand(l *legacy) (cmd *exec.Cmd, words, tell *os.File, err error) {
	defer l.close()
	line := g.opt.CommandLine
	if len(line) == 0 {
		return nil, nil, nil, errors.New("the command line of this process is not known")
	}
	path, err := exec.LookPath(line[0])
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot find the program: %w", err)
	}
	cmd = exec.Command(path, line[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, g.opt.Stdout, g.opt.Stderr
	// A group of its own: what a terminal sends to the group of this process is passed on, and must not come twice.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	in, tell, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	words, out, err := os.Pipe()
	if err != nil {
		in.Close()
		tell.Close()
		return nil, nil, nil, err
	}
	pass := func(f *os.File) int {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		return 2 + len(cmd.ExtraFiles)
	}
	t := legacyText{In: pass(in), Out: pass(out), Admin: socketText{Address: l.adminAddress, File: pass(l.admin)}}
	for _, s := range l.sockets {
		t.Sockets = append(t.Sockets, socketText{s.Name, s.Address, pass(s.File)})
	}
	l.sockets, l.admin = nil, nil // cmd has them
	text, err := json.Marshal(t)
	if err != nil {
		panic("BUG: a legacy cannot be marshalled: " + err.Error())
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, handoverEnv+"=") }),
		handoverEnv+"="+string(text))
	return cmd, words, tell, nil
}

// hear waits for a word of the new process.
func (n *successor) hear(ctx context.Context, want string, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case word, ok := <-n.words:
		if !ok {
			select {
			case <-n.done:
				return fmt.Errorf("the new process ended before it was ready: %s", endOf(n.err))
			case <-timer.C:
				return errors.New("the new process closed its pipe before it was ready")
			}
		}
		if word != want {
			return fmt.Errorf("the new process said %q; want %q", word, want)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("the new process was not ready within %s", patience)
	case <-ctx.Done():
		return errors.New("this process was asked to stop")
	}
}

func endOf(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// kill ends a new process that is of no use.
func (n *successor) kill() {
	n.process.Kill()
	<-n.done
	n.tell.Close()
}

// takeOver lets the new process have state and instances, and returns when it serves.
func (n *successor) takeOver() error {
	if _, err := n.tell.WriteString(wordReleased); err != nil {
		n.kill()
		return fmt.Errorf("the new process ended before it was ready: %s", endOf(n.err))
	}
	if err := n.hear(context.Background(), wordServing, servePatience); err != nil {
		n.kill()
		return err
	}
	return n.tell.Close()
}

// await returns when the new process has ended, and passes on to it the signals that this one gets until then. ctx has ended, or
// ends, with the signal that asks for the end.
func (n *successor) await(ctx context.Context) error {
	passed := make(chan os.Signal, 8)
	signal.Notify(passed, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(passed)
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			stop = nil
			n.process.Signal(syscall.SIGTERM)
			signal.Notify(passed, syscall.SIGTERM, syscall.SIGINT) // a second one
		case s := <-passed:
			n.process.Signal(s)
		case <-n.done:
			return n.err
		}
	}
}

// release has the providers leave their instances to the next gateway, and ends them. The loop does not run any more.
func (g *Gateway) release() (keepers []keeper) {
	for _, s := range append(slices.Clone(g.ordered), g.leaving...) {
		for _, r := range append(slices.Clone(s.retiring), s.runner) {
			if r == nil {
				continue
			}
			if k, ok := r.provider.(keeper); ok {
				k.Release()
				keepers = append(keepers, k)
			}
		}
	}
	g.stopRunners()
	return keepers
}

// keeper is a provider whose instances can be left to another process while this one lives.
type keeper interface {
	Release()
	Keep(ctx context.Context)
}

// handOver ends this gateway in favour of the next: the process n, or, if that fails, a fresh gateway in this process. It
// returns when that has ended. Everything but the data path has ended before.
func (g *Gateway) handOver(ctx context.Context, n *successor) error {
	keepers := g.release()
	g.stopControl()
	closed := g.db.Close()
	var next func() error
	err := errors.Join(closed, g.db.Err())
	if err == nil {
		err = n.takeOver()
	} else {
		n.kill()
	}
	if err == nil {
		n.spare.close()
		g.log.Info("another process has taken over: draining", "pid", n.process.Pid, "connections", g.proxy.Connections())
		next = func() error { return n.await(ctx) }
	} else {
		g.log.Error("the upgrade failed: the gateway begins anew in the process that runs", "err", err)
		if next, err = g.beginAnew(ctx, n.spare); err != nil {
			return err
		}
	}
	drained := make(chan struct{})
	go func() { defer close(drained); g.drainForNext() }()
	err = next()
	<-drained
	if err != nil {
		g.guardPart = nil // it ends with this process, and then with what a process that was killed left
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var all sync.WaitGroup
	for _, k := range keepers {
		all.Go(func() { k.Keep(over) })
	}
	all.Wait()
	return err
}

// beginAnew runs a fresh gateway in this process, and returns when it serves; next waits for its end.
func (g *Gateway) beginAnew(ctx context.Context, before *legacy) (next func() error, err error) {
	serving, ended := make(chan struct{}), make(chan error, 1)
	before.await = func() error { return nil }
	before.serving = func() error { close(serving); return nil }
	opt := g.opt
	opt.Started = nil
	go func() { ended <- run(ctx, opt, before) }()
	select {
	case <-serving:
		return func() error { return <-ended }, nil
	case err := <-ended:
		return nil, err
	}
}

// drainForNext ends the data path, while the next gateway accepts on the same sockets.
func (g *Gateway) drainForNext() {
	limit := g.views.Load().shutdown.Timeout
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if cut := g.proxy.HandOver(ctx, min(idlePatience, limit)); cut > 0 {
		g.log.Warn("connections were cut because they had not ended by the end of the drain time", "connections", cut, "shutdown.timeout", limit)
	}
	g.path.stop()
	debug.FreeOSMemory() // what stays needs little
}

// warmUp returns when it is known of every instance that was there before whether it is fit for traffic, but after a while in any case.
func (g *Gateway) warmUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for warm := false; !warm; {
		if g.mail.call(ctx, func() { warm = g.warm() }) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) warm() bool {
	warm := true
	for _, s := range g.ordered {
		warm = warm && (s.runner == nil || s.stocked || s.providerError != "")
		s.each(func(_ *revision, i *instance) {
			before := i.runner == nil || i.launched.Before(g.startedAt)
			if before && i.endpoint != nil && i.status == health.Starting {
				warm = false
			}
		})
	}
	return warm
}

// ownProgram is the command line of this process, with its program by a path that does not depend on the working folder.
func ownProgram(line []string) []string {
	if len(line) == 0 {
		return nil
	}
	line = slices.Clone(line)
	if path, err := exec.LookPath(line[0]); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			line[0] = path
		}
	}
	return line
}
