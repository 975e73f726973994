package router

import (
	"errors"
	"fmt"
	"math/bits"

	"gatewayd/internal/message"
)

// Methods is a set of methods, meaningful to the Router it came from.
type Methods uint64

// firstOther is the bit of the first method that has no Verb of its own.
const firstOther = 16

var standardMethods = [firstOther]string{
	message.VerbGet: "GET", message.VerbHead: "HEAD", message.VerbPost: "POST", message.VerbPut: "PUT",
	message.VerbDelete: "DELETE", message.VerbOptions: "OPTIONS", message.VerbPatch: "PATCH",
	message.VerbTrace: "TRACE", message.VerbConnect: "CONNECT",
}

// methodTable gives each method that a rule names its bit.
type methodTable struct {
	others map[string]int // method to bit
	names  []string       // of the others, in the order of their bits
}

// add returns the bits of a rule's method, a new one for a method not seen before.
func (t *methodTable) add(method string) (Methods, error) {
	if !message.IsToken([]byte(method)) {
		return 0, fmt.Errorf("got %q; want a method such as GET", method)
	}
	for verb, name := range standardMethods {
		if name != method {
			continue
		}
		if message.Verb(verb) == message.VerbGet {
			return 1<<message.VerbGet | 1<<message.VerbHead, nil
		}
		return 1 << verb, nil
	}
	bit, known := t.others[method]
	if !known {
		bit = firstOther + len(t.names)
		if bit >= 64 {
			return 0, errors.New("got more than 48 methods beside the standard ones; want fewer")
		}
		if t.others == nil {
			t.others = make(map[string]int)
		}
		t.others[method] = bit
		t.names = append(t.names, method)
	}
	return 1 << bit, nil
}

// bit returns the set that holds only the request's method, empty when no rule names it.
func (t *methodTable) bit(req *message.Request) Methods {
	if req.Verb != message.VerbOther {
		return 1 << req.Verb
	}
	if bit, ok := t.others[string(req.Method)]; ok {
		return 1 << bit
	}
	return 0
}

// AppendAllow appends the methods of the set as the value of an Allow field.
func (r *Router[T]) AppendAllow(dst []byte, set Methods) []byte {
	for first := true; set != 0; set &= set - 1 {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		bit := bits.TrailingZeros64(uint64(set))
		if bit < firstOther {
			dst = append(dst, standardMethods[bit]...)
		} else {
			dst = append(dst, r.methods.names[bit-firstOther]...)
		}
	}
	return dst
}
