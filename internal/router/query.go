package router

import "bytes"

// in tells whether one of the parameters of the query has this name and value.
func (p *parameter) in(query []byte) bool {
	for len(query) > 0 {
		pair := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		name, value := pair, []byte(nil)
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			name, value = pair[:i], pair[i+1:]
		}
		if len(pair) > 0 && decodesTo(name, p.name) && decodesTo(value, p.value) {
			return true
		}
	}
	return false
}

// decodesTo tells whether b is want once "+" and escapes are decoded; never when an escape is malformed.
func decodesTo(b []byte, want string) bool {
	n := 0
	for i := 0; i < len(b); i, n = i+1, n+1 {
		c := b[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(b) {
				return false
			}
			hi, lo := hexDigit(b[i+1]), hexDigit(b[i+2])
			if hi > 15 || lo > 15 {
				return false
			}
			c = hi<<4 | lo
			i += 2
		}
		if n >= len(want) || want[n] != c {
			return false
		}
	}
	return n == len(want)
}

// hexDigit returns the value of a hex digit, 255 for anything else.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
