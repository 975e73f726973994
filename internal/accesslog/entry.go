package accesslog

import (
	"net/netip"
	"time"
)

// Entry is one finished request. Write reads it and keeps nothing of it; what is empty or zero is left out of JSON
// lines, but for Status and the bytes.
type Entry struct {
	Time      time.Time // when the request began
	Client    netip.Addr
	Method    []byte
	Host      []byte // as sent
	Path      []byte // normalised
	Query     []byte // without the question mark
	Protocol  string // "HTTP/1.1"
	TLS       string // version, empty for a plain connection
	Status    int    // 0 when the client left before there was one
	BytesIn   int64  // of the request's body
	BytesOut  int64  // of the response's body
	Duration  time.Duration
	FirstByte time.Duration // from the beginning to the first byte of the response, 0: none came

	Route    string
	Service  string
	Revision string
	Instance string
	Attempts int    // instances tried
	Upstream string // what went wrong between gateway and instance, such as "connect-refused"; empty: nothing

	RequestID []byte
	TraceID   [16]byte
	UserAgent []byte
	Referer   []byte
}

// Format is how an entry is written down.
type Format uint8

// The formats. Every entry is one line.
const (
	// JSON is an object with the keys time, client, method, host, path, query, protocol, tls, status, bytesIn, bytesOut,
	// durationMs, firstByteMs, route, service, revision, instance, attempts, upstream, requestId, traceId, userAgent and referer.
	JSON Format = iota

	// Common is the combined log format of Apache and nginx, followed by key=value pairs: host, route, service, revision, instance,
	// attempts, upstream, in, ms, ttfb, id and trace.
	Common
)

// maxText is how many bytes of one text a line holds; what is longer is cut.
const maxText = 2048

func (f Format) append(dst []byte, e *Entry) []byte {
	if f == Common {
		return e.appendCommon(dst)
	}
	return e.appendJSON(dst)
}

// appendMillis appends a duration in milliseconds with three decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := max(d, 0).Microseconds()
	dst = appendInt(dst, us/1000)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
