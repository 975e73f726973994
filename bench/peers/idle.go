package main

import (
	"runtime"
	"time"
)

// idleMemory opens connections to each proxy that then wait for their next request.
func (r *run) idleMemory(s setup, all []*proxy) error {
	n, hold := wantIdleTLS, idleTLS
	if !s.tls {
		n, hold = idleConnections(), idle
	}
	if !s.tls && n < wantIdle {
		r.note("%d idle connections in place of %d: the limit of open files is %d and cannot be raised", n, wantIdle, fileLimit())
	}
	runtime.GC()
	for _, p := range all {
		before := p.proc.memory()
		stop, err := hold(p.addr, n, load{path: "/128"}.request())
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		after := p.proc.memory()
		stop()
		r.idle = append(r.idle, idleCost{s.name, p.name, n, float64(after-before) / float64(n), after})
	}
	return nil
}

// idleTLSRate is how many connections a second idleTLS opens: clients that all come in the same second cost a process the memory of as many
// handshakes at a time, which is another question.
const idleTLSRate = 400

// idleTLS is idle over TLS.
func idleTLS(addr string, n int, request []byte) (stop func(), err error) {
	all := make([]secureConn, n)
	stop = func() {
		for i := range all {
			all[i].close()
		}
	}
	t, buf := traffic{addr: addr, request: request}, make([]byte, 4096)
	for i := range all {
		time.Sleep(time.Second / idleTLSRate)
		c := &all[i]
		*c = secureConn{t: t, config: clientTLS(false), end: time.Now().Add(time.Minute), buf: buf, answer: genConn{left: -1}}
		if err = c.open(); err == nil {
			err = c.exchange()
		}
		if err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}
