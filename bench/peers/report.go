package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var names = []string{"nginx", "haproxy", "gatewayd", "net/http"}

// pin keeps this process on one core, or lets it go on all where core is negative.
func pin(core int) error {
	var set unix.CPUSet
	for i := range runtime.NumCPU() + 8 {
		if core < 0 || i == core {
			set.Set(i)
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var id int
		fmt.Sscan(t.Name(), &id)
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return fmt.Errorf("cannot pin to core %d: %w", core, err)
		}
	}
	return nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratio is the median of the ratios within each round, so that what loads the machine in one round falls on both.
func ratio(v map[string][]float64, a, b string) string {
	n := min(len(v[a]), len(v[b]))
	var all []float64
	for i := range n {
		if v[b][i] > 0 {
			all = append(all, v[a][i]/v[b][i])
		}
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", median(all))
}

func bold(s string) string {
	if s == "" {
		return ""
	}
	return "**" + s + "**"
}

func spread(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f (%.1f–%.1f)", median(v), slices.Min(v), slices.Max(v))
}

func percentile(v []time.Duration, p float64) string {
	if len(v) == 0 {
		return ""
	}
	return v[min(int(float64(len(v))*p), len(v)-1)].Round(time.Microsecond).String()
}

func (r *run) write() error {
	var b strings.Builder
	kind := "full"
	if r.quick {
		kind = "quick"
	}
	fmt.Fprintf(&b, "# gatewayd beside its peers, %s\n\nOne %s run of `make bench`, %d rounds of %v for each case and proxy, taking turns; it took %v.\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), kind, r.rounds, r.slice, time.Since(r.began).Round(time.Second))
	fmt.Fprintf(&b, "%s\n\n", machine())
	b.WriteString("CPU is user and system time of the proxy's processes, in microseconds per request: median (lowest–highest). A ratio is the median over the rounds\nof gatewayd's CPU by the peer's in the same round; below 1 gatewayd needs less. Other work on the machine falls on all alike, so the ratios mean something and the figures\nlittle. Idle rounds of a case are not counted. gatewayd measures, checks health, balances by least connections, detects outliers, retries and sets deadlines all the while.\n")
	r.writeCosts(&b)
	r.writeRates(&b)
	r.writeDelays(&b)
	r.writeIdle(&b)
	if r.allocs != 0 || len(r.lines) > 0 {
		fmt.Fprintf(&b, "\ngatewayd allocated %.3f heap objects per request in the first case, its own loops for health, metrics and decisions included.\n", r.allocs)
	}
	for _, u := range r.unclean {
		fmt.Fprintf(&b, "\nNot clean: %s.\n", u)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	name := filepath.Join(r.out, r.began.UTC().Format("2006-01-02")+".md")
	if r.only != "" || r.quick {
		name = filepath.Join(r.out, "quick.md")
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		return err
	}
	fmt.Println("written to", name)
	if r.only != "" || r.quick {
		return nil
	}
	return os.WriteFile(filepath.Join(r.out, "latest.md"), []byte(b.String()), 0o644)
}

func (r *run) writeCosts(b *strings.Builder) {
	b.WriteString("\n## CPU per request\n\n| case | | nginx | HAProxy | gatewayd | net/http | x nginx | x HAProxy |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(b, "| %s | %s |", l.setup, l.name)
		for _, n := range names {
			fmt.Fprintf(b, " %s |", spread(l.cost[n]))
		}
		fmt.Fprintf(b, " %s | %s |\n", bold(ratio(l.cost, "gatewayd", "nginx")), bold(ratio(l.cost, "gatewayd", "haproxy")))
	}
}

func (r *run) writeRates(b *strings.Builder) {
	b.WriteString("\n## Requests per second\n\nMedians, in thousands. On one core the proxy has it alone, and generator and upstream share the other.\n\n| case | | nginx | HAProxy | gatewayd | net/http |\n|---|---|---|---|---|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(b, "| %s | %s |", l.setup, l.name)
		for _, n := range names {
			if len(l.rate[n]) == 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(b, " %.2f |", median(l.rate[n])/1000)
		}
		b.WriteString("\n")
	}
}

func (r *run) writeDelays(b *strings.Builder) {
	if len(r.delays) == 0 {
		return
	}
	b.WriteString("\n## Latency at a fixed rate\n\nHalf of nginx's rate with 64 connections; latency counts from when a request was due.\n\n| | rate/s | proxy | p50 | p99 | p99.9 |\n|---|---|---|---|---|---|\n")
	for _, d := range r.delays {
		for _, n := range names {
			took := slices.Sorted(slices.Values(d.took[n]))
			fmt.Fprintf(b, "| %s | %.0f | %s | %s | %s | %s |\n", d.setup, d.rate, n, percentile(took, 0.5), percentile(took, 0.99), percentile(took, 0.999))
		}
	}
}

func (r *run) writeIdle(b *strings.Builder) {
	if len(r.idle) == 0 {
		return
	}
	b.WriteString("\n## Memory of idle connections\n\nAnonymous resident memory; each connection has carried one request; measured first, on fresh processes.\n\n| proxy | connections | bytes per connection | whole process, MiB |\n|---|---|---|---|\n")
	for _, i := range r.idle {
		fmt.Fprintf(b, "| %s | %d | %.0f | %.1f |\n", i.proxy, i.n, i.bytes, float64(i.whole)/(1<<20))
	}
}

// machine describes what the run was on.
func machine() string {
	model := ""
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(v, "\t :"))
				break
			}
		}
	}
	load := ""
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(b))[0]
	}
	return fmt.Sprintf("%s; %s; %s; %d cores of a %s; load average %s at the end.", version("nginx", "-v"), version("haproxy", "-v"),
		runtime.Version(), runtime.NumCPU(), model, load)
}

func version(argv ...string) string {
	out, _ := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	first = strings.TrimPrefix(first, "nginx version: ")
	first, _, _ = strings.Cut(first, " - ")
	return first
}
