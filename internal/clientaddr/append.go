package clientaddr

import (
	"net/netip"
	"strconv"

	"gatewayd/internal/message"
)

// Drop are the kinds of fields that must not be copied from a request, because AppendFields prints them anew or because only
// a trusted peer may send them.
const Drop = message.KindSet(1<<message.KindXForwardedFor | 1<<message.KindXForwardedProto | 1<<message.KindXForwardedHost |
	1<<message.KindXForwardedPort | 1<<message.KindForwarded | 1<<message.KindXRealIP)

// AppendFields appends the field lines that tell the next one who the client is. fields are those that Identify
// saw, host is what the request is for. X-Forwarded-Port and X-Real-IP are passed on from trusted peers and never made.
func (f *Forward) AppendFields(dst []byte, fields message.Fields, host []byte) []byte {
	dst = append(dst, "X-Forwarded-For: "...)
	dst = f.AppendXForwardedFor(dst, fields)
	dst = append(dst, "\r\nX-Forwarded-Proto: "...)
	dst = append(dst, f.Proto...)
	dst = append(dst, "\r\n"...)
	if f.Host != nil {
		dst = message.AppendField(dst, "X-Forwarded-Host", f.Host)
	} else if len(host) > 0 {
		dst = message.AppendField(dst, "X-Forwarded-Host", host)
	}
	if f.Trusted {
		if port := fields.Get(message.KindXForwardedPort); port != nil {
			dst = message.AppendField(dst, "X-Forwarded-Port", port)
		}
		if addr := fields.Get(message.KindXRealIP); addr != nil {
			dst = message.AppendField(dst, "X-Real-IP", addr)
		}
	}
	dst = append(dst, "Forwarded: "...)
	dst = f.AppendForwarded(dst, fields, host)
	return append(dst, "\r\n"...)
}

// AppendXForwardedFor appends the value of X-Forwarded-For: the peer, behind what a trusted peer sent. fields are those
// that Identify saw.
func (f *Forward) AppendXForwardedFor(dst []byte, fields message.Fields) []byte {
	if f.Trusted {
		n := len(dst)
		dst = appendList(dst, fields, message.KindXForwardedFor)
		if n == len(dst) && f.Client != f.peer.Addr() {
			// The peer said it in another field.
			dst = f.Client.AppendTo(dst)
			dst = append(dst, ", "...)
		}
	}
	return f.peer.Addr().AppendTo(dst)
}

// AppendForwarded appends the value of Forwarded (RFC 7239): an element for the peer, behind what a trusted peer
// sent. fields are those that Identify saw, host is what the request is for.
func (f *Forward) AppendForwarded(dst []byte, fields message.Fields, host []byte) []byte {
	if f.Trusted {
		n := len(dst)
		dst = appendList(dst, fields, message.KindForwarded)
		if n == len(dst) && f.Client != f.peer.Addr() {
			dst = appendElement(dst, netip.AddrPortFrom(f.Client, 0), f.Host, f.Proto)
			dst = append(dst, ", "...)
		}
	}
	return appendElement(dst, f.peer, host, proto(f.tls))
}

// appendList appends the values of all fields of the kind, each with a comma behind it.
func appendList(dst []byte, fields message.Fields, kind message.Kind) []byte {
	for i := range fields {
		if fields[i].Kind == kind && len(fields[i].Value) > 0 {
			dst = append(dst, fields[i].Value...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}

func appendElement(dst []byte, node netip.AddrPort, host []byte, proto string) []byte {
	dst = append(dst, "for="...)
	dst = appendNode(dst, node)
	if message.IsToken(host) {
		dst = append(dst, ";host="...)
		dst = append(dst, host...)
	} else if message.ValidHost(host) {
		dst = append(dst, `;host="`...)
		dst = append(dst, host...)
		dst = append(dst, '"')
	}
	dst = append(dst, ";proto="...)
	return append(dst, proto...)
}

// appendNode quotes what is no token: brackets and the colon before a port.
func appendNode(dst []byte, node netip.AddrPort) []byte {
	addr, port := node.Addr(), node.Port()
	if addr.Is4() && port == 0 {
		return addr.AppendTo(dst)
	}
	dst = append(dst, '"')
	if addr.Is4() {
		dst = addr.AppendTo(dst)
	} else {
		dst = append(dst, '[')
		dst = addr.AppendTo(dst)
		dst = append(dst, ']')
	}
	if port != 0 {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(port), 10)
	}
	return append(dst, '"')
}
