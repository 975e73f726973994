package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

var errShutdown = errors.New("the gateway is shutting down")

// listener accepts connections on one address.
type listener struct {
	server  *Server
	name    string
	address string
	tcp     *net.TCPListener // closed where shared holds the socket
	slots   slots

	shared *shared // with event loops, nil else
}

// slots counts the open connections of a listener against their maximum, which may change.
type slots struct {
	mu   sync.Mutex
	free sync.Cond
	n    int64
	gone bool
}

// take waits until fewer than max() connections are open, and tells whether the listener is still there.
func (s *slots) take(max func() int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n >= max() && !s.gone {
		s.free.Wait()
	}
	if s.gone {
		return false
	}
	s.n++
	return true
}

// takeNow is take without waiting.
func (s *slots) takeNow(most int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n >= most || s.gone {
		return false
	}
	s.n++
	return true
}

func (s *slots) give() {
	s.mu.Lock()
	s.n--
	s.mu.Unlock()
	s.free.Broadcast()
}

// recheck makes take ask for the maximum again.
func (s *slots) recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free.Broadcast()
}

// ended tells whether the listener is gone.
func (s *slots) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

func (s *slots) end() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.free.Broadcast()
}

// Change is a change of the addresses that a server listens on: prepared, and then either committed or dropped, so that a config whose
// address cannot be had changes nothing.
type Change struct {
	server *Server
	add    []*listener
	remove []*listener
}

// Prepare opens the addresses (by listener name) that are not open yet. Whoever wants a listener that stays to stay gives the same name and
// address again. On an error nothing has changed.
func (s *Server) Prepare(addresses map[string]string) (*Change, error) {
	ch := &Change{server: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.listeners {
		if addresses[name] != l.address {
			ch.remove = append(ch.remove, l)
		}
	}
	for name, address := range addresses {
		if l := s.listeners[name]; l != nil && l.address == address {
			continue
		}
		l, err := s.open(name, address, ch.remove)
		if err != nil {
			ch.Drop()
			return nil, fmt.Errorf("cannot listen on %q for listener %q: %w", address, name, err)
		}
		ch.add = append(ch.add, l)
	}
	return ch, nil
}

// open opens an address. One that belongs to a listener which goes by another name from now on is taken over from it.
func (s *Server) open(name, address string, leaving []*listener) (*listener, error) {
	l := &listener{server: s, name: name, address: address}
	l.slots.free.L = &l.slots.mu
	for _, old := range leaving {
		if old.address == address {
			f, err := old.socket()
			if err != nil {
				return nil, err
			}
			defer f.Close()
			ln, err := net.FileListener(f)
			if err != nil {
				return nil, err
			}
			l.tcp = ln.(*net.TCPListener)
			return l, nil
		}
	}
	if l.tcp = s.takeInherited(name, address); l.tcp != nil {
		return l, nil
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l.tcp = ln.(*net.TCPListener)
	return l, nil
}

// Drop closes what Prepare opened.
func (ch *Change) Drop() {
	for _, l := range ch.add {
		l.tcp.Close()
	}
}

// Commit begins to accept on the new addresses and stops on those that go; connections that were accepted there live on.
func (ch *Change) Commit() {
	s := ch.server
	if err := s.startLoops(); err != nil {
		s.opt.Logger.Warn("cannot start event loops: goroutines serve all connections", "err", err)
	}
	ch.commit()
	for _, l := range ch.remove {
		if l.shared != nil {
			<-l.shared.gone
		}
	}
}

func (ch *Change) commit() {
	s := ch.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropInherited()
	for _, l := range ch.remove {
		delete(s.listeners, l.name)
		l.close()
	}
	for _, l := range ch.add {
		s.listeners[l.name] = l
		l.share()
		s.accepting.Add(1)
		if l.shared != nil {
			go l.acceptOnLoops()
		} else {
			go l.accept()
		}
	}
}

// Addresses returns the address that each listener has, as the system gave it.
func (s *Server) Addresses() map[string]net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[string]net.Addr, len(s.listeners))
	for name, l := range s.listeners {
		m[name] = l.bound()
	}
	return m
}

// closeListeners stops to listen. When it returns, every connection that was accepted is tracked.
func (s *Server) closeListeners() {
	s.mu.Lock()
	for name, l := range s.listeners {
		delete(s.listeners, name)
		l.close()
	}
	s.mu.Unlock()
	s.accepting.Wait()
}

func (l *listener) close() {
	l.slots.end() // first: it tells the accept loop why accepting fails
	if l.shared != nil {
		close(l.shared.ended)
	} else {
		l.tcp.Close()
	}
}

func (l *listener) site() *Site { return l.server.snapshot.Load().Sites[l.name] }

func (l *listener) maxConnections() int64 {
	if site := l.site(); site != nil {
		return site.Settings.MaxConnections
	}
	return 1 << 62
}

// accept runs until the listener is closed.
func (l *listener) accept() {
	defer l.server.accepting.Done()
	pause := time.Duration(0)
	for {
		if !l.slots.take(l.maxConnections) {
			return
		}
		nc, err := l.tcp.AcceptTCP()
		if err != nil {
			l.slots.give()
			if l.slots.ended() {
				return
			}
			if pause = l.pauseAfter(err, pause); pause == 0 {
				return
			}
			continue
		}
		pause = 0
		l.begin(nc)
	}
}

// pauseAfter waits after an error. It is one of too many open files, as a rule: accepting again at once would only burn the processor. It
// returns the pause that the next one builds on, 0 when the server is closed.
func (l *listener) pauseAfter(err error, last time.Duration) time.Duration {
	pause := min(max(2*last, 5*time.Millisecond), time.Second)
	l.server.opt.Logger.Warn("cannot accept a connection: accepting again after a pause", "listener", l.name, "err", err, "pause", pause)
	select {
	case <-time.After(pause):
		return pause
	case <-l.server.ctx.Done():
		return 0
	}
}

// begin serves a connection in a goroutine of its own.
func (l *listener) begin(nc *net.TCPConn) {
	c, err := l.newConn(nc)
	if err != nil || !l.server.track(c) {
		nc.Close()
		l.slots.give()
		return
	}
	l.server.serving.Add(1)
	go l.carry(c, c.first)
}

// newConn wraps a connection that was accepted.
func (l *listener) newConn(tcp *net.TCPConn) (*h1conn, error) {
	site := l.site()
	if site == nil {
		return nil, net.ErrClosed
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &h1conn{server: l.server, ln: l, nc: tcp, tcp: tcp, raw: raw, site: site, life: newLifespan(time.Now())}
	if addr, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), uint16(addr.Port))
	}
	c.fill = c.readIdle
	return c, nil
}

// carry runs a connection that is tracked until it ends, or is a loop's again.
func (l *listener) carry(c *h1conn, run func() fate) {
	at := fateOver
	s := l.server
	defer s.serving.Done()
	defer func() {
		if at != fateAway {
			s.untrack(c)
			l.slots.give()
		}
	}()
	defer s.contain("connection", c.tcp)
	at = run()
}

// first serves a connection that was just accepted.
func (c *h1conn) first() fate {
	if config := c.site.Settings.TLS; config != nil && !c.handshake(config, c.site.Settings.HeaderTimeout) {
		c.tcp.Close()
		return fateOver
	}
	return c.serve()
}

// handshake makes the connection a TLS one.
func (c *h1conn) handshake(config *tls.Config, patience time.Duration) bool {
	records := newRecordConn(c.tcp, c.raw)
	t := tls.Server(records, config)
	ctx, cancel := context.WithTimeout(c.server.ctx, patience)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return false
	}
	state := t.ConnectionState()
	c.nc, c.records, c.tls = t, records, &state
	return true
}

// misdirected tells whether a request is for another host than its TLS connection was made for (RFC 9110 section 7.4).
func misdirected(state *tls.ConnectionState, host []byte) bool {
	if state.ServerName == "" {
		return false
	}
	return !hostIs(host, state.ServerName)
}
