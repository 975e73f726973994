package proxy

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// With event loops a listener's socket is watched by all of them, and they accept bare file descriptors: the runtime's poller never gets to know
// these. The listener's own goroutine is there for what waits: for room under maxConnections, for a pause after an error, for the end.

// shared is a listener's socket as the loops see it.
type shared struct {
	fd      int
	addr    net.Addr
	stalled chan error    // why the loops do not accept: nil for want of room; capacity 1
	ended   chan struct{} // closed when the listener is to go
	gone    chan struct{} // closed when no loop accepts on it any more and the socket is closed
	off     atomic.Bool   // set by the first that stalls, until the goroutine has dealt with it
}

// share prepares the socket for the loops. Where that cannot be had, goroutines serve the listener.
func (l *listener) share() {
	if l.server.loops == nil {
		return
	}
	control, err := l.tcp.SyscallConn()
	if err != nil {
		return
	}
	fd := -1
	if control.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }) != nil || err != nil {
		return
	}
	// Accepted sockets inherit these from the listening one.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveSeconds)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveSeconds)
	l.shared = &shared{fd: fd, addr: l.tcp.Addr(), stalled: make(chan error, 1), ended: make(chan struct{}), gone: make(chan struct{})}
	// The runtime's poller would wake a thread for each connection that comes, though nobody there accepts it.
	l.tcp.Close()
}

// bound returns the address that the socket has.
func (l *listener) bound() net.Addr {
	if l.shared != nil {
		return l.shared.addr
	}
	return l.tcp.Addr()
}

// socket returns the listening socket once more, for the caller to close.
func (l *listener) socket() (*os.File, error) {
	if l.shared == nil {
		return l.tcp.File()
	}
	fd, err := unix.FcntlInt(uintptr(l.shared.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// keepAliveSeconds is what net uses.
const keepAliveSeconds = 15

// acceptOnLoops runs until the listener is closed. When it returns no loop accepts any more.
func (l *listener) acceptOnLoops() {
	defer l.server.accepting.Done()
	defer close(l.shared.gone)
	defer unix.Close(l.shared.fd)
	loops := l.server.loops.all
	pause := time.Duration(0)
	for {
		if !l.slots.take(l.maxConnections) {
			return
		}
		l.slots.give()
		l.shared.off.Store(false)
		l.onEach(loops, (*loop).listen)
		var err error
		select {
		case err = <-l.shared.stalled:
		case <-l.shared.ended:
		}
		l.onEach(loops, (*loop).unlisten)
		select {
		case <-l.shared.stalled: // another loop came to the same
		default:
		}
		if err == nil {
			pause = 0
			continue
		}
		if pause = l.pauseAfter(err, pause); pause == 0 {
			return
		}
	}
}

// onEach has every loop do something with the listener, and waits until all have.
func (l *listener) onEach(loops []*loop, do func(*loop, *listener)) {
	done := make(chan struct{}, len(loops))
	for _, lp := range loops {
		if !lp.post(func() { do(lp, l); done <- struct{}{} }) {
			done <- struct{}{}
		}
	}
	for range loops {
		<-done
	}
}

// stall makes the listener's goroutine take over, and the loops accept nothing until it gives the socket back.
func (l *listener) stall(err error) {
	if l.shared.off.CompareAndSwap(false, true) {
		l.shared.stalled <- err
	}
}

// listen makes the loop accept.
func (l *loop) listen(ln *listener) {
	if err := l.watchFor(ln.shared.fd, sock{listener: ln}, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
		ln.stall(err)
	}
}

func (l *loop) unlisten(ln *listener) {
	if fd := ln.shared.fd; fd < len(l.socks) && l.socks[fd].listener == ln {
		l.unwatch(fd)
	}
}

// acceptsInARow bounds how long those wait who are connected already.
const acceptsInARow = 16

// accept takes in the connections that have come.
func (l *loop) accept(ln *listener) {
	for range acceptsInARow {
		if ln.shared.off.Load() {
			return
		}
		if !ln.slots.takeNow(ln.maxConnections()) {
			ln.stall(nil)
			return
		}
		fd, from, err := syscall.Accept4(ln.shared.fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err == nil {
			l.begin(ln, fd, addrPort(from))
			continue
		}
		ln.slots.give()
		switch err {
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		case syscall.EAGAIN:
		default:
			ln.stall(os.NewSyscallError("accept4", err))
		}
		return
	}
}

// begin has a connection served, by this loop unless another has clearly less to do, or by a goroutine if it is to speak TLS.
func (l *loop) begin(ln *listener, fd int, peer netip.AddrPort) {
	site := ln.site()
	if site != nil && site.Settings.TLS == nil {
		if lp := l.server.loopFor(l); lp != nil {
			if lp == l {
				l.takeClient(fd, ln, peer)
			} else if !lp.post(func() { lp.takeClient(fd, ln, peer) }) {
				unix.Close(fd)
				ln.slots.give()
				lp.leave()
			}
			return
		}
	}
	nc, err := runtimeConn(fd)
	if err != nil {
		ln.slots.give()
		return
	}
	ln.begin(nc.(*net.TCPConn))
}

// imbalance is by how many connections a loop may be ahead of another before it gives new ones away, which costs a wake-up.
const imbalance = 4

// loopFor returns the loop that a new connection goes to, counting the connection, or nil when it is to be served by a goroutine.
func (s *Server) loopFor(own *loop) *loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.chooseLoop(own)
}

// chooseLoop wants mu held.
func (s *Server) chooseLoop(own *loop) *loop {
	s.onLoops++
	best, least := own, own.clients.Load()-imbalance
	for _, l := range s.loops.all {
		if n := l.clients.Load(); n < least {
			best, least = l, n
		}
	}
	best.clients.Add(1)
	return best
}

func addrPort(a syscall.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
