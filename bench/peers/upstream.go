package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The upstream that every proxy stands in front of: one thread that answers GET /N with N bytes (with a length, or in chunks for
// /chunked/N), reads whatever body a request has, and costs as little as it can, so that what is measured is the proxy.

// maxBody is the largest body that can be asked for.
const maxBody = 16 << 20

func runUpstream(args []string) error {
	fs := flag.NewFlagSet("upstream", flag.ContinueOnError)
	first := fs.Int("port", 9100, "first port")
	count := fs.Int("count", 1, "how many ports in a row")
	if err := fs.Parse(args); err != nil {
		return err
	}
	u := &upstream{conns: map[int]*upstreamConn{}, listening: map[int]bool{}, in: make([]byte, 256<<10), bodies: map[string][]byte{}}
	var err error
	if u.epoll, err = unix.EpollCreate1(0); err != nil {
		return fmt.Errorf("cannot create an epoll instance: %w", err)
	}
	for i := range *count {
		if err := u.listen(*first + i); err != nil {
			return fmt.Errorf("cannot listen on port %d: %w", *first+i, err)
		}
	}
	return u.serve()
}

type upstream struct {
	epoll     int
	listening map[int]bool
	files     []*os.File
	conns     map[int]*upstreamConn
	in        []byte
	bodies    map[string][]byte // whole responses by path
}

type upstreamConn struct {
	fd   int
	skip int64 // of a request body, still to be read
	head []byte
	out  []byte // not written yet; part of a shared response
	wait bool   // for room to write
}

func (u *upstream) listen(port int) error {
	ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	ln.Close()
	u.files = append(u.files, f) // one that is forgotten gets closed
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	u.listening[fd] = true
	return u.watch(fd, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
}

func (u *upstream) watch(fd, op int, events uint32) error {
	return unix.EpollCtl(u.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (u *upstream) serve() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(u.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("cannot wait for events: %w", err)
		}
		for i := range max(n, 0) {
			fd := int(events[i].Fd)
			if u.listening[fd] {
				u.accept(fd)
				continue
			}
			if c := u.conns[fd]; c != nil && !u.step(c) {
				unix.Close(fd)
				delete(u.conns, fd)
			}
		}
	}
}

func (u *upstream) accept(ln int) {
	for {
		fd, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		u.conns[fd] = &upstreamConn{fd: fd}
		u.watch(fd, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	}
}

// step reads once and answers every request that is whole. It returns false when the connection is over.
func (u *upstream) step(c *upstreamConn) bool {
	if c.wait {
		return u.flush(c)
	}
	n, err := unix.Read(c.fd, u.in)
	if err == unix.EAGAIN {
		return true
	}
	if n <= 0 {
		return false
	}
	return u.take(c, u.in[:n])
}

// take goes through what was read.
func (u *upstream) take(c *upstreamConn, p []byte) bool {
	for len(p) > 0 {
		if c.skip > 0 {
			m := min(c.skip, int64(len(p)))
			c.skip -= m
			p = p[m:]
			if c.skip == 0 && !u.answer(c) {
				return false
			}
			continue
		}
		before := len(c.head)
		c.head = append(c.head, p...)
		end := bytes.Index(c.head, []byte("\r\n\r\n"))
		if end < 0 {
			return true
		}
		p = p[end+4-before:]
		c.head = c.head[:end+4]
		if c.skip = contentLength(c.head); c.skip == 0 && !u.answer(c) {
			return false
		}
	}
	return true
}

func contentLength(head []byte) int64 {
	i := bytes.Index(head, []byte("\r\nContent-Length: "))
	if i < 0 {
		i = bytes.Index(head, []byte("\r\ncontent-length: "))
	}
	if i < 0 {
		return 0
	}
	value := head[i+len("\r\nContent-Length: "):]
	n, err := strconv.ParseInt(string(value[:bytes.IndexByte(value, '\r')]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (u *upstream) answer(c *upstreamConn) bool {
	path := c.head[bytes.IndexByte(c.head, ' ')+1:]
	path = path[:bytes.IndexByte(path, ' ')]
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	res, ok := u.bodies[string(path)]
	if !ok {
		res = response(string(path))
		u.bodies[string(path)] = res
	}
	c.head = c.head[:0]
	c.out = res
	return u.flush(c)
}

func (u *upstream) flush(c *upstreamConn) bool {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err == unix.EAGAIN {
			if !c.wait {
				c.wait = true
				u.watch(c.fd, unix.EPOLL_CTL_MOD, unix.EPOLLOUT)
			}
			return true
		}
		if err != nil {
			return false
		}
		c.out = c.out[n:]
	}
	if c.wait {
		c.wait = false
		u.watch(c.fd, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	}
	return true
}

// response is the whole answer to a path. One that asks for nothing gets 128 bytes.
func response(path string) []byte {
	size := path[1:]
	chunked := len(path) > 9 && path[:9] == "/chunked/"
	if chunked {
		size = path[9:]
	}
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > maxBody {
		n = 128
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
	head := "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 02 Mar 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n"
	if !chunked {
		return append([]byte(head+"Content-Length: "+strconv.Itoa(n)+"\r\n\r\n"), body...)
	}
	out := []byte(head + "Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		m := min(len(body), 4096)
		out = append(strconv.AppendInt(out, int64(m), 16), "\r\n"...)
		out = append(append(out, body[:m]...), "\r\n"...)
		body = body[m:]
	}
	return append(out, "0\r\n\r\n"...)
}
