package main

import (
	"debug/buildinfo"
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

// names are the columns of the tables, in their order.
var names = []string{"nginx", "haproxy", "gatewayd", "caddy", "net/http"}

const columns = "nginx | HAProxy | gatewayd | Caddy | net/http"

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

// percentile returns a percentile of sorted values in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(float64(len(sorted))*p), len(sorted)-1)].Microseconds()) / 1000
}

func (r *run) write() error {
	var b strings.Builder
	kind := "full"
	if r.quick {
		kind = "quick"
	}
	fmt.Fprintf(&b, "# gatewayd beside its peers, %s\n\nOne %s run of `make bench`, %d rounds of %v for each case and proxy, taking turns; it took %v.\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), kind, r.rounds, r.slice, time.Since(r.began).Round(time.Second))
	fmt.Fprintf(&b, "%s\n\n", r.machine())
	b.WriteString("CPU is user and system time of the proxy's processes, in microseconds per request: median (lowest–highest). A ratio is the median over the rounds\nof gatewayd's CPU by the peer's in the same round; below 1 gatewayd needs less. Other work on the machine falls on all alike, so the ratios mean something and the figures\nlittle. A first round warms up and is not counted. gatewayd measures, checks health, balances by least connections, detects outliers, retries and sets deadlines all the while.\n" +
		"Under TLS 1.3 all have the same ECDSA P-256 certificate, AES-128-GCM and X25519, with plain HTTP to the upstream; handshakes are full ones, tickets are issued as each does\nby itself and never used. With ML-KEM offered as well, those take it that know it: gatewayd, Caddy and net/http, not OpenSSL 3.0. gatewayd does not speak HTTP/2 to clients, so there is nothing of it to compare.\n")
	r.writeCosts(&b)
	r.writeRates(&b)
	r.writeDelays(&b)
	r.writeIdle(&b)
	r.writePicks(&b)
	if len(r.lines) > 0 {
		fmt.Fprintf(&b, "\ngatewayd allocated %.3f heap objects per request in the first case, its own loops for health, metrics and decisions included.\n", r.allocs)
	}
	for _, n := range r.notes {
		fmt.Fprintf(&b, "\n%s.\n", n)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	name := filepath.Join(r.out, r.began.UTC().Format("2006-01-02")+".md")
	part := r.only != "" || r.quick || r.peers != ""
	if part {
		name = filepath.Join(r.out, "quick.md")
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		return err
	}
	fmt.Println("written to", name)
	if part {
		return nil
	}
	return os.WriteFile(filepath.Join(r.out, "latest.md"), []byte(b.String()), 0o644)
}

func (r *run) writeCosts(b *strings.Builder) {
	if len(r.lines) == 0 {
		return
	}
	b.WriteString("\n## CPU per request\n\n| case | | " + columns + " | x nginx | x HAProxy | x Caddy |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(b, "| %s | %s |", l.setup, l.name)
		for _, n := range names {
			fmt.Fprintf(b, " %s |", spread(l.cost[n]))
		}
		for _, n := range []string{"nginx", "haproxy", "caddy"} {
			fmt.Fprintf(b, " %s |", bold(ratio(l.cost, "gatewayd", n)))
		}
		b.WriteString("\n")
	}
}

func (r *run) writeRates(b *strings.Builder) {
	if len(r.lines) == 0 {
		return
	}
	b.WriteString("\n## Requests per second\n\nMedians, in thousands. On one core the proxy has it alone, and generator and upstream share the other. Over TLS the generator may be what is slowest.\n\n| case | | " + columns + " |\n|---|---|---|---|---|---|---|\n")
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
	b.WriteString("\n## Latency at a fixed rate\n\nMilliseconds; the rate is half of nginx's with 64 connections unless another was asked for; latency counts from when a request was due. \"p99 by round\" is the median over\nthe rounds of each round's 99th percentile (lowest–highest); the others are of all rounds' requests together. Before each turn all proxies have come to rest;\none that does not carry a tenth more than the rate is left out.\n\n| | rate/s | proxy | p50 | p99 by round | p99 | p99.9 |\n|---|---|---|---|---|---|---|\n")
	for _, d := range r.delays {
		for _, n := range names {
			if len(d.took[n]) == 0 {
				continue
			}
			var rounds []float64
			for _, took := range d.took[n] {
				rounds = append(rounds, percentile(slices.Sorted(slices.Values(took)), 0.99))
			}
			all := slices.Concat(d.took[n]...)
			slices.Sort(all)
			fmt.Fprintf(b, "| %s | %.0f | %s | %.2f | %.2f (%.2f–%.2f) | %.2f | %.2f |\n", d.setup, d.rate, n, percentile(all, 0.5),
				median(rounds), slices.Min(rounds), slices.Max(rounds), percentile(all, 0.99), percentile(all, 0.999))
		}
	}
}

func (r *run) writeIdle(b *strings.Builder) {
	if len(r.idle) == 0 {
		return
	}
	b.WriteString("\n## Memory of idle connections\n\nAnonymous resident memory; each connection has carried one request; measured first, on fresh processes. Over TLS they are opened at 400 a second.\n\n| | proxy | connections | bytes per connection | whole process, MiB |\n|---|---|---|---|---|\n")
	for _, i := range r.idle {
		fmt.Fprintf(b, "| %s | %s | %d | %.0f | %.1f |\n", i.setup, i.proxy, i.n, i.bytes, float64(i.whole)/(1<<20))
	}
}

// machine describes what the run was on.
func (r *run) machine() string {
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
	versions := []string{version("nginx", "-v"), version("haproxy", "-v")}
	if info, err := buildinfo.ReadFile(r.caddy); err == nil {
		versions = append(versions, "Caddy "+info.Main.Version+" built with "+info.GoVersion)
	}
	return fmt.Sprintf("%s; %s; %d cores of a %s; load average %s at the end.", strings.Join(versions, "; "),
		runtime.Version(), runtime.NumCPU(), model, load)
}

func version(argv ...string) string {
	out, _ := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	first = strings.TrimPrefix(first, "nginx version: ")
	first, _, _ = strings.Cut(first, " - ")
	return first
}
