package simulate

import "math"

// Synthetic generates traces of different character from a seed, each of the given
// hours: what the project's own tests run on, and a first hint for those who have no
// trace of their own. They are look-alikes, never a replacement for real traffic.
func Synthetic(seed uint64, hours float64) []*Trace {
	var traces []*Trace
	for i, k := range kinds() {
		g := &generator{stream: stream(seed + uint64(i)<<32), hours: hours}
		tr := &Trace{Name: k.name, Interval: k.interval}
		for n := range int(hours * 3600 / k.interval) {
			rate := k.rate(g, float64(n)*k.interval)
			tr.Counts = append(tr.Counts, math.Round(g.poisson(max(rate, 0)*k.interval*k.grain)))
		}
		traces = append(traces, tr)
	}
	return traces
}

// kind is one character of traffic. grain is how many requests the unit of rate stands
// for: few make the counts themselves noisy.
type kind struct {
	name     string
	interval float64
	grain    float64
	rate     func(g *generator, t float64) float64
}

func kinds() []kind {
	return []kind{
		{"flash-crowd", 60, 1000, flashCrowd},
		{"noisy-site", 60, 1, noisySite},
		{"social-stream", 60, 1000, socialStream},
		{"coarse-erratic", 300, 1000, coarseErratic},
		{"hourly-jobs", 60, 1000, hourlyJobs},
		{"wandering", 60, 1000, wandering},
	}
}

// generator is the random state of one trace.
type generator struct {
	stream
	hours float64
	level float64 // of an autoregressive disturbance
	spike float64 // of bursts that die away
	flash float64 // when the flash crowd comes, in seconds
}

// day is the daily curve: 1 on average, lowest at 4 in the morning.
func day(t, depth float64) float64 {
	return 1 - depth*math.Cos(2*math.Pi*(t/86400-4.0/24))
}

// disturb moves the autoregressive level on: keep of it stays, noise is added. Its
// standard deviation in the long run is spread.
func (g *generator) disturb(keep, spread float64) float64 {
	g.level = keep*g.level + spread*math.Sqrt(1-keep*keep)*g.normal()
	return g.level
}

// burst adds a spike with the given chance per interval, of exponential height, and lets what is
// there decay.
func (g *generator) burst(chance, height, decay float64) float64 {
	g.spike *= decay
	if g.uniform() < chance {
		g.spike += height * g.exponential()
	}
	return g.spike
}

// flashCrowd is a smooth day in which, once, the load triples within ten
// minutes and falls back over an hour and a half.
func flashCrowd(g *generator, t float64) float64 {
	if g.flash == 0 {
		g.flash = (0.4 + 0.3*g.uniform()) * g.hours * 3600
	}
	crowd := 0.0
	if dt := t - g.flash; dt > 0 {
		crowd = 2.5 * math.Min(dt/600, 1) * math.Exp(-math.Max(dt-600, 0)/2400)
	}
	return (day(t, 0.7) + crowd) * math.Exp(g.disturb(0.9, 0.04))
}

// noisySite is a small site's log: few requests a minute that come in pages of many, so that
// neighbouring minutes differ by a quarter.
func noisySite(g *generator, t float64) float64 {
	pages := g.poisson(24 * day(t, 0.5) * math.Exp(g.disturb(0.95, 0.15)))
	items := 0.0
	for range int(pages) {
		items += 1 + math.Floor(2.5*g.exponential())
	}
	return items / 60
}

// socialStream is a busy stream that news makes jump within a minute.
func socialStream(g *generator, t float64) float64 {
	return (day(t, 0.35) + g.burst(0.006, 0.5, 0.85)) * math.Exp(0.06*g.normal()+g.disturb(0.97, 0.08))
}

// coarseErratic is known by five minutes only, and hardly predictable from one to the next.
func coarseErratic(g *generator, t float64) float64 {
	return day(t, 0.6) * math.Exp(0.35*g.normal()+g.disturb(0.8, 0.3))
}

// hourlyJobs has clients that all wake on the hour.
func hourlyJobs(g *generator, t float64) float64 {
	jobs := 0.0
	if into := math.Mod(t, 3600); into < 300 {
		jobs = 1.6
	}
	return (day(t, 0.5) + jobs) * math.Exp(g.disturb(0.8, 0.06))
}

// wandering has no day at all: the load drifts by a factor of three up and down within hours.
func wandering(g *generator, t float64) float64 {
	return math.Exp(g.disturb(0.995, 0.6)) * math.Exp(0.04*g.normal())
}

// poisson draws from a Poisson distribution, for large means from the normal one that
// it then resembles.
func (g *generator) poisson(mean float64) float64 {
	if mean > 500 {
		return math.Max(math.Round(mean+math.Sqrt(mean)*g.normal()), 0)
	}
	n, left := 0.0, g.exponential()
	for left < mean {
		n++
		left += g.exponential()
	}
	return n
}
