package router

import (
	"errors"
	"net/netip"
	"strings"

	"gatewayd/internal/message"
)

// maxHost is the longest host name that can match: that of DNS with a dot at its end.
const maxHost = 254

// hostName writes the host into buf in the form that rules are kept in: lower case, without port and trailing dot. It
// returns nil for a host that no rule can name.
func hostName(buf *[maxHost]byte, host []byte) []byte {
	host, _ = message.SplitPort(host)
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	if len(host) > len(buf) {
		return nil
	}
	for i, c := range host {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	return buf[:len(host)]
}

// hostPattern brings a rule's host into the form that hostName gives; of a wildcard it returns the part behind
// the asterisk, with its dot.
func hostPattern(text string) (name string, wildcard bool, err error) {
	wrong := errors.New(`want a host name, an IP address or a wildcard such as "*.example.com", without port`)
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		if addr.Zone() != "" {
			return "", false, wrong
		}
		if addr.Is4() {
			return addr.String(), false, nil
		}
		return "[" + addr.String() + "]", false, nil
	}
	name = strings.TrimSuffix(strings.ToLower(text), ".")
	rest, wildcard := strings.CutPrefix(name, "*.")
	if len(name) > maxHost || !validName(rest) {
		return "", false, wrong
	}
	if wildcard {
		return "." + rest, true, nil
	}
	return name, false, nil
}

// validName tells whether all labels of a host name are letters, digits, hyphens and underscores.
func validName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// lengthSet is a set of lengths of wildcards, so that a host of many labels costs a lookup only where
// a wildcard of that length exists.
type lengthSet [maxHost/64 + 1]uint64

func (s *lengthSet) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *lengthSet) has(n int) bool { return s[n/64]>>(n%64)&1 != 0 }
