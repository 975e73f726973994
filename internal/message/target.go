package message

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// parseTarget splits the request target into authority, path and query by its form (RFC 9112 section 3.2) and
// normalises the path. authority is nil unless the target is in absolute or authority form.
func (r *Request) parseTarget() *Error {
	t := r.Target
	if !all(t, classTarget) {
		return bad("character in the request target that no URI holds")
	}
	switch {
	case r.Verb == VerbConnect:
		r.Path, r.Query, r.authority = nil, nil, t
		return nil
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		if r.Verb != VerbOptions {
			return bad("target * with a method other than OPTIONS")
		}
		r.Path, r.Query = t, nil
		return nil
	default:
		rest, ok := cutScheme(t)
		if !ok {
			return bad("request target is neither a path nor an http URL")
		}
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.authority, t = rest[:end], rest[end:]
		if len(t) == 0 && r.Verb == VerbOptions {
			r.Path, r.Query = starPath, nil
			return nil
		}
	}
	path, query, found := bytes.Cut(t, questionMark)
	if !found {
		query = nil
	}
	if len(path) == 0 {
		path = slashPath
	}
	r.Query, r.HasQuery = query, found
	return r.normalisePath(path)
}

var (
	questionMark = []byte("?")
	slashPath    = []byte("/")
	starPath     = []byte("*")
)

func cutScheme(t []byte) (rest []byte, ok bool) {
	i := bytes.Index(t, []byte("://"))
	if i < 0 || !EqualFold(t[:i], "http") && !EqualFold(t[:i], "https") {
		return nil, false
	}
	return t[i+3:], true
}

// NormalisePath returns a path as Request.Path would hold it, in memory of its own, so that a rule can be written in any
// spelling. path must hold no character that a request target cannot hold.
func NormalisePath(path []byte) ([]byte, *Error) {
	var r Request
	err := r.normalisePath(bytes.Clone(path))
	return r.Path, err
}

// normalisePath sets r.Path to the one form that is both matched and forwarded, so that no rule here can be
// passed by a spelling that the instance reads differently: escapes of unreserved characters are
// resolved and the others written in upper case (RFC 3986 section 6.2.2), and a path with a dot segment, in whatever
// spelling, or an escaped NUL is refused. Other escapes, %2F among them, stay as they are and match as such.
func (r *Request) normalisePath(path []byte) *Error {
	if bytes.IndexByte(path, '%') < 0 {
		if hasDotSegment(path) {
			return bad("path with a dot segment")
		}
		r.Path = path
		return nil
	}
	out := r.pathBuf[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			out = append(out, c)
			continue
		}
		if i+2 >= len(path) {
			return bad("incomplete escape in the path")
		}
		hi, lo := unhex(path[i+1]), unhex(path[i+2])
		if hi < 0 || lo < 0 {
			return bad("escape in the path that is not two hex digits")
		}
		d := byte(hi<<4 | lo)
		i += 2
		switch {
		case d == 0:
			return bad("escaped NUL in the path")
		case classes[d]&classPlain != 0:
			out = append(out, d)
		default:
			out = append(out, '%', upperHex[hi], upperHex[lo])
		}
	}
	r.pathBuf = out
	if hasDotSegment(out) {
		return bad("path with a dot segment")
	}
	r.Path = out
	return nil
}

const upperHex = "0123456789ABCDEF"

// hasDotSegment tells whether one of the path's segments is "." or "..", where a segment also ends at an escaped slash
// or backslash, because some instances take those for slashes.
func hasDotSegment(path []byte) bool {
	for i := 0; i < len(path); {
		dot := bytes.IndexByte(path[i:], '.')
		if dot < 0 {
			return false
		}
		i += dot
		if !separatorBefore(path, i) {
			i++
			continue
		}
		end := i + 1
		if end < len(path) && path[end] == '.' {
			end++
		}
		if separatorAfter(path, end) {
			return true
		}
		i = end
	}
	return false
}

func separatorBefore(path []byte, i int) bool {
	return i == 0 || path[i-1] == '/' || i >= 3 && isEscapedSlash(path[i-3:i])
}

func separatorAfter(path []byte, i int) bool {
	// A path parameter ends the segment's name as well: "/..;x/" is ".." to servlet containers.
	return i == len(path) || path[i] == '/' || path[i] == ';' || i+3 <= len(path) && isEscapedSlash(path[i:i+3])
}

func isEscapedSlash(b []byte) bool {
	return b[0] == '%' && (b[1] == '2' && b[2] == 'F' || b[1] == '5' && b[2] == 'C')
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// ValidHost tells whether b is host or host:port as they may stand in Host and in an authority without user
// information: a reg-name, an IPv4 address or a bracketed IPv6 address, and a port from 1 to 65535.
func ValidHost(b []byte) bool {
	if len(b) == 0 || len(b) > 255+6 {
		return false
	}
	end := 0
	if b[0] == '[' {
		end = bytes.IndexByte(b, ']') + 1
		if end == 0 || !validIPv6(b[1:end-1]) {
			return false
		}
	} else {
		for end < len(b) && classes[b[end]]&className != 0 {
			end++
		}
	}
	return end > 0 && (end == len(b) || b[end] == ':' && validPort(b[end+1:]))
}

// validIPv6 refuses zones: they mean nothing to another host.
func validIPv6(b []byte) bool {
	const longest = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
	if len(b) > longest || bytes.IndexByte(b, ':') < 0 || bytes.IndexByte(b, '%') >= 0 {
		return false
	}
	// ParseAddr keeps its argument only in an error, dropped here, and in a zone, refused above; so it may see b
	// without a copy on the heap.
	_, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(b), len(b)))
	return err == nil
}

func validPort(port []byte) bool {
	n, ok := parseLength(port)
	return ok && len(port) <= 5 && n >= 1 && n <= 65535
}

// SplitPort splits host:port at the colon that follows the host. port is nil where there is none.
func SplitPort(b []byte) (host, port []byte) {
	colon := bytes.LastIndexByte(b, ':')
	if colon < 0 || bytes.IndexByte(b[colon:], ']') >= 0 {
		return b, nil
	}
	return b[:colon], b[colon+1:]
}
