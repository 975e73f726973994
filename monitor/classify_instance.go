package monitor

import (
	"fmt"
	"math"
	"time"
)

const (
	errorWindow   = 20 * time.Second
	presentWindow = 5 * time.Second
	restartWindow = 5 * time.Minute
	warmUp        = 15 * time.Second // of an instance, in which it may be slow
)

// peers are the other instances of the same revision.
func (v *view) peers(of instanceView) []instanceView {
	var list []instanceView
	for _, in := range v.instances {
		if in.id != of.id && in.last.Revision == of.last.Revision {
			list = append(list, in)
		}
	}
	return list
}

func (v *view) age(in instanceView) time.Duration {
	if in.last.Started.IsZero() {
		return v.now.Sub(in.known)
	}
	return v.now.Sub(in.last.Started)
}

// drained instances take nobody new, so what is wrong with them is no longer anybody's trouble.
func (in *instanceView) drained() bool { return in.last.Weight <= 0 }

// slowInstances: one instance takes longer than its peers with no more to do than they.
func slowInstances(v *view) []claim {
	var claims []claim
	for _, in := range v.instances {
		if v.age(in) < warmUp || in.drained() {
			continue
		}
		if c, stuck := v.stuck(in); stuck {
			claims = append(claims, c)
			continue
		}
		if c, slow := v.slow(in); slow {
			claims = append(claims, c)
		}
	}
	return claims
}

// latencyOf is of the last ten seconds, and of thirty where these hold too little to tell.
func (v *view) latencyOf(in instanceView) Latency {
	if in.sum.latency.Count() >= fewRequests {
		return in.sum.latency
	}
	return in.series.sum(v.now.Add(-3*recent), v.now).latency
}

func (v *view) slow(in instanceView) (claim, bool) {
	l := v.latencyOf(in)
	var means []float64
	var others Latency
	for _, p := range v.peers(in) {
		if pl := v.latencyOf(p); pl.Count() >= fewRequests {
			means = append(means, pl.Mean().Seconds())
			others.Merge(pl)
		}
	}
	few := uint64(v.pick(SlowInstance, in.id, fewRequests, fewRequests/4))
	if len(means) == 0 || l.Count() < few {
		return claim{}, false
	}
	usual, mean := median(means), l.Mean().Seconds()
	noise := math.Sqrt(l.variance()/float64(l.Count()) + others.variance()/float64(others.Count()))
	if mean < v.pick(SlowInstance, in.id, 2, 1.5)*usual || mean-usual < 0.010 || mean-usual < 4*noise || v.overshare(in) > 1.5 {
		return claim{}, false
	}
	return v.claim(claim{
		kind: SlowInstance, instance: in.id, severity: Warning,
		cause:  fmt.Sprintf("%s of %s takes %s ms where its peers take %s ms.", in.id, v.name, number(mean*1000), number(usual*1000)),
		advice: "Take it out of traffic and look at its host, its disk and what else runs there; then stop it or put it back.",
		remedy: v.drain(in.id),
	},
		v.against("mean latency", mean*1000, usual*1000, "ms"),
		v.against("95th percentile", l.Quantile(0.95).Seconds()*1000, others.Quantile(0.95).Seconds()*1000, "ms"),
		v.figure("requests", float64(l.Count()), ""),
		v.figure("in flight", in.sum.inFlight.mean(), ""),
		v.figure("cpu", in.sum.cpu.mean(), "%")), true
}

// stuck: it holds requests and answers none, while its peers answer. Requests that ended without an answer are no
// answers; once it is known to be stuck it may hold none for a while, as when it is ejected.
func (v *view) stuck(in instanceView) (claim, bool) {
	var answered uint64
	peers := v.peers(in)
	for _, p := range peers {
		answered += p.sum.latency.Count()
	}
	if in.sum.ticks < 8 || in.sum.latency.Count() > 0 || answered < fewRequests*uint64(max(len(peers), 1)) {
		return claim{}, false
	}
	if known := v.active(SlowInstance, in.id); in.sum.inFlight.mean() < v.pick(SlowInstance, in.id, 0.8, 0.1) && !(known && v.failsOnly(in)) {
		return claim{}, false
	}
	return v.claim(claim{
		kind: SlowInstance, instance: in.id, severity: Critical,
		cause:  fmt.Sprintf("%s of %s holds %s requests and answers none, while its peers answer.", in.id, v.name, number(in.sum.inFlight.mean())),
		advice: "Take it out of traffic; it hangs or waits for something that its peers do not wait for.",
		remedy: v.drain(in.id),
	}, v.figure("in flight", in.sum.inFlight.mean(), ""), v.figure("answered", 0, ""), v.figure("answered by peers", float64(answered), "")), true
}

// failsOnly is whether all that ended of late ended without an answer.
func (v *view) failsOnly(in instanceView) bool {
	c := in.series.sum(v.now.Add(-errorWindow), v.now)
	return c.errors > 0 && c.latency.Count() == 0
}

// overshare is how many times the requests it should get an instance gets, by its weight.
func (v *view) overshare(in instanceView) float64 {
	weights, requests := in.last.Weight, float64(in.sum.requests)
	for _, p := range v.peers(in) {
		weights += p.last.Weight
		requests += float64(p.sum.requests)
	}
	if in.last.Weight <= 0 || requests == 0 {
		return 0
	}
	return float64(in.sum.requests) / (requests * in.last.Weight / weights)
}

// unevenLoad: one instance gets much more than its share and is busy, its peers are not.
func unevenLoad(v *view) []claim {
	var worst *claim
	highest := 0.0
	for _, in := range v.instances {
		peers := v.peers(in)
		share := v.overshare(in)
		if len(peers) == 0 || share < v.pick(UnevenLoad, "", 1.5, 1.3) || share <= highest || v.age(in) < 2*warmUp {
			continue
		}
		var uses []float64
		for _, p := range peers {
			if v.age(p) >= 2*warmUp && p.last.Weight > 0 && !math.IsNaN(p.use) {
				uses = append(uses, p.use)
			}
		}
		idle := median(uses)
		fair := float64(in.sum.requests) / share
		if !(in.use >= 0.6) || !(in.use-idle >= v.pick(UnevenLoad, "", 0.25, 0.15)) || float64(in.sum.requests)-fair < 6*math.Sqrt(fair) {
			continue
		}
		highest = share
		c := v.claim(claim{
			kind: UnevenLoad, severity: Warning,
			cause:  fmt.Sprintf("%s gets %s times its share of the requests for %s and is %s%% busy, its peers %s%%.", in.id, number(share), v.name, number(100*in.use), number(100*idle)),
			advice: fmt.Sprintf("Balance by load (services.%s.balancer.algorithm: least-connections or p2c), check weights, and shorten affinity if few clients send most of the requests.", v.name),
		},
			v.against("requests", float64(in.sum.requests), fair, ""),
			v.against("busy", 100*in.use, 100*idle, "%"),
			v.latencyFigure())
		worst = &c
	}
	if worst == nil {
		return nil
	}
	return []claim{*worst}
}

// errorsOf sums what an instance did wrong within a window: requests that failed and connections it refused.
func (v *view) errorsOf(in instanceView, window time.Duration) (bad, all float64) {
	c := in.series.counts(v.now.Add(-window), v.now)
	return float64(c.errors + c.refused), float64(c.requests + c.refused)
}

// errorsOfPeers is errorsOf of the peers together; present is the share at the very last, 0 without requests.
func (v *view) errorsOfPeers(in instanceView) (bad, all, present float64) {
	var presentBad, presentAll float64
	for _, p := range v.peers(in) {
		b, n := v.errorsOf(p, errorWindow)
		bad, all = bad+b, all+n
		b, n = v.errorsOf(p, presentWindow)
		presentBad, presentAll = presentBad+b, presentAll+n
	}
	return bad, all, presentBad / max(presentAll, 1)
}

// failingInstances: one instance fails more than its peers, or dies again and again.
func failingInstances(v *view) []claim {
	var claims []claim
	for _, in := range v.instances {
		if in.drained() {
			continue
		}
		if c, ok := v.crashing(in); ok {
			claims = append(claims, c)
			continue
		}
		if _, stuck := v.stuck(in); stuck {
			continue // what it fails are the requests that it does not answer
		}
		bad, all := v.errorsOf(in, errorWindow)
		if bad < v.pick(FailingInstance, in.id, 5, 2) {
			continue
		}
		share := bad / all
		peersBad, peersAll, present := v.errorsOfPeers(in)
		if peersAll < fewRequests {
			continue
		}
		usual := peersBad / peersAll
		// Where all begin to fail, some get more to do than others, and so more of what fails: not one instance's trouble.
		if share < v.pick(FailingInstance, in.id, 2, 1.5)*max(usual, present) {
			continue
		}
		if share-usual < v.pick(FailingInstance, in.id, 0.05, 0.02) || shareZ(bad, all, peersBad, peersAll) < v.pick(FailingInstance, in.id, 4, 2.5) {
			continue
		}
		severity := Warning
		if share >= 0.5 {
			severity = Critical
		}
		c := v.claim(claim{
			kind: FailingInstance, instance: in.id, severity: severity,
			cause:  fmt.Sprintf("%s of %s fails %s%% of its requests, its peers %s%%.", in.id, v.name, number(100*share), number(100*usual)),
			advice: "Take it out of traffic and look at its log; then stop it or put it back.",
			remedy: v.drain(in.id),
		}, v.against("errors", 100*share, 100*usual, "%"), v.figure("requests", all, ""), v.figure("refused connections", float64(in.sum.refused), ""))
		c.from = v.now.Add(-errorWindow)
		claims = append(claims, c)
	}
	return claims
}

func (v *view) restarts(in instanceView) float64 {
	return float64(in.series.counts(v.now.Add(-restartWindow), v.now).restarts)
}

func (v *view) crashing(in instanceView) (claim, bool) {
	restarts := v.restarts(in)
	if restarts < v.pick(FailingInstance, in.id, 2, 1) {
		return claim{}, false
	}
	c := v.claim(claim{
		kind: FailingInstance, instance: in.id, severity: Critical,
		cause:  fmt.Sprintf("%s of %s died and was started again %s times within five minutes.", in.id, v.name, number(restarts)),
		advice: "Look at the end of its log, and at its memory limit; drain it so that its deaths hit nobody.",
		remedy: v.drain(in.id),
	}, v.figure("restarts", restarts, ""), v.figure("memory", in.sum.memory.mean(), "%"))
	c.from = v.now.Add(-restartWindow)
	return c, true
}

// errorsAfterRelease: a revision that is new fails more than what ran beside it or before it.
func errorsAfterRelease(v *view) []claim {
	for _, r := range v.revisions {
		fresh := r.known.Sub(v.known) >= usualGap && v.now.Sub(r.known) < youngRelease
		if !fresh || v.now.Sub(r.series.last) > recent {
			continue
		}
		if c, ok := v.crashingRelease(r); ok {
			return []claim{c}
		}
		from := v.now.Add(-errorWindow)
		sum := r.series.counts(from, v.now)
		base := v.errorsBeside(r, from)
		share, usual := sum.errorShare(), base.errorShare()
		if base.requests == 0 || sum.errors < uint64(v.pick(ErrorsAfterRelease, "", 5, 2)) || share-usual < v.pick(ErrorsAfterRelease, "", 0.02, 0.01) {
			continue
		}
		if shareZ(float64(sum.errors), float64(sum.requests), float64(base.errors), float64(base.requests)) < v.pick(ErrorsAfterRelease, "", 4, 2.5) {
			continue
		}
		severity := Warning
		if share >= 0.1 {
			severity = Critical
		}
		c := v.release(r, severity, fmt.Sprintf("Revision %s of %s fails %s%% of its requests; %s%% failed without it.", r.name, v.name, number(100*share), number(100*usual)))
		c.from = from
		return []claim{v.keep(c, v.against("errors", 100*share, 100*usual, "%"), v.figure("requests", float64(sum.requests), ""), v.figure("age of the release", v.now.Sub(r.known).Seconds(), "s"))}
	}
	return nil
}

func (v *view) release(r *revision, severity Severity, cause string) claim {
	return claim{
		kind: ErrorsAfterRelease, severity: severity, cause: cause,
		advice: fmt.Sprintf("Go back to the revision before; %s came %s ago.", r.name, v.now.Sub(r.known).Round(time.Second)),
		remedy: Remedy{Verb: RemedyRollback, Service: v.name},
		from:   v.now.Add(-recent),
	}
}

// keep is claim for evidence that has its own time.
func (v *view) keep(c claim, figures ...Figure) claim {
	from := c.from
	c = v.claim(c, figures...)
	c.from = from
	return c
}

// errorsBeside is what the other revisions had at the same time, else what was usual.
func (v *view) errorsBeside(r *revision, from time.Time) cell {
	var sum cell
	for _, other := range v.revisions {
		if other != r && other.known.Before(r.known) {
			c := other.series.counts(from, v.now)
			sum.merge(&c)
		}
	}
	if sum.requests < 50 && v.usual.known {
		return cell{requests: 1000, errors: uint64(1000 * v.usual.errors)}
	}
	return sum
}

// crashingRelease: most instances of the new revision die again and again.
func (v *view) crashingRelease(r *revision) (claim, bool) {
	var all, crashing, restarts float64
	for _, in := range v.instances {
		if in.last.Revision != r.name {
			continue
		}
		all++
		if n := v.restarts(in); n >= v.pick(ErrorsAfterRelease, "", 2, 1) {
			crashing++
			restarts += n
		}
	}
	if crashing == 0 || crashing*2 < all+1 && all > 1 {
		return claim{}, false
	}
	c := v.release(r, Critical, fmt.Sprintf("%s of %s instances of the new revision %s of %s die again and again.", number(crashing), number(all), r.name, v.name))
	c.from = v.now.Add(-restartWindow)
	return v.keep(c, v.figure("restarts", restarts, ""), v.figure("age of the release", v.now.Sub(r.known).Seconds(), "s")), true
}
