// Command rollout measures what rollouts promise on a real gateway: gatewayd runs as a process of its own with the process
// provider, demo instances are its versions, and an open-loop load goes through it. Every case prints one line; the exit code is 1
// if a promise was not kept. Everything listens on loopback.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	binary := flag.String("gatewayd", "bin/gatewayd", "the program to measure")
	only := flag.String("case", "", "regular expression: run the cases whose name matches")
	rate := flag.Float64("rate", 500, "requests per second")
	runs := flag.Int("runs", 1, "how often to run each case")
	keep := flag.Bool("v", false, "print the gateway's log of cases that failed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollout: -case:", err)
		os.Exit(2)
	}
	b := &bench{ctx: ctx, binary: *binary, rate: *rate, verbose: *keep}
	fmt.Printf("%-34s  %-6s  %-8s  %-34s  %s\n", "case", "kept", "requests", "measured", "promise")
	failed := 0
	for _, c := range cases() {
		if !pattern.MatchString(c.name) {
			continue
		}
		for range *runs {
			if ctx.Err() != nil {
				os.Exit(1)
			}
			if !b.one(c) {
				failed++
			}
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// bench is what all cases share.
type bench struct {
	ctx     context.Context
	binary  string
	rate    float64
	verbose bool
}

// result is what one run of a case came to.
type result struct {
	kept     bool
	requests int64
	measured string
}

// one runs a case once and prints its line.
func (b *bench) one(c benchCase) bool {
	g, err := startGateway(b.ctx, b.binary, c.config)
	if err != nil {
		fmt.Printf("%-34s  %v\n", c.name, err)
		return false
	}
	defer g.stop()
	r, err := c.run(b, g)
	if err != nil {
		r = result{measured: err.Error()}
	}
	kept := map[bool]string{true: "yes", false: "NO"}[r.kept]
	fmt.Printf("%-34s  %-6s  %-8d  %-34s  %s\n", c.name, kept, r.requests, r.measured, c.promise)
	if !r.kept && b.verbose {
		g.printLog(os.Stdout)
	}
	return r.kept
}
