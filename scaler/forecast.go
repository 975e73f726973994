package scaler

import (
	"math"
	"time"
)

// model is one way to say what the load will be some time ahead. No model carries a fall on:
// forecasts only ever add to what comes in now.
type model struct {
	name string
	at   func(o *outlook, sr *series, h time.Duration, now time.Time) float64
	// most is how many times the load now a forecast may be, 30 s ahead: a trend
	// may break at any moment, a cycle was there before. 0: as high as it says, since
	// the load was there minutes ago; but little beyond that (peakMost).
	most float64
}

// models are judged by what capacity it would have taken to be safe with them; the one
// that took the least is used, so that a trend or a season counts only where it beats
// the plain means.
var models = [modelCount]model{
	{"mean of 15 s", mean(15 * time.Second), trendMost},
	{"mean of 60 s", mean(time.Minute), trendMost},
	{"mean of 5 min", mean(5 * time.Minute), trendMost},
	{"mean of 8 min", mean(8 * time.Minute), trendMost},
	{"trend of 40 s", trend(40*time.Second, 1), trendMost},
	{"trend of 80 s", trend(80*time.Second, 1), trendMost},
	{"damped trend of 80 s", trend(80*time.Second, 0.5), trendMost},
	{"trend of 3 min", trend(3*time.Minute, 1), trendMost},
	{"highest minute of 8", peak, 0},
	{"time of day", season(&daily), seasonMost},
	{"time of hour", season(&hourly), seasonMost},
}

const (
	modelCount = 11
	shortMean  = 15 * time.Second
	trendMost  = 1.25
	seasonMost = 4
	peakMost   = 1.5 // times the highest minute, with the errors to be expected
)

func mean(w time.Duration) func(*outlook, *series, time.Duration, time.Time) float64 {
	return func(_ *outlook, sr *series, _ time.Duration, _ time.Time) float64 { return sr.mean(w) }
}

// trend carries the rise between the two halves of the last span on to the horizon.
func trend(span time.Duration, damping float64) func(*outlook, *series, time.Duration, time.Time) float64 {
	half := span / 2
	return func(_ *outlook, sr *series, h time.Duration, _ time.Time) float64 {
		base, late := sr.mean(shortMean), sr.mean(half)
		early, ok := sr.rate(half, half)
		if !ok || late <= early {
			return base
		}
		slope := damping * (late - early) / half.Seconds()
		return math.Max(late+slope*(half/2+h).Seconds(), base)
	}
}

// peak expects what there was back: a load that broke off, because whatever sends it
// stopped for a moment, returns as suddenly as it went.
func peak(_ *outlook, sr *series, _ time.Duration, _ time.Time) float64 {
	highest := sr.mean(shortMean)
	for i := range time.Duration(8) {
		r, _ := sr.rate(i*time.Minute, time.Minute)
		highest = max(highest, r)
	}
	return highest
}

// season expects the same rise as at this point of the cycle before.
func season(c *cycle) func(*outlook, *series, time.Duration, time.Time) float64 {
	return func(o *outlook, sr *series, h time.Duration, now time.Time) float64 {
		base, p := sr.mean(shortMean), c.of(o)
		then, soon := p.at(c, now.Add(-shortMean/2)), p.at(c, now.Add(h))
		if then <= 0 || soon <= then {
			return base
		}
		return base * soon / then
	}
}

const (
	forecastEvery = 5 * time.Second
	actualSpan    = 10 * time.Second // the load that came is its mean around the due time
	errorHalfLife = time.Hour
	pendingCount  = 128
	bandCount     = 10
	bandWidth     = 0.8 // octaves
)

// outlook is what the models expect, what came of it, and which of them is trusted at
// which load: errors relative to the load are larger where there is little of it.
type outlook struct {
	Bands [bandCount]*band `json:"bands"`
	Day   profile          `json:"day"`
	Hour  profile          `json:"hour"` // jobs that clients run on the hour

	pending [pendingCount]promise // a ring
	head, n int
	next    time.Time
}

// band is what was learned at loads of about one size.
type band struct {
	Errors [modelCount]residuals `json:"errors"`
	Best   int                   `json:"best"`
}

type promise struct {
	due   time.Time
	band  *band
	rates [modelCount]float64
}

// bandOf finds the band for a load in erlangs.
func (o *outlook) bandOf(load float64) *band {
	k := min(int(math.Log2(math.Max(load, 1))/bandWidth), bandCount-1)
	if o.Bands[k] == nil {
		o.Bands[k] = &band{}
	}
	for i := range o.Bands[k].Errors {
		// Also of a model that the gateway which kept this did not have.
		if e := &o.Bands[k].Errors[i]; e.Sum == 0 {
			e.begin(0.1, 60)
		}
	}
	return o.Bands[k]
}

// observe makes forecasts for h ahead now and then, and compares those that are due
// with what came. service turns rates into erlangs.
func (o *outlook) observe(sr *series, h time.Duration, service float64, now time.Time) {
	o.Day.record(&daily, sr, now)
	o.Hour.record(&hourly, sr, now)
	if sr.known() < 20*time.Second {
		o.n = 0
		return
	}
	for o.n > 0 && !now.Before(o.pending[o.head].due) {
		o.pending[o.head].settle(sr, 1/service)
		o.head = (o.head + 1) % pendingCount
		o.n--
	}
	if now.Before(o.next) && o.next.Sub(now) <= forecastEvery || o.n == pendingCount {
		return
	}
	o.next = now.Add(forecastEvery)
	p := &o.pending[(o.head+o.n)%pendingCount]
	p.due = now.Add(h + actualSpan/2)
	p.band = o.bandOf(sr.mean(shortMean) * service)
	for i := range models {
		p.rates[i] = models[i].at(o, sr, h, now)
	}
	o.n++
}

// settle compares a promise with what came. erlang is the rate that keeps one slot busy.
func (p *promise) settle(sr *series, erlang float64) {
	actual := sr.mean(actualSpan)
	keep := math.Exp2(-float64(forecastEvery) / float64(errorHalfLife))
	b := p.band
	best := b.Best
	for i := range b.Errors {
		b.Errors[i].add(actual, p.rates[i], erlang, keep)
		// A little better is no reason to change models.
		if loss := b.Errors[i].Loss; loss < 0.98*b.Errors[b.Best].Loss && loss < b.Errors[best].Loss {
			best = i
		}
	}
	b.Best = best
}
