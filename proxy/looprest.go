package proxy

import "golang.org/x/sys/unix"

// A TLS connection is a goroutine's, which holds a stack and a buffer for it. When it waits for its next request for longer than
// restOnGoroutine, both are given up: a loop watches its socket, and a new goroutine goes on as soon as anything comes, its time is up, or the server
// drains. The loop reads nothing: what comes is a TLS record. Meanwhile the connection stays among the server's own.

// restOnLoop leaves the connection to a loop that wakes it at until (unix nanoseconds) at the latest. When it returns true the connection is not to be
// touched any more. A server that ends puts none to rest: its goroutines know how to end a connection.
func (c *h1conn) restOnLoop(until int64) bool {
	if c.tls == nil {
		return false
	}
	fd := -1
	if c.raw.Control(func(own uintptr) { fd = int(own) }) != nil {
		return false
	}
	if c.buf != nil {
		c.server.bufs.release(c.buf)
		c.buf = nil
	}
	return c.server.rests(c, fd, until)
}

// rests hands a connection's socket to a loop to watch. All of it happens under mu, for the reason that passBack gives.
func (s *Server) rests(c *h1conn, fd int, until int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops == nil || s.closed || s.draining.Load() {
		return false
	}
	c.restsUntil = until
	l := s.loops.all[fd%len(s.loops.all)]
	if !l.post(func() { l.watchRest(c, fd) }) {
		panic("BUG: a loop is over before its server is closed")
	}
	return true
}

// wakes counts a goroutine for a connection that has rested, unless it comes too late.
func (s *Server) wakes(c *h1conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		delete(s.conns, c)
		s.lookEmpty()
		return false
	}
	s.serving.Add(1)
	return true
}

// watchRest waits for something to come on a connection that rests. Its descriptor stays its own.
func (l *loop) watchRest(c *h1conn, fd int) {
	cl := &client{loop: l, fd: fd, ln: c.ln, state: clientResting, c: c}
	if l.stop || l.watchFor(fd, sock{client: cl}, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT) != nil {
		l.wake(cl)
		return
	}
	l.timers.set(cl, c.restsUntil)
}

// wake gives a connection that rests a goroutine again.
func (l *loop) wake(cl *client) {
	c := cl.c
	cl.closed, cl.c = true, nil
	l.timers.remove(cl)
	if cl.fd < len(l.socks) && l.socks[cl.fd].client == cl {
		l.unwatch(cl.fd)
	}
	if !c.server.wakes(c) {
		c.tcp.Close()
		c.ln.slots.give()
		return
	}
	go c.ln.carry(c, c.awake)
}

// awake goes on waiting for a request.
func (c *h1conn) awake() (at fate) {
	at = fateOver
	defer c.endUnlessAway(&at)
	return c.requests(false)
}
