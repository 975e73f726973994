package demo

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// WebSocket constants of RFC 6455.
const (
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // section 1.3

	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA

	closeGoingAway = 1001
	closeProtocol  = 1002
	closeTooBig    = 1009

	maxFrameBytes = 1 << 20
)

// upgrade turns the connection into a WebSocket that echoes every frame (RFC 6455 section 4.2).
func (s *Server) upgrade(ctx *fasthttp.RequestCtx) {
	head := &ctx.Request.Header
	key := string(head.Peek("Sec-WebSocket-Key"))
	if !strings.EqualFold(string(head.Peek("Upgrade")), "websocket") || key == "" {
		ctx.Response.Header.Set("Upgrade", "websocket")
		decline(ctx, fasthttp.StatusUpgradeRequired, "want a WebSocket handshake\n")
		return
	}
	sum := sha1.Sum([]byte(key + acceptGUID))
	ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	ctx.Response.Header.Set("Upgrade", "websocket")
	ctx.Response.Header.Set("Connection", "Upgrade")
	ctx.Response.Header.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	ctx.Hijack(s.echoFrames)
}

// echoFrames returns when the client closes, breaks the protocol, or the instance stops. It
// leaves the closing of the connection to its caller.
func (s *Server) echoFrames(conn net.Conn) {
	finished := make(chan struct{})
	defer close(finished)
	go func() { // wakes the read below when the instance stops
		select {
		case <-s.done:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-finished:
		}
	}()
	r := bufio.NewReader(conn)
	for {
		f, err := readFrame(r)
		var broken frameError
		switch {
		case errors.As(err, &broken):
			_, _ = conn.Write(closeFrame(broken.code))
			return
		case err != nil:
			_, _ = conn.Write(closeFrame(closeGoingAway))
			return
		}
		if f.opcode() == opPing {
			f.head = f.head&0xF0 | opPong
		}
		if _, err := conn.Write(f.encode()); err != nil || f.opcode() == opClose {
			return
		}
	}
}

// frame is one unmasked WebSocket frame (RFC 6455 section 5.2).
type frame struct {
	head    byte // FIN, reserved bits and opcode
	payload []byte
}

func (f frame) opcode() byte { return f.head & 0x0F }

// frameError is a frame that the protocol, or this server, does not allow.
type frameError struct{ code uint16 }

func (frameError) Error() string { return "frame refused" }

// readFrame reads a frame of a client, which must be masked.
func readFrame(r *bufio.Reader) (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	size := uint64(head[1] & 0x7F)
	var extended [8]byte
	switch size {
	case 126:
		if _, err := io.ReadFull(r, extended[6:]); err != nil {
			return frame{}, err
		}
		size = binary.BigEndian.Uint64(extended[:])
	case 127:
		if _, err := io.ReadFull(r, extended[:]); err != nil {
			return frame{}, err
		}
		size = binary.BigEndian.Uint64(extended[:])
	}
	if head[1]&0x80 == 0 {
		return frame{}, frameError{closeProtocol}
	}
	if size > maxFrameBytes {
		return frame{}, frameError{closeTooBig}
	}
	masked := make([]byte, 4+size)
	if _, err := io.ReadFull(r, masked); err != nil {
		return frame{}, err
	}
	mask, payload := masked[:4], masked[4:]
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return frame{head[0], payload}, nil
}

// encode returns the frame as a server sends it.
func (f frame) encode() []byte {
	out := []byte{f.head}
	switch n := len(f.payload); {
	case n < 126:
		out = append(out, byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	return append(out, f.payload...)
}

func closeFrame(code uint16) []byte {
	return frame{0x80 | opClose, binary.BigEndian.AppendUint16(nil, code)}.encode()
}
