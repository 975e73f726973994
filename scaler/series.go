package scaler

import (
	"math"
	"time"
)

const (
	seriesStep = 250 * time.Millisecond
	seriesLen  = 2048
	seriesSpan = seriesLen * seriesStep // 512 s
	seriesGap  = 2 * time.Second        // a longer silence begins the series anew
)

// series is the recent arrivals as their running total, one value per step, so that the
// mean rate over any window is one subtraction. After a gap in what is known, such as
// a gateway that did not report, it begins anew: nothing is made up.
type series struct {
	total [seriesLen]float64 // at the end of each step
	begin int64              // number of the step before the first one known
	last  int64              // number of the newest step
	used  bool

	marks [markCount]mark // a ring of the newest records, for spans shorter than some steps
	next  int64           // number of the next mark
}

// markCount holds more than the longest span that is looked at by marks, at ten records a second.
const markCount = 128

// mark is the running total as of one record.
type mark struct {
	at    time.Time
	total float64
}

// record adds n arrivals that came, evenly for all that is known, during span before now.
func (sr *series) record(now time.Time, span time.Duration, n float64) {
	step := now.UnixNano() / int64(seriesStep)
	first := now.Add(-span).UnixNano() / int64(seriesStep)
	if !sr.used || first > sr.last+int64(seriesGap/seriesStep) || step < sr.last {
		*sr = series{begin: first, last: first, used: true}
		sr.mark(now.Add(-span))
	}
	from, was := sr.last, sr.at(sr.last)
	for k := max(from+1, step-seriesLen+1); k < step; k++ {
		sr.total[k%seriesLen] = was + n*float64(k-from)/float64(step-from)
	}
	sr.total[step%seriesLen] = was + n
	sr.last = step
	sr.mark(now)
}

func (sr *series) mark(now time.Time) {
	sr.marks[sr.next%markCount] = mark{now, sr.at(sr.last)}
	sr.next++
}

// since is the mean per second since the newest record that is at least window old, and how long that is; ok is false when there is none.
func (sr *series) since(window time.Duration) (r float64, span time.Duration, ok bool) {
	newest := &sr.marks[(sr.next+markCount-1)%markCount]
	for k := sr.next - 2; k >= max(0, sr.next-markCount); k-- {
		m := &sr.marks[k%markCount]
		if span = newest.at.Sub(m.at); span >= window {
			return (newest.total - m.total) / span.Seconds(), span, true
		}
	}
	return 0, 0, false
}

func (sr *series) at(step int64) float64 { return sr.total[step%seriesLen] }

// known is for how long the series has been without a gap.
func (sr *series) known() time.Duration {
	if !sr.used {
		return 0
	}
	return min(time.Duration(sr.last-sr.begin)*seriesStep, seriesSpan-seriesStep)
}

// rate is the mean per second over window, which ended ago before the last record,
// or over the part of it that is known; ok is false when none of it is.
func (sr *series) rate(ago, window time.Duration) (r float64, ok bool) {
	known := sr.known()
	k := int64(min(window, known-ago) / seriesStep)
	if k <= 0 {
		return 0, false
	}
	to := sr.last - int64(ago/seriesStep)
	return (sr.at(to) - sr.at(to-k)) / (float64(k) * seriesStep.Seconds()), true
}

// mean is the rate over the last window, 0 when nothing is known.
func (sr *series) mean(window time.Duration) float64 {
	r, _ := sr.rate(0, window)
	return r
}

// sure is how many standard deviations of a Poisson count make a rise more than noise.
const sure = 3

// risen is a level that the rate has surely risen to: the highest mean over several
// short windows, less what noise could have added. The shortest one counts only where decisions come as quickly.
func (sr *series) risen() float64 {
	best := 0.0
	for _, w := range [...]time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		m, span, ok := sr.since(w)
		if !ok {
			break
		}
		best = max(best, m-sure*math.Sqrt(m/span.Seconds()))
	}
	return best
}

// surging says that the rate rose by more than a tenth within seconds, and surely.
func (sr *series) surging() bool {
	const before = 20 * time.Second
	r, ok := sr.rate(8*time.Second, before)
	return ok && sr.risen() > 1.1*(r+sure*math.Sqrt(r/before.Seconds()))
}

// climbing is where the rate will be after h if it goes on rising as steadily as it did over the last
// spans; 0 unless it rose in each of them. A step rises in one span only, or two, so that it is not carried on.
func (sr *series) climbing(h time.Duration) float64 {
	const (
		span  = 5 * time.Second
		spans = 4
	)
	if sr.known() < spans*span {
		return 0
	}
	newest, _ := sr.rate(0, span)
	rise, later := math.Inf(1), newest
	for i := 1; i < spans; i++ {
		r, _ := sr.rate(time.Duration(i)*span, span)
		rise = min(rise, later-r)
		later = r
	}
	if rise <= 0 {
		return 0
	}
	return newest + rise*(h+span/2).Seconds()/span.Seconds()
}
