// Package clientaddr tells who sent a request: the peer of the connection, or
// who a trusted proxy says it was. And it writes what the next one is to be told: the values of X-Forwarded-For,
// X-Forwarded-Proto, X-Forwarded-Host and Forwarded (RFC 7239).
//
// What an untrusted peer says of itself counts for nothing. What a trusted one says is read from right to left,
// because each proxy adds what it knows at the right end: trusted addresses are passed over, the first
// other one is the client, and at the first entry that is no address the walk ends at the one before it.
package clientaddr

import (
	"net/netip"

	"gatewayd/internal/message"
)

// Trusted is the set of proxies that are believed. It never changes; the zero value believes nobody.
type Trusted struct {
	prefixes []netip.Prefix
}

// New returns the set of all addresses within the prefixes. IPv4 written as IPv6 means IPv4.
func New(trusted []netip.Prefix) *Trusted {
	t := &Trusted{prefixes: make([]netip.Prefix, 0, len(trusted))}
	for _, p := range trusted {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		t.prefixes = append(t.prefixes, p.Masked())
	}
	return t
}

// Contains tells whether the address is that of a proxy that is believed.
func (t *Trusted) Contains(addr netip.Addr) bool {
	for i := range t.prefixes {
		if t.prefixes[i].Contains(addr) {
			return true
		}
	}
	return false
}

// Forward says who sent a request and how. Host aliases the request.
type Forward struct {
	Client  netip.Addr // IPv4 as such, without zone
	Proto   string     // "http" or "https": how the client reached the outermost trusted proxy
	Host    []byte     // what the client asked for there; nil when no trusted proxy says it
	Trusted bool       // the peer is believed

	peer netip.AddrPort
	tls  bool
}

// Identify reads who sent a request out of its fields. peer is the other end of the connection, its port 0 where there is
// none; tls is whether the connection is encrypted.
func (t *Trusted) Identify(peer netip.AddrPort, fields message.Fields, tls bool) Forward {
	addr := peer.Addr().Unmap().WithZone("")
	f := Forward{Client: addr, Proto: proto(tls), peer: netip.AddrPortFrom(addr, peer.Port()), tls: tls}
	if !t.Contains(addr) {
		return f
	}
	f.Trusted = true
	switch {
	case fields.Get(message.KindXForwardedFor) != nil:
		t.walkXForwardedFor(&f, fields)
		f.readXForwarded(fields)
	case fields.Get(message.KindForwarded) != nil:
		t.walkForwarded(&f, fields)
	default:
		if addr, ok := parseAddr(fields.Get(message.KindXRealIP)); ok {
			f.Client = addr
		}
		f.readXForwarded(fields)
	}
	return f
}

func proto(tls bool) string {
	if tls {
		return "https"
	}
	return "http"
}

// walkXForwardedFor takes all lines for one list.
func (t *Trusted) walkXForwardedFor(f *Forward, fields message.Fields) {
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].Kind != message.KindXForwardedFor {
			continue
		}
		list := fields[i].Value
		for more := true; more; {
			var entry []byte
			entry, list, more = lastElement(list)
			addr, ok := parseNode(entry)
			if !ok {
				return
			}
			f.Client = addr
			if !t.Contains(addr) {
				return
			}
		}
	}
}

// readXForwarded takes protocol and host as the trusted peer gives them. In a list the last element counts: it is the only one that
// the peer vouches for.
func (f *Forward) readXForwarded(fields message.Fields) {
	proto, _, _ := lastElement(last(fields, message.KindXForwardedProto))
	f.setProto(proto)
	host, _, _ := lastElement(last(fields, message.KindXForwardedHost))
	f.setHost(host)
}

func (f *Forward) setProto(proto []byte) {
	switch {
	case message.EqualFold(proto, "http"):
		f.Proto = "http"
	case message.EqualFold(proto, "https"):
		f.Proto = "https"
	}
}

func (f *Forward) setHost(host []byte) {
	if message.ValidHost(host) {
		f.Host = host
	}
}

// last returns the value of the last field of the kind.
func last(fields message.Fields, kind message.Kind) []byte {
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].Kind == kind {
			return fields[i].Value
		}
	}
	return nil
}
