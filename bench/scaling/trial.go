package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatewayd/admin/client"
	"gatewayd/events"
)

// result is what one step in load led to.
type result struct {
	decision time.Duration // from the first request of the step
	serving  time.Duration // from the decision to the first answer of a new instance
	wanted   int
	failed   int64
}

const (
	warmUp   = 4 * time.Second // under the load before the step
	patience = 15 * time.Second
)

// trial runs a fresh gateway through one step.
func trial(ctx context.Context, program string, before, after float64) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, warmUp+patience)
	defer cancel()
	dir, err := os.MkdirTemp("", "gatewayd-scaling-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	admin, web, err := freeAddresses()
	if err != nil {
		return r, err
	}
	path := filepath.Join(dir, "gatewayd.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, config, admin, filepath.Join(dir, "state.db"), web), 0o600); err != nil {
		return r, err
	}
	cmd := exec.Command(program, "run", "-c", path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, cmd.Wait())
	}()
	if err := untilAnswered(ctx, "http://"+web+"/"); err != nil {
		return r, err
	}
	api, err := client.New("http://"+admin, "")
	if err != nil {
		return r, err
	}
	grown := make(chan events.Event, 16)
	watching, endWatch := context.WithCancel(ctx)
	defer endWatch()
	go api.Events(watching, client.EventQuery{Types: []string{string(events.ComponentScaled)}, Follow: true}, func(e events.Event, _ uint64) error {
		grown <- e
		return nil
	})
	l := newLoad("http://" + web + "/")
	defer l.end()
	if err := l.at(ctx, before, warmUp); err != nil {
		return r, err
	}
	known := l.names()
	begun := time.Now()
	go l.at(ctx, after, patience)
	for {
		select {
		case e := <-grown:
			if e.Time.Before(begun) {
				continue
			}
			if r.decision, r.wanted = e.Time.Sub(begun), numberOf(e.Data["to"]); r.wanted <= len(known) {
				return r, fmt.Errorf("decided for %d instances", r.wanted)
			}
		case <-ctx.Done():
			return r, errors.New("no decision in time")
		}
		break
	}
	at, err := l.untilNew(ctx, known)
	r.serving, r.failed = at.Sub(begun.Add(r.decision)), l.failed.Load()
	return r, err
}

func numberOf(v any) int {
	n, _ := v.(float64) // as JSON has it
	return int(n)
}

func freeAddresses() (a, b string, err error) {
	var all [2]string
	for i := range all {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer ln.Close()
		all[i] = ln.Addr().String()
	}
	return all[0], all[1], nil
}

func untilAnswered(ctx context.Context, url string) error {
	for {
		res, err := http.Get(url)
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == 200 {
				return nil
			}
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w", url, errors.Join(ctx.Err(), err))
		}
	}
}

// ownStart is how long an instance takes from its start to its first answer, without a gateway: the median of five.
func ownStart(ctx context.Context, program string) (time.Duration, error) {
	var took []time.Duration
	for range 5 {
		address, _, err := freeAddresses()
		if err != nil {
			return 0, err
		}
		cmd := exec.Command(program, "demo-instance", "--listen", address)
		begun := time.Now()
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		err = untilAnswered(ctx, "http://"+address+"/health")
		took = append(took, time.Since(begun))
		cmd.Process.Kill()
		cmd.Wait()
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[2], nil
}

// load sends requests at a rate, each due at a fixed time, and notes which instances answer.
type load struct {
	url    string
	client *http.Client
	failed atomic.Int64
	all    sync.WaitGroup

	mu    sync.Mutex // protects first
	first map[string]time.Time
}

func newLoad(url string) *load {
	return &load{url: url, first: map[string]time.Time{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, MaxConnsPerHost: 512}, Timeout: 10 * time.Second}}
}

// at sends for a time, unless ctx ends before.
func (l *load) at(ctx context.Context, rate float64, during time.Duration) error {
	begun := time.Now()
	for n := 0; ; n++ {
		due := time.Duration(float64(n) / rate * float64(time.Second))
		if due > during {
			return nil
		}
		select {
		case <-time.After(time.Until(begun.Add(due))):
		case <-ctx.Done():
			return ctx.Err()
		}
		l.all.Go(l.one)
	}
}

func (l *load) one() {
	res, err := l.client.Get(l.url)
	if err != nil {
		l.failed.Add(1)
		return
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != 200 {
		l.failed.Add(1)
		return
	}
	name := string(bytes.TrimSpace(body)) // "hello from demo v1 at ADDRESS"
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.first[name]; !ok {
		l.first[name] = time.Now()
	}
}

// names returns who has answered so far.
func (l *load) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for name := range l.first {
		all = append(all, name)
	}
	return all
}

// untilNew waits for the first answer of somebody who is not known, and returns when it came.
func (l *load) untilNew(ctx context.Context, known []string) (time.Time, error) {
	for {
		l.mu.Lock()
		for name, at := range l.first {
			if !slices.Contains(known, name) {
				l.mu.Unlock()
				return at, nil
			}
		}
		l.mu.Unlock()
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return time.Time{}, errors.New("no new instance serves in time")
		}
	}
}

func (l *load) end() { l.client.CloseIdleConnections() }
