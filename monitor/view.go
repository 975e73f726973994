package monitor

import (
	"math"
	"time"
)

const (
	recent       = 10 * time.Second // what "now" means to a diagnosis
	settling     = 15 * time.Second // after the number of instances changed, some figures mean nothing
	usualAge     = 30 * time.Minute // how far back "usual" reaches
	usualGap     = 30 * time.Second // and how much of the present it leaves out, once something is known
	usualCells   = 3                // ten-second steps it takes to know what is usual
	fewRequests  = 20               // fewer say nothing about latency
	youngRelease = 30 * time.Minute // for how long a revision is a new one
)

// usual is how a service fares when nothing is wrong: medians over ten-second
// steps. It is not updated while something is, or the trouble would become usual.
type usual struct {
	known     bool
	at        time.Time
	rate      float64 // arrivals per second
	latency   float64 // seconds, mean
	cpu       float64 // NaN: unknown
	errors    float64 // share
	latencies int     // steps that had a latency
	instances float64
}

func (s *service) updateUsual(now time.Time) {
	if now.Sub(s.usual.at) < 10*time.Second {
		return
	}
	gap := usualGap
	if !s.usual.known {
		gap = recent // trouble that began within it is in one step of three at most
	}
	var rates, latencies, cpus, errors, instances []float64
	s.series.tiers[1].each(now.Add(-usualAge), now.Add(-gap), func(c *cell) {
		if c.ticks < 5 {
			return
		}
		rates = append(rates, float64(c.arrived)/float64(c.ticks))
		instances = append(instances, c.instances.mean())
		if c.latency.Count() > 0 {
			latencies = append(latencies, c.latency.Mean().Seconds())
			errors = append(errors, c.errorShare())
		}
		if c.cpu.n > 0 {
			cpus = append(cpus, c.cpu.mean())
		}
	})
	if len(rates) < usualCells {
		return
	}
	s.usual = usual{
		known: true, at: now, rate: median(rates), latency: median(latencies),
		cpu: median(cpus), errors: median(errors), latencies: len(latencies), instances: median(instances),
	}
}

// view is what the classifiers look at: one service now.
type view struct {
	*service
	now       time.Time
	sum       cell    // of the last ten seconds
	lag       float64 // seconds that the gateway's own loops were late, mean: how long whoever shares its host waits for a core
	instances []instanceView
	active    func(FindingType, string) bool // whether it is already a finding: then it takes less to stay one
}

type instanceView struct {
	*instance
	sum cell
	use float64 // of cpu, else of slots, as a share; NaN: unknown
}

func (s *service) view(now time.Time, active func(FindingType, string) bool) *view {
	from := now.Add(-recent)
	v := &view{service: s, now: now, sum: s.series.sum(from, now), active: active}
	for _, in := range s.present() {
		iv := instanceView{instance: in, sum: in.series.sum(from, now)}
		iv.use = iv.sum.cpu.mean() / 100
		if math.IsNaN(iv.use) {
			iv.use = iv.sum.slotUse()
		}
		v.instances = append(v.instances, iv)
	}
	return v
}

// pick chooses the threshold: raise, or the easier stay once it is a finding.
func (v *view) pick(t FindingType, instance string, raise, stay float64) float64 {
	if v.active(t, instance) {
		return stay
	}
	return raise
}

// queued is whether requests wait most of the time, and not just one now and then.
func (v *view) queued() bool {
	share := float64(v.sum.waiting) / float64(max(v.sum.ticks, 1))
	return v.sum.ticks >= 5 && share >= 0.8 && v.sum.queue.mean() >= 2
}

// queueing is like queued for what is already known to queue.
func (v *view) queueing(t FindingType) bool {
	if !v.active(t, "") {
		return v.queued()
	}
	return 2*v.sum.waiting >= v.sum.ticks && v.sum.queue.mean() >= 1
}

// busy tells whether the instances have no room for more work: by their CPU, or
// where that is unknown by their slots, unless these are full only because each request
// takes longer than usual.
func (v *view) busy() bool {
	if cpu := v.sum.cpu.mean(); !math.IsNaN(cpu) {
		return cpu >= 60
	}
	return v.sum.slotUse() >= 0.8 && !(v.loadFlat() && v.slower() >= 1.6)
}

// arrivals is per second.
func (v *view) arrivals() float64 {
	return float64(v.sum.arrived) / float64(max(v.sum.ticks, 1))
}

// completed is per second.
func (v *view) completed() float64 {
	return float64(v.sum.requests) / float64(max(v.sum.ticks, 1))
}

// loadFlat is whether no more comes than usual, within a third.
func (v *view) loadFlat() bool {
	return v.usual.known && v.arrivals() <= 1.35*v.usual.rate+1
}

// slower is how many times the usual latency the present one is; 0 when it
// cannot be told from noise: below 10 ms, four standard errors, or four times what the host makes everyone wait, more.
func (v *view) slower() float64 {
	l := v.sum.latency
	if !v.usual.known || v.usual.latencies < usualCells || l.Count() < fewRequests {
		return 0
	}
	more := l.Mean().Seconds() - v.usual.latency
	if more < 0.010 || more < 4*math.Sqrt(l.variance()/float64(l.Count())) || more < 4*v.lag {
		return 0
	}
	return l.Mean().Seconds() / max(v.usual.latency, 1e-6)
}

// slowerEach is slower without what comes of more instances alone: while requests wait, all slots are taken, and a request takes
// slots / throughput (Little's law). Where the instances share a lock, twice as many take twice as long each.
func (v *view) slowerEach() float64 {
	times := v.slower()
	if v.queued() && v.usual.instances > 0 {
		times /= max(float64(v.count)/v.usual.instances, 1)
	}
	return times
}

// mostSlower is whether the lower median of the instances is slower than usual, so
// that it is not one instance's doing.
func (v *view) mostSlower(times float64) bool {
	var means []float64
	for _, in := range v.instances {
		if in.sum.latency.Count() > 0 {
			means = append(means, in.sum.latency.Mean().Seconds())
		}
	}
	return median(means) >= times*v.usual.latency
}
