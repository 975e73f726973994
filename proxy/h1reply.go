package proxy

import (
	"io"
	"net"
	"strconv"
	"time"

	"gatewayd/internal/message"
)

// h1reply is the response side of an h1conn.
type h1reply struct {
	c         *h1conn
	out       []byte // scratch for heads and chunk framing, from one of the pools
	chunked   bool   // the present body is sent in chunks
	started   bool   // the final head was sent: nothing can be said any more but the body
	continued bool   // a 100 was sent
	informed  bool   // there was an interim response
	sentClose bool   // the connection ends after this response
	aborted   bool
	bodyless  bool
	bytes     int64 // of body sent
	pace      pace
}

func (w *h1reply) begin(c *h1conn) {
	*w = h1reply{c: c, out: w.out}
}

// scratch returns an empty buffer that has room for n bytes if one of the pools' does.
func (w *h1reply) scratch(n int) []byte {
	if n > headSize && cap(w.out) < bodySize && w.c.cl == nil {
		w.release()
		w.out = w.c.server.bufs.body()
	}
	if w.out == nil {
		w.out = w.c.server.bufs.head()
	}
	return w.out[:0]
}

// release gives the scratch buffer back.
func (w *h1reply) release() {
	if w.out != nil {
		w.c.server.bufs.release(w.out)
		w.out = nil
	}
}

func (w *h1reply) inform(a *answer) error {
	if w.c.req.Minor == 0 && a.status != 101 {
		return nil // an HTTP/1.0 client would take it for the answer (RFC 9110 section 15.2)
	}
	if a.status == 100 {
		w.continued = true
	}
	w.informed = true
	out := message.AppendStatusLine(w.scratch(0), a.status, a.reason)
	out = appendAnswerFields(out, a)
	if a.upgrade != nil {
		out = append(out, "Connection: Upgrade\r\n"...)
		out = message.AppendField(out, "Upgrade", a.upgrade)
	}
	out = append(out, "\r\n"...)
	return w.send(out)
}

// usualHead is more than the head of most responses takes.
const usualHead = 2 << 10

// start sends head and first in one write where they fit into the scratch buffer together.
func (w *h1reply) start(a *answer, first []byte, last bool) error {
	w.started = true
	w.bodyless = a.bodiless
	length := a.length
	if last && length < 0 && !a.bodiless {
		length = int64(len(first))
	}
	out := message.AppendStatusLine(w.scratch(len(first)+usualHead), a.status, a.reason)
	out = appendAnswerFields(out, a)
	out = w.appendFraming(out, a, length)
	out = append(out, "\r\n"...)
	if a.bodiless || len(first) == 0 {
		return w.send(out)
	}
	w.bytes += int64(len(first))
	if w.chunked {
		out = message.AppendChunkSize(out, len(first))
		out = append(out, first...)
		out = append(out, "\r\n"...)
		return w.send(out)
	}
	if cl := w.c.cl; cl != nil && len(first) > smallBody {
		return cl.send(out, first)
	}
	if len(out)+len(first) <= cap(out) {
		return w.send(append(out, first...))
	}
	if err := w.send(out); err != nil {
		return err
	}
	return w.send(first)
}

// appendFraming says how long the body is and whether the connection goes on (RFC 9112 section 6.3).
func (w *h1reply) appendFraming(out []byte, a *answer, length int64) []byte {
	c := w.c
	last := c.life.last(&c.site.Settings, c.x.now)
	w.sentClose = last || a.close || c.req.Close || c.server.draining.Load()
	noBody := a.bodiless || a.status == 204 || a.status == 304 || a.status < 200
	switch {
	case a.status == 204 || a.status < 200:
	case length >= 0:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, length, 10)
		out = append(out, "\r\n"...)
	case noBody:
	case c.req.Minor == 0:
		w.sentClose = true // the end of the connection is the end of the body
	default:
		w.chunked = true
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if a.keepTE {
			if v := a.fields.Get(message.KindTrailer); v != nil {
				out = message.AppendField(out, "Trailer", v)
			}
		}
	}
	if w.sentClose {
		out = append(out, "Connection: close\r\n"...)
	}
	return out
}

func (w *h1reply) write(p []byte, last bool) error {
	if w.bodyless || len(p) == 0 && !last {
		return nil
	}
	w.bytes += int64(len(p))
	if !w.chunked {
		return w.send(p)
	}
	out := w.scratch(len(p) + frameRoom)
	if len(p) > 0 {
		out = message.AppendChunkSize(out, len(p))
		out = append(out, p...)
		out = append(out, "\r\n"...)
	}
	if last {
		out = append(out, "0\r\n\r\n"...)
	}
	return w.send(out)
}

func (w *h1reply) finish(trailers message.Fields) error {
	if !w.chunked || w.bodyless {
		return nil
	}
	out := append(w.scratch(0), "0\r\n"...)
	out = message.AppendFields(out, trailers, message.TrailerDrop)
	out = append(out, "\r\n"...)
	return w.send(out)
}

func (w *h1reply) abort() {
	w.aborted = true
}

func (w *h1reply) send(p []byte) error {
	if cl := w.c.cl; cl != nil {
		return cl.send(p, nil)
	}
	began := time.Now()
	w.c.setWriteDeadline(began, w.patience(w.bytes))
	if r := w.c.records; r != nil {
		r.left = len(p)
	}
	_, err := w.c.nc.Write(p)
	w.waitedFor(began, 0)
	return err
}

// patience is how long the client may take for the next piece, with which it will have been sent so many bytes of the body.
func (w *h1reply) patience(bytes int64) time.Duration {
	lim := &w.c.site.Settings
	return w.pace.patience(lim, lim.BodyIdleTimeout, bytes)
}

// waitedFor counts a wait for the client that has just ended, but for the part of it in which the instance may have been what held it up.
func (w *h1reply) waitedFor(began time.Time, instance time.Duration) {
	if w.c.site.Settings.MinRate > 0 {
		w.pace.waited += max(time.Since(began)-instance, 0)
	}
}

// refuse answers a request that could not even be read, and closes.
func (w *h1reply) refuse(f *failure) {
	var a answer
	a.reset()
	a.status, a.close = f.status, true
	a.bodiless = w.c.req.Verb == message.VerbHead
	body := errorBody(nil, nil, f, false)
	a.length = int64(len(body))
	a.add("Content-Type", plainText)
	w.c.server.addDate(&a, time.Now())
	w.start(&a, body, true) //nolint: the connection is closed whatever comes of it
}

func (c *h1conn) wholeBody() ([]byte, bool)       { return c.body.whole() }
func (c *h1conn) readBody(p []byte) (int, error)  { return c.body.next(p) }
func (c *h1conn) trailers() message.Fields        { return c.body.trailer }
func (c *h1conn) inform(a *answer) error          { return c.reply.inform(a) }
func (c *h1conn) finish(t message.Fields) error   { return c.reply.finish(t) }
func (c *h1conn) write(p []byte, last bool) error { return c.reply.write(p, last) }
func (c *h1conn) consumeBody()                    { c.body.consumeWhole() }
func (c *h1conn) sentBytes() int64                { return c.reply.bytes }
func (c *h1conn) abort()                          { c.reply.abort() }
func (c *h1conn) ending() bool                    { return c.reply.aborted || c.reply.sentClose }
func (c *h1conn) start(a *answer, first []byte, last bool) error {
	return c.reply.start(a, first, last)
}

// interruptBody ends a readBody that waits in another goroutine. The rest of the body cannot be read any more.
func (c *h1conn) interruptBody() {
	c.body.interrupted.Store(true)
	c.nc.SetReadDeadline(past)
}

// hijack hands the connection over to a tunnel.
func (c *h1conn) hijack() (net.Conn, []byte) {
	early := c.buf[c.r:c.w]
	c.r = c.w
	return c.nc, early
}

// splice moves n bytes from src to the client within the kernel.
func (c *h1conn) splice(src io.Reader, n int64) (int64, error) {
	if c.tls != nil || c.reply.chunked {
		return 0, errNotSpliced
	}
	began := time.Now()
	c.setWriteDeadline(began, c.reply.patience(c.reply.bytes+n)+spliceWait)
	c.splicing = io.LimitedReader{R: src, N: n}
	moved, err := c.tcp.ReadFrom(&c.splicing)
	c.reply.waitedFor(began, spliceWait)
	c.reply.bytes += moved
	return moved, err
}

// stalled tells whether the client has taken no byte for as long as it may.
func (c *h1conn) stalled() bool { return c.writeBy.at != 0 && time.Now().UnixNano() >= c.writeBy.at }
