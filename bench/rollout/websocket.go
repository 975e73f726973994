package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// webSocket is a connection that echoes a frame ten times a second until it is cut.
type webSocket struct {
	nc       net.Conn
	instance string       // address of the instance behind it
	cut      atomic.Int64 // unix nanoseconds; 0: not cut
}

func openWebSocket(g *gateway) (*webSocket, error) {
	nc, err := net.Dial("tcp", g.web)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(nc, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(nc)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the WebSocket got status %d", res.StatusCode)
	}
	w := &webSocket{nc: nc, instance: res.Header.Get("X-Demo-Instance")}
	go w.echo(r)
	return w, nil
}

func (w *webSocket) echo(r io.Reader) {
	frame := []byte{0x81, 0x80 | 4, 0, 0, 0, 0, 'p', 'i', 'n', 'g'} // masked, with a mask of zeros
	answer := make([]byte, 6)
	for {
		_, err := w.nc.Write(frame)
		if err == nil {
			_, err = io.ReadFull(r, answer)
		}
		if err != nil || answer[0] != 0x81 {
			w.cut.Store(time.Now().UnixNano())
			w.nc.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
