package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
	"gatewayd/events"
)

// gateway is a running gatewayd in a folder of its own.
type gateway struct {
	ctx    context.Context
	dir    string
	cmd    *exec.Cmd
	admin  *client.Client
	web    string // host:port
	exited chan struct{}

	mu     sync.Mutex // protects what follows
	log    []byte
	events []events.Event
}

// startGateway runs the binary with a config and returns once two instances are ready.
func startGateway(ctx context.Context, binary, config string) (*gateway, error) {
	dir, err := os.MkdirTemp("", "bench-rollout")
	if err != nil {
		return nil, err
	}
	g := &gateway{ctx: ctx, dir: dir, exited: make(chan struct{})}
	path := filepath.Join(dir, "gatewayd.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(binary, "run", "-c", path)
	g.cmd.Dir = dir
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the gateway (make build makes it): %w", err)
	}
	serves := make(chan [2]string, 1)
	go g.read(stderr, serves)
	select {
	case at := <-serves:
		g.web = at[1]
		g.admin, err = client.New("http://"+at[0], "")
	case <-g.exited:
		err = fmt.Errorf("the gateway did not start: %s", g.log)
	case <-time.After(20 * time.Second):
		err = fmt.Errorf("the gateway did not start in time")
	}
	if err == nil {
		err = g.untilReady()
	}
	if err != nil {
		g.stop()
		return nil, err
	}
	go g.admin.Events(ctx, client.EventQuery{Follow: true, Since: "1h"}, func(e events.Event, _ uint64) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.events = append(g.events, e)
		return nil
	})
	return g, nil
}

var webAddress = regexp.MustCompile(`web=([0-9.:]+)`)

// read takes in the gateway's log, and tells its addresses when it says them.
func (g *gateway) read(r io.Reader, serves chan<- [2]string) {
	defer close(g.exited)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		g.mu.Lock()
		g.log = append(append(g.log, lines.Bytes()...), '\n')
		g.mu.Unlock()
		var line struct{ Msg, Admin, Listeners string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "gatewayd serves" {
			if m := webAddress.FindStringSubmatch(line.Listeners); m != nil {
				serves <- [2]string{line.Admin, m[1]}
			}
		}
	}
	g.cmd.Wait()
}

func (g *gateway) stop() {
	g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(20 * time.Second):
		g.cmd.Process.Kill()
		<-g.exited
	}
	if g.admin != nil {
		g.admin.Close()
	}
	os.RemoveAll(g.dir)
}

func (g *gateway) printLog(w io.Writer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Write(g.log)
}

// until waits for ok, which is asked often.
func (g *gateway) until(what string, limit time.Duration, ok func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		good, err := ok()
		if good || err != nil {
			return err
		}
		select {
		case <-g.ctx.Done():
			return g.ctx.Err()
		case <-g.exited:
			return fmt.Errorf("the gateway ended while waiting for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s in vain for %s", limit, what)
		}
	}
}

// untilReady waits for as many ready instances as the service wants.
func (g *gateway) untilReady() error {
	return g.until("the instances", 30*time.Second, func() (bool, error) {
		s, err := g.admin.Service(g.ctx, "demo")
		if err != nil {
			return false, err
		}
		ready := 0
		for _, r := range s.Revisions {
			for _, i := range r.Instances {
				if i.State == api.StateReady {
					ready++
				}
			}
		}
		return ready > 0 && ready >= s.Target, nil
	})
}

// deploy begins a rollout.
func (g *gateway) deploy(version string) (id string, err error) {
	ref, err := g.admin.Deploy(g.ctx, "demo", api.RolloutRequest{Version: version})
	return ref.ID, err
}

// ended waits for the end of a rollout, or for the limit: the rollout is returned as it stands then.
func (g *gateway) ended(id string, limit time.Duration) (r api.Rollout, err error) {
	err = g.until("the end of the rollout", limit, func() (bool, error) {
		if r, err = g.admin.Rollout(g.ctx, id); err != nil {
			return false, err
		}
		return r.Status.Ended(), nil
	})
	return r, err
}

// first returns the first event for which ok, waiting for it if need be.
func (g *gateway) first(what string, ok func(e *events.Event) bool) (found events.Event, err error) {
	err = g.until(what, 10*time.Second, func() (bool, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for i := range g.events {
			if ok(&g.events[i]) {
				found = g.events[i]
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

// spent is the time from the first traffic of the candidate to the rollback.
func (g *gateway) spent() (time.Duration, error) {
	given, err := g.first("the first weight", func(e *events.Event) bool {
		w, _ := e.Data["weight"].(float64)
		return e.Type == events.DeploymentStep && w > 0
	})
	if err != nil {
		return 0, err
	}
	out, err := g.first("the rollback", func(e *events.Event) bool { return e.Type == events.DeploymentRolledBack })
	return out.Time.Sub(given.Time), err
}
