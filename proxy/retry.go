package proxy

import "time"

// retry prepares another try after f, or tells that there is none.
func (x *exchange) retry(f *failure) bool {
	if x.next == nil && !x.claim(f) {
		return false
	}
	next, revision := x.next, x.nextRevision
	if !x.backOff() {
		x.unclaim()
		return false
	}
	x.next, x.endpoint, x.revision, x.held = nil, next, revision, true
	return true
}

// claim takes an endpoint for another try after f, if the rules and the budget allow one. Only another endpoint makes it worth it:
// where there is none, what came stands.
func (x *exchange) claim(f *failure) bool {
	if !x.mayRetry(f) {
		return false
	}
	spared := x.onTrial() && x.view.Spare && x.attempt == 1
	if !spared && !x.view.budget.take(time.Now().UnixNano(), x.view.Arrivals.Load(), x.route.Retry.BudgetPercent) {
		return false
	}
	x.query.Avoid(x.endpoint)
	held, revision := x.endpoint, x.revision
	if !x.pickAgain() {
		return false
	}
	x.next, x.nextRevision = x.endpoint, x.revision
	x.endpoint, x.revision = held, revision
	x.view.retries[retryReasonOf(f)].Add(1)
	return true
}

func (x *exchange) unclaim() {
	if x.next != nil {
		x.next.Release()
		x.view.Gate.Released()
		x.next = nil
	}
}

// mayRetry tells whether the rules allow another try: nothing was sent to the client, the request may be sent twice or was
// not sent at all, its body can be sent again, and time is left.
func (x *exchange) mayRetry(f *failure) bool {
	p := &x.route.Retry
	trial := x.onTrial()
	if x.outcome.status != 0 || x.attempt > p.Attempts && !(trial && x.attempt == 1) || x.bodySpent {
		return false
	}
	if !f.unsent() && !x.req.Verb.Idempotent() {
		return false
	}
	if x.routeLeft(time.Now()) <= 0 {
		return false
	}
	if trial {
		return f.blamesEndpoint()
	}
	switch f.cause {
	case CauseReset, CauseMalformedResponse:
		return p.Reset
	case CauseResponseTimeout, CauseTryTimeout:
		return p.Timeout
	case CauseStatus:
		return p.Statuses.Has(x.res.Status)
	}
	return f.unsent() && p.ConnectFailure
}

// onTrial tells whether the present try is with a version that a rollout is trying out. Whatever fails there is tried again on the stable
// version, once at least and whatever the route's rules say about failures: clients are not to notice a bad version.
func (x *exchange) onTrial() bool {
	v := x.view
	return v.Trial && x.revision != nil && x.revision.Version != v.Revisions[v.Stable].Version
}

// tryTimeout bounds one try; 0 is no bound. A version on trial that hangs leaves half of the time to the stable one.
func (x *exchange) tryTimeout() time.Duration {
	limit := x.route.Retry.PerTryTimeout
	if limit == 0 && x.onTrial() && x.req.Verb.Idempotent() {
		limit = x.route.Timeout / 2
	}
	return limit
}

func retryReasonOf(f *failure) retryReason {
	switch f.cause {
	case CauseReset, CauseMalformedResponse:
		return retryReset
	case CauseResponseTimeout, CauseTryTimeout:
		return retryTimeout
	case CauseStatus:
		return retryStatus
	}
	return retryConnect
}

// backOff waits before the next try: a random time up to twice the base, which doubles with each try (full jitter).
func (x *exchange) backOff() bool {
	p := &x.route.Retry
	if p.Backoff <= 0 {
		return true
	}
	ceiling := min(2*p.Backoff<<(x.attempt-1), p.MaxBackoff)
	if ceiling <= 0 {
		return true
	}
	timer := time.NewTimer(time.Duration(x.server.opt.Rand() * float64(ceiling)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return !x.down.gone()
	case <-x.server.ctx.Done():
		return false
	}
}
