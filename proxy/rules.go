package proxy

import (
	"bytes"
	"strings"

	"gatewayd/internal/message"
)

// HeaderRules removes fields and sets others. A nil *HeaderRules changes nothing.
type HeaderRules struct {
	remove []string // lower case; those of set as well, since set replaces
	set    []pair
}

// NewHeaderRules returns the rules, nil when there are none. Names are tokens and values hold no control characters; the caller has
// checked that.
func NewHeaderRules(set map[string]string, order []string, remove []string) *HeaderRules {
	if len(set) == 0 && len(remove) == 0 {
		return nil
	}
	r := &HeaderRules{}
	for _, name := range remove {
		r.remove = append(r.remove, strings.ToLower(name))
	}
	for _, name := range order {
		r.remove = append(r.remove, strings.ToLower(name))
		r.set = append(r.set, pair{name, []byte(set[name])})
	}
	return r
}

func (r *HeaderRules) removes(name []byte) bool {
	for _, n := range r.remove {
		if message.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// appendKept appends the fields that neither drop nor the rules take away, and then those that the rules set.
func (r *HeaderRules) appendKept(dst []byte, fs message.Fields, drop message.KindSet) []byte {
	for i := range fs {
		f := &fs[i]
		if drop.Has(f.Kind) || r.removes(f.Name) {
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, "\r\n"...)
	}
	for i := range r.set {
		dst = message.AppendField(dst, r.set[i].name, r.set[i].value)
	}
	return dst
}

// cookie returns the value of a cookie in the request, whatever number of Cookie fields it has.
func cookie(fs message.Fields, name string) ([]byte, bool) {
	for i := range fs {
		if fs[i].Kind != message.KindCookie {
			continue
		}
		for rest, more := fs[i].Value, true; more; {
			var crumb []byte
			crumb, rest, more = bytes.Cut(rest, semicolon)
			crumb = bytes.TrimLeft(crumb, " \t")
			if len(crumb) > len(name) && crumb[len(name)] == '=' && string(crumb[:len(name)]) == name {
				return crumb[len(name)+1:], true
			}
		}
	}
	return nil, false
}

var semicolon = []byte(";")

// appendCookiesBut appends a Cookie field for each of the request's without the cookie of the given name: it is between
// client and gateway only.
func appendCookiesBut(dst []byte, fs message.Fields, name string) []byte {
	for i := range fs {
		if fs[i].Kind != message.KindCookie {
			continue
		}
		start := len(dst)
		dst = append(dst, "Cookie: "...)
		empty := len(dst)
		for rest, more := fs[i].Value, true; more; {
			var crumb []byte
			crumb, rest, more = bytes.Cut(rest, semicolon)
			crumb = bytes.Trim(crumb, " \t")
			if len(crumb) > len(name) && crumb[len(name)] == '=' && string(crumb[:len(name)]) == name {
				continue
			}
			if len(dst) > empty {
				dst = append(dst, "; "...)
			}
			dst = append(dst, crumb...)
		}
		if len(dst) == empty {
			dst = dst[:start]
			continue
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}
