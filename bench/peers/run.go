package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// run is one run of all cases.
type run struct {
	options
	dir     string
	began   time.Time
	lines   []line
	delays  []delay
	idle    []idleCost
	allocs  float64 // of gatewayd per request, on the first case
	unclean []string
}

// line is what a case came to, by proxy.
type line struct {
	load
	cost map[string][]float64 // microseconds of processor time per request, by round
	rate map[string][]float64 // requests per second, by round
}

// delay is the latency at a fixed rate.
type delay struct {
	setup string
	rate  float64
	took  map[string][]time.Duration
}

// idleCost is the memory of connections that wait.
type idleCost struct {
	proxy string
	n     int
	bytes float64 // per connection
	whole int64
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
	return nil
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
	all, err := startProxies(r.dir, s, r.gatewayd, r.peers)
	if err != nil {
		return err
	}
	defer stopProxies(all)
	time.Sleep(time.Second) // health checks
	if r.takesIdle(s) {
		if err := r.idleMemory(all); err != nil {
			return err
		}
	}
	for _, l := range loads {
		if r.takes(l, s) {
			if err := r.measure(l, all); err != nil {
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
	return s.name == oneCore && !r.quick && strings.Contains("idle", r.only)
}

// measure runs the rounds of one case. Within a round the proxies take turns, from another one each time.
func (r *run) measure(l load, all []*proxy) error {
	ln := line{load: l, cost: map[string][]float64{}, rate: map[string][]float64{}}
	request := l.request()
	for round := range r.rounds + 1 {
		for i := range all {
			p := all[(round+i)%len(all)]
			if l.skipNet && p.name == "net/http" || l.reload && p.reload == nil {
				continue
			}
			duration := r.slice
			if round == 0 {
				duration = r.slice / 4 // to open connections; not counted
			}
			stop := make(chan struct{})
			if l.reload && round > 0 {
				go reloadEachSecond(p, stop)
			}
			allocs := r.mallocs(p)
			before := p.proc.cpu()
			out, err := generate(traffic{addr: p.addr, conns: l.conns, request: request, reopen: l.reopen, duration: duration})
			used := p.proc.cpu() - before
			close(stop)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", l.name, p.name, err)
			}
			if round == 0 || out.requests == 0 {
				continue
			}
			if out.failed > 0 {
				r.unclean = append(r.unclean, fmt.Sprintf("%s, %s: %s: %d of %d failed", l.setup, l.name, p.name, out.failed, out.requests))
			}
			if p.name == "gatewayd" && len(r.lines) == 0 {
				r.allocs = (r.mallocs(p) - allocs) / float64(out.requests)
			}
			ln.cost[p.name] = append(ln.cost[p.name], float64(used.Microseconds())/float64(out.requests))
			ln.rate[p.name] = append(ln.rate[p.name], float64(out.requests)/out.elapsed.Seconds())
		}
	}
	r.lines = append(r.lines, ln)
	fmt.Printf("%-14s %-46s gatewayd %6.1f us, x nginx %s, x haproxy %s\n", l.setup, l.name, median(ln.cost["gatewayd"]),
		ratio(ln.cost, "gatewayd", "nginx"), ratio(ln.cost, "gatewayd", "haproxy"))
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

// latency loads each proxy at half of what nginx did with 64 connections, at a fixed rate.
func (r *run) latency(s setup, all []*proxy) error {
	rate := r.rate
	for _, ln := range r.lines {
		if rate == 0 && ln.setup == s.name && ln.conns == 64 && ln.path == "/128" && !ln.reload {
			rate = median(ln.rate["nginx"]) / 2
		}
	}
	if rate == 0 {
		rate = 10000 // nginx's was not measured
	}
	d := delay{setup: s.name, rate: rate, took: map[string][]time.Duration{}}
	request := load{path: "/128"}.request()
	for round := range r.rounds {
		for i := range all {
			p := all[(round+i)%len(all)]
			out, err := generate(traffic{addr: p.addr, conns: 64, request: request, rate: rate, duration: 2 * r.slice})
			if err != nil {
				return err
			}
			d.took[p.name] = append(d.took[p.name], out.took...)
		}
	}
	r.delays = append(r.delays, d)
	return nil
}

// idleConnections are opened to each proxy; HAProxy's limit here leaves room for them and the upstream's.
const idleConnections = 8000

func (r *run) idleMemory(all []*proxy) error {
	runtime.GC()
	for _, p := range all {
		before := p.proc.memory()
		stop, err := idle(p.addr, idleConnections, load{path: "/128"}.request())
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		time.Sleep(2 * time.Second)
		after := p.proc.memory()
		stop()
		r.idle = append(r.idle, idleCost{p.name, idleConnections, float64(after-before) / idleConnections, after})
	}
	return nil
}
