package message

import "bytes"

// Verb tells the standard methods apart; the method itself stays as the client sent it.
type Verb uint8

// The methods that a proxy treats differently from each other.
const (
	VerbOther Verb = iota
	VerbGet
	VerbHead
	VerbPost
	VerbPut
	VerbDelete
	VerbOptions
	VerbPatch
	VerbTrace
	VerbConnect
)

// Idempotent tells whether a request may be sent a second time (RFC 9110 section 9.2.2).
func (v Verb) Idempotent() bool {
	switch v {
	case VerbGet, VerbHead, VerbOptions, VerbTrace, VerbPut, VerbDelete:
		return true
	}
	return false
}

func verbOf(m []byte) Verb {
	switch string(m) {
	case "GET":
		return VerbGet
	case "HEAD":
		return VerbHead
	case "POST":
		return VerbPost
	case "PUT":
		return VerbPut
	case "DELETE":
		return VerbDelete
	case "OPTIONS":
		return VerbOptions
	case "PATCH":
		return VerbPatch
	case "TRACE":
		return VerbTrace
	case "CONNECT":
		return VerbConnect
	}
	return VerbOther
}

// Limits bound what a parser accepts.
type Limits struct {
	HeadBytes   int // of start line and fields together, at most 65535
	FieldCount  int
	TargetBytes int
}

// Request is the head of a request. The zero value is ready for Parse and is meant to be used again: Parse
// keeps the slices' memory. All byte slices alias the parsed buffer, or memory of the Request itself.
type Request struct {
	Method   []byte
	Verb     Verb
	Target   []byte // as the client sent it
	Path     []byte // normalised, "*" or begins with "/"; nil for CONNECT
	Query    []byte // without the question mark
	HasQuery bool   // there was a question mark, even with nothing behind it
	Host     []byte // host or host:port as sent; empty only for HTTP/1.0
	Minor    int    // 0 or 1 of HTTP/1.x
	Fields   Fields

	ContentLength  int64  // -1: no Content-Length
	Chunked        bool   // the body is chunked
	Close          bool   // the client wants the connection closed after the response, or speaks HTTP/1.0
	Upgrade        []byte // the protocols asked for, nil unless Connection names upgrade too; never h2c
	ExpectContinue bool   // the client waits for 100 before it sends the body
	TrailersOK     bool   // TE: trailers
	MaxForwards    int    // -1: none

	authority []byte
	pathBuf   []byte
}

// HasBody tells whether a body follows the head, be it of length zero when chunked.
func (r *Request) HasBody() bool { return r.Chunked || r.ContentLength > 0 }

// Reset forgets the request but keeps its memory.
func (r *Request) Reset() {
	*r = Request{Fields: r.Fields[:0], pathBuf: r.pathBuf[:0], ContentLength: -1, MaxForwards: -1}
}

// Parse reads a request head from the beginning of buf. It returns how many bytes the head took, 0 with a nil error
// when buf holds only a part of it, or why the head is refused; then the connection has to be
// closed after the answer, because it is not known where the next message would begin.
func (r *Request) Parse(buf []byte, lim Limits) (int, *Error) {
	r.Reset()
	start := skipEmptyLines(buf)
	line, n, err := cutLine(buf[start:], lim.HeadBytes)
	if err != nil || n == 0 {
		if targetTooLong(buf[start:], lim) {
			err = refuse(414, "request target is too long")
		}
		return 0, err
	}
	if err := r.parseRequestLine(line, lim); err != nil {
		return 0, err
	}
	m, err := parseFields(buf[start+n:], &r.Fields, lim, lim.HeadBytes-n, false)
	if err != nil || m == 0 {
		return 0, err
	}
	if err := r.interpret(); err != nil {
		return 0, err
	}
	return start + n + m, nil
}

// targetTooLong tells whether a request line that is not complete, or does not fit, fails by its target.
func targetTooLong(buf []byte, lim Limits) bool {
	first := bytes.IndexByte(buf, ' ')
	if first < 0 {
		return false
	}
	target := buf[first+1:]
	if end := bytes.IndexAny(target, " \r\n"); end >= 0 {
		target = target[:end]
	}
	return len(target) > lim.TargetBytes
}

// skipEmptyLines returns how many bytes of line ends stand before the request line: clients of old sent one after
// a body (RFC 9112 section 2.2). More than two make the request line malformed.
func skipEmptyLines(buf []byte) int {
	n := 0
	for n < 4 && len(buf) >= n+2 && buf[n] == '\r' && buf[n+1] == '\n' {
		n += 2
	}
	return n
}

func (r *Request) parseRequestLine(line []byte, lim Limits) *Error {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 || !all(line[:i], classToken) {
		return bad("request line without a method")
	}
	r.Method, line = line[:i], line[i+1:]
	r.Verb = verbOf(r.Method)
	i = bytes.IndexByte(line, ' ')
	if i <= 0 {
		return bad("request line without target or version")
	}
	if i > lim.TargetBytes {
		return refuse(414, "request target is too long")
	}
	r.Target, line = line[:i], line[i+1:]
	minor, err := parseVersion(line)
	if err != nil {
		return err
	}
	r.Minor = minor
	return r.parseTarget()
}

func parseVersion(b []byte) (minor int, err *Error) {
	if len(b) != 8 || string(b[:5]) != "HTTP/" || !isDigit(b[5]) || b[6] != '.' || !isDigit(b[7]) {
		return 0, bad("malformed HTTP version")
	}
	if b[5] != '1' || b[7] > '1' {
		return 0, refuse(505, "HTTP version other than 1.0 and 1.1")
	}
	return int(b[7] - '0'), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// requestActs are the kinds that interpret has to look at.
var requestActs = SetOf(KindHost, KindConnection, KindContentLength, KindTransferEncoding, KindUpgrade,
	KindExpect, KindTE, KindMaxForwards, KindTrailer)

// interpret reads framing and connection control out of the fields (RFC 9112 sections 3.2, 6 and 9).
func (r *Request) interpret() *Error {
	var upgrade, te []byte
	var expect bool
	var hosts, lengths, codings, options int
	for i := range r.Fields {
		f := &r.Fields[i]
		if !requestActs.Has(f.Kind) {
			continue
		}
		switch f.Kind {
		case KindHost:
			hosts++
			r.Host = f.Value
		case KindContentLength:
			lengths++
			n, ok := parseLength(f.Value)
			if !ok {
				return bad("Content-Length is not a number")
			}
			r.ContentLength = n
		case KindTransferEncoding:
			codings++
			if err := r.parseCoding(f.Value); err != nil {
				return err
			}
		case KindConnection:
			if err := r.parseConnection(f.Value, &options); err != nil {
				return err
			}
		case KindUpgrade:
			upgrade = f.Value
		case KindTE:
			te = f.Value
		case KindExpect:
			if r.Minor == 1 && !EqualFold(f.Value, "100-continue") {
				return refuse(417, "expectation other than 100-continue")
			}
			expect = r.Minor == 1
		case KindTrailer:
			if err := checkTrailer(f.Value); err != nil {
				return err
			}
		case KindMaxForwards:
			if n, ok := parseLength(f.Value); ok && n < 1<<31 {
				r.MaxForwards = int(n)
			}
		}
	}
	if lengths > 1 {
		return bad("more than one Content-Length")
	}
	if err := r.checkFraming(codings, lengths); err != nil {
		return err
	}
	if err := r.checkHost(hosts); err != nil {
		return err
	}
	r.ExpectContinue = expect && r.HasBody()
	if r.Minor == 1 {
		r.TrailersOK = te != nil && HasToken(te, "trailers") && r.connectionNames("te")
		// h2c would take the connection out of sight of every rule: all requests on it but the first would pass unseen. RFC 9113
		// section 3.1 has done away with it.
		if upgrade != nil && r.connectionNames("upgrade") && !HasToken(upgrade, "h2c") {
			r.Upgrade = upgrade
		}
	}
	// An HTTP/1.0 client gets no persistent connection through a proxy: its keep-alive cannot be told from one
	// that an older proxy passed on blindly (RFC 9112 appendix C.2.2).
	r.Close = r.Close || r.Minor == 0
	return nil
}

func (r *Request) parseCoding(value []byte) *Error {
	if EqualFold(value, "chunked") && !r.Chunked {
		r.Chunked = true
		return nil
	}
	for more := true; more; {
		var coding []byte
		coding, value, more = NextToken(value)
		if !EqualFold(coding, "chunked") {
			return refuse(501, "transfer coding other than chunked")
		}
	}
	return bad("chunked stands more than once")
}

func (r *Request) checkFraming(codings, lengths int) *Error {
	if codings == 0 {
		return nil
	}
	if r.Minor == 0 {
		return bad("Transfer-Encoding in an HTTP/1.0 request")
	}
	if lengths > 0 {
		return bad("both Transfer-Encoding and Content-Length")
	}
	return nil
}

// checkTrailer refuses the announcement of a trailer field that would change where the message ends.
func checkTrailer(value []byte) *Error {
	for more := true; more; {
		var name []byte
		name, value, more = NextToken(value)
		switch KindOf(name) {
		case KindTransferEncoding, KindContentLength, KindTrailer:
			return bad("trailer field that frames the message")
		}
	}
	return nil
}

func (r *Request) checkHost(hosts int) *Error {
	if hosts > 1 {
		return bad("more than one Host")
	}
	if hosts == 0 && r.Minor == 1 {
		return bad("no Host")
	}
	if hosts == 1 && !ValidHost(r.Host) {
		return bad("malformed Host")
	}
	if r.authority != nil {
		if _, port := SplitPort(r.authority); !ValidHost(r.authority) || r.Verb == VerbConnect && port == nil {
			return bad("malformed authority in the request target")
		}
		r.Host = r.authority
	}
	return nil
}

// maxOptions bounds what a message may name in Connection: each option is looked for among all fields.
const maxOptions = 32

// parseConnection acts on one Connection field: close, and fields named in it, which are marked KindNamed. options counts
// over all of the message's Connection fields.
func (r *Request) parseConnection(value []byte, options *int) *Error {
	for more := true; more; {
		if *options++; *options > maxOptions {
			return bad("too many connection options")
		}
		var option []byte
		option, value, more = NextToken(value)
		switch {
		case len(option) == 0:
		case EqualFold(option, "keep-alive"), EqualFold(option, "upgrade"), EqualFold(option, "te"):
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

func (r *Request) connectionNames(lowerToken string) bool {
	for i := range r.Fields {
		if r.Fields[i].Kind == KindConnection && HasToken(r.Fields[i].Value, lowerToken) {
			return true
		}
	}
	return false
}

// endToEnd are fields that no Connection option may take away from the recipient.
var endToEnd = SetOf(KindHost, KindContentLength, KindContentType, KindContentEncoding, KindContentRange, KindCacheControl,
	KindTransferEncoding, KindAuthorization, KindCookie, KindSetCookie, KindDate, KindExpect, KindMaxForwards, KindVia)

// markNamed marks the fields that a connection option names, so that they end here (RFC 9110 section 7.6.1).
func markNamed(fs Fields, option []byte) *Error {
	if !IsToken(option) {
		return bad("connection option that is not a token")
	}
	kind := KindOf(option)
	if endToEnd.Has(kind) {
		return bad("connection option that names an end-to-end field")
	}
	for i := range fs {
		f := &fs[i]
		if f.Kind == KindNamed || f.Kind != kind || len(f.Name) != len(option) {
			continue
		}
		if kind != KindOther || bytes.EqualFold(f.Name, option) {
			f.Kind = KindNamed
		}
	}
	return nil
}
