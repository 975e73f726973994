package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"gatewayd/internal/message"
)

// relay passes the response in x.res on to the client, as it comes in. From here on nothing can be said to the
// client but the response itself: if that breaks off, so does the connection.
func (t *attempt) relay() *failure {
	x := t.x
	if x.res.Status == 101 {
		return t.tunnel()
	}
	t.prepareAnswer()
	complete, f := t.relayBody()
	if f != nil && x.encoder != nil {
		x.encoder.err = errBrokenOff
	}
	x.endCompression() // what could not be written any more is told by f
	finished := t.upload.stop(uploadGrace)
	if f == nil && complete && finished && !x.res.Close {
		t.up.rest(time.Now().UnixNano(), x.server.bufs)
		t.up = nil
	} else {
		t.drop()
	}
	return f
}

// prepareAnswer applies the route's rules to the response's head.
func (t *attempt) prepareAnswer() {
	x, a, res := t.x, &t.x.ans, &t.x.res
	x.outcome.status = res.Status
	a.status, a.reason, a.fields = res.Status, res.Reason, res.Fields
	a.drop, a.rules = responseDrop, x.route.ResponseHeaders
	a.bodiless = res.Bodiless(x.req.Verb)
	a.length = res.ContentLength
	a.keepTE = res.Chunked
	if res.Status == 205 { // a body would be an error of the instance's (RFC 9110 section 15.3.6)
		a.bodiless, a.length = true, 0
	}
	// The rest of a body that nobody waits for any more cannot be told from the next request without reading it.
	a.close = t.upload.incomplete()
	if res.Fields.Get(message.KindDate) == nil {
		x.server.addDate(a, x.time())
	}
	a.add("X-Request-Id", x.requestID)
	x.addAffinityCookie(a)
	x.addCORS(a)
	if !a.bodiless {
		x.startCompression(a)
	}
}

// relayBody returns whether the response's end was seen where its framing says that it is.
func (t *attempt) relayBody() (complete bool, f *failure) {
	x := t.x
	switch {
	case x.ans.bodiless:
		empty := x.res.Status != 205 || x.res.ContentLength == 0
		return empty, toClient(x.down.start(&x.ans, nil, true))
	case x.res.Chunked:
		return t.relayChunked()
	case x.res.ContentLength >= 0:
		return t.relayLength(x.res.ContentLength)
	}
	return t.relayUntilClose()
}

// toClient turns a failed write to the client into its cause.
func toClient(err error) *failure {
	if err == nil {
		return nil
	}
	return failClientGone
}

func (t *attempt) relayLength(left int64) (bool, *failure) {
	x, up := t.x, t.up
	first := up.buffered()
	if int64(len(first)) > left {
		first = first[:left]
	}
	up.r += len(first)
	left -= int64(len(first))
	if err := t.begin(first, left == 0); err != nil {
		return false, toClient(err)
	}
	if left > spliceFrom && x.encoder == nil {
		var f *failure
		if left, f = t.splice(left); f != nil || left == 0 {
			return f == nil, f
		}
	}
	for left > 0 {
		data, f := t.read()
		if f != nil {
			return false, f
		}
		if int64(len(data)) > left {
			data = data[:left]
		}
		up.r += len(data)
		left -= int64(len(data))
		if err := t.write(data, left == 0); err != nil {
			return false, toClient(err)
		}
	}
	return true, nil
}

func (t *attempt) relayUntilClose() (bool, *failure) {
	up := t.up
	first := up.buffered()
	up.r = up.w
	if err := t.begin(first, false); err != nil {
		return false, toClient(err)
	}
	for {
		data, f := t.read()
		if f == failBodyEnd {
			return false, t.finish(nil)
		}
		if f != nil {
			return false, f
		}
		up.r = up.w
		if err := t.write(data, false); err != nil {
			return false, toClient(err)
		}
	}
}

// failBodyEnd is what read returns at the end of the connection; only a body that has no other end may take it for one.
var failBodyEnd = &failure{status: 502, cause: CauseBodyReset}

func (t *attempt) relayChunked() (bool, *failure) {
	for {
		if done, f := t.relayChunks(); done || f != nil {
			return done, f
		}
		if _, f := t.read(); f != nil {
			return false, f
		}
	}
}

// relayChunks passes on what was read of a chunked body. done means that it is complete.
func (t *attempt) relayChunks() (done bool, f *failure) {
	data, merr := t.compact()
	if merr != nil {
		if !t.started {
			t.withdraw()
			return false, failMalformedAnswer
		}
		return false, failBodyReset
	}
	// data lies before the unread part of the buffer, so reading trailers could move it: it goes out first.
	if len(data) > 0 || !t.started {
		if err := t.beginOrWrite(data); err != nil {
			return false, toClient(err)
		}
	}
	if !t.chunks.Done() {
		return false, nil
	}
	res, up := &t.x.res, t.up
	n, merr := message.ParseTrailers(up.buffered(), &res.Fields, responseLimits)
	if merr != nil || n == 0 && up.w-up.r == len(up.buf) {
		return false, failBodyReset
	}
	if n == 0 {
		return false, nil
	}
	up.r += n
	f = t.finish(res.Fields)
	return f == nil, f
}

// withdraw takes back an answer of which nothing was sent.
func (t *attempt) withdraw() {
	t.x.outcome.status = 0
	t.x.ans.reset()
}

func (t *attempt) beginOrWrite(data []byte) error {
	if t.started {
		return t.write(data, false)
	}
	t.started = true
	return t.begin(data, false)
}

// compact takes the chunk framing out of what was read and returns the pieces of the body joined, in place.
func (t *attempt) compact() ([]byte, *message.Error) {
	up := t.up
	at := up.r
	to := at
	for up.r < up.w && !t.chunks.Done() {
		data, n, merr := t.chunks.Next(up.buf[up.r:up.w])
		if merr != nil {
			return nil, merr
		}
		up.r += n
		to += copy(up.buf[to:], data)
	}
	return up.buf[at:to], nil
}

// read waits for more of the body, after what was read before has been consumed, in a buffer of body size.
func (t *attempt) read() ([]byte, *failure) {
	up := t.up
	if up.r == up.w && cap(up.buf) < bodySize {
		t.x.server.bufs.release(up.buf)
		up.buf = t.x.server.bufs.body()[:bodySize-frameRoom]
	}
	if up.r == up.w {
		up.r, up.w = 0, 0
	}
	return t.more()
}

// more reads once, bounded by the service's streamIdle. It returns all that is unconsumed.
func (t *attempt) more() ([]byte, *failure) {
	up := t.up
	idle := t.x.view.Timeouts.StreamIdle
	quiet := time.Now()
	for {
		wait := streamSlice
		if idle > 0 {
			wait = min(wait, idle)
		}
		if at, moved := up.readBy.moved(time.Now().UnixNano()+int64(wait), int64(wait)/4); moved {
			up.nc.SetReadDeadline(at)
		}
		err := up.fill()
		switch {
		case err == nil:
			return up.buffered(), nil
		case errors.Is(err, io.EOF):
			return nil, failBodyEnd
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, failBodyReset
		case t.upload.failed() != nil:
			return nil, t.upload.failed()
		case idle > 0 && time.Since(quiet) >= idle:
			return nil, failBodyTimeout
		case !t.upload.running() && t.x.down.gone():
			return nil, failClientGone
		}
	}
}

// streamSlice is how long a silent stream is left alone before its client is looked at.
const streamSlice = time.Second

func (t *attempt) begin(first []byte, last bool) error {
	x := t.x
	if x.encoder != nil {
		return x.beginCompressed(first, last)
	}
	return x.down.start(&x.ans, first, last)
}

func (t *attempt) write(p []byte, last bool) error {
	if t.x.encoder != nil {
		return t.x.writeCompressed(p, last)
	}
	return t.x.down.write(p, last)
}

func (t *attempt) finish(trailers message.Fields) *failure {
	if t.x.encoder != nil {
		return toClient(t.x.writeCompressed(nil, true))
	}
	return toClient(t.x.down.finish(trailers))
}

// spliceFrom is the rest of a body from which on it pays to move it in the kernel.
const spliceFrom = 128 << 10

// splicer is a downstream that can take a body straight from an instance's connection.
type splicer interface {
	// splice moves up to n bytes and returns how many it moved. A read deadline of src that passes ends it.
	splice(src io.Reader, n int64) (int64, error)
}

// splice moves what is left of a body within the kernel where both sides are plain TCP. It returns what is left for
// the ordinary way.
func (t *attempt) splice(left int64) (int64, *failure) {
	down, ok := t.x.down.(splicer)
	if !ok || t.up.raw == nil {
		return left, nil
	}
	idle := t.x.view.Timeouts.StreamIdle
	quiet := time.Now()
	for left > 0 {
		if at, moved := t.up.readBy.moved(time.Now().UnixNano()+int64(streamSlice), int64(streamSlice)/4); moved {
			t.up.nc.SetReadDeadline(at)
		}
		n, err := down.splice(t.up.nc, min(left, spliceStep))
		left -= n
		if n > 0 {
			quiet = time.Now()
		}
		switch {
		case err == nil && n == 0:
			return left, failBodyReset
		case err == nil, errors.Is(err, errNotSpliced):
			if err != nil {
				return left, nil
			}
		case !errors.Is(err, os.ErrDeadlineExceeded):
			if t.x.down.gone() { // the error does not say which side it is of
				return left, failClientGone
			}
			return left, failBodyReset
		case t.x.down.stalled(), !t.upload.running() && t.x.down.gone():
			return left, failClientGone
		case idle > 0 && time.Since(quiet) >= idle:
			return left, failBodyTimeout
		}
	}
	return 0, nil
}

// spliceStep bounds one splice, so that deadlines move on: a client has the listener's bodyIdleTimeout for each.
const spliceStep = 256 << 10

// spliceWait is how much of a step may have been a wait for the instance: its deadline with all slack.
const spliceWait = streamSlice + streamSlice/4

var errNotSpliced = errors.New("this connection cannot splice")
