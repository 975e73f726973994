package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
)

func TestOptionsThatAreRefused(t *testing.T) {
	f := func(edit func(*Options), want string) {
		t.Helper()
		o := Options{Service: "shop", Owner: "me", Image: "shop:{{.Version}}", Port: 8080}
		edit(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f(func(o *Options) { o.Service = "" }, "a service without a name")
	f(func(o *Options) { o.Owner = "" }, "without the name of their owner")
	f(func(o *Options) { o.Image = "" }, "provider.docker.image: got nothing")
	f(func(o *Options) { o.Image = "shop:{{.Color}}" }, `provider.docker.image: cannot use template "shop:{{.Color}}"`)
	f(func(o *Options) { o.Command = []string{"shop", "{{.Version"} }, `provider.docker.command[1]: cannot use template`)
	f(func(o *Options) { o.Env = map[string]string{"A": "{{.X}}"} }, `provider.docker.env.A: cannot use template`)
	f(func(o *Options) { o.Env = map[string]string{"A=B": ""} }, `provider.docker.env: got "A=B"`)
	f(func(o *Options) { o.Port = 0 }, "provider.docker.port: got 0; want 1 to 65535")
	f(func(o *Options) { o.Port = 65536 }, "provider.docker.port: got 65536")
	f(func(o *Options) { o.CPU = 0.001 }, "provider.docker.cpu: got 0.001")
	f(func(o *Options) { o.CPU = math.NaN() }, "provider.docker.cpu: got NaN")
	f(func(o *Options) { o.MemoryBytes = math.MaxUint64 }, "provider.docker.memory: got")
	f(func(o *Options) { o.Pull = "sometimes" }, `provider.docker.pull: got "sometimes"; want always, missing or never`)
	f(func(o *Options) { o.OnExit = "hide" }, `provider.docker.onGatewayExit: got "hide"; want stop or adopt`)
	f(func(o *Options) { o.StopTimeout = -1 }, "provider.docker.stopTimeout: got -1ns")
	f(func(o *Options) { o.Backoff = Backoff{Base: time.Minute, Max: time.Second} }, "cannot use backoff")
	f(func(o *Options) { o.Host = "nonsense" }, `provider.docker.host: cannot use "nonsense"`)
	f(func(o *Options) { o.Network = "host" }, `provider.docker.network: "host" gives each instance a port of its own`)
	f(func(o *Options) { o.Network, o.Command = "host", []string{"--at", "{{.Service}}"} }, `provider.docker.network: "host"`)
}

func TestRender(t *testing.T) {
	o := Options{Image: "shop:{{.Version}}", Command: []string{"--listen", "{{.Address}}", "--id={{.Instance}}"},
		Env: map[string]string{"Z": "{{.Service}}", "A": "{{.Host}} {{.Port}}"}}
	parsed, err := parseTemplates(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := parsed.render(Vars{Version: "v2", Address: "0.0.0.0:80", Instance: "v2-1", Service: "shop", Host: "0.0.0.0", Port: "80"})
	if got, want := fmt.Sprintf("%q %v", r, err), `{"shop:v2" ["--listen" "0.0.0.0:80" "--id=v2-1"] ["A=0.0.0.0 80" "Z=shop"]} <nil>`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestIsAway(t *testing.T) {
	f := func(err error, want bool) {
		t.Helper()
		if got := isAway(fmt.Errorf("cannot do it: %w", err)); got != want {
			t.Errorf("%v: got %t", err, got)
		}
	}
	f(io.ErrUnexpectedEOF, true)
	f(syscall.ECONNRESET, true)
	f(context.DeadlineExceeded, true)
	f(errdefs.ErrUnavailable, true)
	f(errdefs.ErrNotFound, false)
	f(errdefs.ErrInternal, false)
	f(errors.New("invalid reference format"), false)
	f(context.Canceled, false)
}

func TestWorkingSet(t *testing.T) {
	f := func(usage uint64, stats map[string]uint64, want uint64) {
		t.Helper()
		if got := workingSet(container.MemoryStats{Usage: usage, Stats: stats}); got != want {
			t.Errorf("got %d; want %d", got, want)
		}
	}
	f(100, map[string]uint64{"inactive_file": 30}, 70)                            // cgroup v2
	f(100, map[string]uint64{"inactive_file": 30, "total_inactive_file": 40}, 60) // v1
	f(100, nil, 100)
	f(100, map[string]uint64{"inactive_file": 101}, 0)
}

func TestMeter(t *testing.T) {
	var m meter
	now := time.Unix(1000, 0)
	f := func(read time.Time, cpu time.Duration, want float64) {
		t.Helper()
		var s container.StatsResponse
		s.Read, s.CPUStats.CPUUsage.TotalUsage = read, uint64(cpu)
		if got := m.take(s, now); got.CPU != want || got.At != now {
			t.Errorf("got %+v; want %v cores", got, want)
		}
	}
	f(time.Unix(1, 0), time.Second, 0)
	f(time.Unix(2, 0), 3*time.Second, 2)
	f(time.Unix(4, 0), 4*time.Second, 0.5)
	f(time.Unix(4, 0), 5*time.Second, 0) // the clock stood still
	f(time.Unix(5, 0), 1*time.Second, 0) // started anew
	f(time.Unix(6, 0), 2*time.Second, 1)
}

func TestEndReason(t *testing.T) {
	f := func(s container.State, want string) {
		t.Helper()
		if got := endReason(&s); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f(container.State{}, "exit status 0")
	f(container.State{ExitCode: 3}, "exit status 3")
	f(container.State{ExitCode: 137}, "exit status 137 (killed)")
	f(container.State{ExitCode: 143}, "exit status 143 (terminated)")
	f(container.State{ExitCode: 137, OOMKilled: true}, "exit status 137: killed for want of memory")
	f(container.State{ExitCode: 127, Error: "no such file"}, "exit status 127: no such file")
}

func TestLife(t *testing.T) {
	l, err := newLife()
	if err != nil || !l.lives() || parseLife(l.String()) != l {
		t.Fatalf("got %+v, %v", l, err)
	}
	start, _ := startTime(os.Getpid())
	for _, text := range []string{"", "/", "x-1/a", "1073741824-1/a", fmt.Sprintf("%d-%d/a", os.Getpid(), start+1)} {
		if parseLife(text).lives() {
			t.Errorf("%q lives", text)
		}
	}
}
