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
	server  *Server
	ln      *listener
	site    *Site // as of the present request
	nc      net.Conn
	tcp     *net.TCPConn
	raw     syscall.RawConn
	tls     *tls.ConnectionState // nil: plain
	records *recordConn          // that TLS is spoken over
	peer    netip.AddrPort

	buf  []byte // [r:w) is read and not yet consumed; nil while the connection is idle
	r, w int
	// pinned holds the head of the present request, which the request's slices point into, while buf is a buffer of
	// its own for a chunked body; nil while the head stands in buf itself.
	pinned []byte

	req   message.Request
	body  h1body
	reply h1reply
	x     exchange

	splicing io.LimitedReader

	readBy, writeBy deadline
	fill            func(fd uintptr) bool // readIdle, bound once
	fillN           int

	state atomic.Int32 // connIdle or connBusy, or connClosing

	cl *client // of an event loop, nil: a goroutine serves the connection, by nc

	life     lifespan
	home     *loop // that handed the connection over to a goroutine, nil: none did
	rare     bool  // home carried many requests before it did
	plainRun int   // requests in a row that a loop would have carried

	restsUntil int64 // unix nanoseconds when a wait that began on a goroutine and went on on a loop is over; 0: none did
}

// The states of a connection that a shutdown looks at. From idle the connection's goroutine makes it busy, or a shutdown makes
// it closing.
const (
	connIdle int32 = iota
	connBusy
	connClosing
)

// fate is what becomes of a connection on a goroutine.
type fate uint8

const (
	fateOn   fate = iota // the next request is the goroutine's
	fateOver             // it ends
	fateAway             // it is a loop's again, and not to be touched any more
)

// serve reads requests and answers them one after the other, until one of the sides wants no more or a loop goes on with the connection.
func (c *h1conn) serve() (at fate) {
	at = fateOver
	defer c.endUnlessAway(&at)
	return c.requests(true)
}

// endUnlessAway is to be deferred, because a defect ends the connection as well.
func (c *h1conn) endUnlessAway(at *fate) {
	if *at != fateAway {
		c.end()
	}
}

// requests serves one request after the other. first tells whether it is the connection's first.
func (c *h1conn) requests(first bool) fate {
	for ; ; first = false {
		if site := c.ln.site(); site != nil {
			c.site = site
		}
		lim := &c.site.Settings
		if at := c.awaitRequest(lim, first); at != fateOn {
			return at
		}
		if !c.readHead(lim) {
			return fateOver
		}
		c.body.begin(c, lim)
		if f := c.body.gather(); f != nil {
			c.refuse(f)
			return fateOver
		}
		c.reply.begin(c)
		if at := c.afterResponse(c.x.serve(c)); at != fateOn {
			return at
		}
	}
}

// afterResponse decides how the connection goes on. keep is what the exchange says of it.
func (c *h1conn) afterResponse(keep bool) fate {
	if !keep || !c.settle() {
		return fateOver
	}
	c.state.Store(connIdle)
	switch {
	case c.server.draining.Load():
		return fateOver
	case c.goesBack() && c.goBack(time.Now()):
		return fateAway
	}
	return fateOn
}

// end gives everything back. A response that ends the connection is followed by a lingering close, so that bytes still
// on their way do not turn into a reset that takes the response with it (RFC 9112 section 9.6). A response that broke off is
// followed by a reset, and under TLS by no close_notify either: nothing may look like its end.
func (c *h1conn) end() {
	switch {
	case c.reply.aborted:
		c.tcp.SetLinger(0)
		c.tcp.Close()
	case c.reply.sentClose, c.reply.started && !c.body.done:
		c.linger()
	}
	c.nc.Close()
	c.giveBack()
	if c.buf != nil {
		c.server.bufs.release(c.buf)
		c.buf = nil
	}
}

// giveBack returns the buffers that only a request under way needs.
func (c *h1conn) giveBack() {
	if c.pinned != nil {
		c.server.bufs.release(c.pinned)
		c.pinned = nil
	}
	c.reply.release()
	c.x.release(c.server.bufs)
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
		c.buf = c.server.bufs.head()
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

// more reads once into the free part of the buffer, which it makes if need be.
func (c *h1conn) more() error {
	if c.buf == nil {
		c.buf = c.server.bufs.head()
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
	if merr != nil {
		c.refuse(&failure{status: merr.Status, cause: CauseMalformed, detail: merr.Reason})
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
				c.refuse(failClientHeadStall)
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
	big := c.server.bufs.body()
	if lim.Head.HeadBytes+5 > len(big) {
		c.server.bufs.release(big)
		big = make([]byte, lim.Head.HeadBytes+5)
	}
	c.w = copy(big, c.buf[c.r:c.w])
	c.r = 0
	c.server.bufs.release(c.buf)
	c.buf = big
}

// refuse answers a request that could not be read.
func (c *h1conn) refuse(f *failure) {
	c.reply.begin(c)
	if f.cause != CauseClientGone {
		c.reply.refuse(f)
	}
	c.x.recordRefusal(c, f)
}

// detach moves the unconsumed bytes to a new buffer and leaves the old one as it is, because the present request's slices
// point into it.
func (c *h1conn) detach() {
	if c.pinned != nil {
		return
	}
	fresh := c.server.bufs.body()
	if c.w-c.r > len(fresh) {
		fresh = make([]byte, len(c.buf))
	}
	c.pinned = c.buf
	c.w = copy(fresh, c.buf[c.r:c.w])
	c.buf, c.r = fresh, 0
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
	if c.body.interrupted.Load() { // in vain, the body was complete; but the deadline is spoilt
		c.readBy.at = 0
	}
	if c.pinned != nil {
		c.server.bufs.release(c.pinned)
		c.pinned = nil
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

func (c *h1conn) setWriteDeadline(now time.Time, patience time.Duration) {
	if t, moved := c.writeBy.moved(now.UnixNano()+int64(patience), slackOf(patience)); moved {
		c.nc.SetWriteDeadline(t)
	}
}

// gone tells whether the client has closed its side or reset, by looking at the socket without waiting and without
// consuming anything. A half-closed client counts as gone: HTTP has no use for half a connection. The state of the socket is asked rather
// than its bytes, because a close_notify or a pipelined request may stand before the end of the stream.
func (c *h1conn) gone() bool {
	var info *unix.TCPInfo
	var err error
	rerr := c.raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return rerr != nil || err == nil && info.State != unix.BPF_TCP_ESTABLISHED
}

func (c *h1conn) localAddr() netip.AddrPort {
	if c.cl != nil {
		addr, err := syscall.Getsockname(c.cl.fd)
		if err != nil {
			return netip.AddrPort{}
		}
		return addrPort(addr)
	}
	if addr, ok := c.nc.LocalAddr().(*net.TCPAddr); ok {
		return addr.AddrPort()
	}
	return netip.AddrPort{}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}
