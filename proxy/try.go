package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"gatewayd/internal/message"
)

// responseLimits bound the head of an instance's response.
var responseLimits = message.Limits{HeadBytes: bodySize - frameRoom - 1, FieldCount: 256}

// try sends the request to x.endpoint and, if a response comes, passes it on. It returns nil when the client got the
// response, or what was wrong; whether the response had begun by then is in x.outcome.status.
func (x *exchange) try() *failure {
	t := x.beginTry()
	if f := t.send(); f != nil {
		t.abandon()
		return f
	}
	return t.relay()
}

// beginTry makes a new try with x.endpoint the current one.
func (x *exchange) beginTry() *attempt {
	x.attempt++
	x.current = attempt{x: x, home: x.endpoint.Transport.(*Transport), began: x.time()}
	return &x.current
}

// abandon ends what is still under way and closes the connection to the instance.
func (t *attempt) abandon() {
	if t.up == nil {
		return
	}
	t.upload.stop(0)
	t.drop()
}

func (t *attempt) drop() {
	t.up.drop(t.x.server.bufs)
	t.up = nil
}

// attempt is one try of an exchange.
type attempt struct {
	x     *exchange
	home  *Transport
	up    *upstreamConn // nil: none is held
	began time.Time
	sent  time.Time // when the request was sent whole, as far as it is known; zero: not yet

	upload *upload // running, nil: the body went with the head or there is none

	chunks  message.ChunkedReader // of a chunked response
	started bool                  // some of a chunked response was passed on
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
		left, _ := t.patience(time.Now())
		up, f := t.home.dial(x.server.ctx, left)
		if f != nil {
			return t.dialFailure(f)
		}
		t.up = up
	}
	t.up.buf = x.server.bufs.head()
	return nil
}

// dialFailure is f, or the limit that passed where it was not the connection's own.
func (t *attempt) dialFailure(f *failure) *failure {
	if f == failConnectTimeout {
		if left, limit := t.patience(t.x.time()); left <= 0 && limit == failRouteTimeout {
			return limit
		}
	}
	return f
}

// start sends the head, with the body if that is whole, and waits for the response's first bytes unless the body has to
// be pumped beside.
func (t *attempt) start(whole bool) error {
	t.sent = time.Now()
	t.setDeadline(t.sent)
	patience := t.x.site.Settings.BodyIdleTimeout
	if whole {
		return t.waitOut(t.up.begin(t.x.head, patience))
	}
	if t.up.reused && !t.up.alive() {
		return errStale
	}
	if err := t.up.writeHead(t.x.head, patience); err != nil {
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
	t.drop()
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
		if x.res.Status >= 200 {
			break
		}
		x.firstByte(x.time())
		if x.res.Status == 101 {
			if !agrees(x.res.Upgrade, x.req.Upgrade) {
				return failMalformedAnswer
			}
			break
		}
		if f := t.inform(); f != nil {
			return f
		}
		if left, f := t.patience(time.Now()); left <= 0 {
			return f
		}
	}
	return t.arrived()
}

// firstByte notes when the first byte of a response came.
func (x *exchange) firstByte(now time.Time) {
	if x.outcome.firstByte == 0 {
		x.outcome.firstByte = now.Sub(x.start)
	}
}

// arrived counts the head of the final response, which is in x.res, and tells whether it is one to throw away for another try.
func (t *attempt) arrived() *failure {
	x := t.x
	now := x.time()
	x.firstByte(now)
	took := now.Sub(t.sent)
	x.endpoint.Observe(took, x.now)
	x.revision.Stats.FirstByte.Observe(took)
	if (x.route.Retry.Statuses.Has(x.res.Status) || x.onTrial() && x.res.Status >= 500) && x.claim(failStatus) {
		return failStatus
	}
	return nil
}

// failStatus is never told to a client: it stands for a response that is thrown away because there is an endpoint for another try.
var failStatus = &failure{status: 502, cause: CauseStatus}

// agrees tells whether an instance that switches protocols chose from those that the client offered, in the client's
// spelling or another (RFC 9110 section 7.8).
func agrees(chosen, offered []byte) bool {
	if len(chosen) == 0 {
		return false
	}
	for more := true; more; {
		var protocol []byte
		protocol, chosen, more = message.NextToken(chosen)
		if !listHas(offered, protocol) {
			return false
		}
	}
	return true
}

func listHas(list, element []byte) bool {
	for more := len(list) > 0; more; {
		var e []byte
		e, list, more = message.NextToken(list)
		if bytes.EqualFold(e, element) {
			return true
		}
	}
	return false
}

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
		now := time.Now()
		if left, f := t.patience(now); left <= 0 {
			return failureError{f}
		}
		if !t.upload.running() && t.x.down.gone() {
			return failureError{failClientGone}
		}
		t.setDeadline(now)
		err = t.up.wait()
	}
	return err
}

// setDeadline makes the next wait end when something has to be decided.
func (t *attempt) setDeadline(now time.Time) {
	wait, slack := patienceSlice, patienceSlice/4
	if left, _ := t.patience(now); left < wait {
		wait, slack = max(left, 0), 0
	}
	if at, moved := t.up.readBy.moved(now.UnixNano()+int64(wait), int64(slack)); moved {
		t.up.nc.SetReadDeadline(at)
	}
}

// forever is longer than any limit.
const forever = time.Duration(1<<63 - 1)

// patience returns how much time is left until the first of the limits that apply, and what passing it means. No limit on the response
// applies while the request's body is still arriving, which has its own; they begin when it is there.
func (t *attempt) patience(now time.Time) (left time.Duration, f *failure) {
	if t.upload.running() {
		return forever, nil
	}
	x := t.x
	start, began, sent := x.start.Add(x.outcome.held), t.began, t.sent
	if at := t.upload.ended(); !at.IsZero() {
		start, began, sent = at, at, at
	}
	left = forever
	if limit := x.route.Timeout; limit > 0 {
		left, f = limit-now.Sub(start), failRouteTimeout
	}
	if limit := x.tryTimeout(); limit > 0 && limit-now.Sub(began) < left {
		left, f = limit-now.Sub(began), failTryTimeout
	}
	if limit := x.view.Timeouts.ResponseHeader; limit > 0 && !sent.IsZero() && limit-now.Sub(sent) < left {
		left, f = limit-now.Sub(sent), failResponseTimeout
	}
	return left, f
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
