package router

import (
	"strings"
	"testing"

	"gatewayd/internal/message"
)

// request parses "METHOD target" and header lines.
func request(t testing.TB, line string, fields ...string) *message.Request {
	t.Helper()
	req := new(message.Request)
	head := line + " HTTP/1.1\r\nHost: ignored\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	head += "\r\n"
	n, err := req.Parse([]byte(head), message.Limits{HeadBytes: 65535, FieldCount: 100, TargetBytes: 8192})
	if err != nil || n != len(head) {
		t.Fatalf("cannot parse %q: n=%d, err=%v", head, n, err)
	}
	return req
}

func build(t testing.TB, rules ...Rule[string]) *Router[string] {
	t.Helper()
	for i := range rules {
		rules[i].Value = rules[i].Name
	}
	r, err := New(rules)
	if err != nil {
		t.Fatalf("cannot build the router: %s", err)
	}
	return r
}

// outcome is the name of the route that was found, "404", or "405" and what is allowed.
func outcome(r *Router[string], req *message.Request, host string) string {
	res := r.Match(req, []byte(host))
	switch {
	case res.Found:
		return res.Value
	case res.Allowed == 0:
		return "404"
	}
	return "405 " + string(r.AppendAllow(nil, res.Allowed))
}

func TestHosts(t *testing.T) {
	r := build(t,
		Rule[string]{Name: "any"},
		Rule[string]{Name: "short", Hosts: []string{"*.example.com"}},
		Rule[string]{Name: "long", Hosts: []string{"*.shop.example.com"}},
		Rule[string]{Name: "exact", Hosts: []string{"shop.example.com", "Store.Example.COM."}},
		Rule[string]{Name: "v6", Hosts: []string{"2001:DB8:0::1", "[::1]"}},
		Rule[string]{Name: "v4", Hosts: []string{"127.0.0.1"}},
		Rule[string]{Name: "top", Hosts: []string{"*.test"}},
		Rule[string]{Name: "local", Hosts: []string{"localhost"}},
	)
	req := request(t, "GET /")
	f := func(host, want string) {
		t.Helper()
		if got := outcome(r, req, host); got != want {
			t.Errorf("host %q: got %q; want %q", host, got, want)
		}
	}
	f("shop.example.com", "exact")
	f("SHOP.Example.com", "exact")
	f("shop.example.com:8080", "exact")
	f("shop.example.com.", "exact")
	f("shop.example.com.:8080", "exact")
	f("store.example.com", "exact")
	f("www.example.com", "short")
	f("a.b.example.com", "short")
	f("a.shop.example.com", "long")
	f("a.b.shop.example.com:1", "long")
	f("example.com", "any") // a wildcard stands for at least one label
	f("xexample.com", "any")
	f("shop.example.com.evil", "any")
	f("[2001:db8::1]:443", "v6")
	f("[2001:DB8::1]", "v6")
	f("[::1]:80", "v6")
	f("[::2]", "any")
	f("127.0.0.1:9001", "v4")
	f("a.test", "top")
	f("test", "any")
	f("localhost", "local")
	f("", "any")
	f(":80", "any")
	f(".", "any")
	f(".example.com", "any") // the label in front is empty
	f(strings.Repeat("a.", 200)+"example.com", "any")
	f(strings.Repeat("a.", 120)+"example.com", "short")
}

func TestPaths(t *testing.T) {
	r := build(t,
		Rule[string]{Name: "all", Path: Path{Prefix: "/"}},
		Rule[string]{Name: "api", Path: Path{Prefix: "/api"}},
		Rule[string]{Name: "api/", Path: Path{Prefix: "/api/"}},
		Rule[string]{Name: "below", Path: Path{Prefix: "/below/"}},
		Rule[string]{Name: "v1", Path: Path{Prefix: "/api/v1"}},
		Rule[string]{Name: "ping", Path: Path{Exact: "/api/v1/ping"}},
		Rule[string]{Name: "ap", Path: Path{Exact: "/ap"}},
		Rule[string]{Name: "digits", Path: Path{Regex: `/\d+`}},
		Rule[string]{Name: "number", Path: Path{Regex: `/1\d*|/one`}}, // behind digits in the file
		Rule[string]{Name: "regex under prefix", Path: Path{Regex: `/api/special`}},
		Rule[string]{Name: "umlaut", Path: Path{Exact: "/gr\u00fc\u00dfe"}},
		Rule[string]{Name: "tilde", Path: Path{Exact: "/%7ejoe/%2fx"}},
	)
	f := func(target, want string) {
		t.Helper()
		if got := outcome(r, request(t, "GET "+target), "h"); got != want {
			t.Errorf("%s: got %q; want %q", target, got, want)
		}
	}
	f("/", "all")
	f("/x", "all")
	f("/api", "api")
	f("/api?x=/v1", "api")
	f("/apix", "all")
	f("/ap", "ap")
	f("/ap/", "all")
	f("/a", "all")
	f("/api/", "api/")
	f("/api/x", "api/")
	f("/below", "all")
	f("/below/", "below")
	f("/below/x/y", "below")
	f("/api/v1", "v1")
	f("/api/v1/", "v1")
	f("/api/v12", "api/")
	f("/api/v1/ping", "ping")
	f("/%61pi/v1/pin%67", "ping")
	f("/api/v1/ping/", "v1")
	f("/api%2Fv1", "all") // an escaped slash is no slash
	f("/12", "digits")
	f("/one", "number")
	f("/12/", "all") // a regular expression has to match the whole path
	f("/x/12", "all")
	f("/api/special", "api/") // any prefix but "/" comes before a regular expression
	f("/gr%C3%BC%c3%9fe", "umlaut")
	f("/~joe/%2Fx", "tilde")
	f("/~joe/%2fx", "tilde")
}

func TestPathlessTargets(t *testing.T) {
	r := build(t, Rule[string]{Name: "slash", Path: Path{Prefix: "/"}}, Rule[string]{Name: "api", Path: Path{Prefix: "/api"}})
	if got := outcome(r, request(t, "OPTIONS *"), "h"); got != "slash" {
		t.Errorf("OPTIONS *: got %q", got)
	}
	if got := outcome(r, request(t, "CONNECT h:443"), "h"); got != "slash" {
		t.Errorf("CONNECT: got %q", got)
	}
	r = build(t, Rule[string]{Name: "api", Path: Path{Prefix: "/api"}})
	if got := outcome(r, request(t, "OPTIONS *"), "h"); got != "404" {
		t.Errorf("OPTIONS * without a catch-all: got %q", got)
	}
}

func TestMethods(t *testing.T) {
	r := build(t,
		Rule[string]{Name: "read", Path: Path{Prefix: "/a"}, Methods: []string{"GET"}},
		Rule[string]{Name: "write", Path: Path{Prefix: "/a"}, Methods: []string{"POST", "PUT"}},
		Rule[string]{Name: "purge", Path: Path{Prefix: "/a/b"}, Methods: []string{"PURGE"}},
		Rule[string]{Name: "beta", Path: Path{Prefix: "/a"}, Methods: []string{"DELETE"}, Headers: map[string]string{"x": "1"}},
		Rule[string]{Name: "open", Path: Path{Prefix: "/open"}},
	)
	f := func(line, want string, fields ...string) {
		t.Helper()
		if got := outcome(r, request(t, line, fields...), "h"); got != want {
			t.Errorf("%s: got %q; want %q", line, got, want)
		}
	}
	f("GET /a", "read")
	f("HEAD /a", "read")
	f("POST /a", "write")
	f("PUT /a/b", "write") // /a/b wants PURGE only
	f("PURGE /a/b", "purge")
	f("PURGE /a", "405 GET, HEAD, POST, PUT")
	f("get /a", "405 GET, HEAD, POST, PUT")
	f("DELETE /a/b", "405 GET, HEAD, POST, PUT, PURGE")
	f("DELETE /a", "beta", "X: 1")
	f("PATCH /a", "405 GET, HEAD, POST, PUT, DELETE", "X: 1")
	f("BREW /open", "open")
	f("GET /none", "404")
}

func TestHeadersAndQuery(t *testing.T) {
	r := build(t,
		Rule[string]{Name: "plain"},
		Rule[string]{Name: "beta", Headers: map[string]string{"X-Beta": "1"}},
		Rule[string]{Name: "cookie", Headers: map[string]string{"Cookie": "a=b"}},
		Rule[string]{Name: "debug", Query: map[string]string{"debug": ""}},
		Rule[string]{Name: "search", Query: map[string]string{"q q": "a&b", "lang": "de"}},
	)
	f := func(target, want string, fields ...string) {
		t.Helper()
		if got := outcome(r, request(t, "GET "+target, fields...), "h"); got != want {
			t.Errorf("%s %q: got %q; want %q", target, fields, got, want)
		}
	}
	f("/", "plain")
	f("/", "beta", "x-beta: 1")
	f("/", "beta", "X-BETA: 0", "X-BETA:   1 ")
	f("/", "plain", "X-Beta: 12")
	f("/", "plain", "X-Beta: ")
	f("/", "plain", "X-Betb: 1")
	f("/", "plain", "X-Beta: 1", "Connection: x-beta") // what Connection names is for this hop only
	f("/", "cookie", "cookie: a=b")
	f("/", "plain", "Cookie: A=b")
	f("/?debug", "debug")
	f("/?debug=", "debug")
	f("/?x&debug&y", "debug")
	f("/?debug=1", "plain")
	f("/?Debug", "plain")
	f("/?q+q=a%26b&lang=de", "search")
	f("/?lang=en&lang=de&q%20q=%61&q%20q=a%26b", "search")
	f("/?lang=de", "plain")
	f("/?q+q=a&b&lang=de", "plain")
	f("/?lang=de&q+q=a%2", "plain")
	f("/?lang=de&q+q=a%2xb", "plain")
	f("/?&&", "plain")
}

func TestOrder(t *testing.T) {
	exact, wild := []string{"h.test"}, []string{"*.test"}
	one := map[string]string{"a": "1"}
	f := func(want string, rules ...Rule[string]) {
		t.Helper()
		r := build(t, rules...)
		if got := outcome(r, request(t, "GET /p/q?a=1", "A: 1"), "h.test"); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	// Host goes before path, path before conditions, conditions before the file.
	f("b", Rule[string]{Name: "a", Path: Path{Exact: "/p/q"}}, Rule[string]{Name: "b", Hosts: wild})
	f("b", Rule[string]{Name: "a", Hosts: wild, Path: Path{Exact: "/p/q"}}, Rule[string]{Name: "b", Hosts: exact})
	f("b", Rule[string]{Name: "a", Path: Path{Prefix: "/p"}, Headers: one, Query: one}, Rule[string]{Name: "b", Path: Path{Prefix: "/p/q"}})
	f("b", Rule[string]{Name: "a", Path: Path{Prefix: "/p/q"}, Headers: one}, Rule[string]{Name: "b", Path: Path{Exact: "/p/q"}})
	f("b", Rule[string]{Name: "a", Path: Path{Regex: "/p/q"}}, Rule[string]{Name: "b", Path: Path{Prefix: "/p"}})
	f("b", Rule[string]{Name: "a", Path: Path{Prefix: "/"}, Headers: one}, Rule[string]{Name: "b", Path: Path{Regex: "/p/q"}})
	f("a", Rule[string]{Name: "a", Path: Path{Regex: "/p/."}}, Rule[string]{Name: "b", Path: Path{Regex: "/p/q"}, Headers: one})
	f("b", Rule[string]{Name: "a", Path: Path{Regex: "/p/q"}}, Rule[string]{Name: "b", Path: Path{Regex: "/p/q"}, Headers: one})
	f("b", Rule[string]{Name: "a", Methods: []string{"GET"}}, Rule[string]{Name: "b", Headers: one, Query: one})
	f("b", Rule[string]{Name: "a"}, Rule[string]{Name: "b", Methods: []string{"GET"}})
	f("a", Rule[string]{Name: "a", Headers: one}, Rule[string]{Name: "b", Query: one})
	f("a", Rule[string]{Name: "a"}, Rule[string]{Name: "b", Path: Path{Prefix: "/"}})
	// What does not hold is passed over, down to the rules for any host.
	f("b", Rule[string]{Name: "a", Hosts: exact, Path: Path{Exact: "/p/q"}, Query: map[string]string{"a": "2"}}, Rule[string]{Name: "b"})
	f("b", Rule[string]{Name: "a", Hosts: exact, Path: Path{Prefix: "/p/q"}, Methods: []string{"PUT"}}, Rule[string]{Name: "b", Hosts: exact, Path: Path{Prefix: "/p"}})
}

func TestNewErrors(t *testing.T) {
	f := func(rule Rule[string], want string) {
		t.Helper()
		rule.Name = "shop"
		_, err := New([]Rule[string]{rule})
		if err == nil || !strings.HasPrefix(err.Error(), `cannot build route "shop": `) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	f(Rule[string]{Hosts: []string{"a", "a b"}}, `hosts[1]: got "a b"; want a host name`)
	f(Rule[string]{Hosts: []string{"a:80"}}, `hosts[0]: got "a:80"`)
	f(Rule[string]{Hosts: []string{"a.*"}}, `hosts[0]: got "a.*"`)
	f(Rule[string]{Hosts: []string{"*"}}, `hosts[0]: got "*"`)
	f(Rule[string]{Hosts: []string{"*."}}, `hosts[0]: got "*."`)
	f(Rule[string]{Hosts: []string{""}}, `hosts[0]: got ""`)
	f(Rule[string]{Hosts: []string{"fe80::1%eth0"}}, `hosts[0]: got "fe80::1%eth0"`)
	f(Rule[string]{Path: Path{Exact: "a"}}, `path.exact: got "a"; want a path that begins with "/"`)
	f(Rule[string]{Path: Path{Prefix: "/a?b"}}, `path.prefix: got "/a?b"; want a path without query`)
	f(Rule[string]{Path: Path{Prefix: "/a/../b"}}, `path.prefix: got "/a/../b"; want a path that requests can have`)
	f(Rule[string]{Path: Path{Exact: "/%zz"}}, `path.exact: got "/%zz"`)
	f(Rule[string]{Path: Path{Regex: "a)(b"}}, `path.regex: got "a)(b"`)
	f(Rule[string]{Path: Path{Regex: "/", Exact: "/"}}, `path: got more than one`)
	f(Rule[string]{Methods: []string{"GET", "G T"}}, `methods[1]: got "G T"; want a method`)
	f(Rule[string]{Headers: map[string]string{"a b": ""}}, `headers: got the name "a b"`)
	// All at once.
	_, err := New([]Rule[string]{{Name: "one", Hosts: []string{""}, Methods: []string{""}}, {Name: "two", Path: Path{Exact: "x"}}})
	for _, want := range []string{`"one"`, "hosts[0]", "methods[0]", `"two"`, "path.exact"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q in it", err, want)
		}
	}
}

func TestTooManyMethods(t *testing.T) {
	var rule Rule[int]
	for i := range 48 {
		rule.Methods = append(rule.Methods, "M"+strings.Repeat("X", i))
	}
	if _, err := New([]Rule[int]{rule}); err != nil {
		t.Fatalf("48 methods: %s", err)
	}
	rule.Methods = append(rule.Methods, "ONE-MORE")
	if _, err := New([]Rule[int]{rule}); err == nil {
		t.Fatal("49 methods were taken")
	}
}
