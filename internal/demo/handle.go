package demo

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// maxBytes bounds what /bytes sends.
const maxBytes = 1 << 40

// handle answers one request. What steers the instance takes no time and no slot.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	if s.refuse(ctx) {
		return
	}
	ctx.Response.Header.Set("X-Demo-Version", s.opts.Version)
	ctx.Response.Header.Set("X-Demo-Instance", s.name)
	switch path := string(ctx.Path()); path {
	case "/health":
		s.health(ctx)
	case "/break":
		s.breakByRequest(ctx)
	case "/ws":
		s.upgrade(ctx)
	default:
		if !s.work() {
			decline(ctx, fasthttp.StatusInternalServerError, "this request was meant to fail\n")
			return
		}
		s.answer(ctx, path)
	}
}

func (s *Server) answer(ctx *fasthttp.RequestCtx, path string) {
	switch path {
	case "/echo":
		s.echo(ctx)
	case "/headers":
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetBody(ctx.Request.Header.Header())
	case "/sse":
		s.stream(ctx)
	case "/bytes":
		s.bytes(ctx)
	default:
		fmt.Fprintf(ctx, "hello from demo %s at %s\n", s.opts.Version, s.name)
	}
}

// decline answers with an error and keeps the headers that tell who answers.
func decline(ctx *fasthttp.RequestCtx, status int, text string) {
	ctx.SetStatusCode(status)
	ctx.SetBodyString(text)
}

func (s *Server) health(ctx *fasthttp.RequestCtx) {
	if s.state.Load().fault == FaultUnhealthy {
		decline(ctx, fasthttp.StatusServiceUnavailable, "unhealthy\n")
		return
	}
	ctx.SetBodyString("ok\n")
}

// breakByRequest is POST /break?mode=, a Fault, and without a mode the repair.
func (s *Server) breakByRequest(ctx *fasthttp.RequestCtx) {
	if !ctx.IsPost() {
		decline(ctx, fasthttp.StatusMethodNotAllowed, "want POST\n")
		return
	}
	mode := Fault(ctx.QueryArgs().Peek("mode"))
	if err := s.Break(mode); err != nil {
		decline(ctx, fasthttp.StatusBadRequest, err.Error()+"\n")
		return
	}
	fmt.Fprintf(ctx, "mode is %q\n", mode)
}

// echo sends the body back while it comes in.
func (s *Server) echo(ctx *fasthttp.RequestCtx) {
	ctx.SetContentTypeBytes(ctx.Request.Header.ContentType())
	if body := ctx.RequestBodyStream(); body != nil {
		ctx.SetBodyStream(body, max(ctx.Request.Header.ContentLength(), -1))
	}
}

// bytes sends ?n= zero bytes, without holding them in memory.
func (s *Server) bytes(ctx *fasthttp.RequestCtx) {
	n, err := strconv.ParseInt(string(ctx.QueryArgs().Peek("n")), 10, 64)
	if err != nil || n < 0 || n > maxBytes {
		decline(ctx, fasthttp.StatusBadRequest, fmt.Sprintf("n: got %q; want 0 to %d\n", ctx.QueryArgs().Peek("n"), int64(maxBytes)))
		return
	}
	ctx.SetContentType("application/octet-stream")
	ctx.SetBodyStream(io.LimitReader(zeros{}, n), int(n))
}

// zeros is an endless stream of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// stream sends ?count= events, one each ?interval=; without a count until the client or the
// instance ends.
func (s *Server) stream(ctx *fasthttp.RequestCtx) {
	interval, err := time.ParseDuration(string(ctx.QueryArgs().Peek("interval")))
	if err != nil || interval <= 0 {
		interval = time.Second
	}
	count := ctx.QueryArgs().GetUintOrZero("count")
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for n := 1; count == 0 || n <= count; n++ {
			fmt.Fprintf(w, "id: %d\ndata: %s %s\n\n", n, s.opts.Version, s.name)
			if w.Flush() != nil {
				return
			}
			select {
			case <-ticker.C:
			case <-s.done:
				return
			}
		}
	})
}
