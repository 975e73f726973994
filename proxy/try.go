package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"gatewayd/internal/message"
)

// responseLimits bound the head of an instance's response.
var responseLimits = message.Limits{HeadBytes: bodySize - 1, FieldCount: 256}

// try sends the request to x.endpoint and, if a response comes, passes it on. It returns nil when the client got the
// response, or what was wrong; whether the response had begun by then is in x.outcome.status.
func (x *exchange) try() *failure {
	x.attempt++
	t := attempt{x: x, home: x.endpoint.Transport.(*Transport), began: time.Now()}
	if p := x.route.Retry.PerTryTimeout; p > 0 {
		t.limit = t.began.Add(p)
	}
	f := t.send()
	if f != nil {
		t.stopUpload()
		if t.up != nil {
			t.up.drop(x.server.bufs)
		}
		return f
	}
	return t.relay()
}

// attempt is one try of an exchange.
type attempt struct {
	x     *exchange
	home  *Transport
	up    *upstreamConn
	began time.Time
	sent  time.Time // when the request was sent whole, as far as it is known
	limit time.Time // of this try, zero: none

	upload *upload // running, nil: the body went with the head or there is none
}

// send gets a connection, sends the request on it and reads the head of the final response into x.res. Interim responses are
// passed on.
func (t *attempt) send() *failure {
	x := t.x
	body, whole := x.down.wholeBody()
	x.outcome.bytesIn = int64(len(body))
	if whole && len(body) > 0 {
		x.head = append(x.head, body...)
		defer func() { x.head = x.head[:len(x.head)-len(body)] }()
	}
	for {
		if f := t.connect(); f != nil {
			return f
		}
		err := t.start(whole)
		if err == nil {
			break
		}
		if f := t.stale(err); f != nil {
			return f
		}
	}
	if f := t.readResponse(); f != nil {
		return f
	}
	if whole {
		x.down.consumeBody()
	}
	return nil
}

// connect takes an idle connection or opens one.
func (t *attempt) connect() *failure {
	x := t.x
	t.up = t.home.take(x.now)
	if t.up == nil {
		up, f := t.home.dial(x.server.ctx, t.patience(0))
		if f != nil {
			return f
		}
		t.up = up
	}
	t.up.buf = x.server.bufs.head.get()
	return nil
}

// start sends the head, with the body if that is whole, and waits for the response's first bytes unless the body has to
// be pumped beside.
func (t *attempt) start(whole bool) error {
	t.sent = time.Now()
	t.setDeadline()
	if whole {
		return t.waitOut(t.up.begin(t.x.head))
	}
	if t.up.reused && !t.up.alive() {
		return errStale
	}
	if _, err := t.up.nc.Write(t.x.head); err != nil {
		return err
	}
	t.upload = startUpload(t.x, t.up)
	return nil
}

// stale decides about an error before any byte of the response came. On a connection that had been idle it is the instance's
// keep-alive timeout more often than not: the request goes out again on another connection if it was not sent, or may be
// sent twice. nil means to go on.
func (t *attempt) stale(err error) *failure {
	x := t.x
	again := t.up.reused && t.upload == nil &&
		(err == errStale || x.req.Verb.Idempotent() && !errors.Is(err, os.ErrDeadlineExceeded) && t.up.w == 0)
	var f failureError
	switch {
	case errors.As(err, &f):
		return f.failure
	case !again:
		return t.blame(err)
	}
	if err != errStale {
		x.view.retries[retryStale].Add(1)
	}
	t.up.drop(x.server.bufs)
	t.up = nil
	return nil
}

// readResponse reads heads until the final one.
func (t *attempt) readResponse() *failure {
	x := t.x
	for {
		err := t.up.readHead(&x.res, responseLimits, x.server.bufs)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = t.waitOut(err)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return t.blame(err)
		}
		if x.outcome.firstByte == 0 {
			x.outcome.firstByte = time.Since(x.start)
		}
		if x.res.Status >= 200 {
			break
		}
		if x.res.Status == 101 {
			if x.req.Upgrade == nil {
				return failMalformedAnswer
			}
			break
		}
		if f := t.inform(); f != nil {
			return f
		}
	}
	x.endpoint.Observe(time.Since(t.sent), x.now)
	x.revision.Stats.FirstByte.Observe(time.Since(t.sent))
	if x.route.Retry.Statuses.Has(x.res.Status) && x.mayRetry(failStatus) {
		return failStatus
	}
	return nil
}

var failStatus = &failure{status: 502, cause: CauseStatus}

func (t *attempt) inform() *failure {
	a := &t.x.ans
	saved := a.extra
	*a = answer{status: t.x.res.Status, reason: t.x.res.Reason, fields: t.x.res.Fields, drop: responseDrop, length: -1}
	err := t.x.down.inform(a)
	a.extra = saved
	if err != nil {
		return failClientGone
	}
	return nil
}

// patienceSlice is how long a wait for an instance goes on before the client is looked at: who has left is not waited for.
const patienceSlice = time.Second

// waitOut goes on waiting for the response as long as time is left and the client is there. It takes the error that ended
// the last wait and returns nil once there is something to read.
func (t *attempt) waitOut(err error) error {
	for err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		if f := t.upload.failed(); f != nil {
			return failureError{f}
		}
		if f := t.expired(); f != nil {
			return failureError{f}
		}
		if !t.upload.running() && t.x.down.gone() {
			return failureError{failClientGone}
		}
		t.setDeadline()
		err = t.up.wait()
	}
	return err
}

// setDeadline makes the next wait end when something has to be decided.
func (t *attempt) setDeadline() {
	now := time.Now()
	wait := patienceSlice
	if left := t.patience(now.Sub(t.sent)); left > 0 {
		wait = min(wait, left)
	}
	slack := int64(wait) / 4
	if wait < patienceSlice {
		slack = 0
	}
	if at, moved := t.up.readBy.moved(now.UnixNano()+int64(wait), slack); moved {
		t.up.nc.SetReadDeadline(at)
	}
}

// patience is how much time is left until the first of the limits that apply, 0: none does. waited is the time since the request
// was sent. It is at least a nanosecond where a limit applies.
func (t *attempt) patience(waited time.Duration) time.Duration {
	x, now := t.x, time.Now()
	left := time.Duration(1<<63 - 1)
	if limit := x.view.Timeouts.ResponseHeader; limit > 0 {
		left = min(left, limit-waited)
	}
	if limit := x.route.Timeout; limit > 0 {
		left = min(left, limit-now.Sub(x.start))
	}
	if !t.limit.IsZero() {
		left = min(left, t.limit.Sub(now))
	}
	if left == 1<<63-1 {
		return 0
	}
	return max(left, time.Nanosecond)
}

// expired returns the limit that was passed, if one was. While the request's body is still arriving, no limit on the
// response applies: the body has its own.
func (t *attempt) expired() *failure {
	if t.upload.running() {
		return nil
	}
	x, now := t.x, time.Now()
	sent := t.sent
	start := x.start
	if at := t.upload.ended(); !at.IsZero() {
		sent, start = at, at
	}
	switch {
	case x.route.Timeout > 0 && now.Sub(start) >= x.route.Timeout:
		return failRouteTimeout
	case !t.limit.IsZero() && now.Sub(sent) >= x.route.Retry.PerTryTimeout:
		return failTryTimeout
	case x.view.Timeouts.ResponseHeader > 0 && now.Sub(sent) >= x.view.Timeouts.ResponseHeader:
		return failResponseTimeout
	}
	return nil
}

// blame finds the cause of an error on the way to the response's head. What the client did wrong while its body was
// pumped explains the instance's reaction, so that comes first.
func (t *attempt) blame(err error) *failure {
	var f failureError
	if errors.As(err, &f) {
		return f.failure
	}
	if f := t.upload.failed(); f != nil {
		return f
	}
	if errors.Is(err, io.EOF) {
		return failReset
	}
	return failureOf(err)
}

// retry prepares another try after f, or tells that there is none.
func (x *exchange) retry(f *failure) bool {
	if !x.mayRetry(f) || !x.view.budget.take(time.Now().UnixNano(), x.view.Arrivals.Load(), x.route.Retry.BudgetPercent) {
		return false
	}
	x.view.retries[retryReasonOf(f)].Add(1)
	x.query.Avoid(x.endpoint)
	// Only another endpoint makes a retry worth it; where there is none, the failure stands.
	return x.backOff() && x.pickAgain()
}

// mayRetry tells whether the rules allow another try: nothing was sent to the client, the request may be sent twice or was
// not sent at all, its body can be sent again, and time is left.
func (x *exchange) mayRetry(f *failure) bool {
	p := &x.route.Retry
	if x.outcome.status != 0 || x.attempt > p.Attempts || x.bodySpent {
		return false
	}
	if !f.unsent() && !x.req.Verb.Idempotent() {
		return false
	}
	if x.route.Timeout > 0 && time.Since(x.start) >= x.route.Timeout {
		return false
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
