package router

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gatewayd/internal/message"
)

// Rule says which requests a route takes. All of its parts must hold; a part left empty holds always.
type Rule[T any] struct {
	Name string // for errors

	// Hosts are host names ("shop.example.com"), IP addresses, or wildcards ("*.example.com": one label or more). They are
	// compared without case, port and trailing dot. IPv6 addresses are compared in the
	// form of RFC 5952, with or without brackets in the rule.
	Hosts []string

	// Path is compared with the normalised path of the request, in which escapes of unreserved characters are resolved and
	// all others are in upper case.
	Path Path

	// Methods are compared with case. GET includes HEAD.
	Methods []string

	// Headers holds when for each name, whatever its case, one field line has exactly this value.
	Headers map[string]string

	// Query holds when for each name one parameter has exactly this value, both compared after decoding; "" also
	// stands for a parameter without "=".
	Query map[string]string

	Value T // what Match returns
}

// Path is a condition on the path. At most one field is set; with none of them every path is taken.
type Path struct {
	Exact string // the whole path

	// Prefix takes whole segments: "/api" takes "/api" and "/api/v1" but not "/apix"; "/api/" takes "/api/" and all below it,
	// but not "/api". "/" takes every path.
	Prefix string

	// Regex is a regular expression in Go's syntax (RE2) that the whole path must match.
	Regex string
}

// compiled is a rule as Match uses it.
type compiled[T any] struct {
	methods Methods // 0: any
	headers []header
	query   []parameter
	value   T
}

type header struct {
	kind  message.Kind
	name  string // lower case
	value string
}

type parameter struct{ name, value string }

func (c *compiled[T]) conditions() int {
	n := len(c.headers) + len(c.query)
	if c.methods != 0 {
		n++
	}
	return n
}

// holds tells whether headers and query are as the rule wants them.
func (c *compiled[T]) holds(req *message.Request) bool {
	for i := range c.headers {
		if !c.headers[i].in(req.Fields) {
			return false
		}
	}
	for i := range c.query {
		if !c.query[i].in(req.Query) {
			return false
		}
	}
	return true
}

func (h *header) in(fields message.Fields) bool {
	for i := range fields {
		f := &fields[i]
		if f.Kind != h.kind || string(f.Value) != h.value {
			continue
		}
		if h.kind != message.KindOther || message.EqualFold(f.Name, h.name) {
			return true
		}
	}
	return false
}

// compile checks the rule but for its hosts and path, and returns all that is wrong with it.
func compile[T any](rule *Rule[T], methods *methodTable) (*compiled[T], error) {
	c := &compiled[T]{value: rule.Value}
	var errs []error
	for i, m := range rule.Methods {
		bit, err := methods.add(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("methods[%d]: %w", i, err))
		}
		c.methods |= bit
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Headers)) {
		if !message.IsToken([]byte(name)) {
			errs = append(errs, fmt.Errorf("headers: got the name %q; want letters, digits and hyphens", name))
			continue
		}
		lower := strings.ToLower(name)
		c.headers = append(c.headers, header{message.KindOf([]byte(name)), lower, rule.Headers[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Query)) {
		c.query = append(c.query, parameter{name, rule.Query[name]})
	}
	return c, errors.Join(errs...)
}

// entry holds the rules of one host and one path condition, most conditions first.
type entry[T any] struct {
	rules   []*compiled[T]
	shorter *entry[T] // of a prefix: the next shorter prefix that covers it
}

func (e *entry[T]) add(c *compiled[T]) { e.rules = append(e.rules, c) }

// sort puts rules with more conditions first and keeps the order of the file among equals.
func (e *entry[T]) sort() {
	slices.SortStableFunc(e.rules, func(a, b *compiled[T]) int { return cmp.Compare(b.conditions(), a.conditions()) })
}

// normalise checks the path condition and brings its text into the form that requests are in. kind is which field is set.
func (p Path) normalise() (kind pathKind, text string, err error) {
	set := 0
	for k, t := range [...]string{pathExact: p.Exact, pathPrefix: p.Prefix, pathRegex: p.Regex} {
		if t != "" {
			kind, text = pathKind(k), t
			set++
		}
	}
	switch {
	case set > 1:
		return 0, "", errors.New("path: got more than one of exact, prefix and regex; want one")
	case set == 0 || kind == pathPrefix && text == "/":
		return pathAny, "", nil
	case kind == pathRegex:
		if _, err := regexp.Compile(text); err != nil {
			return 0, "", fmt.Errorf("path.regex: got %q; want a regular expression in Go's syntax: %w", text, err)
		}
		return kind, text, nil
	}
	normal, err := normalPath(text)
	if err != nil {
		return 0, "", fmt.Errorf("path.%s: got %q; want %w", kind, text, err)
	}
	return kind, normal, nil
}

type pathKind int

const (
	pathAny pathKind = iota
	pathExact
	pathPrefix
	pathRegex
)

func (k pathKind) String() string { return [...]string{"any", "exact", "prefix", "regex"}[k] }

// normalPath escapes what no request path can hold and passes the rest through the normalisation of requests. The error
// says what would be right.
func normalPath(text string) (string, error) {
	if text[0] != '/' {
		return "", errors.New(`a path that begins with "/"`)
	}
	if strings.ContainsAny(text, "?#") {
		return "", errors.New("a path without query and fragment")
	}
	escaped := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\`, c) >= 0 {
			escaped = fmt.Appendf(escaped, "%%%02X", c)
		} else {
			escaped = append(escaped, c)
		}
	}
	normal, refused := message.NormalisePath(escaped)
	if refused != nil {
		return "", fmt.Errorf("a path that requests can have: %s", refused.Reason)
	}
	return string(normal), nil
}
