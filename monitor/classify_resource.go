package monitor

import (
	"fmt"
	"math"
	"time"
)

// leakWindow is one of the spans over which memory is watched for growth. A leak in it
// has to rise by at least rise points, fill up within horizon, and pass by three
// points whatever was the highest before, so that a sawtooth of collections is none.
type leakWindow struct {
	tier    int
	span    time.Duration
	points  int
	rise    float64 // percent points over span
	horizon time.Duration
}

func leakWindows() []leakWindow {
	return []leakWindow{
		{tier: 0, span: 20 * time.Second, points: 18, rise: 8, horizon: 5 * time.Minute},
		{tier: 1, span: 5 * time.Minute, points: 24, rise: 5, horizon: time.Hour},
		{tier: 2, span: 4 * time.Hour, points: 24, rise: 5, horizon: 24 * time.Hour},
	}
}

// memory: an instance is at the end of its memory, or will be soon. One claim for
// the service, of the instance that is worst off.
func memory(v *view) []claim {
	var worst claim
	soonest := time.Duration(math.MaxInt64)
	alike := 0
	for _, in := range v.instances {
		if in.drained() {
			continue
		}
		level := in.sum.memory.mean()
		left, rate, from := v.exhaustion(in, level)
		full := level >= v.pick(Memory, "", 90, 85)
		if !full && left < 0 {
			continue
		}
		alike++
		if left < 0 {
			left = 24 * time.Hour
		}
		if level >= 95 {
			left = min(left, time.Minute)
		}
		if left >= soonest {
			continue
		}
		soonest = left
		worst = v.memoryClaim(in, level, rate, left)
		worst.from = from
	}
	if alike == 0 {
		return nil
	}
	worst.figures = append(worst.figures, v.figure("instances alike", float64(alike), ""))
	return []claim{worst}
}

func (v *view) memoryClaim(in instanceView, level, rate float64, left time.Duration) claim {
	severity := Warning
	if level >= 95 || left <= 10*time.Minute {
		severity = Critical
	}
	cause := fmt.Sprintf("%s of %s uses %s%% of its memory.", in.id, v.name, number(level))
	advice := fmt.Sprintf("Give the instances more memory (services.%s.resources.memory), or find what holds it.", v.name)
	var figures []Figure
	if rate > 0 {
		cause = fmt.Sprintf("%s of %s uses %s%% of its memory and grows by %s points a minute: it runs out in %s.", in.id, v.name, number(level), number(rate*60), left.Round(time.Second))
		advice = "Drain it before it dies, so that no request dies with it, and look for a leak: what grows with the requests or with time?"
		figures = append(figures, v.figure("growth", rate*60, "%/min"), v.figure("time to exhaustion", left.Seconds(), "s"))
	}
	c := v.claim(claim{kind: Memory, severity: severity, cause: cause, advice: advice, remedy: v.drain(in.id)},
		append([]Figure{v.figure("memory of "+in.id, level, "%")}, figures...)...)
	return c
}

// exhaustion is how soon the instance's memory is full by its present growth; negative
// when it does not grow. rate is in points per second; from is where its evidence begins.
func (v *view) exhaustion(in instanceView, level float64) (left time.Duration, rate float64, from time.Time) {
	from = v.now.Add(-recent)
	if !(level >= v.pick(Memory, "", 50, 40)) {
		return -1, 0, from
	}
	left = -1
	for _, w := range leakWindows() {
		if v.now.Sub(in.known) < 2*w.span {
			continue
		}
		t := &in.series.tiers[w.tier]
		begin := v.now.Add(-w.span)
		var points []point
		t.each(begin, v.now, func(c *cell) {
			if c.memory.n > 0 {
				points = append(points, point{t.start(c).Sub(begin).Seconds(), c.memory.mean()})
			}
		})
		if len(points) < w.points {
			continue
		}
		slope, z := trend(points)
		if z < v.pick(Memory, "", 4, 3) || slope*w.span.Seconds() < v.pick(Memory, "", w.rise, w.rise/2) || level < v.highestBefore(in, w, begin)+3 {
			continue
		}
		if l := seconds((100 - min(level, 100)) / slope); l <= w.horizon && (left < 0 || l < left) {
			left, rate, from = l, slope, begin
		}
	}
	return left, rate, from
}

// highestBefore is the highest memory before begin that the rings still hold.
func (v *view) highestBefore(in instanceView, w leakWindow, begin time.Time) float64 {
	t := &in.series.tiers[min(w.tier+1, len(in.series.tiers)-1)]
	highest := 0.0
	t.each(begin.Add(-t.step*time.Duration(len(t.cells))), begin.Add(-t.step), func(c *cell) {
		if c.memory.n > 0 {
			highest = max(highest, float64(c.memory.max))
		}
	})
	return highest
}

// connections: an instance is at the end of the connections or files it may have.
func connections(v *view) []claim {
	var worst *claim
	highest := 0.0
	for _, in := range v.instances {
		for _, r := range []struct {
			name       string
			used, have int
			where      string
		}{
			{"connections", in.last.Connections, in.last.ConnectionLimit, "Raise the service's limit on connections"},
			{"file descriptors", in.last.FDs, in.last.FDLimit, "Raise the instance's limit on open files (ulimit -n, LimitNOFILE)"},
		} {
			if r.have <= 0 {
				continue
			}
			share := float64(r.used) / float64(r.have)
			if share < v.pick(ConnectionExhaustion, "", 0.9, 0.8) || share <= highest {
				continue
			}
			highest = share
			severity := Warning
			if share >= 0.98 || in.sum.refused > 0 {
				severity = Critical
			}
			c := v.claim(claim{
				kind: ConnectionExhaustion, severity: severity,
				cause:  fmt.Sprintf("%s of %s uses %d of its %d %s.", in.id, v.name, r.used, r.have, r.name),
				advice: r.where + ", look for connections that are opened and never closed, or run more instances.",
				remedy: v.scale(v.count+1, r.name+" run out"),
			}, v.figure(r.name, float64(r.used), ""), v.figure("limit", float64(r.have), ""), v.figure("refused", float64(in.sum.refused), ""))
			worst = &c
		}
	}
	if worst == nil {
		return nil
	}
	return []claim{*worst}
}

// gateway is what a Monitor keeps of the gateway itself.
type gateway struct {
	series *series
	last   GatewayObservation
}

func (g *gateway) observe(o GatewayObservation) {
	if g.series == nil {
		s := newSeries(revisionWidths())
		g.series = &s
	}
	c := &cell{ticks: 1}
	c.cpu.add(o.CPU)
	c.memory.add(o.Memory)
	c.queue.add(o.Delay.Seconds() * 1000)
	g.series.add(o.At, c)
	g.last = o
}

// lag is how late the gateway's loops were of late, in seconds.
func (g *gateway) lag(now time.Time) float64 {
	if g.series == nil {
		return 0
	}
	delay := g.series.counts(now.Add(-recent), now).queue
	if delay.n == 0 {
		return 0
	}
	return delay.mean() / 1000
}

// claims of the gateway's own trouble: one at most, with all that is short.
func (g *gateway) claims(now time.Time, active func(FindingType, string) bool) []claim {
	if g.series == nil {
		return nil
	}
	v := &view{now: now, active: active, sum: g.series.counts(now.Add(-recent), now)}
	if v.sum.ticks == 0 {
		return nil
	}
	share := func(used, limit int) float64 { return 100 * float64(used) / float64(max(limit, 1)) }
	severity, cause, advice := Severity(0), "", ""
	var figures []Figure
	for _, r := range []struct {
		name               string
		value              float64
		unit               string
		raise, stay, grave float64
		advice             string
	}{
		{"cpu", v.sum.cpu.mean(), "%", 90, 80, 98, "Give the gateway more cores, or run a second one beside it."},
		{"file descriptors", share(g.last.FDs, g.last.FDLimit), "%", 85, 75, 95, "Raise LimitNOFILE of the gateway's unit."},
		{"client connections", share(g.last.Connections, g.last.ConnectionLimit), "%", 90, 80, 98, "Raise limits.maxConnections of the listener, or shorten its idleTimeout."},
		{"delay", v.sum.queue.mean(), "ms", 100, 50, 500, "The gateway gets too little CPU: look at what else runs on its host."},
		{"memory", v.sum.memory.mean(), "%", 90, 85, 97, "Give the gateway more memory, or lower queues and body buffers."},
	} {
		if !(r.value >= v.pick(Gateway, "", r.raise, r.stay)) {
			continue
		}
		figures = append(figures, v.figure(r.name, r.value, r.unit))
		if severity == 0 {
			cause = fmt.Sprintf("The gateway itself is short: its %s at %s%s.", r.name, number(r.value), unit(r.unit))
			advice = r.advice
		}
		severity = max(severity, Warning)
		if r.value >= r.grave {
			severity = Critical
		}
	}
	if severity == 0 {
		return nil
	}
	return []claim{v.claim(claim{kind: Gateway, severity: severity, cause: cause, advice: advice}, figures...)}
}
