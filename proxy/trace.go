package proxy

import (
	"math/rand/v2"
	"time"

	"gatewayd/internal/message"
	"gatewayd/internal/tracecontext"
)

// Tracer records spans. Its methods are called by many goroutines and must not block.
type Tracer interface {
	// Sample decides whether a request that begins a trace here is recorded.
	Sample() bool
	// Export takes a span of a sampled request.
	Export(Span)
}

// Span is one request, as a tracer records it.
type Span struct {
	Context        tracecontext.Context // of this span
	Parent         tracecontext.SpanID  // zero: it begins the trace
	Start          time.Time
	Took           time.Duration
	Method         string
	Path           string
	Host           string
	Status         int
	Cause          Cause
	Route, Service string
	Revision       string
	Instance       string
	Attempts       int
	Client         string
	RequestID      string
}

// trace is a request's place in its trace.
type trace struct {
	in, own tracecontext.Context
	parent  bool // in is the sender's
}

// beginTrace reads the trace context that the request came with. Without a tracer it is passed on as it is; with one the
// gateway's own span stands between.
func (x *exchange) beginTrace() {
	x.trace = trace{}
	x.trace.in, x.trace.parent = tracecontext.FromFields(x.req.Fields)
	t := x.server.opt.Tracer
	if t == nil {
		return
	}
	if x.trace.parent {
		x.trace.own = x.trace.in.Child(rand.Uint64)
		return
	}
	x.trace.own = tracecontext.Start(rand.Uint64, t.Sample())
}

// appendTrace says to the instance where it stands in the trace.
func (x *exchange) appendTrace(dst []byte) []byte {
	c := x.trace.own
	if !c.Valid() {
		c = x.trace.in
	}
	if c.Valid() {
		dst = append(dst, "Traceparent: "...)
		dst = c.AppendTraceparent(dst)
		dst = append(dst, "\r\n"...)
	}
	if x.trace.parent { // without a valid traceparent a tracestate means nothing
		start := len(dst)
		dst = append(dst, "Tracestate: "...)
		before := len(dst)
		if dst = tracecontext.AppendTracestate(dst, x.req.Fields); len(dst) == before {
			return dst[:start]
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func (x *exchange) endTrace(took time.Duration) {
	if x.server.opt.Tracer == nil || !x.trace.own.Sampled() {
		return
	}
	s := Span{
		Context: x.trace.own, Start: x.start, Took: took, Method: string(x.req.Method), Path: string(x.req.Path), Host: string(x.req.Host),
		Status: x.outcome.status, Cause: x.outcome.cause, Attempts: x.attempt, Client: x.client.String(), RequestID: string(x.requestID),
	}
	if x.trace.parent {
		s.Parent = x.trace.in.Span
	}
	if x.route != nil {
		s.Route = x.route.Name
	}
	if x.view != nil {
		s.Service = x.view.Name
	}
	if x.revision != nil {
		s.Revision, s.Instance = x.revision.Version, x.endpoint.ID
	}
	x.server.opt.Tracer.Export(s)
}

// requestID returns the X-Request-Id that the request goes by: the one it came with if a trusted peer said it, else a new
// random one, written into buf.
func (s *Server) requestID(buf []byte, req *message.Request, trusted bool) []byte {
	if trusted {
		if id := req.Fields.Get(message.KindXRequestID); tracecontext.ValidRequestID(id) {
			return id
		}
	}
	return tracecontext.AppendRequestID(buf, rand.Uint64)
}
