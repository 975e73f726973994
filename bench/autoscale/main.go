// Command autoscale runs the suite of scaler/simulate: every autoscaler over the traces
// that are named, or over generated ones, with one setting each.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatewayd/scaler/simulate"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "autoscale: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out *os.File) error {
	fs := flag.NewFlagSet("autoscale", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: autoscale [flags] [FILE.csv[:FROM-TO] ...]\nWithout traces it runs generated ones.\n")
		fs.PrintDefaults()
	}
	dir := fs.String("traces", "", "folder in which the trace files lie")
	delay := fs.Duration("start-delay", 30*time.Second, "time from launching an instance until it is ready")
	asJSON := fs.Bool("json", false, "print JSON")
	fault := fs.String("fault", "", "what goes wrong: "+strings.Join(simulate.FaultNames(), ", "))
	only := fs.Bool("only", false, "leave the other autoscalers out")
	seed := fs.Uint64("seed", 1, "of arrivals and service times, and of generated traces")
	if err := fs.Parse(args); err != nil {
		return err
	}
	traces, err := open(*dir, fs.Args(), *seed)
	if err != nil {
		return err
	}
	suite := simulate.Suite{Traces: traces, OnlySpec: *only, Fault: *fault, Plant: simulate.Plant{StartDelay: *delay, Seed: *seed}}
	report, err := suite.Run()
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return report.WriteTable(out)
}

func open(dir string, specs []string, seed uint64) ([]*simulate.Trace, error) {
	if dir != "" && len(specs) == 0 {
		files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
		if err != nil {
			return nil, fmt.Errorf("cannot list traces in %q: %w", dir, err)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("cannot find any *.csv in %q", dir)
		}
		specs, dir = files, ""
	}
	if len(specs) == 0 {
		return simulate.Synthetic(seed, 24), nil
	}
	var traces []*simulate.Trace
	for _, s := range specs {
		tr, err := simulate.OpenTrace(filepath.Join(dir, s))
		if err != nil {
			return nil, err
		}
		traces = append(traces, tr)
	}
	return traces, nil
}
