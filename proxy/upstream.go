package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/internal/message"
)

// upstreamConn is one connection to an instance. It belongs to one exchange at a time; between
// exchanges it rests in its endpoint's Transport and holds no buffer.
type upstreamConn struct {
	nc    net.Conn
	raw   syscall.RawConn // of the TCP connection; nil under TLS
	probe *probeConn      // under TLS, else nil
	home  *Transport

	buf  []byte // [r:w) is read and not yet consumed
	r, w int

	readBy, writeBy deadline
	reused          bool  // it carried an exchange before
	idleAt          int64 // unix nanoseconds when it was put to rest

	first  firstTrip
	onRead func(fd uintptr) bool // first.step, bound once

	onLoop
}

// onLoop is what a connection that an event loop owns is besides. Then it has no nc.
type onLoop struct {
	loop   *loop   // nil: none
	user   *client // whose request it carries, nil while idle
	pend   []byte  // of the request, not written yet
	fd     int
	round  uint64 // of the loop, when it was put to rest
	unread bool   // there may be something to read that no event will tell of again
	gone   bool   // the instance has ended its stream
}

// firstTrip is the state of sending a request and waiting for the first bytes of its answer.
type firstTrip struct {
	out   []byte // not yet written
	step  tripStep
	stale bool
	err   error
}

type tripStep uint8

const (
	tripProbe tripStep = iota
	tripWrite
	tripWait
	tripDone
)

// errStale means that the instance closed an idle connection, or wrote to it unasked: nothing was sent.
var errStale = errors.New("idle connection is closed or holds bytes nobody asked for")

// begin sends out and waits for the first bytes of the response, which it reads into u.buf. On a plain TCP
// connection all of it happens inside one readiness callback: a read that must say "nothing there" proves an idle connection alive and
// in step before anything is sent, so that a response nobody asked for is never taken for the next one; then
// the write; then the wait. It returns errStale when nothing was sent. The read deadline ends the wait with
// os.ErrDeadlineExceeded; wait goes on from there.
// An instance that does not take out for as long as patience has failed.
func (u *upstreamConn) begin(out []byte, patience time.Duration) error {
	if u.raw == nil {
		return u.beginTLS(out, patience)
	}
	u.first = firstTrip{out: out, step: tripWrite}
	if u.reused {
		u.first.step = tripProbe
	}
	err := u.raw.Read(u.onRead)
	if u.first.stale {
		return errStale
	}
	if u.first.err != nil {
		return u.first.err
	}
	if err != nil {
		return err
	}
	if len(u.first.out) > 0 { // the socket's buffer is full: a large body
		if err := u.writeHead(u.first.out, patience); err != nil {
			return err
		}
		return u.wait()
	}
	return nil
}

// trip is the callback of begin. It runs without blocking and returns false to wait for readiness.
func (u *upstreamConn) trip(fd uintptr) bool {
	t := &u.first
	if t.step == tripProbe {
		n, err := readFD(int(fd), u.buf)
		if err != unix.EAGAIN || n > 0 {
			t.stale = true
			return true
		}
		t.step = tripWrite
	}
	if t.step == tripWrite {
		n, err := writeFD(int(fd), t.out)
		if err != nil && err != unix.EAGAIN {
			t.err = err
			return true
		}
		t.out = t.out[max(n, 0):]
		if len(t.out) > 0 {
			return true
		}
		t.step = tripWait
		return false
	}
	n, err := readFD(int(fd), u.buf[u.w:])
	if err == unix.EAGAIN {
		return false
	}
	t.step = tripDone
	switch {
	case err != nil:
		t.err = err
	case n == 0:
		t.err = io.EOF
	default:
		u.w += n
	}
	return true
}

// wait goes on waiting for bytes of the response after begin or an earlier wait ended with a deadline.
func (u *upstreamConn) wait() error {
	return u.fill()
}

// fill reads once into the free part of u.buf, waiting until there is something. It moves what is
// unconsumed to the front first when the buffer's end is reached.
func (u *upstreamConn) fill() error {
	if u.w == len(u.buf) && u.r > 0 {
		u.w = copy(u.buf, u.buf[u.r:u.w])
		u.r = 0
	}
	n, err := u.nc.Read(u.buf[u.w:])
	u.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (u *upstreamConn) beginTLS(out []byte, patience time.Duration) error {
	if u.reused && !u.alive() {
		return errStale
	}
	if err := u.writeHead(out, patience); err != nil {
		return err
	}
	return u.fill()
}

// readHead parses a response head, reading more as needed. The head's slices alias u.buf until the next fill.
func (u *upstreamConn) readHead(res *message.Response, lim message.Limits, bufs *buffers) error {
	for {
		if u.w > u.r {
			n, merr := res.Parse(u.buf[u.r:u.w], lim)
			if merr != nil {
				return merr
			}
			if n > 0 {
				u.r += n
				return nil
			}
			if u.w-u.r == len(u.buf) {
				u.grow(bufs)
			}
		}
		if err := u.fill(); err != nil {
			return err
		}
	}
}

// grow moves what was read to a body-sized buffer.
func (u *upstreamConn) grow(bufs *buffers) {
	if cap(u.buf) >= bodySize {
		return
	}
	big := bufs.body()[:bodySize-frameRoom]
	u.w = copy(big, u.buf[u.r:u.w])
	u.r = 0
	bufs.release(u.buf)
	u.buf = big
}

// buffered returns what was read and not consumed.
func (u *upstreamConn) buffered() []byte { return u.buf[u.r:u.w] }

func (u *upstreamConn) close() {
	if u.loop != nil {
		u.loop.disown(u.fd)
		unix.Close(u.fd) // which takes it out of the epoll set as well
	} else {
		u.nc.Close()
	}
	u.home.closed()
}

// rest gives the connection back after a complete exchange.
func (u *upstreamConn) rest(now int64, bufs *buffers) {
	if u.r != u.w { // bytes after a complete response: they answer nothing
		u.drop(bufs)
		return
	}
	bufs.release(u.buf)
	u.buf, u.r, u.w = nil, 0, 0
	u.reused, u.idleAt = true, now
	u.home.put(u)
}

// drop closes the connection and gives its buffer back.
func (u *upstreamConn) drop(bufs *buffers) {
	u.close()
	if u.buf != nil {
		bufs.release(u.buf)
		u.buf, u.r, u.w = nil, 0, 0
	}
}

// alive tells, without sending anything, whether an idle connection is open and in step.
func (u *upstreamConn) alive() bool {
	if u.probe != nil {
		u.probe.peeking = true
		n, err := u.nc.Read(u.buf)
		u.probe.peeking = false
		return n == 0 && errors.Is(err, errWouldBlock)
	}
	var n int
	var err error
	rerr := u.raw.Control(func(fd uintptr) { n, err = readFD(int(fd), u.buf) })
	return rerr == nil && n <= 0 && err == unix.EAGAIN
}

// writeBody writes a piece of a request body. An instance that takes nothing for patience breaks the connection.
func (u *upstreamConn) writeBody(p []byte, patience time.Duration) error {
	if at, moved := u.writeBy.moved(time.Now().UnixNano()+int64(patience), int64(patience)/4); moved {
		u.nc.SetWriteDeadline(at)
	}
	_, err := u.nc.Write(p)
	return err
}

// writeHead is writeBody for the first part of a request. Its timeout is not to be taken for one of the wait for the response.
func (u *upstreamConn) writeHead(p []byte, patience time.Duration) error {
	err := u.writeBody(p, patience)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return failureError{failResponseTimeout}
	}
	return err
}

// readFD and writeFD are the system calls with EINTR handled.
func readFD(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func writeFD(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// probeConn lies between TLS and TCP. While peeking, a read that would wait fails with errWouldBlock, which
// crypto/tls takes for a timeout and recovers from; so an idle TLS connection can be asked whether it is
// alive and in step without waiting.
type probeConn struct {
	net.Conn
	raw     syscall.RawConn
	peeking bool
}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock error = wouldBlock{}

// Read reads as the connection does, or without waiting while peeking.
func (p *probeConn) Read(b []byte) (n int, err error) {
	if !p.peeking {
		return p.Conn.Read(b)
	}
	rerr := p.raw.Read(func(fd uintptr) bool {
		n, err = readFD(int(fd), b)
		return true
	})
	switch {
	case rerr != nil:
		return 0, rerr
	case err == unix.EAGAIN:
		return 0, errWouldBlock
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// failureOf turns what went wrong before the head was complete into its cause.
func failureOf(err error) *failure {
	var malformed *message.Error
	switch {
	case errors.As(err, &malformed):
		return failMalformedAnswer
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failResponseTimeout
	}
	return failReset
}
