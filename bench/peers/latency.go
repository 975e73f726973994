package main

import "time"

// headroom is how much more than the fixed rate a proxy must have carried to be measured at it. One that falls behind is still
// working off its backlog when the next one's turn comes.
const headroom = 1.1

// latency loads each proxy at a fixed rate, half of what nginx did with 64 connections.
func (r *run) latency(s setup, all []*proxy) error {
	common := r.commonLine(s)
	rate := r.rate
	if rate == 0 && common != nil {
		rate = median(common.rate["nginx"]) / 2
	}
	if rate == 0 {
		rate = 10000 // nginx's was not measured
	}
	d := delay{setup: s.name, rate: rate, took: map[string][][]time.Duration{}}
	var able []*proxy
	for _, p := range all {
		if common != nil && len(common.rate[p.name]) > 0 && median(common.rate[p.name]) < rate*headroom {
			r.note("Latency on %s: %s was left out; it carried %.0f requests per second with 64 connections, too few for %.0f", s.name, p.name, median(common.rate[p.name]), rate)
			continue
		}
		able = append(able, p)
	}
	request := load{path: "/128"}.request()
	for round := range r.rounds {
		for i := range able {
			p := able[(round+i)%len(able)]
			if !settle(all) {
				r.note("Latency on %s: the proxies had not come to rest before %s's turn in round %d", s.name, p.name, round+1)
			}
			out, err := generate(traffic{addr: p.addr, conns: 64, request: request, rate: rate, duration: 2 * r.slice})
			if err != nil {
				return err
			}
			d.took[p.name] = append(d.took[p.name], out.took)
		}
	}
	r.delays = append(r.delays, d)
	return nil
}

// commonLine returns what the setup's common case came to, nil where it was not measured.
func (r *run) commonLine(s setup) *line {
	for i := range r.lines {
		if ln := &r.lines[i]; ln.setup == s.name && ln.common() {
			return ln
		}
	}
	return nil
}

const (
	settleLook     = 100 * time.Millisecond
	settlePatience = 3 * time.Second
)

// settle waits until no proxy has used processor time for a moment, and tells whether that came about in bounded time.
func settle(all []*proxy) bool {
	for deadline := time.Now().Add(settlePatience); time.Now().Before(deadline); {
		before := cpuOf(all)
		time.Sleep(settleLook)
		if cpuOf(all) == before {
			return true
		}
	}
	return false
}

func cpuOf(all []*proxy) (total time.Duration) {
	for _, p := range all {
		total += p.proc.cpu()
	}
	return total
}
