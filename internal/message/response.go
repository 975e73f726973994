package message

import "bytes"

// Response is the head of a response. The zero value is ready for Parse and is meant to be used again. All byte
// slices alias the parsed buffer.
type Response struct {
	Minor  int
	Status int    // 100..599
	Reason []byte // as sent, may be empty
	Fields Fields

	ContentLength int64  // -1: no Content-Length
	Chunked       bool   // the body is chunked
	Close         bool   // the connection ends with this response
	Upgrade       []byte // of a 101
}

// Reset forgets the response but keeps its memory.
func (r *Response) Reset() { *r = Response{Fields: r.Fields[:0], ContentLength: -1} }

// Parse reads a response head from the beginning of buf. It returns how many bytes the head took, 0 with a nil error
// when buf holds only a part of it, or why it is refused; then nothing that this connection
// carries can be trusted any more.
func (r *Response) Parse(buf []byte, lim Limits) (int, *Error) {
	r.Reset()
	line, n, err := cutLine(buf, lim.HeadBytes)
	if err != nil || n == 0 {
		if err == nil && !couldBeStatusLine(buf) {
			err = bad("not an HTTP/1 response")
		}
		return 0, err
	}
	if err := r.parseStatusLine(line); err != nil {
		return 0, err
	}
	m, err := parseFields(buf[n:], &r.Fields, lim, lim.HeadBytes-n, true)
	if err != nil || m == 0 {
		return 0, err
	}
	if err := r.interpret(); err != nil {
		return 0, err
	}
	return n + m, nil
}

// couldBeStatusLine tells an instance that does not speak HTTP from one that is slow, without waiting for a line end.
func couldBeStatusLine(b []byte) bool {
	const want = "HTTP/1."
	n := min(len(b), len(want))
	return string(b[:n]) == want[:n]
}

func (r *Response) parseStatusLine(line []byte) *Error {
	if len(line) < 12 || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return bad("malformed status line")
	}
	minor, err := parseVersion(line[:8])
	if err != nil {
		return err
	}
	r.Minor = minor
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return bad("malformed status line")
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || r.Status > 599 {
		return bad("status outside of 100 to 599")
	}
	if len(line) > 13 {
		r.Reason = line[13:]
		if !validValue(r.Reason) {
			return bad("control character in the reason phrase")
		}
	}
	return nil
}

var responseActs = SetOf(KindConnection, KindContentLength, KindTransferEncoding, KindUpgrade)

func (r *Response) interpret() *Error {
	lengths, options, keepAlive := 0, 0, false
	for i := range r.Fields {
		f := &r.Fields[i]
		if !responseActs.Has(f.Kind) {
			continue
		}
		switch f.Kind {
		case KindContentLength:
			n, ok := parseLength(f.Value)
			if lengths++; !ok || lengths > 1 {
				return bad("Content-Length is not one number")
			}
			r.ContentLength = n
		case KindTransferEncoding:
			if r.Chunked || !EqualFold(f.Value, "chunked") {
				return bad("transfer coding other than chunked")
			}
			r.Chunked = true
		case KindUpgrade:
			r.Upgrade = f.Value
		case KindConnection:
			if err := r.parseConnection(f.Value, &options, &keepAlive); err != nil {
				return err
			}
		}
	}
	if r.Minor == 0 && !keepAlive {
		r.Close = true
	}
	if r.Chunked && (r.Minor == 0 || lengths > 0) {
		return bad("Transfer-Encoding with Content-Length or HTTP/1.0")
	}
	if r.Chunked && (r.Status < 200 || r.Status == 204) {
		return bad("Transfer-Encoding in a response without a body")
	}
	return nil
}

func (r *Response) parseConnection(value []byte, options *int, keepAlive *bool) *Error {
	for more := true; more; {
		if *options++; *options > maxOptions {
			return bad("too many connection options")
		}
		var option []byte
		option, value, more = NextToken(value)
		switch {
		case len(option) == 0, EqualFold(option, "upgrade"):
		case EqualFold(option, "keep-alive"):
			*keepAlive = true
		case EqualFold(option, "close"):
			r.Close = true
		default:
			if err := markNamed(r.Fields, option); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bodiless tells whether no body follows this head whatever its fields say (RFC 9112 section 6.3).
// verb is that of the request.
func (r *Response) Bodiless(verb Verb) bool {
	return verb == VerbHead || r.Status < 200 || r.Status == 204 || r.Status == 304
}

// UntilClose tells whether the body ends with the connection. It holds for responses that are not Bodiless.
func (r *Response) UntilClose() bool { return !r.Chunked && r.ContentLength < 0 }

// AppendStatusLine appends the status line with the sender's own version and the given reason, or the standard one
// when reason is empty.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if len(reason) == 0 {
		dst = append(dst, StatusText(status)...)
	} else {
		dst = append(dst, reason...)
	}
	return append(dst, "\r\n"...)
}

// ParseTrailers reads a trailer section from the beginning of buf, up to and including its empty line. It returns how many
// bytes it took, 0 when buf holds only a part of it.
func ParseTrailers(buf []byte, fs *Fields, lim Limits) (int, *Error) {
	if bytes.HasPrefix(buf, crlf) {
		*fs = (*fs)[:0]
		return 2, nil
	}
	return parseFields(buf, fs, lim, lim.HeadBytes, false)
}

var crlf = []byte("\r\n")

// TrailerDrop are the kinds that may not travel in a trailer section: they frame, route, authenticate or
// describe the body (RFC 9110 section 6.5.1), or name who sent the request.
var TrailerDrop = SetOf(KindHost, KindConnection, KindKeepAlive, KindProxyConnection, KindProxyAuthenticate, KindProxyAuthorization,
	KindProxy, KindTE, KindTrailer, KindTransferEncoding, KindUpgrade, KindContentLength, KindContentType, KindContentEncoding,
	KindContentRange, KindCacheControl, KindExpect, KindMaxForwards, KindVia, KindForwarded, KindXForwardedFor,
	KindXForwardedProto, KindXForwardedHost, KindXForwardedPort, KindXRealIP, KindCookie, KindSetCookie, KindAuthorization,
	KindRange, KindDate, KindVary, KindLocation, KindRetryAfter, KindHTTP2Settings, KindNamed)
