package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A connection that was handed over goes back to a loop between two requests. Both ways together cost about as much processor time as a
// goroutine takes beyond a loop for ten requests, so one that has to change again and again for less than that stays where it is: it pays from
// about one request in sixteen down, measured for mixes of 1 to 256.
const (
	// plainInARow is how many requests a loop must have carried in between for a connection to go back as soon as it can, and after how many in
	// a row that a loop would have carried it goes back otherwise.
	plainInARow = 16
	// restOnGoroutine is how long a connection waits for its next request on a goroutine, which holds a stack for it, before it goes back.
	restOnGoroutine = 500 * time.Millisecond
)

// goesBack tells, after each exchange on a goroutine, whether it is time for the connection to go back.
func (c *h1conn) goesBack() bool {
	switch {
	case !c.mayGoBack():
		return false
	case c.rare:
		return true
	case !c.plain():
		c.plainRun = 0
		return false
	}
	c.plainRun++
	return c.plainRun >= plainInARow
}

// mayGoBack tells whether there are loops that serve connections of this kind.
func (c *h1conn) mayGoBack() bool {
	return c.home != nil && c.tls == nil && c.site.Settings.TLS == nil
}

// mayRest tells whether the connection need not wait for its next request on a goroutine.
func (c *h1conn) mayRest() bool { return c.tls != nil || c.mayGoBack() }

// plain tells whether a loop would have carried the exchange that has just ended.
func (c *h1conn) plain() bool {
	req, x := &c.req, &c.x
	if req.Upgrade != nil || req.ExpectContinue || req.Chunked || req.ContentLength > bodySize-headSize || c.reply.informed ||
		x.route != nil && x.route.Compress != nil || x.outcome.queued > 0 || x.attempt > 1 {
		return false
	}
	if x.attempt == 0 {
		return true
	}
	res := &x.res
	return !x.current.home.secure.Load() &&
		(res.Chunked || x.ans.bodiless || res.ContentLength >= 0 && res.ContentLength <= loopStream)
}

// goBack gives the connection to a loop, with what was read of the next requests. since is when it began to wait for one. When it returns true the
// connection, and c with it, are the loop's. A server that ends takes none back: its goroutines know how to end a connection.
func (c *h1conn) goBack(since time.Time) bool {
	if !c.mayGoBack() {
		return false
	}
	fd := -1
	var err error
	if cerr := c.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil || err != nil {
		return false
	}
	old := c.nc
	if !c.server.passBack(c, fd, since, old) {
		unix.Close(fd)
		return false
	}
	return true
}

// passBack counts a connection over from a goroutine to a loop and posts it there. All of it happens under mu, so that a drain, which asks the
// loops under mu as well, either finds draining seen here or the connection on its loop.
func (s *Server) passBack(c *h1conn, fd int, since time.Time, old net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining.Load() || c.ln.site() == nil {
		return false
	}
	// The descriptor leaves the runtime's poller before a loop can see the new one.
	old.Close()
	c.detachRuntime()
	delete(s.conns, c)
	l := s.chooseLoop(c.home)
	if !l.post(func() { l.takeBack(c, fd, since) }) {
		panic("BUG: a loop is over before its server is closed")
	}
	return true
}

// detachRuntime takes from c what only a goroutine needs.
func (c *h1conn) detachRuntime() {
	c.reply.release()
	c.nc, c.tcp, c.raw, c.fill, c.splicing.R = nil, nil, nil, nil, nil
	c.readBy, c.writeBy, c.plainRun = deadline{}, deadline{}, 0
}

// takeBack makes the loop serve a connection that a goroutine gives back.
func (l *loop) takeBack(c *h1conn, fd int, since time.Time) {
	cl := &client{loop: l, fd: fd, ln: c.ln, peer: c.peer, unread: true, c: c}
	c.cl, c.reply.out, c.x.clock = cl, l.out, &l.now
	if l.stop || l.watch(fd, sock{client: cl}) != nil {
		l.giveBack(cl)
		unix.Close(fd)
		l.forget(cl)
		return
	}
	if c.w > c.r {
		l.later(cl)
		return
	}
	l.giveBack(cl)
	l.timers.set(cl, since.UnixNano()+int64(cl.idleTimeout()))
}
