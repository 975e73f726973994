package tracecontext

import "encoding/binary"

// RequestIDLength is the length of the ids that AppendRequestID makes.
const RequestIDLength = 36

// ValidRequestID tells whether an id that somebody else made may be taken over: 1 to 128 letters, digits and "-._~:/+=@", so
// that it can stand in a header, a log line and a URL without harm.
func ValidRequestID(id []byte) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for _, c := range id {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}

// AppendRequestID appends a new random UUID (RFC 9562, version 4). random returns 64 random bits each time.
func AppendRequestID(dst []byte, random func() uint64) []byte {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], random())
	binary.BigEndian.PutUint64(u[8:], random())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	dst = append(appendHex(dst, u[0:4]), '-')
	dst = append(appendHex(dst, u[4:6]), '-')
	dst = append(appendHex(dst, u[6:8]), '-')
	dst = append(appendHex(dst, u[8:10]), '-')
	return appendHex(dst, u[10:])
}
