package admin

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTokens has one token of each role; its value is ROLE-token.
func testTokens() []Token {
	return []Token{{"vic", RoleViewer, "viewer-token"}, {"olga", RoleOperator, "operator-token"}, {"ada", RoleAdmin, "admin-token"}}
}

func newServer(t *testing.T, opts Options) *Server {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is what a test sends. The zero value is GET / from loopback without a token.
type request struct {
	method, path, body string
	token, host, from  string
	header             map[string]string
}

func do(s *Server, q request) *httptest.ResponseRecorder {
	if q.method == "" {
		q.method = http.MethodGet
	}
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	r.Host, r.RemoteAddr = "127.0.0.1:9900", "127.0.0.1:5555"
	if q.host != "" {
		r.Host = q.host
	}
	if q.from != "" {
		r.RemoteAddr = q.from
	}
	if q.method == http.MethodPost && q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// expect fails unless q is answered with status and a body that contains text.
func expect(t *testing.T, s *Server, q request, status int, text string) {
	t.Helper()
	w := do(s, q)
	if w.Code != status || !strings.Contains(w.Body.String(), text) {
		t.Fatalf("%s %s: got %d %s; want %d with %q", q.method, q.path, w.Code, w.Body, status, text)
	}
}

// concrete fills the variables of a route's path with what the fake knows.
func concrete(rt route) request {
	path := strings.NewReplacer("{service}", "shop", "{instance}", "v1-a", "{id}", "r-1").Replace(rt.path)
	if path == "/api/v1/events" {
		path += "?follow=false"
	}
	return request{method: rt.method, path: path}
}

// TestRolesOfEveryRoute calls each route with each role and without a token.
func TestRolesOfEveryRoute(t *testing.T) {
	opts := wired(&fakeGateway{}, events.New(events.Options{}))
	opts.Access.Tokens = testTokens()
	s := newServer(t, opts)
	for _, rt := range s.routes() {
		for _, role := range []Role{RoleNone, RoleViewer, RoleOperator, RoleAdmin} {
			q := concrete(rt)
			if role != RoleNone {
				q.token = string(role) + "-token"
			}
			got := do(s, q).Code
			refused := got == http.StatusUnauthorized || got == http.StatusForbidden
			if want := !role.includes(rt.role); refused != want {
				t.Errorf("%s %s as %q: got %d; want refused: %v", rt.method, rt.path, role, got, want)
			}
			if role == RoleNone && rt.role != RoleNone && got != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: got %d; want 401", rt.method, rt.path, got)
			}
		}
	}
}

// TestRoleTable holds the least role of each route against the list in the documentation's order.
func TestRoleTable(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, events.New(events.Options{})))
	byRole := map[Role][]string{}
	for _, rt := range s.routes() {
		byRole[rt.role] = append(byRole[rt.role], rt.method+" "+rt.path)
	}
	open := []string{"GET /healthz", "GET /api/v1/openapi.yaml", "GET /metrics", "GET /readyz"}
	if !slices.Equal(byRole[RoleNone], open) {
		t.Errorf("open to everyone: got %v; want %v", byRole[RoleNone], open)
	}
	admin := []string{"GET /debug/pprof/", "POST /api/v1/reload", "GET /api/v1/config"}
	if !slices.Equal(byRole[RoleAdmin], admin) {
		t.Errorf("admin: got %v; want %v", byRole[RoleAdmin], admin)
	}
	for _, name := range byRole[RoleViewer] {
		if !strings.HasPrefix(name, "GET ") {
			t.Errorf("a viewer may %s; want reading only", name)
		}
	}
	for _, name := range byRole[RoleOperator] {
		if strings.HasPrefix(name, "GET ") {
			t.Errorf("%s needs an operator; want only changes to", name)
		}
	}
}

func TestTokens(t *testing.T) {
	opts := wired(&fakeGateway{}, nil)
	opts.Access.Tokens = testTokens()
	s := newServer(t, opts)
	f := func(authorization string, status int) {
		t.Helper()
		w := do(s, request{path: "/api/v1/status", header: map[string]string{"Authorization": authorization}, from: "192.0.2.1:1"})
		if w.Code != status {
			t.Fatalf("%q: got %d %s; want %d", authorization, w.Code, w.Body, status)
		}
		if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
			t.Fatalf("%q: no WWW-Authenticate", authorization)
		}
	}
	f("Bearer viewer-token", 200)
	f("bearer viewer-token", 200)
	f("Bearer  viewer-token ", 200)
	f("Basic viewer-token", 401)
	f("viewer-token", 401)
	f("Bearer", 401)
	f("Bearer viewer-token2", 401)
	f("Bearer viewer-toke", 401)
}

func TestWrongTokensAreSlowedDown(t *testing.T) {
	opts := wired(&fakeGateway{}, nil)
	opts.Access.Tokens = testTokens()
	s := newServer(t, opts)
	status := request{path: "/api/v1/status", from: "192.0.2.1:1"}
	wrong, right, none, elsewhere := status, status, status, status
	wrong.token, right.token = "guess", "viewer-token"
	elsewhere.token, elsewhere.from = "viewer-token", "192.0.2.2:1"
	for range failureBurst {
		expect(t, s, wrong, 401, "is not one of admin.tokens")
	}
	expect(t, s, wrong, 429, "too many wrong tokens from 192.0.2.1")
	expect(t, s, right, 429, "try again in") // or guessing would go on
	expect(t, s, elsewhere, 200, "")
	expect(t, s, none, 401, "a token is needed")
	if w := do(s, wrong); w.Header().Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	expect(t, s, request{path: "/healthz", from: "192.0.2.1:1"}, 200, "ok")
}

func TestFailureLimit(t *testing.T) {
	l := newFailureLimit()
	now := time.Unix(1000, 0)
	f := func(address string, after, want time.Duration) {
		t.Helper()
		if got := l.wait(address, now.Add(after)); got != want {
			t.Fatalf("%s after %s: got %s; want %s", address, after, got, want)
		}
	}
	f("192.0.2.1", 0, 0)
	for range failureBurst {
		l.add("192.0.2.1", now)
		l.add("2001:db8::1", now)
	}
	f("192.0.2.1", 0, failureRefill)
	f("192.0.2.1", failureRefill-1, 1)
	f("192.0.2.1", failureRefill, 0)
	f("192.0.2.2", 0, 0)
	f("2001:db8::ffff:2", 0, failureRefill) // the same network
	f("2001:db8:0:1::1", 0, 0)
	l.add("192.0.2.1", now.Add(failureRefill))
	f("192.0.2.1", failureRefill, failureRefill)
	f("192.0.2.1", time.Hour, 0)

	for i := range failureAddress + 50 {
		l.add(time.Unix(int64(i), 0).String(), now.Add(time.Second))
	}
	if len(l.clean) > failureAddress {
		t.Fatalf("%d addresses are remembered; want at most %d", len(l.clean), failureAddress)
	}
	f("192.0.2.1", failureRefill, failureRefill) // the guiltiest is not forgotten for the others
}

func TestWithoutTokensOnlyThisMachine(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(from string, status int) {
		t.Helper()
		expect(t, s, request{method: "POST", path: "/api/v1/rollouts/r-1/pause", from: from}, status, "")
	}
	f("127.0.0.1:1", 200)
	f("127.9.9.9:1", 200)
	f("[::1]:1", 200)
	f("[::ffff:127.0.0.1]:1", 200)
	f("192.0.2.1:1", 403)
	f("[fe80::1%eth0]:1", 403)
	f("@", 403)
}

func TestHostNames(t *testing.T) {
	opts := wired(&fakeGateway{}, nil)
	opts.Access.Hosts = []string{"Gateway.Example.com"}
	s := newServer(t, opts)
	f := func(host string, status int) {
		t.Helper()
		expect(t, s, request{path: "/api/v1/status", host: host}, status, "")
		expect(t, s, request{path: "/metrics", host: host}, status, "")
	}
	f("127.0.0.1:9900", 200)
	f("127.0.0.1", 200)
	f("[::1]:9900", 200)
	f("[::1]", 200)
	f("192.0.2.7:9900", 200) // an address cannot be rebound
	f("localhost:9900", 200)
	f("LOCALHOST", 200)
	f("localhost.", 200)
	f("gateway.example.com", 200)
	f("evil.example", 421)
	f("127.0.0.1.evil.example:9900", 421)
	f("localhost.evil.example", 421)
	f("evil.localhost", 421)
}

func TestCrossSite(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, events.New(events.Options{})))
	f := func(method, path string, header map[string]string, status int) {
		t.Helper()
		expect(t, s, request{method: method, path: path, header: header}, status, "")
	}
	type h = map[string]string
	const pause, status = "/api/v1/rollouts/r-1/pause", "/api/v1/status"
	f("POST", pause, nil, 200) // not a browser
	f("POST", pause, h{"Sec-Fetch-Site": "same-origin"}, 200)
	f("POST", pause, h{"Sec-Fetch-Site": "none"}, 200)
	f("POST", pause, h{"Sec-Fetch-Site": "cross-site"}, 403)
	f("POST", pause, h{"Sec-Fetch-Site": "same-site"}, 403)
	f("POST", pause, h{"Origin": "http://127.0.0.1:9900"}, 200)
	f("POST", pause, h{"Origin": "http://127.0.0.1:8000"}, 403)
	f("POST", pause, h{"Origin": "https://evil.example"}, 403)
	f("POST", pause, h{"Origin": "null"}, 403)
	f("GET", status, h{"Sec-Fetch-Site": "same-origin"}, 200)
	f("GET", status, h{"Sec-Fetch-Site": "cross-site"}, 403)
	f("GET", "/api/v1/events?follow=false", h{"Sec-Fetch-Site": "cross-site"}, 403)
	f("GET", "/debug/pprof/heap", h{"Sec-Fetch-Site": "cross-site"}, 403)
}

func TestContentType(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	f := func(contentType, body string, status int) {
		t.Helper()
		q := request{method: "POST", path: "/api/v1/services/shop/maintenance", body: body, header: map[string]string{"Content-Type": contentType}}
		expect(t, s, q, status, "")
	}
	const body = `{"mode":"on"}`
	f("application/json", body, 200)
	f("application/json; charset=utf-8", body, 200)
	f("text/plain", body, 415)
	f("application/x-www-form-urlencoded", body, 415)
	f("", body, 415)
	f("application/jsonx", body, 415)
	expect(t, s, request{method: "POST", path: "/api/v1/rollouts/r-1/pause", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}}, 415, "")
}

func TestSecurityHeaders(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	for _, path := range []string{"/healthz", "/api/v1/status", "/nowhere"} {
		h := do(s, request{path: path}).Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %v", path, h)
		}
	}
}

func TestAudit(t *testing.T) {
	var changes []Change
	f := &fakeGateway{}
	opts := wired(f, nil)
	opts.Access.Tokens = testTokens()
	opts.Audit = func(c Change) { c.Time = time.Time{}; changes = append(changes, c) }
	s := newServer(t, opts)
	scale := request{method: "POST", path: "/api/v1/services/shop/scale", body: `{"instances":3,"reason":"sale"}`, from: "192.0.2.9:1"}
	for _, token := range []string{"operator-token", "viewer-token", "guess"} {
		scale.token = token
		do(s, scale)
	}
	scale.token, scale.body = "operator-token", `{"instances":3}`
	do(s, scale)
	do(s, request{path: "/api/v1/status", token: "viewer-token"})

	const action = "POST /api/v1/services/shop/scale"
	olga, vic := Caller{"olga", RoleOperator, "192.0.2.9"}, Caller{"vic", RoleViewer, "192.0.2.9"}
	want := []Change{
		{Caller: olga, Action: action, Reason: "sale", Status: 200},
		{Caller: vic, Action: action, Status: 403, Error: `token "vic" has the role viewer; this needs operator`},
		{Caller: olga, Action: action, Status: 422, Error: "reason: it is missing; scaling by hand needs a reason"},
	}
	if !slices.Equal(changes, want) {
		t.Fatalf("got %+v\nwant %+v", changes, want)
	}
	if !slices.Equal(f.callers, []Caller{olga}) {
		t.Fatalf("the gateway saw %+v; want olga alone", f.callers)
	}
}

func TestAccessIsChecked(t *testing.T) {
	f := func(a Access, want string) {
		t.Helper()
		s := newServer(t, Options{})
		if err := s.SetAccess(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want %q", err, want)
		}
		if len(s.access.Load().tokens) != 0 {
			t.Fatal("a refused access was taken")
		}
	}
	f(Access{Tokens: []Token{{"a", RoleViewer, "v"}, {"b", "root", "v"}}}, `admin.tokens[1].role: got "root"`)
	f(Access{Tokens: []Token{{"a", RoleViewer, ""}}}, "admin.tokens[0].value")
}

func TestAccessChangesLive(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, nil))
	expect(t, s, request{path: "/api/v1/status"}, 200, "")
	if err := s.SetAccess(Access{Tokens: testTokens()}); err != nil {
		t.Fatal(err)
	}
	expect(t, s, request{path: "/api/v1/status"}, 401, "")
	expect(t, s, request{path: "/api/v1/status", token: "viewer-token"}, 200, "")
}

// listen opens a listener that is closed with the test.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}
