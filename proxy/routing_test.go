package proxy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatewayd/internal/ratelimit"
	"gatewayd/internal/router"
)

// What a route makes of path, query and host on the way to the instance.
func TestRewrite(t *testing.T) {
	t.Parallel()
	f := func(rw Rewrite, target, wantTarget, wantHost string) {
		t.Helper()
		rec := record(t, replyOK)
		r := newRig(t, rec.addr)
		r.route.Rewrite = rw
		r.start().dial().send("GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").all()
		line, _, _ := strings.Cut(rec.last(t), "\r\n")
		if got := strings.TrimSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1"); got != wantTarget || field(rec.last(t), "Host") != wantHost {
			t.Errorf("%+v, %s: got %s of %s; want %s of %s", rw, target, got, field(rec.last(t), "Host"), wantTarget, wantHost)
		}
		if got := field(rec.last(t), "X-Forwarded-Host"); got != "a" {
			t.Errorf("%+v, %s: got X-Forwarded-Host %s; want the client's", rw, target, got)
		}
	}
	f(Rewrite{}, "/a/b?c", "/a/b?c", "a")
	f(Rewrite{StripPrefix: "/api"}, "/api/x?y", "/x?y", "a")
	f(Rewrite{StripPrefix: "/api"}, "/api", "/", "a")
	f(Rewrite{StripPrefix: "/api"}, "/api?q", "/?q", "a")
	f(Rewrite{StripPrefix: "/api"}, "/apix", "/apix", "a")
	f(Rewrite{StripPrefix: "/api/"}, "/api/x", "/x", "a")
	f(Rewrite{StripPrefix: "/api"}, "/%61pi/x", "/x", "a")
	f(Rewrite{Path: "/fixed"}, "/a/b?c", "/fixed?c", "a")
	f(Rewrite{Regex: regexp.MustCompile(`^/users/(\d+)$`), Replacement: "/u?id=$1"}, "/users/7", "/u?id=7", "a")
	f(Rewrite{Regex: regexp.MustCompile(`^/users/(\d+)$`), Replacement: "u/$1"}, "/users/7?x", "/u/7?x", "a")
	f(Rewrite{Regex: regexp.MustCompile(`^/users/(\d+)$`), Replacement: "/u/$1"}, "/users/me", "/users/me", "a")
	f(Rewrite{Host: "internal:81"}, "/", "/", "internal:81")
}

// Fields that a route sets and removes, in both directions.
func TestHeaderRules(t *testing.T) {
	t.Parallel()
	rec := record(t, "HTTP/1.1 200 OK\r\nServer: x\r\nX-Secret: y\r\nX-Kept: z\r\nContent-Length: 0\r\n\r\n")
	r := newRig(t, rec.addr)
	r.route.RequestHeaders = NewHeaderRules(map[string]string{"X-Env": "prod", "Accept": "text/html"}, []string{"X-Env", "Accept"}, []string{"X-DEBUG"})
	r.route.ResponseHeaders = NewHeaderRules(map[string]string{"X-Frame-Options": "DENY"}, []string{"X-Frame-Options"}, []string{"Server", "x-secret"})
	got := r.start().dial().send(wire("GET / HTTP/1.1\nHost: a\nConnection: close\naccept: */*\nX-Debug: 1\nx-env: evil\nx-env: evil2\n\n")).all()
	seen := rec.last(t)
	for _, c := range []struct{ text, name, want string }{
		{seen, "X-Env", "prod"}, {seen, "Accept", "text/html"}, {seen, "X-Debug", ""},
		{got, "X-Frame-Options", "DENY"}, {got, "Server", ""}, {got, "X-Secret", ""}, {got, "X-Kept", "z"},
	} {
		if values := fieldLines(c.text, c.name); strings.Join(values, "|") != c.want {
			t.Errorf("%s: got %q; want %q", c.name, values, c.want)
		}
	}
}

// Redirects keep the parts of the URL that they do not change.
func TestRedirect(t *testing.T) {
	t.Parallel()
	f := func(rd Redirect, target, want string) {
		t.Helper()
		r := newRig(t)
		r.route.Redirect, r.route.Service = &rd, -1
		got := r.start().dial().send("GET " + target + " HTTP/1.1\r\nHost: shop.example.com:8080\r\nConnection: close\r\n\r\n").all()
		if statusOf(got) != rd.Status || field(got, "Location") != want || field(got, "Content-Length") != "0" {
			t.Errorf("%+v, %s: got %q; want %d to %s", rd, target, got, rd.Status, want)
		}
	}
	f(Redirect{To: "https://other.example.com/x", Status: 302}, "/a?b", "https://other.example.com/x")
	f(Redirect{Scheme: "https", Status: 308}, "/a?b", "https://shop.example.com/a?b")
	f(Redirect{Host: "www.example.com", Status: 301}, "/a?b", "http://www.example.com/a?b")
	f(Redirect{Path: "/new", Status: 307}, "/a?b", "/new?b")
	f(Redirect{Scheme: "https", Host: "x", Path: "/y", Status: 303}, "/", "https://x/y")
}

// The Fetch standard, section 3.2: who may read what.
func TestCORS(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	cors := &CORS{Origins: []string{"https://shop.example.com", "https://*.example.org"}, Methods: "GET, PUT", Headers: "X-A", Expose: "X-B", Credentials: true, MaxAge: 600}
	f := func(c *CORS, request string, want ...string) {
		t.Helper()
		r := newRig(t, rec.addr)
		r.route.CORS = c
		got := r.start().dial().send(wire(request + "\n")).all()
		head, _, _ := strings.Cut(got, "\r\n\r\n")
		var lines []string
		for _, line := range strings.Split(head, "\r\n") {
			if strings.HasPrefix(line, "HTTP/1.1") || strings.HasPrefix(line, "Access-Control") || strings.HasPrefix(line, "Vary") {
				lines = append(lines, line)
			}
		}
		if a, b := strings.Join(lines, "\n"), strings.Join(want, "\n"); a != b {
			t.Errorf("%q: got\n%s\nwant\n%s", request, a, b)
		}
	}
	line := " / HTTP/1.1\nHost: a\nConnection: close\n"
	ask := "OPTIONS" + line + "Access-Control-Request-Method: PUT\n"
	allowed := "Access-Control-Allow-Origin: https://shop.example.com"
	creds, expose, vary := "Access-Control-Allow-Credentials: true", "Access-Control-Expose-Headers: X-B", "Vary: Origin"
	methods := []string{"Access-Control-Allow-Methods: GET, PUT", "Access-Control-Allow-Headers: X-A", "Access-Control-Max-Age: 600"}
	f(cors, "GET"+line+"Origin: https://shop.example.com\n", "HTTP/1.1 200 OK", vary, allowed, creds, expose)
	f(cors, "GET"+line+"Origin: https://evil.example.com\n", "HTTP/1.1 200 OK", vary)
	f(cors, "GET"+line+"Origin: https://shop.example.com.evil.com\n", "HTTP/1.1 200 OK", vary)
	f(cors, "GET"+line+"Origin: https://a.b.example.org\n", "HTTP/1.1 200 OK", vary, "Access-Control-Allow-Origin: https://a.b.example.org", creds, expose)
	f(cors, "GET"+line+"Origin: https://evilexample.org\n", "HTTP/1.1 200 OK", vary)
	f(cors, "GET"+line+"Origin: null\n", "HTTP/1.1 200 OK", vary)
	f(cors, "GET"+line, "HTTP/1.1 200 OK", vary)
	f(cors, ask+"Origin: https://shop.example.com\n", append([]string{"HTTP/1.1 204 No Content"}, append(methods, vary, allowed, creds, expose)...)...)
	f(cors, ask+"Origin: https://evil.example.com\n", "HTTP/1.1 204 No Content", vary)
	n := len(rec.requests())
	f(cors, "OPTIONS"+line+"Origin: https://shop.example.com\n", "HTTP/1.1 200 OK", vary, allowed, creds, expose)
	if len(rec.requests()) != n+1 {
		t.Error("an OPTIONS that is no preflight did not get to the instance")
	}
	f(&CORS{Origins: []string{"*"}, Methods: "GET"}, "GET"+line+"Origin: https://x\n", "HTTP/1.1 200 OK", "Access-Control-Allow-Origin: *")
	f(&CORS{Origins: []string{"*"}, Methods: "GET", Credentials: true}, "GET"+line+"Origin: https://x\n", "HTTP/1.1 200 OK", vary, "Access-Control-Allow-Origin: https://x", creds)
}

// Beyond its rate a key gets 429 and is told when to come back; other keys do not notice.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	limiter, err := ratelimit.New(ratelimit.Options{Rate: 0.1, Burst: 3})
	if err != nil {
		t.Fatal(err)
	}
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.route.RateLimit = &RateLimit{Limiter: limiter, Key: KeySource{Kind: KeyHeader, Name: "x-key"}}
	c := r.start().dial()
	ask := func(key string) (int, string) {
		res, _ := c.send("GET / HTTP/1.1\r\nHost: a\r\nX-Key: " + key + "\r\n\r\n").response("GET")
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	for range 3 {
		if status, _ := ask("a"); status != 200 {
			t.Fatalf("got %d; want 200 within the burst", status)
		}
	}
	if status, after := ask("a"); status != 429 || after != "10" && after != "9" {
		t.Errorf("got %d, Retry-After %q; want 429 and about 10 s", status, after)
	}
	if status, _ := ask("b"); status != 200 {
		t.Errorf("got %d for another key; want 200", status)
	}
	if n := len(rec.requests()); n != 4 {
		t.Errorf("got %d requests at the instance; want 4", n)
	}
}

// Requests that no route takes, or not with that method, say so; a known route's service gets the others.
func TestRouting(t *testing.T) {
	t.Parallel()
	all, api := named(t, "all"), named(t, "api")
	r := newRig(t, all.addr)
	other := newRig(t, api.addr)
	other.publish()
	r.services = []*ServiceView{other.view}
	r.route.Name = "all"
	r.more = []router.Rule[*Route]{{Name: "api", Hosts: []string{"*.example.com"}, Path: router.Path{Prefix: "/api"}, Methods: []string{"GET", "POST"},
		Value: &Route{Name: "api", Service: 1, Stats: NewRouteStats("api", "other")}}}
	r.only = []string{"shop.example.com"}
	c := r.start().dial()
	f := func(method, host, path string, wantStatus int, want string) {
		t.Helper()
		res, body := c.send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path, host)).response(method)
		if res.StatusCode != wantStatus || !strings.Contains(body, want) {
			t.Errorf("%s %s%s: got %d %q; want %d %s", method, host, path, res.StatusCode, body, wantStatus, want)
		}
		if wantStatus == 405 && res.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("got Allow %q", res.Header.Get("Allow"))
		}
	}
	f("GET", "shop.example.com", "/", 200, "all")
	f("GET", "SHOP.example.com:81", "/", 200, "all")
	f("GET", "a.example.com", "/api/x", 200, "api")
	f("GET", "a.example.com", "/%61pi", 200, "api")
	f("PUT", "a.example.com", "/api/x", 405, "method-not-allowed")
	f("GET", "a.example.com", "/apix", 404, "no-route")
	f("GET", "example.com", "/", 404, "no-route")
}

// What the routes count, by revision and status.
func TestRouteStats(t *testing.T) {
	t.Parallel()
	r := newRig(t, record(t, replyOK).addr).start()
	c := r.dial()
	for range 3 {
		c.send(get).response("GET")
	}
	r.pool.Members[0].Endpoint.SetHealthy(false, time.Now().UnixNano())
	c.send(get).response("GET")
	counted := func() string {
		var b strings.Builder
		r.route.Stats.Each(func(version string, status int, n uint64) { fmt.Fprintf(&b, "%s %d %d;", version, status, n) })
		return b.String()
	}
	waitFor(t, "the outcomes", func() bool { return counted() == " 503 1;v1 200 3;" })
}
