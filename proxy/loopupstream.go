package proxy

import (
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// try sends the request to the endpoint that was acquired.
func (l *loop) try(cl *client) {
	x := &cl.c.x
	t := x.beginTry()
	if t.home.secure.Load() {
		l.handover(cl, stageTry, nil)
		return
	}
	l.connect(cl)
}

// connect takes an idle connection, or has one opened by a goroutine.
func (l *loop) connect(cl *client) {
	t := &cl.c.x.current
	if u := l.take(t.home); u != nil {
		l.sendOn(cl, u)
		return
	}
	cl.state = clientDialing
	l.timers.set(cl, 0)
	left, _ := t.patience(l.now)
	l.server.serving.Add(1)
	cl.dials++
	cl.dial = cl.dials
	go l.dial(cl, dialing{cl.dial, t.home, left})
}

// dialing is one wait of a client for a new connection.
type dialing struct {
	id       uint32 // client.dial as long as it waits
	home     *Transport
	patience time.Duration
}

// dial runs on a goroutine of its own. An exchange that is over by the time it is done leaves the connection to others.
func (l *loop) dial(cl *client, d dialing) {
	defer l.server.serving.Done()
	u, f := d.home.dial(l.server.ctx, d.patience)
	done := func() {
		if cl.dial != d.id {
			if u != nil {
				u.rest(l.now.UnixNano(), l.server.bufs)
			}
			return
		}
		l.guard(cl, 0, func(l *loop, cl *client, _ uint32) { l.dialled(cl, u, f) })
	}
	if !l.post(done) && u != nil {
		u.close()
	}
}

func (l *loop) dialled(cl *client, u *upstreamConn, f *failure) {
	cl.dial = 0
	if f != nil {
		l.failed(cl, cl.c.x.current.dialFailure(f))
		return
	}
	if err := l.adopt(u); err != nil {
		u.close()
		l.failed(cl, failConnect)
		return
	}
	l.sendOn(cl, u)
}

// sendOn sends the request on a connection.
func (l *loop) sendOn(cl *client, u *upstreamConn) {
	x := &cl.c.x
	t := &x.current
	cl.up, t.up, u.user = u, u, cl
	body, _ := cl.c.wholeBody()
	x.outcome.bytesIn = int64(len(body))
	t.sent = l.now
	n, err := l.writeBoth(u.fd, x.head, body)
	switch {
	case err != nil && err != unix.EAGAIN:
		l.upstreamEnded(cl, err)
		return
	case n < len(x.head)+len(body):
		n = max(n, 0)
		h := min(n, len(x.head))
		u.pend = append(append(u.pend[:0], x.head[h:]...), body[n-h:]...)
	}
	cl.state = clientWaiting
	l.awaitHead(cl, t.sent)
}

// awaitHead sets the deadline of a wait for the response's head.
func (l *loop) awaitHead(cl *client, now time.Time) {
	at := int64(0)
	if left, _ := cl.c.x.current.patience(now); left < forever {
		at = now.UnixNano() + int64(max(left, 0))
	}
	if cl.half {
		if soon := now.UnixNano() + int64(patienceSlice); at == 0 || soon < at {
			at = soon
		}
	}
	l.timers.set(cl, at)
}

func (l *loop) expiredWait(cl *client) {
	now := l.now
	left, f := cl.c.x.current.patience(now)
	switch {
	case left <= 0:
		l.failed(cl, f)
	case cl.half:
		l.clientGone(cl)
	default:
		l.awaitHead(cl, now)
	}
}

// awaitStream sets the deadline of a response body: the client's while it has something to take, else the instance's.
func (l *loop) awaitStream(cl *client) {
	cl.active = l.now.UnixNano()
	at := int64(0)
	if len(cl.out) > 0 {
		at = cl.takeBy()
	} else if idle := cl.c.x.view.Timeouts.StreamIdle; idle > 0 {
		at = cl.active + int64(idle)
	}
	if cl.half && at > 0 {
		at = min(at, cl.active+int64(streamSlice))
	}
	l.timers.set(cl, at)
}

func (l *loop) expiredStream(cl *client) {
	if cl.half || len(cl.out) > 0 {
		l.clientGone(cl)
		return
	}
	l.failed(cl, failBodyTimeout)
}

// onUpstream handles events of an instance's socket.
func (l *loop) onUpstream(u *upstreamConn, mask uint32) {
	if mask&(unix.EPOLLRDHUP|broken) != 0 {
		u.gone = true
	}
	if u.user == nil {
		if !u.quiet() {
			l.local(u.home).leave(u)
			u.close()
		}
		return
	}
	l.guard(u.user, mask, (*loop).upstreamEvent)
}

func (l *loop) upstreamEvent(cl *client, mask uint32) {
	u := cl.up
	if mask&unix.EPOLLOUT != 0 && len(u.pend) > 0 {
		n, err := writeNow(u.fd, u.pend)
		if err != nil && err != unix.EAGAIN {
			l.upstreamEnded(cl, err)
			return
		}
		u.pend = u.pend[max(n, 0):]
	}
	if mask&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 {
		l.readUpstream(u)
	}
}

// readsInARow is how often a loop reads from one connection before others have their turn.
const readsInARow = 8

// readUpstream reads what has come from an instance and passes it on, as long as the client takes it.
func (l *loop) readUpstream(u *upstreamConn) {
	cl := u.user
	u.unread = true
	for range readsInARow {
		if len(cl.out) > 0 {
			return // it goes on when that is flushed
		}
		l.lend(u)
		n, err := readNow(u.fd, u.buf[u.w:])
		if err == unix.EAGAIN {
			u.unread = false
			l.unlend(u)
			return
		}
		if err != nil || n == 0 {
			if err == nil {
				err = io.EOF
			}
			l.upstreamEnded(cl, err)
			return
		}
		short := n < len(u.buf)-u.w && !u.gone
		u.w += n
		if !l.pass(cl) {
			return // the exchange is over, or no longer the loop's
		}
		l.unlend(u)
		if short {
			u.unread = false
			return
		}
	}
	l.later(cl)
}

// lend gives a connection the loop's buffer to read into, unless it has one of its own with something in it.
func (l *loop) lend(u *upstreamConn) {
	if u.buf == nil {
		u.buf, u.r, u.w = l.in, 0, 0
	}
}

// unlend takes the buffer back. What is not consumed moves to a buffer of the connection's own.
func (l *loop) unlend(u *upstreamConn) {
	bufs := l.server.bufs
	switch {
	case u.r == u.w:
		bufs.release(u.buf)
		u.buf, u.r, u.w = nil, 0, 0
	case cap(u.buf) == loopRead:
		l.own(u)
	case u.w == len(u.buf):
		u.w = copy(u.buf, u.buf[u.r:u.w])
		u.r = 0
	}
}

// own moves what was read from the loop's buffer to one of the connection's own.
func (l *loop) own(u *upstreamConn) {
	if cap(u.buf) != loopRead {
		return
	}
	var own []byte
	switch n := u.w - u.r; {
	case n <= headSize:
		own = l.server.bufs.head()
	case n <= bodySize-frameRoom:
		own = l.server.bufs.body()[:bodySize-frameRoom]
	default:
		own = make([]byte, n)
	}
	u.w = copy(own, u.buf[u.r:u.w])
	u.r, u.buf = 0, own
}

// pass handles what was read. It returns false when the connection to the instance is not the exchange's any more.
func (l *loop) pass(cl *client) bool {
	if cl.state == clientWaiting && !l.passHead(cl) {
		return false
	}
	x := &cl.c.x
	var done bool
	var f *failure
	if x.res.Chunked && !x.ans.bodiless {
		done, f = x.current.relayChunks()
	} else {
		done, f = l.passLength(cl)
	}
	switch {
	case f != nil:
		l.failed(cl, f)
		return false
	case done:
		l.complete(cl)
		return false
	}
	l.awaitStream(cl)
	return true
}

// passHead parses the head of the response, and begins to answer unless it is one for a goroutine.
func (l *loop) passHead(cl *client) bool {
	x := &cl.c.x
	t, u := &x.current, cl.up
	n, merr := x.res.Parse(u.buf[u.r:u.w], responseLimits)
	if merr != nil {
		l.failed(cl, failMalformedAnswer)
		return false
	}
	res := &x.res
	if n == 0 || res.Status < 200 ||
		!res.Chunked && !res.Bodiless(x.req.Verb) && (res.ContentLength < 0 || res.ContentLength > loopStream) {
		l.own(u)
		l.handover(cl, stageRead, nil)
		return false
	}
	u.r += n
	if f := t.arrived(); f != nil {
		l.failed(cl, f)
		return false
	}
	x.down.consumeBody()
	t.prepareAnswer()
	cl.state = clientStreaming
	cl.left = -1
	return true
}

// passLength passes on a body that has a length, or none.
func (l *loop) passLength(cl *client) (done bool, f *failure) {
	x := &cl.c.x
	t, u := &x.current, cl.up
	first := cl.left < 0
	if first {
		if x.ans.bodiless {
			return true, toClient(x.down.start(&x.ans, nil, true))
		}
		cl.left = x.res.ContentLength
	}
	data := u.buffered()
	if int64(len(data)) > cl.left {
		data = data[:cl.left]
	}
	u.r += len(data)
	cl.left -= int64(len(data))
	if first {
		return cl.left == 0, toClient(t.begin(data, cl.left == 0))
	}
	return cl.left == 0, toClient(t.write(data, cl.left == 0))
}

// complete ends a try whose response was passed on.
func (l *loop) complete(cl *client) {
	x := &cl.c.x
	t, u := &x.current, cl.up
	clean := x.res.Status != 205 || x.res.ContentLength == 0
	if clean && !x.res.Close && len(u.pend) == 0 {
		t.up = nil
		l.rest(u)
	} else {
		t.abandon()
	}
	cl.up = nil
	x.endTry(nil)
	l.finish(cl, nil)
}

// upstreamEnded deals with a connection that broke, or ended where something was still to come.
func (l *loop) upstreamEnded(cl *client, err error) {
	x := &cl.c.x
	t := &x.current
	if cl.state == clientStreaming {
		l.failed(cl, failBodyReset)
		return
	}
	if f := t.stale(err); f != nil {
		l.failed(cl, f)
		return
	}
	cl.up = nil
	l.connect(cl)
}

// failed ends a try that failed. Another one is a goroutine's.
func (l *loop) failed(cl *client, f *failure) {
	x := &cl.c.x
	x.current.abandon()
	cl.up = nil
	x.endTry(f)
	if x.next != nil || x.claim(f) {
		l.handover(cl, stageRetry, f)
		return
	}
	l.finish(cl, f)
}
