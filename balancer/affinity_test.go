package balancer

import (
	"regexp"
	"testing"
)

var secret = []byte("0123456789abcdef")

func TestToken(t *testing.T) {
	token := Token(secret, "v1", "shop-1")
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{16}$`).MatchString(token) {
		t.Fatalf("token = %q", token)
	}
	if token != "drQhk-yZoB0z.sbZQZnyxG9zh3xKc" {
		t.Fatalf("token = %q: every session would lose its instance with this release", token)
	}
	f := func(secret []byte, revision, instance string, wantRevision bool) {
		t.Helper()
		other := Token(secret, revision, instance)
		if other[13:] == token[13:] || (revisionPart(other) == revisionPart(token)) != wantRevision {
			t.Fatalf("token of %q, %q = %q; that of v1, shop-1 = %q", revision, instance, other, token)
		}
	}
	f(secret, "v1", "shop-2", true)
	f(secret, "v2", "shop-1", false)
	f([]byte("another"), "v1", "shop-1", false)
	f(secret, "v1\x00shop-", "1", false)
}

func TestBound(t *testing.T) {
	members := healthy(1, 1, 0)
	a, b, idle := members[0].Endpoint, members[1].Endpoint, members[2].Endpoint
	o := Options{Algorithm: RoundRobin, Members: members, MaxConcurrency: 1, AffinitySecret: secret}
	p := mustPool(t, o)
	token := p.Token(a)
	if want := Token(secret, "v1", "a"); token != want {
		t.Fatalf("token = %q; want %q", token, want)
	}
	q := Query{Now: start}
	f := func(token string, want *Endpoint, wantHeld bool) {
		t.Helper()
		got := p.Bound(&q, token)
		if got != want || p.Holds(&q, token) != wantHeld {
			t.Fatalf("bound = %v, held %v; want %v, %v", got, p.Holds(&q, token), want, wantHeld)
		}
		if got != nil {
			if got.InFlight() != 1 {
				t.Fatalf("%d in flight; want 1: Bound acquires", got.InFlight())
			}
			got.Release()
		}
	}
	f(token, a, true)
	f(p.Token(b), b, true)
	f(p.Token(idle), idle, true) // weight 0 serves its own
	f("", nil, false)
	f("garbage", nil, false)
	f(token+"x", nil, false)

	a.TryAcquire(0)
	f(token, nil, true) // at its limit
	a.Release()

	a.SetDraining(start + 5*second)
	f(token, a, true)
	q.Now = start + 5*second
	f(token, nil, false) // the deadline
	a.ClearDraining()
	f(token, a, true)

	a.SetEjected(true)
	f(token, nil, false)
	a.SetEjected(false)
	a.SetHealthy(false, start)
	f(token, nil, false)
	b.SetHealthy(false, start)
	o.PanicPercent, o.Previous = 100, p
	p = mustPool(t, o)
	f(token, a, true) // the pool panics: an unhealthy home is better than none
	a.SetHealthy(true, start)

	q.Avoid(a)
	f(token, nil, false)
	q.Reset()
	f(token, a, true)

	o.Members, o.Previous = members[1:], p
	p = mustPool(t, o)
	f(token, nil, false) // gone
	o.AffinitySecret = nil
	p = mustPool(t, o)
	f(token, nil, false)
	if got := p.Token(b); got != "" {
		t.Fatalf("token without a secret = %q; want none", got)
	}
}

func TestTokensOfTheNextPool(t *testing.T) {
	members := healthy(1, 1)
	o := Options{Algorithm: Random, Members: members, AffinitySecret: secret}
	before := mustPool(t, o)
	token := before.Token(members[0].Endpoint)
	f := func(change func(o *Options), want bool) {
		t.Helper()
		next := o
		next.Previous = before
		change(&next)
		if got := mustPool(t, next).Holds(&Query{Now: start}, token); got != want {
			t.Fatalf("holds = %v; want %v", got, want)
		}
	}
	f(func(o *Options) {}, true)
	f(func(o *Options) { o.Members = []Member{{members[0].Endpoint, 0}, members[1]} }, true)
	f(func(o *Options) { o.Members = append(healthy(1, 1, 1)[2:], members...) }, true)
	f(func(o *Options) { o.AffinitySecret = []byte("rotated") }, false)
}
