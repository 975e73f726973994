package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// tunneler is a downstream whose connection can be taken over.
type tunneler interface {
	// hijack returns the client's connection and what was read from it already, which stays valid until the
	// connection is closed.
	hijack() (nc net.Conn, buffered []byte)
}

// tunnel passes an upgraded connection through, after the instance has agreed with 101 and not before (RFC 9110 section 7.8). It
// ends when both sides have ended their streams, one breaks, both are silent for streamIdle, or the gateway shuts down
// and its drain time is over.
func (t *attempt) tunnel() *failure {
	x := t.x
	down, ok := x.down.(tunneler)
	if !ok || t.upload.running() {
		t.drop()
		return failMalformedAnswer
	}
	x.ans.status, x.ans.reason, x.ans.fields = 101, x.res.Reason, x.res.Fields
	x.ans.drop, x.ans.rules = responseDrop, x.route.ResponseHeaders
	x.ans.upgrade = x.res.Upgrade
	x.ans.add("X-Request-Id", x.requestID)
	x.addAffinityCookie(&x.ans)
	x.outcome.status, x.outcome.upgraded = 101, true
	if err := x.down.inform(&x.ans); err != nil {
		t.drop()
		return failClientGone
	}
	client, early := down.hijack()
	p := pipes{idle: x.view.Timeouts.StreamIdle}
	p.touch()
	// What is left of the request's deadlines must not end the tunnel.
	client.SetDeadline(time.Time{})
	t.up.nc.SetDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer x.server.contain("tunnel", client, t.up.nc)
		x.outcome.bytesIn = p.copy(t.up.nc, client, early, x.server.bufs)
	}()
	x.outcome.bytesOut = p.copy(client, t.up.nc, t.up.buffered(), x.server.bufs)
	<-done
	t.drop()
	return nil
}

// pipes are the two directions of a tunnel. A direction that is silent lives as long as the other one is not.
type pipes struct {
	idle time.Duration
	last atomic.Int64 // unix nanoseconds of the last byte in either direction
}

func (p *pipes) touch() { p.last.Store(time.Now().UnixNano()) }

// copy moves bytes from src to dst until src ends, then ends dst's stream, and returns how many it moved. When one of them breaks,
// both are closed, which ends the other direction as well.
func (p *pipes) copy(dst, src net.Conn, early []byte, bufs *buffers) (n int64) {
	buf := bufs.body()
	defer bufs.release(buf)
	if len(early) > 0 {
		if _, err := dst.Write(early); err != nil {
			closeBoth(dst, src)
			return 0
		}
		n += int64(len(early))
	}
	for {
		m, err := p.read(src, buf)
		if m > 0 {
			p.touch()
			if p.idle > 0 {
				dst.SetWriteDeadline(time.Now().Add(p.idle))
			}
			if _, werr := dst.Write(buf[:m]); werr != nil {
				closeBoth(dst, src)
				return n
			}
			n += int64(m)
		}
		if err == nil {
			continue
		}
		half, ok := dst.(interface{ CloseWrite() error })
		if !errors.Is(err, io.EOF) || !ok || half.CloseWrite() != nil {
			closeBoth(dst, src)
		}
		return n
	}
}

// read reads once. A deadline that passes ends the tunnel only if the other direction was silent for as long.
func (p *pipes) read(src net.Conn, buf []byte) (int, error) {
	for {
		if p.idle > 0 {
			src.SetReadDeadline(time.Unix(0, p.last.Load()).Add(p.idle))
		}
		n, err := src.Read(buf)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Since(time.Unix(0, p.last.Load())) < p.idle {
			continue
		}
		return n, err
	}
}

func closeBoth(a, b net.Conn) {
	a.Close()
	b.Close()
}
