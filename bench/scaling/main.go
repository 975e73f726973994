// Command scaling measures how soon a running gateway follows a step in load: from the first request of the step to the decision, and from the
// decision to the first answer of a new instance, beside what an instance takes to start by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"
)

// config is for a service whose instances carry 8 requests of 20 ms at a time.
const config = `admin: {listen: %q}
state: {path: %q}
log: {level: warn}
listeners: [{name: web, address: %q}]
routes: [{name: all, service: demo}]
services:
  demo:
    provider:
      process: {command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --latency, 20ms, --concurrency, "8"], output: none}
    healthCheck: {path: /health, healthyThreshold: 1, startInterval: 100ms}
    limits: {maxConcurrencyPerInstance: 8, queue: 1000}
    scaling:
      minInstances: 1
      maxInstances: 6
      scaleDownStabilization: 0s
      policies: [{name: wait, type: slo, objective: {waitBelow: 100ms, percent: 99}}]
`

func main() {
	gateway := flag.String("gateway", "bin/gatewayd", "the program")
	trials := flag.Int("trials", 5, "how often; each takes some 10 seconds")
	before := flag.Float64("before", 50, "requests per second before the step")
	after := flag.Float64("after", 700, "requests per second after it; one instance carries about 400")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, *gateway, *trials, *before, *after); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, program string, trials int, before, after float64) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	own, err := ownStart(ctx, program)
	if err != nil {
		return fmt.Errorf("cannot start an instance by itself: %w", err)
	}
	fmt.Printf("an instance alone answers %d ms after its start (median of 5)\n", own.Milliseconds())
	fmt.Printf("from %.0f to %.0f requests/s:\n\n", before, after)
	fmt.Printf("%6s  %13s  %18s  %15s  %9s  %7s\n", "trial", "decision, ms", "then serving, ms", "less own start", "instances", "failed")
	var decisions, excesses []time.Duration
	for n := range trials {
		r, err := trial(ctx, program, before, after)
		if err != nil {
			return fmt.Errorf("trial %d: %w", n+1, err)
		}
		decisions = append(decisions, r.decision)
		excesses = append(excesses, r.serving-own)
		fmt.Printf("%6d  %13d  %18d  %15d  %9d  %7d\n", n+1, r.decision.Milliseconds(), r.serving.Milliseconds(), (r.serving - own).Milliseconds(), r.wanted, r.failed)
	}
	fmt.Printf("\nworst: decision after %d ms (goal: 300), serving %d ms after the instance's own start time (goal: 500)\n",
		slices.Max(decisions).Milliseconds(), slices.Max(excesses).Milliseconds())
	if slices.Max(decisions) > 300*time.Millisecond || slices.Max(excesses) > 500*time.Millisecond {
		return errors.New("a goal was missed")
	}
	return nil
}
