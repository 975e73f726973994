package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pickCost is what one balancing algorithm costs, in nanoseconds of one core.
type pickCost struct {
	algorithm string
	order     int // among the benchmark's own
	ns        map[pick][]float64
}

// pick is one of the circumstances that a pick is measured in.
type pick struct {
	held      bool // with the endpoint's in-flight counter up and down; else the choice alone
	endpoints int
	cores     int // that pick at once
}

var pickLine = regexp.MustCompile(`^Benchmark(PickParallel|Propose)/([^/]+)/(\d+?)(?:-(\d+))?\s+\d+\s+([\d.]+) ns/op`)

// measurePicks runs the balancer's own benchmarks, on one core and on all of them. It needs the Go toolchain and the source.
func measurePicks() ([]pickCost, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(PickParallel|Propose)$/./^(10|1000)$",
		"-benchtime", "10ms", "-count", "10", "-cpu", fmt.Sprintf("1,%d", runtime.NumCPU()), "./balancer")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %.300s", err, out)
	}
	picks := parsePicks(string(out))
	if len(picks) == 0 {
		return nil, fmt.Errorf("the benchmarks printed no figures: %.300s", out)
	}
	return picks, nil
}

// parsePicks reads what go test printed. Its nanoseconds are of the wall clock while all cores pick; the result's are of one core.
func parsePicks(text string) []pickCost {
	found := map[string]*pickCost{}
	for line := range strings.Lines(text) {
		m := pickLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		cores := 1
		if m[4] != "" {
			cores, _ = strconv.Atoi(m[4])
		}
		endpoints, _ := strconv.Atoi(m[3])
		ns, _ := strconv.ParseFloat(m[5], 64)
		c := found[m[2]]
		if c == nil {
			c = &pickCost{algorithm: m[2], order: len(found), ns: map[pick][]float64{}}
			found[m[2]] = c
		}
		at := pick{held: m[1] == "PickParallel", endpoints: endpoints, cores: cores}
		c.ns[at] = append(c.ns[at], ns*float64(cores))
	}
	var all []pickCost
	for _, c := range slices.SortedFunc(maps.Values(found), func(a, b *pickCost) int { return a.order - b.order }) {
		all = append(all, *c)
	}
	return all
}

func (r *run) writePicks(b *strings.Builder) {
	if len(r.picks) == 0 {
		return
	}
	cores := runtime.NumCPU()
	fmt.Fprintf(b, "\n## Cost of a pick\n\nNanoseconds of one core for each pick, the best of ten short runs of the balancer's benchmarks, from 10 and from 1,000 endpoints; while one core picks and while\nall %d do at once, from the same pool. On the left the choice alone, on the right with the endpoint's in-flight counter up and down again. If other work keeps cores\nfrom picking, that shows in the columns of all cores.\n\n", cores)
	b.WriteString("| algorithm | choice: 10 | 1,000 | all cores: 10 | 1,000 | and counted: 10 | 1,000 | all cores: 10 | 1,000 |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range r.picks {
		fmt.Fprintf(b, "| %s |", c.algorithm)
		for _, held := range []bool{false, true} {
			for _, n := range []int{1, cores} {
				for _, endpoints := range []int{10, 1000} {
					fmt.Fprintf(b, " %.1f |", best(c.ns[pick{held, endpoints, n}]))
				}
			}
		}
		b.WriteString("\n")
	}
}

func best(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Min(v)
}
