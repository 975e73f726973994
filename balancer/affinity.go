package balancer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// A token binds a session to an endpoint, as the value of a cookie: two parts, revision first, joined by a dot. Each is a truncated
// HMAC-SHA256 in base64url, so that a client neither learns the names of instances nor makes up a token. It follows from the stable
// names alone and holds over reloads, restarts and several gateways with one secret.
const (
	revisionTokenLen = 12 // characters, of 9 bytes
	instanceTokenLen = 16 // characters, of 12 bytes
	tokenLen         = revisionTokenLen + 1 + instanceTokenLen
)

// Token returns the token of an instance: 29 characters of base64url and one dot.
func Token(secret []byte, revision, instance string) string {
	return RevisionToken(secret, revision) + "." + sign(secret, instanceTokenLen, "instance", revision, instance)
}

// RevisionToken returns a token's first part.
func RevisionToken(secret []byte, revision string) string {
	return sign(secret, revisionTokenLen, "revision", revision)
}

func sign(secret []byte, length int, parts ...string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:length]
}

// revisionPart returns the first part of a well-formed token, "" of any other.
func revisionPart(token string) string {
	if len(token) != tokenLen || strings.IndexByte(token, '.') != revisionTokenLen {
		return ""
	}
	return token[:revisionTokenLen]
}

// affinity maps tokens to endpoints and back. Both maps are built with the pool and never written to afterwards.
type affinity struct {
	secret  string
	byToken map[string]*Endpoint
	tokens  map[*Endpoint]string
}

func newAffinity(o *Options, members []Member) affinity {
	if len(o.AffinitySecret) == 0 {
		return affinity{}
	}
	a := affinity{secret: string(o.AffinitySecret)}
	if prev := o.Previous; prev != nil && prev.affinity.secret == a.secret && sameEndpoints(prev.members, members) {
		return prev.affinity
	}
	a.byToken = make(map[string]*Endpoint, len(members))
	a.tokens = make(map[*Endpoint]string, len(members))
	for _, m := range members {
		token := Token(o.AffinitySecret, m.Endpoint.Revision, m.Endpoint.ID)
		a.byToken[token] = m.Endpoint
		a.tokens[m.Endpoint] = token
	}
	return a
}

func sameEndpoints(a, b []Member) bool {
	return slices.EqualFunc(a, b, func(x, y Member) bool { return x.Endpoint == y.Endpoint })
}

// Token returns what binds a session to e; "" if the pool binds none or e is not its member.
func (p *Pool) Token(e *Endpoint) string { return p.affinity.tokens[e] }

// Bound returns the endpoint that the token names, acquired: the caller calls Release once. It may drain, until its deadline, or have
// weight 0: those bound to it are served nevertheless. It returns nil if there is none of that name, if it is unhealthy or ejected (unless
// the pool panics), if q avoids it, or if it is at its limit; Holds tells the last case from the others.
func (p *Pool) Bound(q *Query, token string) *Endpoint {
	e := p.bound(q, token)
	if e == nil || !e.TryAcquire(p.rules.limit) {
		return nil
	}
	return e
}

// Holds reports whether Bound would return an endpoint but for its limit: the session is still at home, and may wait or be served
// elsewhere without a new token.
func (p *Pool) Holds(q *Query, token string) bool { return p.bound(q, token) != nil }

func (p *Pool) bound(q *Query, token string) *Endpoint {
	e := p.affinity.byToken[token]
	if e == nil || q.avoids(e) {
		return nil
	}
	state := e.state.Load()
	if state&stateDraining != 0 && q.Now >= e.drainUntil.Load() {
		return nil
	}
	if state&p.rules.mask&^stateDraining != p.rules.want {
		return nil
	}
	return e
}
