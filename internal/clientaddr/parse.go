package clientaddr

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// lastElement cuts the last element off a comma-separated list and returns it without the white space
// around it; more is false for the first.
func lastElement(list []byte) (element, rest []byte, more bool) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return bytes.Trim(list[i+1:], " \t"), list[:i], true
	}
	return bytes.Trim(list, " \t"), nil, false
}

// parseNode parses an address as proxies write it: with or without port, IPv6 in brackets or, without port, bare.
func parseNode(b []byte) (netip.Addr, bool) {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || !emptyOrPort(b[end+1:]) {
			return netip.Addr{}, false
		}
		addr, ok := parseAddr(b[1:end])
		return addr, ok && bytes.IndexByte(b[1:end], ':') >= 0
	}
	if i := bytes.IndexByte(b, ':'); i >= 0 && i == bytes.LastIndexByte(b, ':') {
		if !emptyOrPort(b[i:]) {
			return netip.Addr{}, false
		}
		b = b[:i]
	}
	return parseAddr(b)
}

// emptyOrPort tells whether b is nothing or a colon with one to five digits.
func emptyOrPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) < 2 || len(b) > 6 {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// parseAddr parses a bare address without zone.
func parseAddr(b []byte) (netip.Addr, bool) {
	const longest = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
	if len(b) == 0 || len(b) > longest || bytes.IndexByte(b, '%') >= 0 {
		return netip.Addr{}, false
	}
	// ParseAddr keeps its argument in an error, dropped here, and in a zone, refused above; so it may see b
	// without a copy on the heap.
	addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(b), len(b)))
	return addr.Unmap(), err == nil
}
