package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// recordConn is what TLS is spoken over to a client. crypto/tls writes record by record, and each would go out as packets of its own; so
// the system is told of each that more is coming, up to the last of what is sent at once.
type recordConn struct {
	*net.TCPConn
	raw  syscall.RawConn
	left int // of what is being sent and not yet written, or less

	// Of the write that is under way; the callback is bound once.
	out  []byte
	err  error
	more func(fd uintptr) bool
}

func newRecordConn(tcp *net.TCPConn, raw syscall.RawConn) *recordConn {
	c := &recordConn{TCPConn: tcp, raw: raw}
	c.more = c.writeMore
	return c
}

// Write sends one or more records.
func (c *recordConn) Write(p []byte) (int, error) {
	// A record is longer than what it carries, so left is 0 before the last one comes, and that one is never held back.
	if c.left = max(c.left-len(p), 0); c.left == 0 {
		return c.TCPConn.Write(p)
	}
	c.out, c.err = p, nil
	err := c.raw.Write(c.more)
	n := len(p) - len(c.out)
	c.out = nil
	if err == nil {
		err = c.err
	}
	return n, err
}

func (c *recordConn) writeMore(fd uintptr) bool {
	for len(c.out) > 0 {
		n, err := unix.SendmsgN(int(fd), c.out, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			c.out = c.out[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.err = &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
			return true
		}
	}
	return true
}
