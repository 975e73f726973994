package proxy

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"
)

func newHandoverServer() *Server {
	return New(Options{Logger: slog.New(slog.DiscardHandler), Pseudonym: "test", Rand: func() float64 { return 0 }})
}

// listenOn has the server listen on one address.
func listenOn(t *testing.T, s *Server, name, address string) net.Addr {
	t.Helper()
	ch, err := s.Prepare(map[string]string{name: address})
	if err != nil {
		t.Fatal(err)
	}
	ch.Commit()
	return s.Addresses()[name]
}

func inheritFrom(t *testing.T, old *Server) *Server {
	t.Helper()
	sockets, err := old.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	next := newHandoverServer()
	if err := next.Inherit(sockets); err != nil {
		t.Fatal(err)
	}
	return next
}

func TestSocketsGoOnInAnotherServer(t *testing.T) {
	f := func(name, address string, same bool) {
		t.Helper()
		old := newHandoverServer()
		before := listenOn(t, old, "web", "127.0.0.1:0")
		next := inheritFrom(t, old)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		after := listenOn(t, next, name, address)
		if got := after.String() == before.String(); got != same {
			t.Errorf("listener %q on %q: got address %s after %s; want the same: %v", name, address, after, before, same)
		}
		if cut := old.HandOver(ctx, time.Second); cut != 0 {
			t.Errorf("got %d connections cut; want none", cut)
		}
		nc, err := net.Dial("tcp", after.String())
		if err != nil {
			t.Fatalf("cannot connect after the handover: %v", err)
		}
		nc.Close()
		if _, err := net.Dial("tcp", before.String()); (err == nil) != same {
			t.Errorf("a socket that nobody took: got %v; want it closed", err)
		}
		next.Shutdown(ctx)
	}
	f("web", "127.0.0.1:0", true)
	f("renamed", "127.0.0.1:0", true)
	f("web", "localhost:0", false)
}

func TestInheritedSocketsOfOneAddressGoByName(t *testing.T) {
	old := newHandoverServer()
	ch, err := old.Prepare(map[string]string{"a": "127.0.0.1:0", "b": "127.0.0.1:0", "c": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ch.Commit()
	want := old.Addresses()
	next := inheritFrom(t, old)
	ch, err = next.Prepare(map[string]string{"c": "127.0.0.1:0", "b": "127.0.0.1:0", "a": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ch.Commit()
	for name, address := range next.Addresses() {
		if address.String() != want[name].String() {
			t.Errorf("listener %q: got %s; want %s", name, address, want[name])
		}
	}
	old.Shutdown(t.Context())
	next.Shutdown(t.Context())
}
