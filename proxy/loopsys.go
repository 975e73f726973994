package proxy

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of a loop are made on sockets that never block. So the scheduler need not be told of them, which would cost
// a good part of what they do.

func readNow(fd int, p []byte) (int, error) {
	return result(syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))))
}

func writeNow(fd int, p []byte) (int, error) {
	return result(syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))))
}

// smallBody is up to where copying costs less than a write of two pieces.
const smallBody = 4 << 10

// writeBoth writes two pieces in one system call.
func (l *loop) writeBoth(fd int, head, body []byte) (int, error) {
	switch {
	case len(body) == 0:
		return writeNow(fd, head)
	case len(head) == 0:
		return writeNow(fd, body)
	}
	v := &l.vector
	v[0] = unix.Iovec{Base: unsafe.SliceData(head), Len: uint64(len(head))}
	v[1] = unix.Iovec{Base: unsafe.SliceData(body), Len: uint64(len(body))}
	n, err := result(syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v[0])), 2))
	*v = [2]unix.Iovec{}
	return n, err
}

// epollShort waits for events as long as the given milliseconds without telling the scheduler. A signal ends it, and so the runtime can
// still stop the world.
func epollShort(epoll int, events []unix.EpollEvent, ms int) (n int, interrupted bool) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	if errno != 0 {
		return 0, true
	}
	return int(r), false
}

// result turns what a system call returned into a count that is not negative, and an error.
func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN:
		return 0, unix.EAGAIN // the value that is made once
	}
	return 0, errno
}
