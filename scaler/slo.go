package scaler

import (
	"math"
	"time"
)

// SLOState is what the slo policy learns and remembers.
type SLOState struct {
	Outlook outlook `json:"outlook"`

	// What a request costs on average, over about a day.
	MeanSize float64 `json:"meanSize"` // instances needed
	MeanLoad float64 `json:"meanLoad"` // requests/s
	Seconds  float64 `json:"seconds"`  // that the means are over

	// Requests and slow ones among them, fading with a half-life of a day.
	Seen float64 `json:"seen"`
	Slow float64 `json:"slow"`

	Moves moves `json:"moves"`

	series series
	late   lateTable
}

const (
	// slowPrice says what a slow request is worth avoiding: at most this many times its
	// average cost for each allowed one, so 10 times where 1 % may be slow.
	slowPrice = 0.1
	// From spentShare of the allowance on, the price rises with its cube, up to maxPrice
	// times: the margin is closed on what was measured.
	spentShare = 0.7
	maxPrice   = 4

	drainTime = 12 * time.Second // in which a backlog is to be worked off
	surgeRise = 1.25             // by how much a load that jumped is taken to go on rising,
	surgeMost = 3                // and by how much at most where it has risen steadily

	meanSpan    = 12 * time.Hour
	slowHalf    = 24 * time.Hour
	priorSpan   = 3 * time.Hour // of average load, at priorShare of the allowance, before anything is measured
	priorShare  = 0.3
	mostHorizon = 31 * time.Second // for which a model's most is
)

// wantSLO sizes the service so that the next instance would cost as much as the
// waiting that it saves. The load one start-up ahead is a distribution: a forecast times
// its errors of late. For each number of instances, Erlang's C gives the share of requests
// that wait too long at each load of that distribution; a slow request has a price in
// instance seconds; the number with the least sum of both is the best. Whether to
// go there now is for moves to say.
func wantSLO(sp *Spec, p *Policy, st *State, s *Sample, from int, now time.Time) PolicyWant {
	w := PolicyWant{Name: p.Name, Type: TypeSLO, Want: from}
	z, t := &st.Learned.SLO, &st.Learned.Service
	if s.Blind {
		z.Moves.forget()
		w.Stale = from > 0
		return w
	}
	z.series.record(now, s.Span, float64(s.Arrivals))
	h := st.Starts.Delay(sp.StartDelay) + sp.interval()
	if t.Mean == 0 {
		w.Want = max(from, firstGuess(sp, s, from))
		return w
	}
	z.Outlook.observe(&z.series, h, t.Mean, now)
	q := t.station(sp, p.Objective)
	z.late.fit(q)
	z.learn(&q, s)
	v := z.view(&q, s, h, now)
	v.most = 2*sp.MaxInstances + 8 // enough to show that MaxInstances holds it, and no more work
	best, regret := v.best(from)
	w.Want = z.Moves.decide(from, best, regret/max(1, z.MeanSize/8), s.Span, h)
	if w.Want != best {
		w.Held = "hysteresis"
	}
	sizing := v.sizing
	w.SLO = &sizing
	return w
}

// firstGuess is for a service of which no response was seen yet: instances enough for what
// is there at one moment, but no more than twice as many as now.
func firstGuess(sp *Spec, s *Sample, from int) int {
	return min(ceilInt(float64(s.InFlight+s.Queue)/float64(sp.Slots)), 2*max(from, 1))
}

// learn keeps the averages from which a slow request gets its price.
func (z *SLOState) learn(q *station, s *Sample) {
	dt := s.Span.Seconds()
	if dt <= 0 {
		return
	}
	load := z.series.mean(time.Minute)
	z.Seconds = min(z.Seconds+dt, meanSpan.Seconds())
	k := min(dt/z.Seconds, 1)
	z.MeanSize += k * (float64(q.instances(load)) - z.MeanSize)
	z.MeanLoad += k * (load - z.MeanLoad)
	keep := math.Exp2(-dt / slowHalf.Seconds())
	z.Slow = z.Slow*keep + float64(s.Slow)
	z.Seen = z.Seen*keep + float64(s.Arrivals)
}

// slowShare is the share of slow requests measured over the last day, with
// an assumption for as long as there were few.
func (z *SLOState) slowShare(allowed float64) float64 {
	prior := z.MeanLoad * priorSpan.Seconds()
	return ratio(z.Slow+priorShare*allowed*prior, z.Seen+prior)
}

// price is what a slow request is worth, in instance seconds.
func (z *SLOState) price(q *station) float64 {
	spent := z.slowShare(q.slow) / q.slow / spentShare
	return min(max(spent*spent*spent, 1), maxPrice) * slowPrice / q.slow * ratio(z.MeanSize, z.MeanLoad)
}

// view is everything that one sizing depends on.
type view struct {
	q       *station
	late    *lateTable
	price   float64
	load    float64                  // requests/s expected one horizon ahead
	factors *[len(quantiles)]float64 // on load, the distribution of what may come
	highest float64                  // requests/s that are reckoned with
	most    int                      // sizes beyond are not looked at
	present float64                  // requests/s that must be carried at any rate: those now, and the backlog
	sizing  Sizing
}

func (z *SLOState) view(q *station, s *Sample, h time.Duration, now time.Time) view {
	recent := z.series.mean(shortMean)
	b := z.Outlook.bandOf(recent * q.service)
	risen := z.series.risen()
	model := &models[b.Best]
	v := view{q: q, late: &z.late, price: z.price(q), factors: b.Errors[b.Best].factors()}
	v.load, v.highest = model.at(&z.Outlook, &z.series, h, now), math.Inf(1)
	if model.most > 0 {
		limit := 1 + (model.most-1)*h.Seconds()/mostHorizon.Seconds()
		v.load = min(v.load, limit*max(risen, recent))
	} else {
		v.highest = peakMost * v.load
	}
	if z.series.surging() {
		risen = max(surgeRise*risen, min(z.series.climbing(h), surgeMost*risen))
	}
	v.present = max(risen, recent) + float64(s.Queue)/drainTime.Seconds()
	v.sizing = Sizing{
		Load: recent, Forecast: max(v.load, v.present), Backlog: s.Queue, ServiceTime: 1000 * q.service,
		Horizon: h.Seconds(), SlowPercent: 100 * ratio(z.Slow, z.Seen), Margin: v.factors[7], Model: model.name,
	}
	return v
}

// best is the number of instances of the least cost, and by how much a second the
// cost of from instances exceeds it, in instances.
func (v *view) best(from int) (n int, regret float64) {
	if v.load <= 0 && v.present <= 0 {
		return 0, float64(from)
	}
	first := min(max(int(0.8*v.load*v.q.service)/v.q.slots, 1), v.most)
	stride := 1 + first/64 // large services are searched coarsely first
	n, least := v.search(first, stride)
	if stride > 1 {
		n, least = v.search(max(n-stride, 1), 1)
	}
	if now := min(v.q.instances(v.present), v.most); now > n {
		saved := v.late.share(max(from, 1), v.present*v.q.service) - v.late.share(now, v.present*v.q.service)
		return now, v.price*v.present*saved - float64(now-from)
	}
	return n, v.cost(max(from, 1)) - least
}

// search looks for the cheapest size from first upwards, until three in a row were dearer.
func (v *view) search(first, stride int) (n int, least float64) {
	worse := 0
	for k := first; worse < 3 && k <= v.most; k += stride {
		if c := v.cost(k); n == 0 || c < least {
			n, least, worse = k, c, 0
		} else {
			worse++
		}
	}
	return n, least
}

// cost is what n instances and the requests that are slow with them cost a second, in instances.
func (v *view) cost(n int) float64 {
	c := float64(n)
	for i, f := range v.factors {
		rate := min(v.load*f, v.highest)
		c += v.price * quantiles[i].weight * rate * v.late.share(n, rate*v.q.service)
	}
	return c
}
