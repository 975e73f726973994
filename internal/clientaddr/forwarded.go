package clientaddr

import (
	"bytes"

	"gatewayd/internal/message"
)

// maxElements bounds how many elements of one Forwarded line are looked at, from the right.
const maxElements = 16

// walkForwarded takes all Forwarded lines for one list. Protocol and host are those of the client's own element.
func (t *Trusted) walkForwarded(f *Forward, fields message.Fields) {
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].Kind != message.KindForwarded {
			continue
		}
		var elements [maxElements][]byte
		n, ok := split(&elements, fields[i].Value)
		if !ok {
			return
		}
		for j := n - 1; j >= 0; j-- {
			if j < n-maxElements {
				return
			}
			var e element
			if !e.parse(elements[j%maxElements]) {
				return
			}
			addr, ok := parseNode(e.node)
			if !ok {
				return
			}
			f.Client = addr
			f.setProto(e.proto)
			f.setHost(e.host)
			if !t.Contains(addr) {
				return
			}
		}
	}
}

// split finds the elements of a list from the left, because only from there can be told which commas are quoted. The n
// elements are kept at their number modulo maxElements, so that the last ones remain. A quote without its other half or a
// backslash, which nothing that belongs here needs, leaves the whole line without meaning.
func split(elements *[maxElements][]byte, list []byte) (n int, ok bool) {
	start, quoted := 0, false
	for i, c := range list {
		switch {
		case c == '\\':
			return 0, false
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			elements[n%maxElements] = list[start:i]
			n++
			start = i + 1
		}
	}
	elements[n%maxElements] = list[start:]
	return n + 1, !quoted
}

// element is one element of Forwarded, its values without quotes, nil where a parameter is absent.
type element struct{ node, proto, host []byte }

func (e *element) parse(b []byte) bool {
	b = bytes.TrimRight(b, " \t")
	for {
		var name, value []byte
		b = bytes.TrimLeft(b, " \t") // not in the grammar, but common after the semicolon
		name, b = token(b)
		if len(name) == 0 || len(b) == 0 || b[0] != '=' {
			return false
		}
		value, b = tokenOrQuoted(b[1:])
		if value == nil || !e.set(name, value) {
			return false
		}
		if len(b) == 0 {
			return true
		}
		if b[0] != ';' {
			return false
		}
		b = b[1:]
	}
}

// set refuses a parameter that the element already has.
func (e *element) set(name, value []byte) bool {
	var to *[]byte
	switch {
	case message.EqualFold(name, "for"):
		to = &e.node
	case message.EqualFold(name, "proto"):
		to = &e.proto
	case message.EqualFold(name, "host"):
		to = &e.host
	default:
		return true
	}
	if *to != nil {
		return false
	}
	*to = value
	return true
}

func token(b []byte) (tok, rest []byte) {
	n := 0
	for n < len(b) && message.IsToken(b[n:n+1]) {
		n++
	}
	return b[:n], b[n:]
}

// tokenOrQuoted returns nil for a value that is neither.
func tokenOrQuoted(b []byte) (value, rest []byte) {
	if len(b) > 0 && b[0] == '"' {
		if end := bytes.IndexByte(b[1:], '"'); end >= 0 {
			return b[1 : 1+end], b[end+2:]
		}
		return nil, nil
	}
	if value, rest = token(b); len(value) == 0 {
		return nil, nil
	}
	return value, rest
}
