package demo

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// dialWebSocket makes the handshake of RFC 6455 section 1.3 and checks its answer.
func dialWebSocket(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("got %v, %v; want 101 with the accept key of the RFC", resp, err)
	}
	return conn, r
}

// masked returns a frame as a client sends it.
func masked(head byte, payload []byte) []byte {
	f := frame{head, bytes.Clone(payload)}.encode()
	header := len(f) - len(payload)
	mask := []byte{1, 2, 3, 4}
	out := append(bytes.Clone(f[:header]), mask...)
	out[1] |= 0x80
	for i, b := range payload {
		out = append(out, b^mask[i%4])
	}
	return out
}

func TestWebSocketEcho(t *testing.T) {
	i := start(t, Options{})
	conn, r := dialWebSocket(t, i.addr)
	defer conn.Close()
	f := func(send, want []byte) {
		t.Helper()
		if _, err := conn.Write(send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %.40x, %v; want %.40x", got, err, want)
		}
	}
	f(masked(0x81, []byte("hello")), frame{0x81, []byte("hello")}.encode())
	f(masked(0x82, nil), frame{0x82, nil}.encode())
	f(masked(0x02, []byte("first part")), frame{0x02, []byte("first part")}.encode())
	f(masked(0x82, make([]byte, 126)), frame{0x82, make([]byte, 126)}.encode())
	f(masked(0x82, make([]byte, 70000)), frame{0x82, make([]byte, 70000)}.encode())
	f(masked(0x89, []byte("ping")), frame{0x8A, []byte("ping")}.encode())
	f(masked(0x88, []byte{3, 232}), frame{0x88, []byte{3, 232}}.encode())
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatalf("got %v after the close; want the end", err)
	}
}

func TestWebSocketProtocolErrors(t *testing.T) {
	i := start(t, Options{})
	f := func(send []byte, code uint16) {
		t.Helper()
		conn, r := dialWebSocket(t, i.addr)
		defer conn.Close()
		if _, err := conn.Write(send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(r, got); err != nil || got[0] != 0x88 || binary.BigEndian.Uint16(got[2:]) != code {
			t.Fatalf("got %x, %v; want a close with %d", got, err, code)
		}
	}
	f([]byte{0x81, 5, 'h', 'e', 'l', 'l', 'o'}, closeProtocol)
	f(append([]byte{0x82, 0xFF}, binary.BigEndian.AppendUint64(nil, maxFrameBytes+1)...), closeTooBig)
}

func FuzzReadFrame(f *testing.F) {
	f.Add(masked(0x81, []byte("hello")))
	f.Add(masked(0x82, make([]byte, 200)))
	f.Add([]byte{0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFrame(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		again, err := readFrame(bufio.NewReader(bytes.NewReader(masked(got.head, got.payload))))
		if err != nil || again.head != got.head || !bytes.Equal(again.payload, got.payload) {
			t.Fatalf("got %v, %v; want %v", again, err, got)
		}
	})
}
