package monitor

import (
	"fmt"
	"math"
	"strings"
	"time"
)

func (v *view) figure(name string, value float64, unit string) Figure {
	return Figure{Name: name, Value: round3(value), Unit: unit}
}

func (v *view) against(name string, value, usual float64, unit string) Figure {
	f := v.figure(name, value, unit)
	if !math.IsNaN(usual) {
		usual = round3(usual)
		f.Usual = &usual
	}
	return f
}

// round3 keeps evidence readable: three significant digits.
func round3(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// claim fills in what all claims of a view share. Figures that nobody knows are left out.
func (v *view) claim(c claim, figures ...Figure) claim {
	c.from = v.now.Add(-recent)
	for _, f := range figures {
		if !math.IsNaN(f.Value) && !math.IsInf(f.Value, 0) {
			c.figures = append(c.figures, f)
		}
	}
	return c
}

func (v *view) loadFigures() []Figure {
	return []Figure{
		v.figure("queue", v.sum.queue.mean(), "requests"),
		v.against("arrivals", v.arrivals(), v.usual.rateOrNaN(), "/s"),
		v.figure("completed", v.completed(), "/s"),
		v.against("cpu", v.sum.cpu.mean(), v.usual.cpuOrNaN(), "%"),
		v.figure("busy slots", 100*v.sum.slotUse(), "%"),
		v.figure("instances", float64(v.count), ""),
	}
}

func (u *usual) rateOrNaN() float64 {
	if !u.known {
		return math.NaN()
	}
	return u.rate
}

func (u *usual) cpuOrNaN() float64 {
	if !u.known {
		return math.NaN()
	}
	return u.cpu
}

// suffering is how grave a queue is: critical once requests are refused.
func (v *view) suffering() Severity {
	if v.sum.rejected > 0 || v.last.QueueCapacity > 0 && v.sum.queue.mean() >= 0.8*float64(v.last.QueueCapacity) {
		return Critical
	}
	return Warning
}

// capacity: requests wait and the instances are busy.
func capacity(v *view) []claim {
	if !v.queueing(Capacity) || !v.busy() || v.count == 0 {
		return nil
	}
	need := max(int(math.Ceil(float64(v.count)*v.arrivals()/math.Max(v.completed(), 1e-9))), v.count+1)
	need = min(need, 4*v.count)
	advice := fmt.Sprintf("Run more instances: %d would carry what comes now.", need)
	if v.last.Starting > 0 {
		advice = fmt.Sprintf("%d instances are starting; if the queue stays, run %d.", v.last.Starting, need)
	}
	return []claim{v.claim(claim{
		kind: Capacity, severity: v.suffering(),
		cause:  fmt.Sprintf("More comes for %s than its %d instances can do: %s requests wait while the instances are busy.", v.name, v.count, number(v.sum.queue.mean())),
		advice: advice,
		remedy: v.scale(need, "queue with busy instances"),
	}, v.loadFigures()...)}
}

// concurrencyLimit: requests wait though the instances have room.
func concurrencyLimit(v *view) []claim {
	if !v.queueing(ConcurrencyLimit) || v.busy() || v.now.Sub(v.settled) < settling || v.count == 0 {
		return nil
	}
	c := claim{kind: ConcurrencyLimit, severity: v.suffering()}
	if use := v.sum.slotUse(); use >= 0.8 {
		slots := float64(v.sum.slots.mean()) / float64(v.count)
		c.cause = fmt.Sprintf("Requests wait for a free slot of %s while its instances are idle: the limit of %s at once per instance, or a lock inside the service, holds them back.", v.name, number(slots))
		c.advice = fmt.Sprintf("Raise services.%s.limits.maxConcurrencyPerInstance, for example to %d; if latency then grows in proportion, look for a lock or a connection pool inside the service.", v.name, int(math.Ceil(slots*1.5)))
	} else {
		c.cause = fmt.Sprintf("Requests wait for %s though its instances have free slots.", v.name)
		c.advice = "Look for instances with weight 0, requests bound to one instance by affinity, and instances that are not ready."
	}
	return []claim{v.claim(c, append(v.loadFigures(), v.latencyFigure())...)}
}

func (v *view) latencyFigure() Figure {
	usual := math.NaN()
	if v.usual.known && v.usual.latencies > 0 {
		usual = v.usual.latency * 1000
	}
	return v.against("mean latency", v.sum.latency.Mean().Seconds()*1000, usual, "ms")
}

// dependency: the instances take longer, or fail, though no more comes and their CPU is idle.
func dependency(v *view) []claim {
	if !v.loadFlat() || v.count == 0 {
		return nil
	}
	if cpu := v.sum.cpu.mean(); cpu >= 70 || cpu > v.usual.cpu+15 {
		return nil
	}
	if c, failing := v.failingAlike(); failing {
		return []claim{c}
	}
	times := v.slowerEach()
	if times < v.pick(Dependency, "", 1.6, 1.3) || !v.mostSlower(v.pick(Dependency, "", 1.4, 1.2)) {
		return nil
	}
	severity := Warning
	if times >= 5 || v.sum.rejected > 0 {
		severity = Critical
	}
	return []claim{v.claim(claim{
		kind: Dependency, severity: severity,
		cause:  fmt.Sprintf("%s answers %s times slower than usual with no more to do and its CPU idle: something it waits for is slow.", v.name, number(times)),
		advice: "Look at what the service calls: database, other services, disk, DNS. More instances would only press harder on it.",
	}, append([]Figure{v.latencyFigure()}, v.loadFigures()...)...)}
}

// failingAlike: every instance fails more than usual, so it is not the instances.
func (v *view) failingAlike() (claim, bool) {
	share := v.sum.errorShare()
	errors, requests := float64(v.sum.errors), float64(v.sum.requests)
	if share-v.usual.errors < v.pick(Dependency, "", 0.05, 0.02) || errors < v.pick(Dependency, "", 10, 3) ||
		shareZ(errors, requests, v.usual.errors*1000, 1000) < 4 || v.count < 2 {
		return claim{}, false
	}
	var shares []float64
	for _, in := range v.instances {
		if in.sum.requests > 0 {
			shares = append(shares, in.sum.errorShare())
		}
	}
	if median(shares) < share/2 {
		return claim{}, false
	}
	return v.claim(claim{
		kind: Dependency, severity: Critical,
		cause:  fmt.Sprintf("All instances of %s fail alike, %s%% of the requests, without a release: something they all need fails.", v.name, number(100*share)),
		advice: "Look at what the service calls: database, other services, credentials that ran out.",
	}, append([]Figure{v.against("errors", 100*share, 100*v.usual.errors, "%")}, v.loadFigures()...)...), true
}

// hotCPU: the instances are at the end of their CPU, with no queue yet.
func hotCPU(v *view) []claim {
	cpu := v.sum.cpu.mean()
	if !(cpu >= v.pick(CPU, "", 85, 75)) || v.count == 0 {
		return nil
	}
	severity := Warning
	if cpu >= 95 {
		severity = Critical
	}
	need := max(int(math.Ceil(float64(v.count)*cpu/65)), v.count+1)
	return []claim{v.claim(claim{
		kind: CPU, severity: severity,
		cause:  fmt.Sprintf("The instances of %s use %s%% of the CPU they are given; the next rise in load will make requests wait.", v.name, number(cpu)),
		advice: fmt.Sprintf("Run %d instances to come down to about 65%%, or give each more CPU (services.%s.resources.cpu).", need, v.name),
		remedy: v.scale(need, fmt.Sprintf("cpu at %s percent", number(cpu))),
	}, append(v.loadFigures(), v.latencyFigure())...)}
}

// limits: the scaler wants more than it may have.
func limits(v *view) []claim {
	held := v.last.LimitHeld
	if held == "" || v.last.Wanted <= v.count {
		return nil
	}
	c := claim{kind: ScalingLimit, severity: v.suffering()}
	where := held
	if held == "pool" {
		where = "the capacity of resourcePools"
	}
	c.cause = fmt.Sprintf("%s needs %d instances and may have no more than %d: %s is reached.", v.name, v.last.Wanted, v.count+v.last.Starting, where)
	c.advice = fmt.Sprintf("Raise %s if that is meant to be affordable, or let less important services give way (resources.priority).", where)
	if strings.HasSuffix(held, "maxCostPerHour") {
		c.kind = CostLimit
		c.cause = fmt.Sprintf("%s needs %d instances and may have no more than %d: the cost per hour is at its limit.", v.name, v.last.Wanted, v.count+v.last.Starting)
		c.advice = "Raise resourceLimits.maxCostPerHour, or take what the cost recommendations offer."
		c.remedy = Remedy{Verb: RemedyCost}
	}
	return []claim{v.claim(c, append([]Figure{v.figure("wanted", float64(v.last.Wanted), "instances"), v.figure("cost", v.last.CostPerHour, "/h")}, v.loadFigures()...)...)}
}

// noteScaling keeps what the present number of instances achieves when it is given all it can take.
func (s *service) noteScaling(v *view) {
	full := v.sum.ticks >= 5 && v.sum.waiting == v.sum.ticks && v.sum.queue.mean() >= 2
	if v.count > 0 && full && v.now.Sub(s.settled) >= recent+2*time.Second {
		s.scaling.note(v.count, v.completed(), v.now)
	}
}

// moreDoNotHelp: the throughput reached at different numbers of instances follows a
// curve that has gone flat.
func moreDoNotHelp(v *view) []claim {
	if !v.queueing(MoreDoNotHelp) || v.count < 2 {
		return nil
	}
	curve, ok := v.scaling.fit(v.now)
	if _, measured := v.scaling.points[v.count]; !ok || !measured || curve.Misfit > 0.1 {
		return nil
	}
	n := float64(v.count)
	if curve.Next(n) >= v.pick(MoreDoNotHelp, "", 0.2, 0.3) {
		return nil
	}
	enough := v.count
	for enough > 1 && curve.At(float64(enough-1)) >= 0.95*curve.At(n) {
		enough--
	}
	c := claim{
		kind: MoreDoNotHelp, severity: v.suffering(),
		cause:  fmt.Sprintf("More instances of %s do not raise its throughput: one more than %d would bring %s%% of what one brings now, because they share something.", v.name, v.count, number(math.Max(100*curve.Next(n), 0))),
		advice: "Look for what all instances share: a lock, one database row or connection, a single-threaded dependency.",
	}
	if enough < v.count {
		c.advice += fmt.Sprintf(" %d instances would do as much.", enough)
		c.remedy = v.scale(enough, "more instances do not help")
	}
	figures := append(v.loadFigures(),
		v.figure("contention", curve.Contention, ""), v.figure("coherence", curve.Coherence, ""),
		v.figure("peak", curve.Peak(), "instances"), v.figure("misfit", 100*curve.Misfit, "%"))
	return []claim{v.claim(c, figures...)}
}
