package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Socket is a listening socket with which somebody else goes on: another process, or another server in this one. As long as anybody
// holds it open, connections to its address are accepted by the system and wait for whoever listens.
type Socket struct {
	Name, Address string // of the listener, as configured
	File          *os.File
}

// Sockets returns the sockets of all listeners, duplicated: the caller closes the files. The server listens on.
func (s *Server) Sockets() ([]Socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Socket
	for _, l := range s.listeners {
		f, err := l.socket()
		if err != nil {
			for _, sock := range all {
				sock.File.Close()
			}
			return nil, fmt.Errorf("cannot duplicate the socket of listener %q: %w", l.name, err)
		}
		all = append(all, Socket{Name: l.name, Address: l.address, File: f})
	}
	return all, nil
}

// Inherit gives the server sockets that Prepare takes in place of opening the same address, for the listener of the same name first. It must
// be called before Prepare. The files are closed, whatever comes of it.
func (s *Server) Inherit(sockets []Socket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, sock := range sockets {
		ln, err := net.FileListener(sock.File)
		sock.File.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot go on with the socket of listener %q: %w", sock.Name, err))
			continue
		}
		tcp, ok := ln.(*net.TCPListener)
		if !ok {
			ln.Close()
			errs = append(errs, fmt.Errorf("cannot go on with the socket of listener %q: it is %T; want a TCP listener", sock.Name, ln))
			continue
		}
		s.inherited = append(s.inherited, &listener{name: sock.Name, address: sock.Address, tcp: tcp})
	}
	return errors.Join(errs...)
}

// takeInherited returns the inherited socket of an address, and nil where there is none. s.mu is held.
func (s *Server) takeInherited(name, address string) *net.TCPListener {
	found := -1
	for i, l := range s.inherited {
		if l.address == address && (found < 0 || l.name == name) {
			found = i
		}
	}
	if found < 0 {
		return nil
	}
	tcp := s.inherited[found].tcp
	s.inherited = append(s.inherited[:found], s.inherited[found+1:]...)
	return tcp
}

// dropInherited closes the sockets that no listener has taken. s.mu is held.
func (s *Server) dropInherited() {
	for _, l := range s.inherited {
		l.tcp.Close()
	}
	s.inherited = nil
}

// HandOver ends the server when another one has the same sockets: it stops to listen, lets each connection answer one more request and, once
// patience is over, closes those that wait for one. What is then left ends by itself, or is cut when ctx ends. It returns how many
// connections were cut.
//
// A connection that waits for its next request is not closed at once as by Shutdown: a client may be sending that request just now, and
// not every client sends it again.
func (s *Server) HandOver(ctx context.Context, patience time.Duration) (cut int) {
	s.draining.Store(true)
	s.closeListeners()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.whenEmpty():
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.Shutdown(ctx)
}

// whenEmpty returns a channel that is closed when no connection is left.
func (s *Server) whenEmpty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	if len(s.conns)+s.onLoops == 0 {
		c := s.empty
		close(c)
		s.empty = nil
		return c
	}
	return s.empty
}
