package router

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatewayd/internal/message"
)

// twin is the order of the package comment written down without a thought for speed: sort all rules once per
// host they name, then take the first that matches.
type twin []twinRule

type twinRule struct {
	Rule[string]
	host  string
	order [5]int // smaller goes first
}

func newTwin(rules []Rule[string]) twin {
	var t twin
	regexRank := map[string]int{}
	for i, rule := range rules {
		hosts := rule.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		p := rule.Path
		conditions := len(rule.Headers) + len(rule.Query)
		if len(rule.Methods) > 0 {
			conditions++
		}
		for _, host := range hosts {
			r := twinRule{Rule: rule, host: host}
			regex := host + " " + p.Regex // the same expression keeps its first place on that host
			if _, ok := regexRank[regex]; !ok {
				regexRank[regex] = i
			}
			switch {
			case host == "":
				r.order[0] = 1000
			case host[0] == '*':
				r.order[0] = 900 - len(host)
			}
			switch {
			case p.Exact != "":
			case len(p.Prefix) > 1:
				r.order[1] = 500 - len(p.Prefix)
			case p.Regex != "":
				r.order[1], r.order[2] = 600, regexRank[regex]
			default:
				r.order[1] = 700
			}
			r.order[3], r.order[4] = -conditions, i
			t = append(t, r)
		}
	}
	slices.SortFunc(t, func(a, b twinRule) int { return slices.Compare(a.order[:], b.order[:]) })
	return t
}

func (t twin) outcome(req *message.Request, host string) string {
	allowed := map[string]bool{}
	for _, r := range t {
		if !r.takes(req, host) {
			continue
		}
		if len(r.Methods) == 0 || r.allows(string(req.Method)) {
			return r.Name
		}
		for _, m := range r.Methods {
			allowed[m] = true
			if m == "GET" {
				allowed["HEAD"] = true
			}
		}
	}
	if len(allowed) == 0 {
		return "404"
	}
	var names []string
	for _, m := range []string{"GET", "HEAD", "POST", "PURGE"} {
		if allowed[m] {
			names = append(names, m)
		}
	}
	return "405 " + strings.Join(names, ", ")
}

func (r *twinRule) allows(method string) bool {
	return slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET")
}

func (r *twinRule) takes(req *message.Request, host string) bool {
	path := string(req.Path)
	if suffix, ok := strings.CutPrefix(r.host, "*"); ok {
		if !strings.HasSuffix(host, suffix) {
			return false
		}
	} else if r.host != "" && r.host != host {
		return false
	}
	switch p := r.Path; {
	case p.Exact != "" && path != p.Exact:
		return false
	case p.Prefix != "" && path != p.Prefix && !strings.HasPrefix(path, strings.TrimSuffix(p.Prefix, "/")+"/"):
		return false
	case p.Regex != "" && regexp.MustCompile(p.Regex).FindString(path) != path:
		return false
	}
	for name, value := range r.Headers {
		if !slices.ContainsFunc(req.Fields, func(f message.Field) bool {
			return strings.EqualFold(string(f.Name), name) && string(f.Value) == value
		}) {
			return false
		}
	}
	query, _ := url.ParseQuery(string(req.Query))
	for name, value := range r.Query {
		if !slices.Contains(query[name], value) {
			return false
		}
	}
	return true
}

func TestAgainstTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	path := func() string {
		var b strings.Builder
		for range 1 + rnd.IntN(3) {
			b.WriteString("/" + pick("", "a", "b", "ab", "abc", "b~c"))
		}
		return b.String()
	}
	host := func() string { return pick("x.test", "y.x.test", "z.y.x.test", "test", "a.b", "c.a.b") }
	outcomes := map[string]int{}
	for round := range 400 {
		rules := make([]Rule[string], 1+rnd.IntN(25))
		for i := range rules {
			rule := Rule[string]{Name: fmt.Sprint("r", i), Headers: map[string]string{}, Query: map[string]string{}}
			for range rnd.IntN(3) {
				if h := pick("", "*.") + host(); !slices.Contains(rule.Hosts, h) {
					rule.Hosts = append(rule.Hosts, h)
				}
			}
			switch rnd.IntN(5) {
			case 0:
				rule.Path.Exact = path()
			case 1, 2:
				rule.Path.Prefix = path()
			case 3:
				rule.Path.Regex = pick("/a.*", "/[ab]+", "/.*/b", "/.")
			}
			if rnd.IntN(3) == 0 {
				rule.Methods = []string{pick("GET", "POST", "PURGE")}
			}
			if rnd.IntN(4) == 0 {
				rule.Headers[pick("A", "b")] = pick("1", "2")
			}
			if rnd.IntN(4) == 0 {
				rule.Query[pick("q", "r")] = pick("1", "")
			}
			rules[i] = rule
		}
		r, tw := build(t, rules...), newTwin(rules)
		for range 50 {
			line := pick("GET", "HEAD", "POST", "PURGE", "PATCH") + " " + path() + pick("", "?q=1", "?q", "?r=1&q=2", "?r&q")
			var fields []string
			if rnd.IntN(2) == 0 {
				fields = append(fields, pick("a", "B")+": "+pick("1", "2"))
			}
			req, h := request(t, line, fields...), host()
			got, want := outcome(r, req, h), tw.outcome(req, h)
			if got != want {
				t.Fatalf("round %d: %s %q at %s: got %q; want %q; rules: %+v", round, line, fields, h, got, want, rules)
			}
			outcomes[want[:1]]++
		}
	}
	for _, class := range []string{"r", "4"} {
		if outcomes[class] < 1000 {
			t.Errorf("only %d outcomes begin with %q; the cases are too narrow", outcomes[class], class)
		}
	}
}
