package proxy

import "golang.org/x/sys/unix"

// linger ends our stream and reads until the client's end, for a bounded time and size, see h1conn.end.
func (l *loop) linger(cl *client) {
	l.giveBack(cl)
	cl.state, cl.lingered = clientLingering, 0
	if unix.Shutdown(cl.fd, unix.SHUT_WR) != nil {
		l.close(cl)
		return
	}
	l.timers.set(cl, l.now.UnixNano()+int64(lingerTime))
	if cl.unread {
		l.readOver(cl)
	}
}

func (l *loop) readOver(cl *client) {
	for {
		n, err := readNow(cl.fd, l.in)
		if err == unix.EAGAIN {
			return
		}
		if cl.lingered += int32(n); err != nil || n == 0 || cl.lingered > lingerBytes {
			l.close(cl)
			return
		}
		if n < len(l.in) && !cl.half {
			return
		}
	}
}

// close ends a connection on which no exchange is under way.
func (l *loop) close(cl *client) {
	cl.closed = true
	l.giveBack(cl)
	if cl.buf != nil {
		l.server.bufs.release(cl.buf)
		cl.buf, cl.out = nil, nil
	}
	l.timers.remove(cl)
	l.disown(cl.fd)
	unix.Close(cl.fd) // which takes it out of the epoll set as well
	l.forget(cl)
}

// cut ends a connection whatever is under way.
func (l *loop) cut(cl *client) {
	if cl.state == clientResting {
		l.wake(cl)
		return
	}
	if cl.state.serving() && cl.f != flushed {
		l.clientGone(cl)
		return
	}
	l.close(cl)
}

// clientGone ends an exchange whose client has left, or takes nothing any more.
func (l *loop) clientGone(cl *client) {
	if cl.f == flushed {
		l.close(cl)
		return
	}
	cl.out, cl.dial = nil, 0
	if cl.state != clientFlushing {
		x := &cl.c.x
		x.current.abandon()
		x.endTry(failClientGone)
		cl.up = nil
	}
	l.finish(cl, failClientGone)
}

// expire deals with deadlines that have passed.
func (l *loop) expire() {
	now := l.now.UnixNano()
	for {
		cl := l.timers.expired(now)
		if cl == nil {
			break
		}
		l.guard(cl, 0, (*loop).expired)
	}
	if now-l.swept >= int64(sweepEvery) {
		l.swept = now
		l.sweepIdle()
	}
}

func (l *loop) expired(cl *client, _ uint32) {
	switch cl.state {
	case clientIdle, clientLingering:
		l.close(cl)
	case clientResting:
		l.wake(cl)
	case clientBody:
		l.handover(cl, stageHead, nil)
	case clientFlushing, clientDialing:
		l.clientGone(cl)
	case clientWaiting:
		l.expiredWait(cl)
	case clientStreaming:
		l.expiredStream(cl)
	}
}
