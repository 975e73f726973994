package proxy

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// client is a client's connection that a loop owns. Between requests it is all that there is of it: h1conn and buffers
// are there while a request is under way only.
type client struct {
	loop *loop
	fd   int
	ln   *listener
	peer netip.AddrPort

	state    clientState
	unread   bool // there may be something to read that no event will tell of again
	half     bool // the client has ended its stream, or broken off
	queued   bool // in loop.ready
	closed   bool
	keep     bool  // of a response that is being flushed: the connection goes on
	ran      uint8 // requests since the loop has the connection, up to plainInARow
	lingered int32
	place    int32  // see timers
	dial     uint32 // the wait for a connection that is under way, 0: none
	dials    uint32

	c   *h1conn       // nil while idle
	up  *upstreamConn // of the present try
	out []byte        // not written yet: the client has to take that first
	buf []byte        // what out is part of

	left   int64 // of a response body with a length
	active int64 // unix nanoseconds of the last progress of a response
	f      *failure

	deadline, due int64 // see timers
	life          lifespan
}

type clientState uint8

const (
	clientIdle      clientState = iota
	clientBody                  // the rest of a small request body is on its way
	clientDialing               // waits for a connection to an instance
	clientWaiting               // waits for the head of the response
	clientStreaming             // the body is on its way
	clientFlushing              // the response is complete, the client has still to take it
	clientLingering             // the connection is over, and what still comes is read over
	clientResting               // a goroutine's connection, see wake
)

// serving tells whether an exchange is under way.
func (s clientState) serving() bool { return s >= clientDialing && s <= clientFlushing }

const (
	// loopOut holds a head and a chunk of all that is read from an instance at once.
	loopOut = loopRead + 16<<10
	// smallBodyWait is how long the loop waits for the rest of a small request body; then a goroutine does.
	smallBodyWait = 100 * time.Millisecond
	// loopStream is the length of a response body from which on a goroutine moves it in the kernel.
	loopStream = 1 << 20
)

// takeClient makes the loop serve a connection that was accepted and counted.
func (l *loop) takeClient(fd int, ln *listener, peer netip.AddrPort) {
	cl := &client{loop: l, fd: fd, ln: ln, peer: peer, unread: true, life: newLifespan(l.now)}
	site := ln.site()
	if site == nil || l.stop || l.watch(fd, sock{client: cl}) != nil {
		unix.Close(fd)
		l.forget(cl)
		return
	}
	l.timers.set(cl, l.now.UnixNano()+int64(site.Settings.HeaderTimeout))
}

// forget gives back what a connection that is gone was counted for.
func (l *loop) forget(cl *client) {
	cl.ln.slots.give()
	l.leave()
}

// onClient handles events of a client's socket.
func (l *loop) onClient(cl *client, mask uint32) { l.guard(cl, mask, (*loop).clientEvent) }

func (l *loop) clientEvent(cl *client, mask uint32) {
	if cl.state == clientResting {
		l.wake(cl)
		return
	}
	if mask&unix.EPOLLOUT != 0 && len(cl.out) > 0 {
		l.flush(cl)
		if cl.closed {
			return
		}
	}
	if mask&(unix.EPOLLRDHUP|broken) != 0 {
		cl.half = true
		if l.noticeHalf(cl, mask) {
			return
		}
	}
	if mask&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) == 0 {
		return
	}
	cl.unread = true
	l.read(cl)
}

// noticeHalf deals with a client that has left, or may have, while an instance works for it.
func (l *loop) noticeHalf(cl *client, mask uint32) (gone bool) {
	if !cl.state.serving() {
		return false
	}
	if mask&broken != 0 {
		l.clientGone(cl)
		return true
	}
	// It may have ended only its own direction: an instance that is quick still gets its answer through, as on a goroutine.
	soon := l.now.UnixNano() + int64(patienceSlice)
	if cl.deadline == 0 || soon < cl.deadline {
		l.timers.set(cl, soon)
	}
	return false
}

// proceed goes on with a client that has something to read, or has read it already.
func (l *loop) proceed(cl *client, _ uint32) {
	switch {
	case cl.state == clientStreaming && cl.up != nil && cl.up.unread:
		l.readUpstream(cl.up)
	case cl.state == clientIdle && cl.c != nil:
		l.serve(cl)
	default:
		l.read(cl)
	}
}

// later puts a client on the list of those that go on without an event.
func (l *loop) later(cl *client) {
	if !cl.queued {
		cl.queued = true
		l.ready = append(l.ready, cl)
	}
}

// read reads once, if the state is one in which something is expected of the client.
func (l *loop) read(cl *client) {
	switch cl.state {
	case clientIdle:
		if cl.c == nil {
			l.readRequest(cl)
		}
	case clientBody:
		l.readBody(cl)
	case clientLingering:
		l.readOver(cl)
	}
}

// readRequest reads what should be a request.
func (l *loop) readRequest(cl *client) {
	n, err := readNow(cl.fd, l.in[:bodySize])
	if err == unix.EAGAIN {
		cl.unread = false
		return
	}
	if err != nil || n == 0 {
		l.close(cl)
		return
	}
	cl.unread = n == bodySize || cl.half
	c := l.newConn(cl)
	if n <= headSize {
		c.buf = l.server.bufs.head()
	} else {
		c.buf = l.server.bufs.body()
	}
	c.r, c.w = 0, copy(c.buf, l.in[:n])
	l.serve(cl)
}

// newConn gives a client the h1conn that its next request needs.
func (l *loop) newConn(cl *client) *h1conn {
	var c *h1conn
	if n := len(l.spare); n > 0 {
		c = l.spare[n-1]
		l.spare = l.spare[:n-1]
	} else {
		c = &h1conn{server: l.server}
	}
	c.ln, c.peer, c.cl, c.life = cl.ln, cl.peer, cl, cl.life
	c.reply.out, c.x.clock = l.out, &l.now
	cl.c = c
	return c
}

// giveBack takes the h1conn back from a client that waits for its next request.
func (l *loop) giveBack(cl *client) {
	c := cl.c
	if c == nil {
		return
	}
	cl.c, cl.life = nil, c.life
	l.server.bufs.release(c.buf)
	c.x.release(l.server.bufs)
	c.x.clock = nil
	c.buf, c.r, c.w, c.cl, c.ln, c.site, c.reply.out = nil, 0, 0, nil, nil, nil, nil
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, c)
	}
}

// serve begins the request that stands in the client's buffer.
func (l *loop) serve(cl *client) {
	c := cl.c
	site := cl.ln.site()
	if site == nil {
		l.handover(cl, stageHead, nil)
		return
	}
	c.site = site
	lim := &site.Settings
	n, merr := c.req.Parse(c.buf[c.r:c.w], lim.Head)
	if n == 0 || merr != nil || lim.TLS != nil || c.req.Upgrade != nil || c.req.ExpectContinue || c.req.Chunked {
		l.handover(cl, stageHead, nil)
		return
	}
	if body := c.req.ContentLength; body > int64(c.w-c.r-n) {
		l.awaitBody(cl, int64(n)+body)
		return
	}
	c.r += n
	cl.state = clientDialing
	c.body.begin(c, lim)
	c.reply.begin(c)
	x := &c.x
	x.begin(l.server, c, &c.req)
	x.tls, x.peer = nil, c.peer
	if done, f := x.prepare(cl.ln.name); done || f != nil {
		l.finish(cl, f)
		return
	}
	if x.route.Compress != nil {
		l.handover(cl, stageAcquire, nil)
		return
	}
	switch ok, f := x.acquireNow(); {
	case f != nil:
		l.finish(cl, f)
	case !ok:
		l.handover(cl, stageAcquire, nil)
	default:
		l.try(cl)
	}
}

// awaitBody waits for the rest of a request with a body, if it is small.
func (l *loop) awaitBody(cl *client, total int64) {
	c := cl.c
	if total > bodySize {
		l.handover(cl, stageHead, nil)
		return
	}
	if len(c.buf) < bodySize || int64(c.r)+total > bodySize {
		big := l.server.bufs.body()
		c.w = copy(big, c.buf[c.r:c.w])
		c.r = 0
		l.server.bufs.release(c.buf)
		c.buf = big
	}
	if cl.state != clientBody {
		cl.state = clientBody
		l.timers.set(cl, l.now.UnixNano()+int64(smallBodyWait))
	}
	if cl.unread {
		l.readBody(cl)
	}
}

func (l *loop) readBody(cl *client) {
	c := cl.c
	n, err := readNow(cl.fd, c.buf[c.w:])
	if err == unix.EAGAIN {
		cl.unread = false
		return
	}
	if err != nil || n == 0 {
		cl.state = clientIdle
		l.handover(cl, stageHead, nil) // it says to the client what is missing
		return
	}
	cl.unread = c.w+n == len(c.buf) || cl.half
	c.w += n
	l.serve(cl)
}
