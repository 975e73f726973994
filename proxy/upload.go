package proxy

import (
	"io"
	"sync/atomic"
	"time"

	"gatewayd/internal/message"
)

// upload pumps a request body to the instance in a goroutine of its own, because the instance may answer before
// it has read everything. A nil *upload is one that never was: the body went out with the head.
type upload struct {
	x     *exchange
	up    *upstreamConn
	done  chan struct{}
	whole atomic.Bool             // all of the body has come in from the client
	end   atomic.Int64            // unix nanoseconds when the last byte went out
	cause atomic.Pointer[failure] // what the client did wrong
	bytes int64                   // readable after done
}

// headroom holds the size line of a chunk, tailroom its CRLF.
const (
	headroom = 10
	tailroom = 2
)

func startUpload(x *exchange, up *upstreamConn) *upload {
	u := &upload{x: x, up: up, done: make(chan struct{})}
	x.bodySpent = true
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	defer func() {
		if p := recover(); p != nil {
			u.x.server.logPanic("request body", p)
			u.fail(failureError{failPanic})
		}
	}()
	buf := u.x.server.bufs.body()
	defer u.x.server.bufs.release(buf)
	limit := u.x.route.MaxBodyBytes
	for {
		n, err := u.x.down.readBody(buf[headroom : len(buf)-tailroom])
		u.bytes += int64(n)
		if err == io.EOF {
			u.whole.Store(true)
		}
		if limit > 0 && u.bytes > limit {
			err = failureError{failTooLarge}
		} else if n > 0 {
			if werr := u.write(buf, n); werr != nil {
				return // the instance has stopped reading; what it answers is read by the other side
			}
		}
		if err == io.EOF {
			u.finish(buf)
			return
		}
		if err != nil {
			u.fail(err)
			return
		}
	}
}

func (u *upload) write(buf []byte, n int) error {
	from, to := headroom, headroom+n
	if u.x.req.Chunked {
		var line [headroom]byte
		size := message.AppendChunkSize(line[:0], n)
		from -= len(size)
		copy(buf[from:], size)
		to += copy(buf[to:], "\r\n")
	}
	u.x.collect(buf[from:to], n)
	return u.up.writeBody(buf[from:to], u.x.site.Settings.BodyIdleTimeout)
}

func (u *upload) finish(buf []byte) {
	if u.x.req.Chunked {
		out := append(buf[:0], "0\r\n"...)
		out = message.AppendFields(out, u.x.down.trailers(), message.TrailerDrop)
		out = append(out, "\r\n"...)
		u.x.collect(out, 0)
		if u.up.writeBody(out, u.x.site.Settings.BodyIdleTimeout) != nil {
			return
		}
	}
	u.end.Store(time.Now().UnixNano())
	u.x.sendCopies()
}

// fail records what the client did and ends the other side's wait for the instance.
func (u *upload) fail(err error) {
	u.cause.Store(failureIn(err))
	u.up.nc.SetReadDeadline(past)
}

// incomplete tells whether there is a body that has not come in whole.
func (u *upload) incomplete() bool { return u != nil && !u.whole.Load() }

// running tells whether the body is still on its way.
func (u *upload) running() bool {
	if u == nil {
		return false
	}
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}

// failed returns what the client did wrong, nil if nothing.
func (u *upload) failed() *failure {
	if u == nil {
		return nil
	}
	return u.cause.Load()
}

// ended returns when the last byte of the body went out; zero while that has not happened.
func (u *upload) ended() time.Time {
	if u == nil || u.end.Load() == 0 {
		return time.Time{}
	}
	return time.Unix(0, u.end.Load())
}

// uploadGrace is how long a response that is complete waits for the pump to notice that the body is, too.
const uploadGrace = 100 * time.Millisecond

// stop ends the pump and waits for it. grace lets one that has read the whole body finish by itself first. It returns whether the
// instance got all of the body and the connection to it is as good as before.
func (u *upload) stop(grace time.Duration) (finished bool) {
	if u == nil {
		return true
	}
	if grace > 0 && u.running() && !u.incomplete() {
		timer := time.NewTimer(grace)
		select {
		case <-u.done:
		case <-timer.C:
		}
		timer.Stop()
	}
	forced := u.running()
	if forced {
		u.x.down.interruptBody()
		u.up.nc.SetWriteDeadline(past)
		<-u.done
	}
	u.x.outcome.bytesIn = u.bytes
	return !forced && u.end.Load() != 0
}
