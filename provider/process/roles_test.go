package process

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"gatewayd/scaler"
)

func serve() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	ln, err := net.Listen("tcp", os.Getenv("ADDRESS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	fmt.Println("listening on", ln.Addr())
	<-term
}

// slow ends some time after it was asked to, and says so.
func slow() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("ready")
	<-term
	<-time.After(200 * time.Millisecond)
	fmt.Println("finished its work")
}

// parent starts a child in its group and waits to be ended.
func parent() {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "TEST_ROLE="+os.Getenv("CHILD_ROLE"))
	child.Stdout = os.Stdout
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: os.Getenv("CHILD_SESSION") != ""}
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("child", child.Process.Pid)
	select {}
}

// gateway runs a provider until it is killed. What it is to do stands in the environment as JSON.
func gateway() {
	var job gatewayJob
	if err := json.Unmarshal([]byte(os.Getenv("TEST_JOB")), &job); err != nil {
		panic(err)
	}
	saves := 0
	store := fileStore{job.Store}
	o := options(job.Owner, job.Role)
	o.OnExit = job.OnExit
	o.Env["CHILD_ROLE"], o.Env["CHILD_SESSION"] = "serve", "1"
	o.Load = store.load
	o.Save = func(r []Record) error {
		saves++
		if saves == job.DieBeforeSave {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		err := store.save(r)
		if saves == job.DieAfterSave {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return err
	}
	if o.OnExit == Stop {
		o.Output.Line = func(_ string, line []byte) { fmt.Println(string(line)) }
	}
	p, err := New(o)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if job.Guard {
		g, err := NewGuard([]string{"/usr/bin/env", "TEST_ROLE=guard", os.Args[0]}, p.o.Logger)
		if err != nil {
			panic(err)
		}
		go g.Run(ctx)
	}
	changed := make(chan struct{}, 1)
	go p.Run(ctx, func() { signalOn(changed) })
	if err := p.Scale(ctx, scaler.Revision{Service: "shop", Version: "v1"}, job.Count, nil); err != nil {
		panic(err)
	}
	for range changed {
		l, err := p.List(ctx)
		running := func(in scaler.Instance) bool { return in.State == scaler.InstanceRunning }
		if n := len(slices.DeleteFunc(l, running)); err == nil && n == 0 && job.dies() {
			syscall.Kill(os.Getpid(), syscall.SIGKILL) // that save never came: saves are shared
		}
	}
}

func signalOn(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

type gatewayJob struct {
	Owner, Role, Store          string
	OnExit                      OnExit
	Count                       int
	DieBeforeSave, DieAfterSave int // which call of Save; 0: none
	Guard                       bool
}

func (j gatewayJob) dies() bool { return j.DieBeforeSave > 0 || j.DieAfterSave > 0 }

// fileStore keeps records in a file, as the gateway's own store does.
type fileStore struct{ path string }

func (s fileStore) load() ([]Record, error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return nil, nil // the first life
	}
	var r []Record
	return r, json.Unmarshal(b, &r)
}

func (s fileStore) save(r []Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}
