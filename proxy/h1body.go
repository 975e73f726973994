package proxy

import (
	"io"
	"sync/atomic"
	"time"

	"gatewayd/internal/message"
)

// h1body is the request body of an h1conn as its framing says. It is used by one goroutine at a time: the connection's,
// or the one that pumps the body upstream.
type h1body struct {
	c       *h1conn
	left    int64 // of a body with a length
	read    int64 // body bytes so far
	chunked bool
	chunks  message.ChunkedReader
	trailer message.Fields
	done    bool
	// interrupted: a pump was ended in the middle; what is left cannot be told from the next request.
	interrupted atomic.Bool
	lim         *ListenerSettings
	pace        pace
}

func (b *h1body) begin(c *h1conn, lim *ListenerSettings) {
	b.c, b.lim, b.pace = c, lim, pace{}
	b.trailer, b.chunks, b.read = b.trailer[:0], message.ChunkedReader{}, 0
	b.interrupted.Store(false)
	b.chunked = c.req.Chunked
	b.left = max(c.req.ContentLength, 0)
	b.done = !b.chunked && b.left == 0
}

// whole returns the complete body if all of it stands in the connection's buffer. Chunked ones count as not whole.
func (b *h1body) whole() ([]byte, bool) {
	if b.done {
		return nil, true
	}
	if b.chunked || b.read > 0 || int64(b.c.w-b.c.r) < b.left {
		return nil, false
	}
	return b.c.buf[b.c.r : b.c.r+int(b.left)], true
}

// gather reads what is missing of a body that fits behind its head, so that it goes out in one write, can be sent again and
// copied, and occupies no instance while a slow client sends it. A client that waits for 100 is not made to wait for longer.
func (b *h1body) gather() *failure {
	c := b.c
	if b.done || b.chunked || b.read > 0 || c.req.ExpectContinue || b.left > int64(len(c.buf)-c.r) {
		return nil
	}
	for int64(c.w-c.r) < b.left {
		began := b.limitWait(int64(c.w - c.r))
		n, err := c.nc.Read(c.buf[c.w:]) // not more, which would move the head
		b.waitedSince(began)
		if c.w += n; n == 0 {
			return failureIn(bodyFailure(err))
		}
	}
	return nil
}

// consumeWhole marks a body that whole returned as read.
func (b *h1body) consumeWhole() {
	if b.done {
		return
	}
	b.c.r += int(b.left)
	b.read, b.left, b.done = b.left, 0, true
}

// next reads the next piece of the body into p. io.EOF comes with the last piece of a body that has a length, and after it where
// the body is chunked.
func (b *h1body) next(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.chunked {
		return b.nextChunked(p)
	}
	p = p[:min(int64(len(p)), b.left)]
	n, err := b.raw(p)
	b.read += int64(n)
	if b.left -= int64(n); b.left == 0 {
		b.done = true
		return n, io.EOF
	}
	return n, err
}

// raw takes from the buffer what is there, or reads past it straight into p.
func (b *h1body) raw(p []byte) (int, error) {
	c := b.c
	if c.w > c.r {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	began := b.limitWait(b.read)
	n, err := c.nc.Read(p)
	b.waitedSince(began)
	if n > 0 {
		return n, nil
	}
	return 0, bodyFailure(err)
}

// limitWait sets the deadline of the next read, which begins now, after so many bytes of the body. One that interruptBody has set in the
// meantime stays.
func (b *h1body) limitWait(read int64) (began time.Time) {
	began = time.Now()
	patience := b.pace.patience(b.lim, b.lim.BodyIdleTimeout, read)
	b.c.setReadDeadline(began.UnixNano()+int64(patience), slackOf(patience))
	if b.interrupted.Load() {
		b.c.nc.SetReadDeadline(past)
	}
	return began
}

func (b *h1body) waitedSince(began time.Time) {
	if b.lim.MinRate > 0 {
		b.pace.waited += time.Since(began)
	}
}

// bodyFailure turns an error of reading a body into what the client did. A body that ends early is answered: the client may
// have closed only its own direction.
func bodyFailure(err error) error {
	if isTimeout(err) {
		return failureError{failClientBodyStall}
	}
	if err == io.EOF {
		return failureError{failClientIncomplete}
	}
	return failureError{failClientGone}
}

func (b *h1body) nextChunked(p []byte) (int, error) {
	c := b.c
	for {
		if b.chunks.Done() {
			return 0, b.readTrailers()
		}
		if c.r == c.w {
			if err := b.fill(); err != nil {
				return 0, err
			}
		}
		// Next returns pieces of the buffer up to its end; what does not fit into p is left for the next call.
		window := c.buf[c.r:min(c.w, c.r+len(p))]
		data, n, merr := b.chunks.Next(window)
		if merr != nil {
			return 0, failureError{failClientBadBody}
		}
		c.r += n
		if len(data) == 0 {
			continue
		}
		b.read += int64(len(data))
		return copy(p, data), nil
	}
}

func (b *h1body) fill() error {
	b.c.detach()
	began := b.limitWait(b.read)
	err := b.c.more()
	b.waitedSince(began)
	if err != nil {
		return bodyFailure(err)
	}
	return nil
}

func (b *h1body) readTrailers() error {
	c := b.c
	for {
		n, merr := message.ParseTrailers(c.buf[c.r:c.w], &b.trailer, b.lim.Head)
		if merr != nil {
			return failureError{failClientBadBody}
		}
		if n > 0 {
			c.r += n
			b.done = true
			return io.EOF
		}
		if c.w-c.r == len(c.buf) {
			return failureError{failClientBadBody}
		}
		if err := b.fill(); err != nil {
			return err
		}
	}
}

// discard reads over the rest of the body if it is small enough to be worth the connection.
func (b *h1body) discard() bool {
	const worth = 256 << 10
	if b.interrupted.Load() || b.left > worth || b.c.req.ExpectContinue && !b.c.reply.continued {
		return false
	}
	p := b.c.server.bufs.body()
	defer b.c.server.bufs.release(p)
	for total := 0; total <= worth; {
		n, err := b.next(p)
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		total += n
	}
	return false
}

// failureError carries a failure through an error return.
type failureError struct{ *failure }

// Error returns the cause.
func (e failureError) Error() string { return string(e.cause) }

// failureIn returns the failure that err carries; an error that carries none means that the client has left.
func failureIn(err error) *failure {
	if f, ok := err.(failureError); ok {
		return f.failure
	}
	return failClientGone
}
