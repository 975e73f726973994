package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// TransportOptions say how an endpoint is connected to. They are part of its connections' identity: a
// change of any of them makes a new Transport.
type TransportOptions struct {
	ConnectTimeout time.Duration // dial and TLS handshake together; more than 0
	IdleTimeout    time.Duration // an idle connection older than this is closed; more than 0
	MaxIdle        int           // idle connections kept for one endpoint; more than 0
	TLS            *tls.Config   // nil: plain TCP
}

// Transport holds the idle connections to one endpoint, the last used first: those that goroutines share, and by localIdle those of each event
// loop. It may be used by any goroutine.
type Transport struct {
	address string
	open    atomic.Int64 // idle and in use

	locals  atomic.Pointer[[]*localIdle] // of the event loops; written under mu
	secure  atomic.Bool                  // TLS is in the present settings
	retired atomic.Bool                  // gone, to read without mu
	shared  atomic.Int64                 // len(idle), to read without mu
	maxIdle atomic.Int64

	mu   sync.Mutex // protects what follows
	opt  TransportOptions
	idle []*upstreamConn
	gone bool
}

// NewTransport returns a pool without connections. address is HOST:PORT.
func NewTransport(address string, opt TransportOptions) *Transport {
	p := &Transport{address: address, opt: opt}
	p.maxIdle.Store(int64(opt.MaxIdle))
	p.secure.Store(opt.TLS != nil)
	return p
}

// take returns the connection that was put to rest last, or nil.
func (p *Transport) take(now int64) *upstreamConn {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		return nil
	}
	u := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	p.shared.Store(int64(n - 1))
	idle := int64(p.opt.IdleTimeout)
	p.mu.Unlock()
	if now-u.idleAt > idle {
		u.close()
		return nil
	}
	return u
}

func (p *Transport) put(u *upstreamConn) {
	p.mu.Lock()
	keep := !p.gone && len(p.idle)+p.localIdle() < p.opt.MaxIdle
	if keep {
		p.idle = append(p.idle, u)
		p.shared.Store(int64(len(p.idle)))
	}
	p.mu.Unlock()
	if !keep {
		u.close()
	}
}

// Configure changes how new connections are made. Where the change is one of TLS, idle connections are closed: they were made
// under the old settings.
func (p *Transport) Configure(opt TransportOptions) {
	p.mu.Lock()
	var stale []*upstreamConn
	if opt.TLS != p.opt.TLS {
		stale, p.idle = p.idle, nil
		p.shared.Store(0)
		defer p.purgeLocal()
	}
	p.opt = opt
	p.maxIdle.Store(int64(opt.MaxIdle))
	p.secure.Store(opt.TLS != nil)
	p.mu.Unlock()
	for _, u := range stale {
		u.close()
	}
}

// options returns the present settings.
func (p *Transport) options() TransportOptions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opt
}

// Sweep closes the idle connections that have rested since before the given time.
func (p *Transport) Sweep(before int64) {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && p.idle[n].idleAt < before {
		n++
	}
	old := make([]*upstreamConn, n)
	copy(old, p.idle)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.shared.Store(int64(len(p.idle)))
	p.mu.Unlock()
	for _, u := range old {
		u.close()
	}
}

// Retire closes all idle connections, and from now on each one as it is given back.
func (p *Transport) Retire() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.gone = nil, true
	p.shared.Store(0)
	p.retired.Store(true)
	p.mu.Unlock()
	p.purgeLocal()
	for _, u := range idle {
		u.close()
	}
}

// Counts returns how many connections are idle and how many carry an exchange.
func (p *Transport) Counts() (idle, active int) {
	p.mu.Lock()
	idle = len(p.idle)
	p.mu.Unlock()
	idle += p.localIdle()
	return idle, max(int(p.open.Load())-idle, 0)
}

func (p *Transport) closed() { p.open.Add(-1) }

// dial opens a new connection. timeout bounds it, and so does the pool's own ConnectTimeout.
func (p *Transport) dial(ctx context.Context, timeout time.Duration) (*upstreamConn, *failure) {
	opt := p.options()
	if timeout <= 0 || timeout > opt.ConnectTimeout {
		timeout = opt.ConnectTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	d.KeepAlive = 30 * time.Second
	nc, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, connectFailure(err)
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		panic("BUG: a TCP dial returned no TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		nc.Close()
		return nil, failConnect
	}
	u := &upstreamConn{nc: nc, raw: raw, home: p}
	u.onRead = u.trip
	if opt.TLS != nil {
		probe := &probeConn{Conn: nc, raw: raw}
		secure := tls.Client(probe, opt.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			nc.Close()
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, failConnectTimeout
			}
			return nil, failTLS
		}
		u.nc, u.raw, u.probe = secure, nil, probe
	}
	p.open.Add(1)
	return u, nil
}

func connectFailure(err error) *failure {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return failConnectRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return failConnectNoRoute
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failConnectTimeout
	}
	return failConnect
}
