package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/internal/message"
)

// h1conn serves one client connection that speaks HTTP/1.x. Its goroutine owns it; state is what others look at.
type h1conn struct {
	server *Server
	ln     *listener
	site   *Site // as of the present request
	nc     net.Conn
	tcp    *net.TCPConn
	raw    syscall.RawConn
	tls    *tls.ConnectionState // nil: plain
	peer   netip.AddrPort

	buf  []byte // [r:w) is read and not yet consumed; nil while the connection is idle
	r, w int

	req   message.Request
	body  h1body
	reply h1reply
	x     exchange

	readBy, writeBy deadline
	fill            func(fd uintptr) bool // readIdle, bound once
	fillN           int
	fillErr         error

	state atomic.Int32 // connIdle or connBusy, or connClosing
}

// The states of a connection that a shutdown looks at.
const (
	connIdle int32 = iota
	connBusy
	connClosing
)

// serve reads requests and answers them one after the other, until one of the sides wants no more.
func (c *h1conn) serve() {
	defer c.end()
	for first := true; ; first = false {
		if site := c.ln.site(); site != nil {
			c.site = site
		}
		lim := &c.site.Settings
		if !c.awaitRequest(lim, first) || !c.readHead(lim) {
			return
		}
		c.body.begin(c, lim)
		c.reply.begin(c)
		keep := c.x.serve(c)
		if !keep || !c.settle() {
			return
		}
		c.state.Store(connIdle)
		if c.server.draining.Load() {
			return
		}
	}
}

// end gives everything back. A response that told the client to close is followed by a lingering close, so that bytes still
// on their way do not turn into a reset that takes the response with it (RFC 9112 section 9.6).
func (c *h1conn) end() {
	if c.reply.aborted {
		c.tcp.SetLinger(0)
	} else if c.reply.sentClose {
		c.linger()
	}
	c.nc.Close()
	if c.buf != nil {
		c.server.bufs.release(c.buf)
		c.buf = nil
	}
	c.x.release()
}

// linger sends our end of stream and reads until the client's, for a bounded time and size.
func (c *h1conn) linger() {
	if t, ok := c.nc.(*tls.Conn); ok {
		t.CloseWrite()
	}
	if c.tcp.CloseWrite() != nil {
		return
	}
	if c.buf == nil {
		c.buf = c.server.bufs.head.get()
	}
	c.tcp.SetReadDeadline(time.Now().Add(lingerTime))
	for left := lingerBytes; left > 0; {
		n, err := c.tcp.Read(c.buf)
		if err != nil {
			return
		}
		left -= n
	}
}

const (
	lingerTime  = 2 * time.Second
	lingerBytes = 1 << 20
)

// awaitRequest waits for the first bytes of a request. Between requests the connection holds no buffer: when
// there is nothing to read it gives its buffer back and waits for readiness without one.
func (c *h1conn) awaitRequest(lim *ListenerSettings, first bool) bool {
	if c.w > c.r {
		return true
	}
	c.r, c.w = 0, 0
	patience := lim.IdleTimeout
	if first {
		patience = lim.HeaderTimeout
	}
	c.setReadDeadline(time.Now().UnixNano()+int64(patience), int64(patience)/4)
	if c.tls != nil {
		return c.more() == nil
	}
	c.fillN, c.fillErr = 0, nil
	if err := c.raw.Read(c.fill); err != nil {
		// The deadline may have passed in the moment in which a request came in: that one is still served.
		c.raw.Control(func(fd uintptr) { c.readIdle(fd) })
	}
	if c.fillErr != nil {
		return false
	}
	c.w = c.fillN
	return c.w > 0
}

// readIdle is the callback of awaitRequest.
func (c *h1conn) readIdle(fd uintptr) bool {
	if c.buf == nil {
		c.buf = c.server.bufs.head.get()
	}
	n, err := readFD(int(fd), c.buf)
	if err == unix.EAGAIN {
		c.server.bufs.release(c.buf)
		c.buf = nil
		return false
	}
	c.fillN, c.fillErr = max(n, 0), err
	return true
}

// more reads once into the free part of the buffer, which it makes if need be.
func (c *h1conn) more() error {
	if c.buf == nil {
		c.buf = c.server.bufs.head.get()
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) && c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// readHead parses the request's head, reading more as needed. When it returns false the connection is to be closed; what
// there was to say has been said.
func (c *h1conn) readHead(lim *ListenerSettings) bool {
	n, merr := c.req.Parse(c.buf[c.r:c.w], lim.Head)
	if n == 0 && merr == nil {
		n, merr = c.readRestOfHead(lim)
	}
	c.state.Store(connBusy)
	if merr != nil {
		c.refuse(merr)
		return false
	}
	c.r += n
	return n > 0
}

// readRestOfHead is for heads that do not come in one piece. From its first byte on a head has HeaderTimeout to
// arrive, however slowly its sender drips it.
func (c *h1conn) readRestOfHead(lim *ListenerSettings) (int, *message.Error) {
	c.setReadDeadline(time.Now().UnixNano()+int64(lim.HeaderTimeout), 0)
	var scan message.HeadScanner
	for {
		if c.w-c.r == len(c.buf) {
			if len(c.buf) > lim.Head.HeadBytes+4 {
				return 0, &message.Error{Status: 431, Reason: "head is too large"}
			}
			c.growHead(lim)
		}
		if err := c.more(); err != nil {
			if isTimeout(err) {
				c.reply.begin(c)
				c.reply.refuse(failClientHeadStall)
			}
			return 0, nil
		}
		if !scan.Complete(c.buf[c.r:c.w]) && c.w-c.r <= lim.Head.HeadBytes {
			continue
		}
		if n, merr := c.req.Parse(c.buf[c.r:c.w], lim.Head); n > 0 || merr != nil {
			return n, merr
		}
	}
}

func (c *h1conn) growHead(lim *ListenerSettings) {
	big := c.server.bufs.body.get()
	if lim.Head.HeadBytes+5 > len(big) {
		c.server.bufs.release(big)
		big = make([]byte, lim.Head.HeadBytes+5)
	}
	c.w = copy(big, c.buf[c.r:c.w])
	c.r = 0
	c.server.bufs.release(c.buf)
	c.buf = big
}

func (c *h1conn) refuse(merr *message.Error) {
	c.reply.begin(c)
	f := &failure{status: merr.Status, cause: CauseMalformed, detail: merr.Reason}
	c.reply.refuse(f)
	c.x.recordRefusal(c, f)
}

// settle reads what is left of the request body before the next request, if that is little, and tells whether the connection
// can go on.
func (c *h1conn) settle() bool {
	if c.reply.sentClose || c.reply.aborted {
		return false
	}
	if !c.body.done && !c.body.discard() {
		return false
	}
	if c.r == c.w && c.buf != nil && cap(c.buf) != headSize {
		c.server.bufs.release(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
	return true
}

func (c *h1conn) setReadDeadline(want, slack int64) {
	if t, moved := c.readBy.moved(want, slack); moved {
		c.nc.SetReadDeadline(t)
	}
}

func (c *h1conn) setWriteDeadline(now int64) {
	patience := int64(c.site.Settings.BodyIdleTimeout)
	if t, moved := c.writeBy.moved(now+patience, patience/4); moved {
		c.nc.SetWriteDeadline(t)
	}
}

// gone tells whether the client has closed its side or reset, by looking at the socket without waiting and without
// consuming anything. A half-closed client counts as gone: HTTP has no use for half a connection.
func (c *h1conn) gone() bool {
	if c.w > c.r {
		return false
	}
	var n int
	var err error
	var b [1]byte
	rerr := c.raw.Control(func(fd uintptr) {
		n, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	if rerr != nil {
		return true
	}
	return err != unix.EAGAIN && err != unix.EINTR && n <= 0
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}
