package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"gatewayd/internal/message"
)

// applyRules does what the route says before a service is asked: redirect, preflight, rate limit.
func (x *exchange) applyRules() (done bool, f *failure) {
	if r := x.route.Redirect; r != nil {
		x.ans.add("Location", r.location(x))
		return true, x.reply(r.Status, nil)
	}
	if c := x.route.CORS; c != nil && c.preflight(x.req) {
		c.answerPreflight(&x.ans, x.req)
		return true, x.reply(204, nil)
	}
	if l := x.route.RateLimit; l != nil {
		ok, wait := l.Limiter.Allow(l.Key.hash(x.req, x.client), x.now)
		if !ok {
			seconds := int64((wait + time.Second - 1) / time.Second)
			return false, &failure{status: 429, cause: CauseRateLimited, detail: "too many requests", retryAfter: int(max(seconds, 1))}
		}
	}
	return false, nil
}

// location is where a redirect leads: the parts that are given, and those of the request else.
func (r *Redirect) location(x *exchange) []byte {
	req := x.req
	if r.To != "" {
		return []byte(r.To)
	}
	var b []byte
	if r.Scheme != "" || r.Host != "" {
		scheme := r.Scheme
		if scheme == "" {
			scheme = x.forward.Proto
		}
		b = append(b, scheme...)
		b = append(b, "://"...)
		switch {
		case r.Host != "":
			b = append(b, r.Host...)
		case len(req.Host) == 0:
			b = append(b, x.ownHost(false)...)
		default:
			host, _ := message.SplitPort(req.Host) // another scheme has another port
			b = append(b, host...)
		}
	}
	if r.Path != "" {
		b = append(b, r.Path...)
	} else {
		b = append(b, req.Path...)
	}
	if req.HasQuery {
		b = append(b, '?')
		b = append(b, req.Query...)
	}
	return b
}

// CORS answers browsers that ask on behalf of other origins (the Fetch standard, section 3.2).
type CORS struct {
	Origins     []string // "*", "https://shop.example.com" or "https://*.example.com"
	Methods     string   // joined with commas
	Headers     string
	Expose      string
	Credentials bool
	MaxAge      int // seconds
}

func (c *CORS) preflight(req *message.Request) bool {
	if req.Verb != message.VerbOptions || req.Fields.Get(message.KindOrigin) == nil {
		return false
	}
	_, asks := req.Fields.Lookup("access-control-request-method")
	return asks
}

func (c *CORS) answerPreflight(a *answer, req *message.Request) {
	if !c.allows(req.Fields.Get(message.KindOrigin)) {
		return // without the fields the browser refuses by itself
	}
	a.add("Access-Control-Allow-Methods", []byte(c.Methods))
	if c.Headers != "" {
		a.add("Access-Control-Allow-Headers", []byte(c.Headers))
	}
	a.add("Access-Control-Max-Age", strconv.AppendInt(nil, int64(c.MaxAge), 10))
}

// addCORS lets the origin that asked read the response.
func (x *exchange) addCORS(a *answer) {
	c := x.route.CORS
	if c == nil {
		return
	}
	anyOrigin := len(c.Origins) == 1 && c.Origins[0] == "*" && !c.Credentials
	if !anyOrigin {
		a.add("Vary", []byte("Origin"))
	}
	origin := x.req.Fields.Get(message.KindOrigin)
	if origin == nil || !c.allows(origin) {
		return
	}
	if anyOrigin {
		origin = []byte("*")
	}
	a.add("Access-Control-Allow-Origin", origin)
	if c.Credentials {
		a.add("Access-Control-Allow-Credentials", []byte("true"))
	}
	if c.Expose != "" {
		a.add("Access-Control-Expose-Headers", []byte(c.Expose))
	}
}

func (c *CORS) allows(origin []byte) bool {
	for _, pattern := range c.Origins {
		if pattern == "*" || pattern == string(origin) {
			return true
		}
		scheme, domain, wild := strings.Cut(pattern, "://*.")
		if !wild {
			continue
		}
		s, host, _ := bytes.Cut(origin, []byte("://"))
		if string(s) == scheme && len(host) > len(domain)+1 && strings.HasSuffix(string(host), "."+domain) {
			return true
		}
	}
	return false
}

// addAffinityCookie binds the client to the instance that answered, unless it is bound to it already.
func (x *exchange) addAffinityCookie(a *answer) {
	af := x.view.Affinity
	if af == nil {
		return
	}
	token := x.revision.Pool.Token(x.endpoint)
	if token == "" || string(x.bound) == token || x.bound != nil && x.stillBound() {
		return
	}
	b := append([]byte(nil), af.Cookie...)
	b = append(b, '=')
	b = append(b, token...)
	b = append(b, "; Path=/; HttpOnly; SameSite=Lax"...)
	if af.MaxAge > 0 {
		b = append(b, "; Max-Age="...)
		b = strconv.AppendInt(b, int64(af.MaxAge), 10)
	}
	if x.forward.Proto == "https" {
		b = append(b, "; Secure"...)
	}
	a.add("Set-Cookie", b)
}

// stillBound tells whether the instance that the client is bound to could have served it but for its limit: then this response
// comes from elsewhere, and the session stays where it is.
func (x *exchange) stillBound() bool {
	for i := range x.view.Revisions {
		if x.view.Revisions[i].Pool.Holds(&x.query, string(x.bound)) {
			return true
		}
	}
	return false
}

// hostIs tells whether host, with or without a port, is name but for case.
func hostIs(host []byte, name string) bool {
	h, _ := message.SplitPort(host)
	return message.EqualFold(h, strings.ToLower(name))
}
