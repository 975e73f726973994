package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// traffic is what is sent to one proxy for a while.
type traffic struct {
	addr     string
	conns    int
	request  []byte
	reopen   bool // a connection for each request
	tls      bool
	hybrid   bool    // see load
	rate     float64 // requests per second, open loop; 0: each connection sends its next request when it has the last answer
	duration time.Duration
}

// outcome is what came of it. took is there for a fixed rate only: from when a request was due to the end of its answer, so
// that requests which a stall kept from being sent are not spared it (coordinated omission).
type outcome struct {
	requests int
	failed   int
	took     []time.Duration
	elapsed  time.Duration
}

// generator drives the connections of one traffic from one thread.
type generator struct {
	t     traffic
	to    unix.SockaddrInet4
	epoll int
	conns map[int]*genConn
	free  []*genConn
	buf   []byte
	out   outcome
	ended bool
}

type genConn struct {
	fd      int
	due     time.Time
	head    []byte
	left    int64 // of the answer's body; -1: the head is not complete, -2: in chunks
	tail    []byte
	out     []byte
	waiting bool // for room to write
}

func generate(t traffic) (outcome, error) {
	if t.tls {
		return generateTLS(t)
	}
	a, err := net.ResolveTCPAddr("tcp4", t.addr)
	if err != nil {
		return outcome{}, err
	}
	g := &generator{t: t, conns: map[int]*genConn{}, buf: make([]byte, 1<<20)}
	g.to.Port = a.Port
	copy(g.to.Addr[:], a.IP.To4())
	if g.epoll, err = unix.EpollCreate1(0); err != nil {
		return outcome{}, err
	}
	defer g.close()
	for range t.conns {
		c, err := g.open()
		if err != nil {
			return outcome{}, fmt.Errorf("cannot connect to %s: %w", t.addr, err)
		}
		g.free = append(g.free, c)
	}
	err = g.run()
	return g.out, err
}

// idle opens n connections, sends one request on each and keeps them until the returned function is called.
func idle(addr string, n int, request []byte) (stop func(), err error) {
	g, err := newIdle(addr, n, request)
	if err != nil {
		return nil, err
	}
	return g.close, nil
}

func newIdle(addr string, n int, request []byte) (*generator, error) {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	g := &generator{t: traffic{request: request}, conns: map[int]*genConn{}, buf: make([]byte, 64<<10)}
	g.to.Port = a.Port
	copy(g.to.Addr[:], a.IP.To4())
	if g.epoll, err = unix.EpollCreate1(0); err != nil {
		return nil, err
	}
	for range n {
		c, err := g.open()
		if err != nil {
			g.close()
			return nil, err
		}
		if _, err := unix.Write(c.fd, request); err != nil {
			g.close()
			return nil, err
		}
		if err := unix.SetNonblock(c.fd, false); err != nil {
			return nil, err
		}
		if _, err := unix.Read(c.fd, g.buf); err != nil {
			g.close()
			return nil, err
		}
	}
	return g, nil
}

func (g *generator) close() {
	for fd := range g.conns {
		unix.Close(fd)
	}
	unix.Close(g.epoll)
}

func (g *generator) open() (*genConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &g.to); err != nil {
		unix.Close(fd)
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetNonblock(fd, true)
	c := &genConn{fd: fd, left: -1}
	g.conns[fd] = c
	return c, unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (g *generator) run() error {
	began := time.Now()
	end := began.Add(g.t.duration)
	var step time.Duration
	if g.t.rate > 0 {
		step = time.Duration(float64(time.Second) / g.t.rate)
		g.out.took = make([]time.Duration, 0, int(g.t.rate*g.t.duration.Seconds())+1)
	} else {
		for len(g.free) > 0 {
			g.sendNext(began)
		}
	}
	due := began
	events := make([]unix.EpollEvent, 256)
	for {
		now := time.Now()
		if now.After(end) && (step == 0 || len(g.free) == g.t.conns || now.After(end.Add(5*time.Second))) {
			break
		}
		g.ended = now.After(end)
		wait := 100 * time.Millisecond
		if step > 0 && !g.ended {
			for !due.After(now) && len(g.free) > 0 {
				g.sendNext(due)
				due = due.Add(step)
			}
			if len(g.free) > 0 {
				wait = due.Sub(now)
			}
		}
		n := epollFor(g.epoll, events, max(wait, 0))
		for i := range n {
			if c := g.conns[int(events[i].Fd)]; c != nil {
				if err := g.step(c); err != nil {
					return err
				}
			}
		}
	}
	g.out.elapsed = time.Since(began)
	return nil
}

// epollFor is epoll_pwait2, whose timeout is not in milliseconds.
func epollFor(epoll int, events []unix.EpollEvent, wait time.Duration) int {
	ts := unix.NsecToTimespec(int64(wait))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// sendNext sends a request on a free connection.
func (g *generator) sendNext(due time.Time) {
	c := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	c.due, c.out = due, g.t.request
	g.flush(c)
}

func (g *generator) flush(c *genConn) {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err != nil {
			break // what is wrong shows when it is read
		}
		c.out = c.out[n:]
	}
	if waits := len(c.out) > 0; waits != c.waiting {
		c.waiting = waits
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}
		if waits {
			ev.Events |= unix.EPOLLOUT
		}
		unix.EpollCtl(g.epoll, unix.EPOLL_CTL_MOD, c.fd, &ev)
	}
}

func (g *generator) step(c *genConn) error {
	if c.waiting {
		g.flush(c)
	}
	n, err := unix.Read(c.fd, g.buf)
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil || n == 0 {
		g.out.failed++
		return g.replace(c)
	}
	if !c.take(g.buf[:n]) {
		return nil
	}
	g.out.requests++
	if !isOK(c.head) {
		g.out.failed++
	}
	if g.t.rate > 0 {
		g.out.took = append(g.out.took, time.Since(c.due))
	}
	c.head, c.left, c.tail = c.head[:0], -1, c.tail[:0]
	if g.t.reopen {
		return g.replace(c)
	}
	g.next(c)
	return nil
}

func isOK(head []byte) bool { return bytes.HasPrefix(head, []byte("HTTP/1.1 200")) }

// replace opens another connection in place of one that is over.
func (g *generator) replace(c *genConn) error {
	delete(g.conns, c.fd)
	unix.Close(c.fd)
	fresh, err := g.open()
	if err != nil {
		return fmt.Errorf("cannot connect again: %w", err)
	}
	g.next(fresh)
	return nil
}

func (g *generator) next(c *genConn) {
	g.free = append(g.free, c)
	if g.t.rate == 0 && !g.ended {
		g.sendNext(time.Time{})
	}
}

var endOfChunks = []byte("\r\n0\r\n\r\n")

// take takes what was read of an answer, and tells whether it is complete.
func (c *genConn) take(p []byte) bool {
	if c.left == -1 {
		before := len(c.head)
		c.head = append(c.head, p...)
		end := bytes.Index(c.head, []byte("\r\n\r\n"))
		if end < 0 {
			return false
		}
		p = p[end+4-before:]
		c.head = c.head[:end+4]
		c.left = bodyLength(c.head)
	}
	if c.left == -2 {
		c.tail = append(c.tail, p[max(len(p)-len(endOfChunks), 0):]...)
		c.tail = c.tail[max(len(c.tail)-len(endOfChunks), 0):]
		return bytes.Equal(c.tail, endOfChunks)
	}
	c.left -= int64(len(p))
	return c.left <= 0
}

func bodyLength(head []byte) int64 {
	lower := bytes.ToLower(head)
	i := bytes.Index(lower, []byte("\r\ncontent-length: "))
	if i < 0 {
		return -2
	}
	value := lower[i+len("\r\ncontent-length: "):]
	n, err := strconv.ParseInt(string(value[:bytes.IndexByte(value, '\r')]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
