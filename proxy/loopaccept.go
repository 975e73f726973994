package proxy

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Connections for event loops are accepted as bare file descriptors: the runtime's poller never gets to know them. The accepting goroutine is
// the listener's, so that slots, pauses and the end are what they are without loops.

// openRaw prepares acceptRaw. Where it cannot be had, goroutines serve the listener.
func (l *listener) openRaw() {
	s := l.server
	if s.loops == nil {
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
	f := os.NewFile(uintptr(fd), "listener")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return
	}
	l.file, l.raw = f, raw
}

// keepAliveSeconds is what net uses.
const keepAliveSeconds = 15

// acceptRaw accepts one connection and gives it to a loop, or to a goroutine if it is to speak TLS.
func (l *listener) acceptRaw() error {
	var fd int
	var from unix.Sockaddr
	var err error
	rerr := l.raw.Read(func(ln uintptr) bool {
		for {
			fd, from, err = unix.Accept4(int(ln), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != unix.EINTR && err != unix.ECONNABORTED {
				return err != unix.EAGAIN
			}
		}
	})
	if rerr != nil {
		return rerr
	}
	if err != nil {
		return os.NewSyscallError("accept4", err)
	}
	site := l.site()
	if site != nil && site.Settings.TLS == nil {
		if lp := l.server.loopFor(); lp != nil {
			peer := addrPort(from)
			if !lp.post(func() { lp.takeClient(fd, l, peer) }) {
				unix.Close(fd)
				l.slots.give()
				lp.leave()
			}
			return nil
		}
	}
	nc, err := runtimeConn(fd)
	if err != nil {
		return err
	}
	l.begin(nc.(*net.TCPConn))
	return nil
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
