package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// Which connections a Transport keeps, and which it closes.
func TestTransport(t *testing.T) {
	t.Parallel()
	addr := instance(t, func(nc net.Conn, br *bufio.Reader) { br.ReadByte() })
	bufs := newBuffers()
	p := NewTransport(addr, TransportOptions{ConnectTimeout: 5 * time.Second, IdleTimeout: 10 * time.Second, MaxIdle: 2})
	dial := func() *upstreamConn {
		t.Helper()
		u, f := p.dial(context.Background(), 0)
		if f != nil {
			t.Fatalf("got %v", f)
		}
		u.buf = bufs.head()
		return u
	}
	want := func(what string, idle, active int) {
		t.Helper()
		if i, a := p.Counts(); i != idle || a != active {
			t.Errorf("%s: got %d idle, %d active; want %d, %d", what, i, a, idle, active)
		}
	}
	const second = int64(time.Second)
	a, b, c := dial(), dial(), dial()
	want("dialled", 0, 3)
	a.rest(100*second, bufs)
	b.rest(101*second, bufs)
	want("two at rest", 2, 1)
	c.rest(102*second, bufs)
	want("no more than MaxIdle rest", 2, 0)
	if got := p.take(103 * second); got != b {
		t.Error("got another connection than the one used last")
	}
	if got := p.take(111 * second); got != nil {
		t.Error("got a connection that had rested for longer than IdleTimeout")
	}
	want("one in use", 0, 1)
	b.buf = bufs.head()
	b.w = 1 // bytes that nobody asked for
	b.rest(112*second, bufs)
	want("a connection with bytes left over is closed", 0, 0)

	a, b = dial(), dial()
	a.rest(200*second, bufs)
	b.rest(201*second, bufs)
	p.Sweep(201 * second)
	want("swept", 1, 0)
	p.Configure(TransportOptions{ConnectTimeout: time.Second, IdleTimeout: time.Second, MaxIdle: 1})
	want("another timeout keeps them", 1, 0)
	p.Configure(TransportOptions{ConnectTimeout: time.Second, IdleTimeout: time.Second, MaxIdle: 1, TLS: &tls.Config{}})
	want("other TLS settings close them", 0, 0)
	p.Configure(TransportOptions{ConnectTimeout: time.Second, IdleTimeout: time.Second, MaxIdle: 1})
	a, b = dial(), dial()
	a.rest(300*second, bufs)
	p.Retire()
	want("retired", 0, 1)
	b.rest(301*second, bufs)
	want("given back to a retired one", 0, 0)
}
