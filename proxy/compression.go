package proxy

import (
	"errors"

	"gatewayd/internal/compress"
	"gatewayd/internal/message"
)

// encoding compresses the body of one response on its way to the client.
type encoding struct {
	down downstream
	enc  compress.Encoder
	// flush: what comes in goes out at once, because the body has no length and may be a stream of events.
	flush bool
	err   error // of a write to the client
}

// Write passes what the encoder puts out on to the client.
func (e *encoding) Write(p []byte) (int, error) {
	if e.err == nil {
		e.err = e.down.write(p, false)
	}
	return len(p), e.err
}

// startCompression decides whether the response is compressed, and changes its head for it.
func (x *exchange) startCompression(a *answer) {
	p := x.route.Compress
	if p == nil {
		return
	}
	d := p.Decide(x.req, &x.res)
	if d.Vary && compress.VaryMissing(x.res.Fields) {
		a.add("Vary", []byte("Accept-Encoding"))
	}
	if d.Encoding == compress.Identity {
		return
	}
	e := &encoding{down: x.down, flush: x.res.ContentLength < 0}
	if e.enc = p.NewEncoder(d.Encoding, e); e.enc == nil {
		return
	}
	x.encoder = e
	a.length, a.keepTE = -1, false
	a.drop |= compress.Drop
	for i := range a.fields {
		if compress.DropsField(&a.fields[i]) {
			a.fields[i].Kind = message.KindNamed
		}
	}
	a.add("Content-Encoding", []byte(d.Encoding.String()))
	if tag := x.res.Fields.Get(message.KindETag); tag != nil {
		a.add("ETag", compress.AppendWeakETag(nil, tag))
	}
}

func (x *exchange) beginCompressed(first []byte, last bool) error {
	if err := x.down.start(&x.ans, nil, false); err != nil {
		return err
	}
	return x.writeCompressed(first, last)
}

func (x *exchange) writeCompressed(p []byte, last bool) error {
	e := x.encoder
	if len(p) > 0 {
		if _, err := e.enc.Write(p); err != nil {
			return err
		}
	}
	if last {
		err := x.endCompression()
		if err != nil {
			return err
		}
		return x.down.finish(nil)
	}
	if e.flush {
		return e.enc.Flush()
	}
	return nil
}

// errBrokenOff keeps an encoder from writing the end of a body that has none.
var errBrokenOff = errors.New("the response was broken off")

// endCompression gives the encoder back, which writes the end of what it holds. It is called for every response that has
// one, complete or not.
func (x *exchange) endCompression() error {
	e := x.encoder
	if e == nil || e.enc == nil {
		return nil
	}
	err := e.enc.Close()
	e.enc = nil
	return err
}
