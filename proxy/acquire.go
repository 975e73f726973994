package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"gatewayd/balancer"
)

// bindSession reads the affinity cookie.
func (x *exchange) bindSession() {
	if a := x.view.Affinity; a != nil {
		x.bound, _ = cookie(x.req.Fields, a.Cookie)
	}
}

// needsHash tells whether one of the revisions picks by hash.
func needsHash(v *ServiceView) bool {
	for i := range v.Revisions {
		switch v.Revisions[i].Pool.Algorithm() {
		case balancer.IPHash, balancer.Maglev:
			return true
		}
	}
	return false
}

// acquire sets x.endpoint and x.revision to an endpoint that was taken for this request, waiting for one in the service's
// queue if need be.
func (x *exchange) acquire() *failure {
	if ok, f := x.acquireNow(); ok || f != nil {
		return f
	}
	return x.waitInQueue()
}

// acquireNow is acquire without waiting. Where it returns false and no failure there is something to wait for.
func (x *exchange) acquireNow() (ok bool, f *failure) {
	x.query.Now = x.now
	if x.view.Gate.Busy() || x.view.Hold {
		return false, nil
	}
	if x.pick() {
		return true, nil
	}
	if x.hopeless() {
		return false, failNoInstance
	}
	return false, nil
}

// waitInQueue waits until an endpoint has room. Snapshots may change meanwhile: each try is on the current one.
func (x *exchange) waitInQueue() *failure {
	gate, began := x.view.Gate, time.Now()
	holding := x.view.Hold
	ctx, cancel := context.WithCancelCause(x.server.ctx)
	defer cancel(nil)
	watch := watchClient(x.down, cancel)
	defer watch.stop()
	e, err := gate.Wait(ctx, x.queuePatience(began), func() *balancer.Endpoint {
		x.refreshView()
		if x.view.Hold {
			return nil
		}
		if holding {
			holding, x.outcome.held = false, x.outcome.held+time.Since(began)
		}
		if x.pick() {
			return x.endpoint
		}
		return nil
	})
	x.outcome.queued += time.Since(began)
	x.view.QueueWait.Observe(time.Since(began))
	if e != nil {
		return nil
	}
	switch {
	case errors.Is(err, balancer.ErrQueueFull):
		if x.hopeless() {
			return failNoInstance
		}
		return failQueueFull
	case errors.Is(err, errClientGone):
		return failClientGone
	case errors.Is(err, balancer.ErrQueueTimeout):
		if !holding && x.routeLeft(time.Now()) <= 0 {
			return failRouteTimeout
		}
		return failQueueTimeout
	}
	return failShutdown
}

var errClientGone = errors.New("the client has left")

// clientWatch looks at the client from time to time while its request waits, so that nobody waits for those who have left.
type clientWatch struct {
	down downstream
	left func(error) // called once when the client has left

	mu    sync.Mutex // protects what follows, and is held while looking
	over  bool
	timer *time.Timer
}

const watchEvery = 250 * time.Millisecond

func watchClient(down downstream, left func(error)) *clientWatch {
	w := &clientWatch{down: down, left: left}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(watchEvery, w.look)
	return w
}

func (w *clientWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case w.down.gone():
		w.left(errClientGone)
	default:
		w.timer.Reset(watchEvery)
	}
}

// stop returns when nobody looks any more.
func (w *clientWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// queuePatience is how long the request may wait from now on. What a service that holds its requests, for maintenance or until its first
// instance is there, takes of their time is not the route's.
func (x *exchange) queuePatience(now time.Time) time.Duration {
	patience := x.view.QueueTimeout
	if !x.view.Hold {
		patience = min(patience, x.routeLeft(now))
	}
	return max(patience, time.Nanosecond)
}

// routeLeft is what is left of the route's timeout.
func (x *exchange) routeLeft(now time.Time) time.Duration {
	if x.route.Timeout == 0 {
		return forever
	}
	return x.route.Timeout + x.outcome.held - now.Sub(x.start)
}

// refreshView moves to the service's present view. A service that was taken out of the config in the meantime keeps the
// view that the request began with.
func (x *exchange) refreshView() {
	for _, v := range x.server.snapshot.Load().Services {
		if v.Service == x.view.Service {
			x.view = v
			return
		}
	}
}

// pick takes an endpoint without waiting: the one that the client is bound to, else one of the revision that cohort, session or
// weights choose, else one of any other revision that has one fit. A further try goes to the stable revision first,
// so that a candidate's failures stay with the candidate.
func (x *exchange) pick() bool {
	v := x.view
	if len(v.Revisions) == 0 {
		return false
	}
	first := v.Stable
	if x.attempt == 0 {
		cohort := v.Cohort != nil && v.Cohort.matches(x)
		if x.bound != nil && x.pickBound(cohort) {
			return true
		}
		first = x.chooseRevision(cohort)
	}
	if x.pickFrom(first) {
		return true
	}
	trial := v.Trial && first != v.Stable
	if v.Revisions[first].Pool.Why() == balancer.AtLimit && x.attempt == 0 && !trial {
		// It is fit, only busy: the weights hold, the request waits. Only a version on trial is not waited for: one that hangs would
		// hold up the whole queue, and stable has the capacity for all.
		return false
	}
	for i := range v.Revisions {
		if i != first && x.pickFrom(i) {
			return true
		}
	}
	return false
}

// pickAgain takes an endpoint for a further try, without waiting for one.
func (x *exchange) pickAgain() bool {
	x.refreshView()
	x.query.Now = time.Now().UnixNano()
	return !x.view.Hold && x.pick()
}

func (x *exchange) pickFrom(i int) bool {
	r := &x.view.Revisions[i]
	e := r.Pool.Pick(&x.query)
	if e == nil {
		return false
	}
	x.endpoint, x.revision, x.held = e, r, true
	return true
}

// pickBound takes the endpoint that the client's session is on. A cohort goes before a session on another revision.
func (x *exchange) pickBound(cohort bool) bool {
	for i := range x.view.Revisions {
		if cohort && i != x.view.Cohort.Revision {
			continue
		}
		r := &x.view.Revisions[i]
		if e := r.Pool.Bound(&x.query, string(x.bound)); e != nil {
			x.endpoint, x.revision, x.held = e, r, true
			return true
		}
	}
	return false
}

// chooseRevision returns the index of the revision that a new request goes to. The choice is made once: a request that waits and tries
// several times takes one turn of the split.
func (x *exchange) chooseRevision(cohort bool) int {
	v := x.view
	if len(v.Revisions) == 1 {
		return 0
	}
	if x.turn != nil {
		for i := range v.Revisions {
			if v.Revisions[i].Stats == x.turn {
				return i
			}
		}
	}
	i := -1
	switch {
	case cohort:
		i = v.Cohort.Revision
	case x.bound != nil:
		// The instance is gone but not the revision: the session stays on its version.
		i = v.Split.BoundShare(string(x.bound))
	}
	if i < 0 {
		i = max(v.Split.Pick(), 0)
	}
	x.turn = v.Revisions[i].Stats
	return i
}

func (c *Cohort) matches(x *exchange) bool {
	var value []byte
	var ok bool
	if c.Header != "" {
		value, ok = x.req.Fields.Lookup(c.Header)
	} else {
		value, ok = cookie(x.req.Fields, c.Cookie)
	}
	return ok && (c.Value == "" || string(value) == c.Value)
}

// hopeless tells whether waiting would be in vain: no revision has an endpoint that is merely busy.
func (x *exchange) hopeless() bool {
	if x.view.Hold {
		return false
	}
	for i := range x.view.Revisions {
		if x.view.Revisions[i].Pool.Why() == balancer.AtLimit {
			return false
		}
	}
	return true
}
