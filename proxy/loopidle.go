package proxy

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// localIdle holds the idle connections to one endpoint that belong to a loop, the last used last. Only the loop touches it, but for n.
type localIdle struct {
	home  *Transport
	loop  *loop
	conns []*upstreamConn
	n     atomic.Int64 // len(conns), for others to read
	_     [64]byte     // loops do not share what they write
}

// idleSweep is how often, in milliseconds, a loop looks for idle connections that are too old.
const idleSweep = 1000

// local returns the loop's part of a transport.
func (l *loop) local(home *Transport) *localIdle {
	if all := home.locals.Load(); all != nil {
		for _, p := range *all {
			if p.loop == l {
				return p
			}
		}
	}
	p := home.addLocal(l)
	l.idle = append(l.idle, p)
	return p
}

// take returns an idle connection that is open and in step, nil when there is none.
func (l *loop) take(home *Transport) *upstreamConn {
	p := l.local(home)
	for n := len(p.conns); n > 0; n = len(p.conns) {
		u := p.conns[n-1]
		p.conns[n-1] = nil
		p.conns = p.conns[:n-1]
		p.n.Store(int64(n - 1))
		// Had anything come before this round began, it would have been seen.
		if (u.round == l.round || l.full) && !u.quiet() {
			u.close()
			continue
		}
		return u
	}
	for u := home.take(l.now.UnixNano()); u != nil; u = home.take(l.now.UnixNano()) {
		if l.adopt(u) == nil && u.quiet() {
			return u
		}
		u.close()
	}
	return nil
}

// rest puts a connection to rest after a complete exchange.
func (l *loop) rest(u *upstreamConn) {
	p := l.local(u.home)
	if u.r != u.w || u.gone || !u.home.roomFor(p) {
		u.close()
		return
	}
	u.buf, u.r, u.w = nil, 0, 0
	u.user, u.reused, u.idleAt, u.round = nil, true, l.now.UnixNano(), l.round
	p.conns = append(p.conns, u)
	p.n.Store(int64(len(p.conns)))
}

// adopt takes a connection over from the runtime's poller.
func (l *loop) adopt(u *upstreamConn) error {
	fd := -1
	var err error
	if cerr := u.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	u.nc.Close()
	u.nc, u.raw, u.onRead = nil, nil, nil
	u.loop, u.fd, u.gone = l, fd, false
	return l.watch(fd, sock{up: u})
}

// quiet tells, by a look at the socket, whether an idle connection is open and in step.
func (u *upstreamConn) quiet() bool {
	_, err := readNow(u.fd, u.loop.in[:1])
	return err == unix.EAGAIN
}

// leave takes an idle connection out of its list.
func (p *localIdle) leave(u *upstreamConn) {
	for i, c := range p.conns {
		if c == u {
			p.conns = append(p.conns[:i], p.conns[i+1:]...)
			p.n.Store(int64(len(p.conns)))
			return
		}
	}
}

// sweep closes the connections that have rested since before the given time.
func (p *localIdle) sweep(before int64) {
	n := 0
	for n < len(p.conns) && p.conns[n].idleAt < before {
		p.conns[n].close()
		n++
	}
	if n == 0 {
		return
	}
	rest := copy(p.conns, p.conns[n:])
	clear(p.conns[rest:])
	p.conns = p.conns[:rest]
	p.n.Store(int64(rest))
}

func (p *localIdle) purge() { p.sweep(1<<63 - 1) }

// sweepIdle closes what has been idle for too long, and forgets transports that are gone.
func (l *loop) sweepIdle() {
	keep := l.idle[:0]
	for _, p := range l.idle {
		opt, gone := p.home.state()
		if gone {
			p.purge()
			p.home.dropLocal(p)
			continue
		}
		p.sweep(l.now.Add(-opt.IdleTimeout).UnixNano())
		keep = append(keep, p)
	}
	clear(l.idle[len(keep):])
	l.idle = keep
}

// What follows is the transport's side.

func (p *Transport) addLocal(l *loop) *localIdle {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*localIdle
	if old := p.locals.Load(); old != nil {
		all = append(all, *old...)
	}
	local := &localIdle{home: p, loop: l}
	all = append(all, local)
	p.locals.Store(&all)
	return local
}

func (p *Transport) dropLocal(local *localIdle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*localIdle
	for _, other := range *p.locals.Load() {
		if other != local {
			all = append(all, other)
		}
	}
	p.locals.Store(&all)
}

// roomFor tells whether one more connection may rest in a loop's part. Up to its share it needs not look at those of others.
func (p *Transport) roomFor(local *localIdle) bool {
	if p.retired.Load() {
		return false
	}
	most := p.maxIdle.Load()
	all := *p.locals.Load()
	if n := int64(len(local.conns)); n < most/int64(len(all)) && p.shared.Load() == 0 {
		return true
	}
	return int64(p.localIdle())+p.shared.Load() < most
}

// localIdle returns how many idle connections the loops hold.
func (p *Transport) localIdle() int {
	n := int64(0)
	if all := p.locals.Load(); all != nil {
		for _, local := range *all {
			n += local.n.Load()
		}
	}
	return int(n)
}

// purgeLocal makes the loops close their idle connections.
func (p *Transport) purgeLocal() {
	if all := p.locals.Load(); all != nil {
		for _, local := range *all {
			local.loop.post(local.purge)
		}
	}
}

// state returns the present settings and whether the endpoint is gone.
func (p *Transport) state() (TransportOptions, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opt, p.gone
}

// sweepEvery is how long idle connections are left alone.
const sweepEvery = time.Second
