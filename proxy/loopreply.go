package proxy

import (
	"time"

	"golang.org/x/sys/unix"
)

// finish ends an exchange. The client may still have to take some of the response.
func (l *loop) finish(cl *client, f *failure) {
	if f == nil && len(cl.out) > 0 {
		cl.state = clientFlushing
		l.timers.set(cl, cl.takeBy())
		return
	}
	keep := cl.c.x.finish(f)
	if len(cl.out) > 0 && !cl.c.reply.aborted { // an answer of the gateway's own that does not go out at once
		cl.state, cl.keep = clientFlushing, keep
		cl.f = flushed
		l.timers.set(cl, cl.takeBy())
		return
	}
	l.afterResponse(cl, keep)
}

// flushed marks a response that is counted already and has only to be flushed.
var flushed = &failure{}

// afterResponse goes on to the next request, or ends the connection.
func (l *loop) afterResponse(cl *client, keep bool) {
	c := cl.c
	switch {
	case c.reply.aborted:
		unix.SetsockoptLinger(cl.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		l.close(cl)
		return
	case !keep || c.reply.sentClose:
		if c.req.Close && c.r == c.w && !cl.unread {
			l.close(cl) // the client said that nothing more comes, so nothing can turn the close into a reset
			return
		}
		l.linger(cl)
		return
	}
	c.body.consumeWhole()
	cl.state, cl.up = clientIdle, nil
	cl.ran = min(cl.ran+1, plainInARow)
	if c.w > c.r {
		l.later(cl)
		return
	}
	l.giveBack(cl)
	if l.server.draining.Load() {
		l.close(cl)
		return
	}
	l.timers.set(cl, l.now.UnixNano()+int64(cl.idleTimeout()))
	if cl.unread {
		l.later(cl)
	}
}

func (cl *client) idleTimeout() time.Duration {
	if site := cl.ln.site(); site != nil {
		return site.Settings.IdleTimeout
	}
	return time.Second
}

// send sends p or keeps it for when the client takes it. It is how h1reply writes on a loop.
func (cl *client) send(head, body []byte) error {
	if len(cl.out) > 0 {
		cl.keepOut(head, body)
		return nil
	}
	n, err := cl.loop.writeBoth(cl.fd, head, body)
	if err != nil && err != unix.EAGAIN {
		return err
	}
	n = max(n, 0)
	if n < len(head)+len(body) {
		h := min(n, len(head))
		cl.keepOut(head[h:], body[n-h:])
	}
	return nil
}

// takeBy is until when the client has to take something of what waits for it.
func (cl *client) takeBy() int64 {
	w := &cl.c.reply
	return cl.loop.now.UnixNano() + int64(w.patience(w.bytes-int64(len(cl.out))))
}

// keepOut copies what could not be written.
func (cl *client) keepOut(head, body []byte) {
	bufs := cl.loop.server.bufs
	need := len(cl.out) + len(head) + len(body)
	if cl.buf == nil && need <= bodySize {
		cl.buf = bufs.body()
	}
	if len(cl.out) == 0 {
		cl.active = cl.loop.now.UnixNano()
	}
	base := cl.buf[:0]
	cl.buf = append(append(append(base, cl.out...), head...), body...)
	cl.out = cl.buf
}

// flush writes what the client had no room for, and goes on where that had held the response up.
func (l *loop) flush(cl *client) {
	n, err := writeNow(cl.fd, cl.out)
	if err == unix.EAGAIN {
		return
	}
	if err != nil {
		l.clientGone(cl)
		return
	}
	cl.c.reply.pace.waited += time.Duration(l.now.UnixNano() - cl.active)
	cl.active = l.now.UnixNano()
	if cl.out = cl.out[n:]; len(cl.out) > 0 {
		l.timers.set(cl, cl.takeBy())
		return
	}
	l.server.bufs.release(cl.buf)
	cl.buf, cl.out = nil, nil
	switch {
	case cl.f == flushed:
		cl.f = nil
		l.afterResponse(cl, cl.keep)
	case cl.state == clientFlushing:
		l.finish(cl, nil)
	case cl.state == clientStreaming:
		l.awaitStream(cl)
		if cl.up.unread {
			l.later(cl)
		}
	}
}
