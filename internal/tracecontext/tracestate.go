package tracecontext

import (
	"bytes"

	"gatewayd/internal/message"
)

// maxMembers is how many members a tracestate may have.
const maxMembers = 32

// AppendTracestate appends the tracestate that a message carries, all of its lines as one value, or nothing when there
// is none or it is malformed. It is only to be called for a message whose traceparent is valid.
func AppendTracestate(dst []byte, fields message.Fields) []byte {
	var keys [maxMembers][]byte
	n, start := 0, len(dst)
	for i := range fields {
		if fields[i].Kind != message.KindTracestate {
			continue
		}
		list := fields[i].Value
		for more := true; more; {
			var member []byte
			member, list, more = message.NextToken(list)
			if len(member) == 0 {
				continue
			}
			key, value, found := bytes.Cut(member, []byte("="))
			if !found || n == maxMembers || !validKey(key) || !validStateValue(value) || holds(keys[:n], key) {
				return dst[:start]
			}
			keys[n] = key
			if n++; n > 1 {
				dst = append(dst, ',')
			}
			dst = append(dst, member...)
		}
	}
	return dst
}

func holds(keys [][]byte, key []byte) bool {
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// validKey tells whether key is a name, or a tenant and a system with an "@" between them.
func validKey(key []byte) bool {
	if tenant, system, found := bytes.Cut(key, []byte("@")); found {
		return len(tenant) <= 241 && len(system) <= 14 && keyChars(tenant, true) && keyChars(system, false)
	}
	return len(key) <= 256 && keyChars(key, false)
}

func keyChars(b []byte, digitFirst bool) bool {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z':
		case c >= '0' && c <= '9':
			if i == 0 && !digitFirst {
				return false
			}
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/'):
		default:
			return false
		}
	}
	return len(b) > 0
}

func validStateValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 256 && b[len(b)-1] != ' '
}
