package proxy

import (
	"net"
	"os"
)

// stage is where a goroutine goes on with a request that a loop began.
type stage uint8

const (
	stageHead    stage = iota // nothing is done yet; what was read stands in the buffer
	stageAcquire              // prepared, and has to wait for an endpoint
	stageTry                  // an endpoint is acquired
	stageRead                 // sent; what was read of the response stands in the connection's buffer
	stageRetry                // a try failed, and another endpoint is claimed
)

// handover gives a connection with what is under way on it to a goroutine. See goBack for the way back.
func (l *loop) handover(cl *client, at stage, f *failure) {
	c, u := cl.c, cl.up
	cl.closed, cl.c, cl.up = true, nil, nil
	l.timers.remove(cl)
	l.unwatch(cl.fd)
	c.cl, c.reply.out, c.x.clock = nil, nil, nil
	c.home, c.rare, c.fill = l, cl.ran >= plainInARow, c.readIdle
	if at == stageHead {
		c.site = nil
	}
	nc, err := runtimeConn(cl.fd)
	if err == nil {
		err = c.attach(nc)
	}
	if u != nil && err == nil {
		err = l.release(u)
	}
	c.state.Store(connBusy)
	if err != nil || !l.passOn(c) {
		l.dropHandover(cl, c, nc, err)
		return
	}
	go cl.ln.carry(c, func() fate { return c.resume(at, f) })
}

// attach makes c serve nc.
func (c *h1conn) attach(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return net.ErrClosed
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	c.nc, c.tcp, c.raw = nc, tcp, raw
	return nil
}

// dropHandover gives a connection up that cannot be handed over: the process has no file descriptor left, or the server is closed.
func (l *loop) dropHandover(cl *client, c *h1conn, nc net.Conn, err error) {
	if nc != nil {
		nc.Close()
	}
	x := &c.x
	if x.view != nil && !x.recorded {
		x.current.abandon()
		x.unclaim()
		x.releaseEndpoint()
		x.outcome.status, x.outcome.cause = failShutdown.status, failShutdown.cause
		x.leave()
		x.record()
	}
	cl.ln.slots.give()
	if err != nil {
		l.leave()
	}
}

// release gives a connection to an instance back to the runtime's poller.
func (l *loop) release(u *upstreamConn) error {
	l.unwatch(u.fd)
	nc, err := runtimeConn(u.fd)
	u.loop, u.fd, u.user = nil, -1, nil
	if err != nil {
		u.nc = closedConn{}
		return err
	}
	u.nc = nc
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return net.ErrClosed
	}
	if u.raw, err = tcp.SyscallConn(); err != nil {
		return err
	}
	u.onRead, u.readBy, u.writeBy = u.trip, deadline{}, deadline{}
	return nil
}

// closedConn stands for a connection that is lost.
type closedConn struct{ net.Conn }

// Close does nothing.
func (closedConn) Close() error { return nil }

// runtimeConn makes a file descriptor a connection of the runtime's poller. The descriptor is used up in any case.
func runtimeConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// resume serves a connection that a loop handed over.
func (c *h1conn) resume(from stage, f *failure) (at fate) {
	if from == stageHead {
		return c.serve()
	}
	at = fateOver
	defer c.endUnlessAway(&at)
	if at := c.afterResponse(c.x.resume(from, f)); at != fateOn {
		return at
	}
	return c.requests(false)
}

// resume goes on with a request where a loop has left it.
func (x *exchange) resume(at stage, f *failure) (keep bool) {
	defer func() {
		if p := recover(); p != nil {
			x.recovered(p)
			keep = false
		}
	}()
	return x.finish(x.runFrom(at, f))
}

func (x *exchange) runFrom(at stage, f *failure) *failure {
	switch at {
	case stageAcquire:
		if f := x.acquire(); f != nil {
			return f
		}
	case stageRetry:
		if !x.retry(f) {
			return f
		}
	case stageTry:
		x.attempt--
	case stageRead:
		if f = x.current.resume(); !x.again(f) {
			return f
		}
	}
	return x.tryAll()
}

// resume reads and passes on the response to a request that was sent.
func (t *attempt) resume() *failure {
	// An instance may answer without having read all; what it wants no more does not break what it says.
	broken := t.flushPending() != nil
	if f := t.readResponse(); f != nil {
		t.abandon()
		return f
	}
	t.x.res.Close = t.x.res.Close || broken
	t.x.down.consumeBody()
	return t.relay()
}

// flushPending sends what the loop had no room for.
func (t *attempt) flushPending() error {
	if len(t.up.pend) == 0 {
		return nil
	}
	err := t.up.writeHead(t.up.pend, t.x.site.Settings.BodyIdleTimeout)
	t.up.pend = nil
	return err
}
