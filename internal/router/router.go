package router

import (
	"errors"
	"fmt"
	"regexp"

	"gatewayd/internal/message"
)

// Router finds the route of a request. It never changes; any number of goroutines may use it at once.
type Router[T any] struct {
	exact       map[string]*table[T]
	wild        map[string]*table[T] // by what stands behind the asterisk, dot included
	wildLengths lengthSet
	any         *table[T]
	methods     methodTable
}

// Result is what Match found.
type Result[T any] struct {
	Value T // of the rule, when Found
	Found bool

	// Allowed holds, when no rule was found, the methods of the rules that match in all but the method. Empty: there is
	// nothing at this host and path (404), else the method is the wrong one (405).
	Allowed Methods
}

// table holds the rules of one host.
type table[T any] struct {
	paths   tree[T]
	regexes []expression[T] // in the order of the file
	rest    entry[T]        // rules that take every path
}

type expression[T any] struct {
	text string
	expr *regexp.Regexp
	entry[T]
}

// New builds a router from rules in the order of the file. It returns everything that is wrong with them at once; each error
// names the rule and the key below its match. It keeps nothing of rules but the values.
func New[T any](rules []Rule[T]) (*Router[T], error) {
	r := &Router[T]{exact: make(map[string]*table[T]), wild: make(map[string]*table[T]), any: new(table[T])}
	var errs []error
	for i := range rules {
		if err := r.add(&rules[i]); err != nil {
			errs = append(errs, fmt.Errorf("cannot build route %q: %w", rules[i].Name, err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	r.any.finish()
	for _, t := range r.exact {
		t.finish()
	}
	for _, t := range r.wild {
		t.finish()
	}
	return r, nil
}

func (r *Router[T]) add(rule *Rule[T]) error {
	c, err := compile(rule, &r.methods)
	errs := []error{err}
	kind, text, err := rule.Path.normalise()
	errs = append(errs, err)
	var tables []*table[T]
	for i, host := range rule.Hosts {
		name, wildcard, err := hostPattern(host)
		if err != nil {
			errs = append(errs, fmt.Errorf("hosts[%d]: got %q; %w", i, host, err))
			continue
		}
		tables = append(tables, r.table(name, wildcard))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(rule.Hosts) == 0 {
		tables = append(tables, r.any)
	}
	for _, t := range tables {
		t.add(kind, text, c)
	}
	return nil
}

func (r *Router[T]) table(name string, wildcard bool) *table[T] {
	hosts := r.exact
	if wildcard {
		hosts = r.wild
		r.wildLengths.add(len(name))
	}
	t := hosts[name]
	if t == nil {
		t = new(table[T])
		hosts[name] = t
	}
	return t
}

func (t *table[T]) add(kind pathKind, text string, c *compiled[T]) {
	switch kind {
	case pathAny:
		t.rest.add(c)
	case pathExact:
		t.paths.addExact(text, c)
	case pathPrefix:
		t.paths.addPrefix(text, c)
	case pathRegex:
		for i := range t.regexes {
			if t.regexes[i].text == text {
				t.regexes[i].add(c)
				return
			}
		}
		e := expression[T]{text: text, expr: regexp.MustCompile(`^(?:` + text + `)$`)}
		e.add(c)
		t.regexes = append(t.regexes, e)
	}
}

func (t *table[T]) finish() {
	t.paths.finish(nil)
	for i := range t.regexes {
		t.regexes[i].sort()
	}
	t.rest.sort()
}

// Match returns the most specific rule that takes the request. host is host or host:port as it was sent and decides
// instead of req.Host; nothing of either is kept.
func (r *Router[T]) Match(req *message.Request, host []byte) (res Result[T]) {
	s := search[T]{req: req, method: r.methods.bit(req)}
	var buf [maxHost]byte
	if name := hostName(&buf, host); len(name) > 0 && r.hosts(&s, name) || r.any.find(&s) {
		return Result[T]{Value: s.found.value, Found: true}
	}
	return Result[T]{Allowed: s.allowed}
}

// hosts looks through the rules that name the host.
func (r *Router[T]) hosts(s *search[T], name []byte) bool {
	if t := r.exact[string(name)]; t != nil && t.find(s) {
		return true
	}
	if len(r.wild) == 0 {
		return false
	}
	for i := 1; i < len(name); i++ {
		if name[i] != '.' || !r.wildLengths.has(len(name)-i) {
			continue
		}
		if t := r.wild[string(name[i:])]; t != nil && t.find(s) {
			return true
		}
	}
	return false
}

// search is one request on its way through the tables.
type search[T any] struct {
	req     *message.Request
	method  Methods
	allowed Methods // of rules that match but for the method
	found   *compiled[T]
}

func (t *table[T]) find(s *search[T]) bool {
	exact, prefix := t.paths.lookup(s.req.Path)
	if exact != nil && exact.find(s) {
		return true
	}
	for ; prefix != nil; prefix = prefix.shorter {
		if prefix.find(s) {
			return true
		}
	}
	for i := range t.regexes {
		if e := &t.regexes[i]; e.expr.Match(s.req.Path) && e.find(s) {
			return true
		}
	}
	return t.rest.find(s)
}

func (e *entry[T]) find(s *search[T]) bool {
	for _, c := range e.rules {
		if !c.holds(s.req) {
			continue
		}
		if c.methods == 0 || c.methods&s.method != 0 {
			s.found = c
			return true
		}
		s.allowed |= c.methods
	}
	return false
}
