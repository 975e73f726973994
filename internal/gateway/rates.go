package gateway

import (
	"slices"
	"time"

	"gatewayd/internal/histogram"
)

// rates are figures over some seconds.
type rates struct {
	requestRate         float64 // per second
	p50Ms, p95Ms, p99Ms float64 // 0 without requests
	errorRate           float64 // percent
}

// ratesBetween tells what happened between two tallies of the same counters; zero where they fell, as counters do that begin anew.
func ratesBetween(before, after *tally, took time.Duration) rates {
	if took <= 0 || after.requests < before.requests {
		return rates{}
	}
	done := after.requests - before.requests
	r := rates{requestRate: float64(done) / took.Seconds()}
	if done > 0 && after.errors >= before.errors {
		r.errorRate = min(100, float64(after.errors-before.errors)/float64(done)*100)
	}
	if after.latency.Count > before.latency.Count {
		between := after.latency
		between.Sub(&before.latency)
		r.p50Ms, r.p95Ms, r.p99Ms = quantileMs(&between, 0.5), quantileMs(&between, 0.95), quantileMs(&between, 0.99)
	}
	return r
}

func quantileMs(c *histogram.Counts, q float64) float64 {
	return float64(c.Quantile(q)) / float64(time.Millisecond)
}

// ratesOver is how far back the rates of the API look, in seconds.
const ratesOver = 10

// rateWindow holds the counters of the last seconds, one entry a second, the oldest first.
type rateWindow struct {
	at   []time.Time
	seen []tally
}

// add takes in the counters as they are now and returns the rates since the oldest entry.
func (w *rateWindow) add(now time.Time, seen *tally) rates {
	w.at = append(w.at, now)
	w.seen = append(w.seen, *seen)
	if n := len(w.at) - 1 - ratesOver; n > 0 {
		w.at, w.seen = slices.Delete(w.at, 0, n), slices.Delete(w.seen, 0, n)
	}
	return ratesBetween(&w.seen[0], seen, now.Sub(w.at[0]))
}

// measure brings the rates of services, revisions and instances up to date, once a second.
func (g *Gateway) measure(now time.Time) {
	for _, s := range g.ordered {
		// Counters of revisions that are gone stay in the sums, which must not fall.
		s.totals = s.past
		for _, r := range s.revisions {
			var own tally
			own.add(r)
			s.totals.sum(&own)
			r.rates = r.rateWindow.add(now, &own)
		}
		s.rates = s.rateWindow.add(now, &s.totals)
		s.each(func(_ *revision, i *instance) {
			if i.endpoint == nil {
				i.rates, i.rateWindow = rates{}, rateWindow{}
				return
			}
			st := i.endpoint.Stats(now.UnixNano())
			own := tally{requests: st.Requests, errors: st.Failed()}
			i.endpoint.Latency(&own.latency)
			i.rates = i.rateWindow.add(now, &own)
		})
	}
}

func (t *tally) sum(o *tally) {
	t.requests += o.requests
	t.errors += o.errors
	t.latency.Add(&o.latency)
}
