// Package tracecontext carries the names that a request is known by across
// processes: trace and span ids in traceparent and tracestate (W3C Trace Context), and the
// request id in X-Request-Id.
//
// What is malformed is treated as absent, as the recommendation wants it: a new trace is started, and a broken id
// never goes on to the next one. The package records no spans and sends nothing. Randomness is an
// argument; nothing here allocates.
package tracecontext

import (
	"encoding/binary"

	"gatewayd/internal/message"
)

// TraceID names a trace; all zero is no trace.
type TraceID [16]byte

// SpanID names one step of a trace; all zero is no span.
type SpanID [8]byte

// AppendHex appends the id as 32 lower-case hex digits.
func (t TraceID) AppendHex(dst []byte) []byte { return appendHex(dst, t[:]) }

// AppendHex appends the id as 16 lower-case hex digits.
func (s SpanID) AppendHex(dst []byte) []byte { return appendHex(dst, s[:]) }

// Context is a place in a trace: what a traceparent says. The zero value is no trace.
type Context struct {
	Trace TraceID
	Span  SpanID // of the sender
	flags byte
}

const (
	flagSampled  = 1 << 0
	flagRandom   = 1 << 1 // the trace id's right half is random; level 2 of the recommendation
	knownFlags   = flagSampled | flagRandom
	parentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
)

// Valid tells whether there is a trace at all.
func (c Context) Valid() bool { return c.Trace != TraceID{} && c.Span != SpanID{} }

// Sampled tells whether the sender records this trace.
func (c Context) Sampled() bool { return c.flags&flagSampled != 0 }

// Start begins a new trace. random returns 64 random bits each time.
func Start(random func() uint64, sampled bool) Context {
	c := Context{Span: newSpan(random)}
	for c.Trace == (TraceID{}) {
		binary.BigEndian.PutUint64(c.Trace[:8], random())
		binary.BigEndian.PutUint64(c.Trace[8:], random())
	}
	if sampled {
		c.flags = flagSampled
	}
	return c
}

// Child returns a new span of the same trace with the same flags.
func (c Context) Child(random func() uint64) Context {
	c.Span = newSpan(random)
	return c
}

func newSpan(random func() uint64) (s SpanID) {
	for s == (SpanID{}) {
		binary.BigEndian.PutUint64(s[:], random())
	}
	return s
}

// FromFields returns the context that a message carries. ok is false when there is none, more than one, or a malformed one; then
// the message's tracestate means nothing either.
func FromFields(fields message.Fields) (c Context, ok bool) {
	if fields.Count(message.KindTraceparent) != 1 {
		return Context{}, false
	}
	return Parse(fields.Get(message.KindTraceparent))
}

// Parse reads the value of a traceparent. Of versions above 00 it reads what version 00 has.
func Parse(b []byte) (c Context, ok bool) {
	if len(b) < parentLength || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return Context{}, false
	}
	var version, flags [1]byte
	ok = parseHex(version[:], b[:2]) && parseHex(c.Trace[:], b[3:35]) && parseHex(c.Span[:], b[36:52]) && parseHex(flags[:], b[53:55])
	if !ok || !c.Valid() || version[0] == 0xff {
		return Context{}, false
	}
	if len(b) > parentLength && (version[0] == 0 || b[parentLength] != '-') {
		return Context{}, false
	}
	c.flags = flags[0] & knownFlags
	return c, true
}

// AppendTraceparent appends the context as the value of a traceparent of version 00.
func (c Context) AppendTraceparent(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = c.Trace.AppendHex(dst)
	dst = append(dst, '-')
	dst = c.Span.AppendHex(dst)
	return append(dst, '-', '0', '0'+c.flags)
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// parseHex fills dst from twice as many lower-case hex digits; upper case is malformed here.
func parseHex(dst, src []byte) bool {
	for i := range dst {
		hi, lo := lowerHex(src[2*i]), lowerHex(src[2*i+1])
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

// lowerHex returns the value of a digit, 255 for anything else.
func lowerHex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
