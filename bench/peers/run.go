package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// run is one run of all cases.
type run struct {
	options
	dir    string
	began  time.Time
	lines  []line
	delays []delay
	idle   []idleCost
	allocs float64 // of gatewayd per request, on the first case
	picks  []pickCost
	notes  []string // what a reader of the results has to know besides
}

// line is what a case came to, by proxy.
type line struct {
	load
	cost map[string][]float64 // microseconds of processor time per request, by round
	rate map[string][]float64 // requests per second, by round
	sent map[string]outcome   // all rounds together
}

// delay is the latency at a fixed rate.
type delay struct {
	setup string
	rate  float64
	took  map[string][][]time.Duration // by proxy and round
}

// idleCost is the memory of connections that wait.
type idleCost struct {
	setup string
	proxy string
	n     int
	bytes float64 // per connection
	whole int64
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *run) all() error {
	for _, s := range setups {
		if !r.wanted(s) {
			continue
		}
		if err := r.one(s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if r.takesPickers() {
		if err := pin(-1); err != nil {
			return err
		}
		var err error
		if r.picks, err = measurePicks(); err != nil {
			r.note("The cost of picks was not measured: %v", err)
		}
	}
	return nil
}

func (r *run) takesPickers() bool {
	return !r.quick && strings.Contains("pickers", r.only)
}

func (r *run) wanted(s setup) bool {
	return r.takesLatency(s) || r.takesIdle(s) || slices.ContainsFunc(loads, func(l load) bool { return r.takes(l, s) })
}

func (r *run) takesLatency(s setup) bool {
	return (s.name == oneCore || s.name == bothCores) && strings.Contains("latency", r.only)
}

func (r *run) takes(l load, s setup) bool {
	return l.setup == s.name && (!r.quick || l.quick) && strings.Contains(l.setup+": "+l.name, r.only)
}

func (r *run) one(s setup) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	core := -1
	if s.cores == 1 {
		core = 1
		if err := pin(core); err != nil {
			return err
		}
	} else if err := pin(-1); err != nil {
		return err
	}
	up, err := start(r.dir, "upstream", core, self, "upstream", "-port", strconv.Itoa(firstPort), "-count", strconv.Itoa(maxInstances))
	if err != nil {
		return err
	}
	defer up.stop()
	if err := listening(fmt.Sprintf("127.0.0.1:%d", firstPort)); err != nil {
		return err
	}
	all, err := r.startProxies(s)
	if err != nil {
		return err
	}
	defer stopProxies(all)
	time.Sleep(time.Second) // health checks
	if r.takesIdle(s) {
		if err := r.idleMemory(s, all); err != nil {
			return err
		}
	}
	for _, l := range loads {
		if r.takes(l, s) {
			if err := r.measure(l, s, all); err != nil {
				return err
			}
		}
	}
	if r.takesLatency(s) {
		if err := r.latency(s, all); err != nil {
			return err
		}
	}
	return nil
}

// takesIdle tells whether the memory of idle connections is measured: first of all, while the proxies hold nothing from before.
func (r *run) takesIdle(s setup) bool {
	return (s.name == oneCore || s.tls) && !r.quick && strings.Contains("idle", r.only)
}

// measure runs the rounds of one case. Within a round the proxies take turns, from another one each time.
func (r *run) measure(l load, s setup, all []*proxy) error {
	ln := line{load: l, cost: map[string][]float64{}, rate: map[string][]float64{}, sent: map[string]outcome{}}
	t := traffic{conns: l.conns, request: l.request(), reopen: l.reopen, tls: s.tls, hybrid: l.hybrid, duration: r.slice}
	for round := range r.rounds + 1 {
		for i := range all {
			p := all[(round+i)%len(all)]
			if l.skips(p) {
				continue
			}
			t.addr = p.addr
			if round == 0 { // to open connections; not counted
				warm := t
				warm.duration = r.slice / 4
				if _, err := generate(warm); err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, p.name, err)
				}
				continue
			}
			if err := r.turn(&ln, p, t); err != nil {
				return fmt.Errorf("%s, %s: %w", l.name, p.name, err)
			}
		}
	}
	r.lines = append(r.lines, ln)
	for _, n := range names {
		if sent := ln.sent[n]; sent.failed > 0 {
			r.note("Not clean: %s, %s: %s: %d of %d requests failed", ln.setup, ln.name, n, sent.failed, sent.requests)
		}
	}
	fmt.Printf("%-14s %-46s gatewayd %6.1f us, x nginx %s, x haproxy %s, x caddy %s\n", l.setup, l.name, median(ln.cost["gatewayd"]),
		ratio(ln.cost, "gatewayd", "nginx"), ratio(ln.cost, "gatewayd", "haproxy"), ratio(ln.cost, "gatewayd", "caddy"))
	return r.profiled(l, t, all)
}

func (l load) skips(p *proxy) bool {
	return l.skipGo && (p.name == "net/http" || p.name == "caddy") || l.reload && p.reload == nil
}

// turn loads one proxy in one round.
func (r *run) turn(ln *line, p *proxy, t traffic) error {
	stop := make(chan struct{})
	if ln.reload {
		go reloadEachSecond(p, stop)
	}
	allocs := r.mallocs(p)
	before := p.proc.cpu()
	out, err := generate(t)
	used := p.proc.cpu() - before
	close(stop)
	if err != nil || out.requests == 0 {
		return err
	}
	sent := ln.sent[p.name]
	sent.requests, sent.failed = sent.requests+out.requests, sent.failed+out.failed
	ln.sent[p.name] = sent
	if p.name == "gatewayd" && len(r.lines) == 0 {
		r.allocs = (r.mallocs(p) - allocs) / float64(out.requests)
	}
	ln.cost[p.name] = append(ln.cost[p.name], float64(used.Microseconds())/float64(out.requests))
	ln.rate[p.name] = append(ln.rate[p.name], float64(out.requests)/out.elapsed.Seconds())
	return nil
}

func reloadEachSecond(p *proxy, stop chan struct{}) {
	for {
		p.reload()
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
	}
}

// mallocs returns how many heap objects gatewayd has allocated.
func (r *run) mallocs(p *proxy) float64 {
	if p.name != "gatewayd" || len(r.lines) > 0 {
		return 0
	}
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", adminPort))
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	for sc := bufio.NewScanner(res.Body); sc.Scan(); {
		if v, ok := strings.CutPrefix(sc.Text(), "go_memstats_mallocs_total "); ok {
			n, _ := strconv.ParseFloat(v, 64)
			return n
		}
	}
	return 0
}
