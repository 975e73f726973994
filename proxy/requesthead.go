package proxy

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"gatewayd/internal/message"
)

// requestDrop are the fields of a client's request that end at the gateway (RFC 9110 section 7.6.1), that are printed anew,
// or that only a trusted peer may say.
var requestDrop = message.SetOf(message.KindHost, message.KindConnection, message.KindKeepAlive, message.KindProxyConnection,
	message.KindProxyAuthorization, message.KindProxyAuthenticate, message.KindProxy, message.KindTE,
	message.KindTransferEncoding, message.KindUpgrade, message.KindContentLength, message.KindExpect,
	message.KindMaxForwards, message.KindVia, message.KindForwarded, message.KindXForwardedFor, message.KindXForwardedProto,
	message.KindXForwardedHost, message.KindXForwardedPort, message.KindXRealIP, message.KindXRequestID,
	message.KindTraceparent, message.KindTracestate, message.KindHTTP2Settings, message.KindNamed)

// appendRequestHead prints the head that goes to the instance, from parsed values only: hop-by-hop fields first
// removed, then the gateway's own added, so that no Connection option can take those away.
func (x *exchange) appendRequestHead(dst []byte) []byte {
	req, route := x.req, x.route
	dst = append(dst, req.Method...)
	dst = append(dst, ' ')
	dst = x.appendTarget(dst)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	switch {
	case route.Rewrite.Host != "":
		dst = append(dst, route.Rewrite.Host...)
	case len(req.Host) > 0:
		dst = append(dst, req.Host...)
	default:
		dst = append(dst, x.ownHost(true)...)
	}
	dst = append(dst, "\r\n"...)

	drop := requestDrop
	if x.view.Affinity != nil {
		drop |= message.SetOf(message.KindCookie)
		dst = appendCookiesBut(dst, req.Fields, x.view.Affinity.Cookie)
	}
	if !req.Chunked {
		drop |= message.SetOf(message.KindTrailer)
	}
	if rules := route.RequestHeaders; rules != nil {
		dst = rules.appendKept(dst, req.Fields, drop)
	} else {
		dst = message.AppendFields(dst, req.Fields, drop)
	}
	dst = x.appendFraming(dst)
	dst = x.appendForwarded(dst)
	return append(dst, "\r\n"...)
}

// ownHost is what a request of an HTTP/1.0 client without Host is taken to be for: the address that the client connected to (RFC 9112 section
// 3.3), with its port unless that is the scheme's own.
func (x *exchange) ownHost(withPort bool) string {
	addr := x.down.localAddr()
	usual := uint16(80)
	if x.tls != nil {
		usual = 443
	}
	switch ip := addr.Addr().Unmap().WithZone(""); {
	case withPort && addr.Port() != usual:
		return netip.AddrPortFrom(ip, addr.Port()).String()
	case ip.Is6():
		return "[" + ip.String() + "]"
	default:
		return ip.String()
	}
}

// appendFraming says how long the body is and what is asked of this connection.
func (x *exchange) appendFraming(dst []byte) []byte {
	req := x.req
	switch {
	case req.Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case req.ContentLength >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, req.ContentLength, 10)
		dst = append(dst, "\r\n"...)
	}
	if req.ExpectContinue {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	switch {
	case req.Upgrade != nil && req.TrailersOK:
		dst = append(dst, "Connection: Upgrade, TE\r\nTE: trailers\r\n"...)
	case req.Upgrade != nil:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	case req.TrailersOK:
		dst = append(dst, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	if req.Upgrade != nil {
		dst = message.AppendField(dst, "Upgrade", req.Upgrade)
	}
	if req.MaxForwards > 0 && req.Verb == message.VerbOptions {
		dst = append(dst, "Max-Forwards: "...)
		dst = strconv.AppendInt(dst, int64(req.MaxForwards-1), 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// appendForwarded says who the client is and which way the request came.
func (x *exchange) appendForwarded(dst []byte) []byte {
	dst = x.forward.AppendFields(dst, x.req.Fields, x.req.Host)
	dst = append(dst, "Via: "...)
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; f.Kind == message.KindVia {
			dst = append(dst, f.Value...)
			dst = append(dst, ", "...)
		}
	}
	dst = append(dst, "1."...)
	dst = append(dst, byte('0'+x.req.Minor), ' ')
	dst = append(dst, x.server.opt.Pseudonym...)
	dst = append(dst, "\r\nX-Request-Id: "...)
	dst = append(dst, x.requestID...)
	dst = append(dst, "\r\n"...)
	return x.appendTrace(dst)
}

// appendTarget prints the normalised path, rewritten as the route says, and the query as it came.
func (x *exchange) appendTarget(dst []byte) []byte {
	start := len(dst)
	rw := &x.route.Rewrite
	switch path := x.req.Path; {
	case rw.Path != "":
		dst = append(dst, rw.Path...)
	case rw.Regex != nil:
		dst = append(dst, rw.Regex.ReplaceAll(path, []byte(rw.Replacement))...)
	case rw.StripPrefix != "":
		dst = append(dst, stripPrefix(path, rw.StripPrefix)...)
	default:
		dst = append(dst, path...)
	}
	if len(dst) == start || dst[start] != '/' && dst[start] != '*' {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '/'
	}
	if x.req.HasQuery {
		dst = append(dst, '?')
		dst = append(dst, x.req.Query...)
	}
	return dst
}

// stripPrefix takes prefix off path in whole segments; what is left may lack its slash.
func stripPrefix(path []byte, prefix string) []byte {
	if len(path) < len(prefix) || string(path[:len(prefix)]) != prefix {
		return path
	}
	rest := path[len(prefix):]
	if len(rest) > 0 && rest[0] != '/' && prefix[len(prefix)-1] != '/' {
		return path
	}
	return rest
}

// loops tells whether the request came through this gateway before.
func (x *exchange) loops() bool {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Kind != message.KindVia {
			continue
		}
		for list, more := f.Value, true; more; {
			var hop []byte
			hop, list, more = message.NextToken(list)
			if _, by, found := bytes.Cut(hop, []byte(" ")); found && string(bytes.TrimSpace(by)) == x.server.opt.Pseudonym {
				return true
			}
		}
	}
	return false
}

// hash returns the key that a source takes from the request, as a number.
func (k KeySource) hash(req *message.Request, client netip.Addr) uint64 {
	switch k.Kind {
	case KeyHeader:
		v, _ := req.Fields.Lookup(k.Name)
		return xxhash.Sum64(v)
	case KeyCookie:
		v, _ := cookie(req.Fields, k.Name)
		return xxhash.Sum64(v)
	case KeyQuery:
		return xxhash.Sum64(queryValue(req.Query, k.Name))
	case KeyHost:
		return xxhash.Sum64(req.Host)
	case KeyPath:
		return xxhash.Sum64(req.Path)
	case KeyConstant:
		return 0
	}
	b := client.As16()
	return xxhash.Sum64(b[:])
}

// queryValue returns the value of the first parameter of the name, undecoded: a hash needs no decoding.
func queryValue(query []byte, name string) []byte {
	for more := true; more; {
		var part []byte
		part, query, more = bytes.Cut(query, []byte("&"))
		if key, value, _ := bytes.Cut(part, []byte("=")); string(key) == name {
			return value
		}
	}
	return nil
}
