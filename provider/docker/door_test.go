package docker

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The Engine goes away while an instance dies, and comes back.
func TestEngineAway(t *testing.T) {
	e := needEngine(t)
	path, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if !ok {
		t.Skip("this Docker Engine is not at a local socket, which the test could stand before")
	}
	d := newDoor(t, path)
	o := e.options("serve")
	o.Host = d.host
	h := newHouse(t, o)
	h.scale(2)
	l := h.awaitRunning(2)
	d.shut()
	h.awaitEvent(EngineAway)
	if _, err := h.List(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("got %v for a list of an Engine that is away", err)
	}
	if err := h.Scale(t.Context(), shopV1, 5, nil); err == nil {
		t.Fatal("scaled with an Engine that is away")
	}
	e.kill(h.containerOf(l[0].ID))
	survivor := h.containerOf(l[1].ID)
	d.open()
	h.awaitEvent(EngineBack)
	h.awaitEvent(Restarted)
	h.awaitRunning(2)
	if h.containerOf(l[1].ID) != survivor || len(h.told(Exited)) != 1 || len(h.told(EngineAway)) != 1 {
		t.Fatalf("got %+v", h.events)
	}
}

// door is a socket before the Engine's own that can be shut.
type door struct {
	t      *testing.T
	host   string
	path   string
	engine string

	mu    sync.Mutex // protects what follows
	ln    net.Listener
	conns []net.Conn
	wg    sync.WaitGroup
}

func newDoor(t *testing.T, engine string) *door {
	path := filepath.Join(t.TempDir(), "door")
	d := &door{t: t, host: "unix://" + path, path: path, engine: engine}
	d.open()
	t.Cleanup(d.shut)
	return d
}

func (d *door) open() {
	ln, err := net.Listen("unix", d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.ln = ln
	d.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			d.wg.Go(func() { d.carry(c) })
		}
	})
}

func (d *door) carry(c net.Conn) {
	defer c.Close()
	e, err := net.Dial("unix", d.engine)
	if err != nil {
		return
	}
	defer e.Close()
	d.mu.Lock()
	d.conns = append(d.conns, c, e)
	d.mu.Unlock()
	d.wg.Go(func() {
		io.Copy(e, c)
		e.(*net.UnixConn).CloseWrite()
	})
	io.Copy(c, e)
}

func (d *door) shut() {
	d.ln.Close()
	d.mu.Lock()
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
	d.mu.Unlock()
	d.wg.Wait()
}
