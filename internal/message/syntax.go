package message

import "encoding/binary"

// Character classes of RFC 9110 and RFC 3986, one bit each.
const (
	classToken  = 1 << iota // tchar
	classTarget             // what may stand in a request target: visible ASCII but for the delimiters no URI holds
	className               // reg-name without escapes
	classPlain              // unreserved of RFC 3986
)

var classes = buildClasses()

func buildClasses() (t [256]uint8) {
	mark := func(set string, class uint8) {
		for i := 0; i < len(set); i++ {
			t[set[i]] |= class
		}
	}
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(alnum, classToken|className|classPlain)
	mark("!#$%&'*+-.^_`|~", classToken)
	mark("-._~", classPlain)
	mark("-._~!$&'()*+,;=", className)
	for c := 0x21; c < 0x7f; c++ {
		t[c] |= classTarget
	}
	for _, c := range []byte("\"<>#\\^`{|}") {
		t[c] &^= classTarget
	}
	// Browsers leave these unescaped in queries (URL Standard); no parser takes them for a delimiter.
	mark("^`{|}", classTarget)
	return t
}

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// IsToken tells whether b is a token of RFC 9110 section 5.6.2.
func IsToken(b []byte) bool { return len(b) > 0 && all(b, classToken) }

// validValue tells whether b holds no control character but HTAB. Eight bytes are looked at at a time: a byte
// below 0x20 or equal to 0x7f sets its high bit in one of the two terms; bytes from 0x80 on are obs-text and pass.
func validValue(b []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		low := (x - ones*0x20) & ^x
		del := x ^ ones*0x7f
		del = (del - ones) & ^del
		if (low|del)&highs != 0 && !validBytes(b[i:i+8]) {
			return false
		}
	}
	return validBytes(b[i:])
}

func validBytes(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// parseLength parses a Content-Length: one or more digits and nothing else, at most 2^62.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= 1<<62
}
