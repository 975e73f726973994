// Command peers measures gatewayd beside nginx, HAProxy, Caddy and net/http's ReverseProxy, in one run, in rounds that take turns, and writes the
// medians, their spread and the ratios as Markdown. Other load on the machine falls on all of them alike; only ratios of one run mean
// anything.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "upstream":
			return runUpstream(args[1:])
		case "reverseproxy":
			return runReverseProxy(args[1:])
		}
	}
	var o options
	fs := flag.NewFlagSet("peers", flag.ContinueOnError)
	fs.StringVar(&o.gatewayd, "gatewayd", "bin/gatewayd", "the binary to measure")
	fs.StringVar(&o.caddy, "caddy", "bin/caddy", "Caddy's binary; it is left out if there is none")
	fs.StringVar(&o.out, "out", "bench/results", "directory for the results")
	fs.StringVar(&o.only, "only", "", "only the cases whose name contains this; \"latency\", \"idle\" or \"pickers\" for that alone")
	fs.StringVar(&o.peers, "peers", "", "only these peers besides gatewayd, with commas: nginx,haproxy,caddy,net/http; all when empty")
	fs.StringVar(&o.profile, "profile", "", "directory for a CPU profile of gatewayd in each case, taken after its rounds; empty: none")
	fs.BoolVar(&o.quick, "quick", false, "a first impression in two minutes: few cases, short rounds")
	fs.IntVar(&o.rounds, "rounds", 5, "rounds of each case")
	fs.Float64Var(&o.rate, "rate", 0, "requests per second of the latency cases; 0: half of what nginx did")
	fs.DurationVar(&o.slice, "slice", time.Second, "how long each round of a case loads one proxy")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.quick {
		o.rounds, o.slice = 3, 500*time.Millisecond
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := makeCertificate(dir); err != nil {
		return fmt.Errorf("cannot make a certificate: %w", err)
	}
	if o.gatewayd, err = filepath.Abs(o.gatewayd); err != nil {
		return err
	}
	r := &run{options: o, dir: dir, began: time.Now()}
	if r.caddy, err = exec.LookPath(o.caddy); err != nil {
		r.note("Caddy was not measured: there is no %s", o.caddy)
	}
	if err := r.all(); err != nil {
		return err
	}
	return r.write()
}

type options struct {
	gatewayd, caddy, out, only, peers, profile string
	quick                                      bool
	rounds                                     int
	rate                                       float64
	slice                                      time.Duration
}
