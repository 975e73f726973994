package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatewayd/balancer"
)

// named is an instance that answers with its name.
func named(t testing.TB, name string) *recorder {
	return record(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name))
}

func affinityRig(t *testing.T, instances ...*recorder) *rig {
	var addresses []string
	for _, i := range instances {
		addresses = append(addresses, i.addr)
	}
	r := newRig(t, addresses...)
	r.pool.AffinitySecret = []byte("a secret")
	r.view.Affinity = &Affinity{Cookie: "gw", MaxAge: 60, Secret: r.pool.AffinitySecret}
	return r
}

// askWith sends a request with a Cookie field, none when it is empty.
func askWith(t testing.TB, c *rawClient, cookie string) (body string, set *http.Cookie) {
	t.Helper()
	if cookie != "" {
		cookie = "Cookie: " + cookie + "\r\n"
	}
	res, body := c.send("GET / HTTP/1.1\r\nHost: a\r\n" + cookie + "\r\n").response("GET")
	if res.StatusCode != 200 {
		t.Fatalf("got %d %q; want 200", res.StatusCode, body)
	}
	for _, k := range res.Cookies() {
		if k.Name == "gw" {
			set = k
		}
	}
	return body, set
}

// A client gets a cookie with its first answer, stays where it is with it, and instances never see it.
func TestAffinity(t *testing.T) {
	t.Parallel()
	one, two := named(t, "one"), named(t, "two")
	r := affinityRig(t, one, two).start()
	c := r.dial()
	for _, other := range []string{"", "a=b; ", "gwx=1; "} {
		home, set := askWith(t, c, strings.TrimSuffix(other, "; "))
		if set == nil || !set.HttpOnly || set.Path != "/" || set.MaxAge != 60 || set.SameSite != http.SameSiteLaxMode || set.Secure {
			t.Fatalf("got cookie %v; want one for the whole site, out of reach of scripts", set)
		}
		for range 5 {
			body, again := askWith(t, c, other+"gw="+set.Value+"; z=1")
			if body != home || again != nil {
				t.Fatalf("got %s and cookie %v; want %s and no new cookie", body, again, home)
			}
			rec := map[string]*recorder{"one": one, "two": two}[home]
			if got := field(rec.last(t), "Cookie"); got != other+"z=1" {
				t.Errorf("got Cookie %q at the instance; want %q", got, other+"z=1")
			}
		}
		if askWith(t, c, "gw="+set.Value); fieldLines(map[string]*recorder{"one": one, "two": two}[home].last(t), "Cookie") != nil {
			t.Error("got a Cookie field at the instance; want none when nothing else is in it")
		}
	}
	for _, forged := range []string{"x", "", "AAAAAAAAAAAA.BBBBBBBBBBBBBBBB"} {
		if _, set := askWith(t, c, "gw="+forged); set == nil {
			t.Errorf("%q: got no cookie; want a new one instead", forged)
		}
	}
}

// Where a bound instance cannot serve: gone or unhealthy, the session moves; full, it is served elsewhere and stays bound; draining, it is
// served to the end.
func TestAffinityWhenTheInstanceCannotServe(t *testing.T) {
	t.Parallel()
	f := func(what string, change func(home *balancer.Endpoint), wantHome, wantCookie bool) {
		t.Helper()
		r := affinityRig(t, named(t, "one"), named(t, "two"))
		r.pool.MaxConcurrency = 1
		c := r.start().dial()
		name, set := askWith(t, c, "")
		home := r.pool.Members[map[string]int{"one": 0, "two": 1}[name]].Endpoint
		change(home)
		for range 2 {
			waitFor(t, "the instances to be free", func() bool { return r.view.InFlight.Load() == 0 })
			body, again := askWith(t, c, "gw="+set.Value)
			if (body == name) != wantHome || (again != nil) != wantCookie {
				t.Errorf("%s: got %s and cookie %v from a session on %s; want it at home: %v, a new cookie: %v", what, body, again, name, wantHome, wantCookie)
			}
		}
	}
	now := time.Now().UnixNano()
	f("all well", func(*balancer.Endpoint) {}, true, false)
	f("unhealthy", func(e *balancer.Endpoint) { e.SetHealthy(false, now) }, false, true)
	f("ejected", func(e *balancer.Endpoint) { e.SetEjected(true) }, false, true)
	f("draining", func(e *balancer.Endpoint) { e.SetDraining(now + int64(time.Hour)) }, true, false)
	f("drained", func(e *balancer.Endpoint) { e.SetDraining(now - 1) }, false, true)
	f("full", func(e *balancer.Endpoint) { e.TryAcquire(0) }, false, false)
}

// A draining instance takes nobody new, and everybody who is bound.
func TestDrainingInstance(t *testing.T) {
	t.Parallel()
	one, two := named(t, "one"), named(t, "two")
	r := affinityRig(t, one, two)
	r.pool.Members[0].Endpoint.SetDraining(time.Now().Add(time.Hour).UnixNano())
	c := r.start().dial()
	for range 10 {
		if body, _ := askWith(t, c, ""); body != "two" {
			t.Fatalf("got %s; want the one that does not drain", body)
		}
	}
	token := balancer.Token(r.pool.AffinitySecret, "v1", one.addr)
	if body, set := askWith(t, c, "gw="+token); body != "one" || set != nil {
		t.Errorf("got %s, cookie %v; want the bound one", body, set)
	}
}

// splitRig has a stable revision v1 and a candidate v2, with the given weights.
func splitRig(t *testing.T, weight1, weight2 int) (*rig, *recorder, *recorder) {
	one, two := named(t, "v1"), named(t, "v2")
	r := newRig(t, one.addr)
	secret := []byte("a secret")
	v := r.view
	v.Affinity = &Affinity{Cookie: "gw", Secret: secret}
	var shares []balancer.Share
	for i, e := range []*balancer.Endpoint{newEndpoint("v1", one.addr), newEndpoint("v2", two.addr)} {
		o := r.pool
		o.Members, o.AffinitySecret = []balancer.Member{{Endpoint: e, Weight: 1}}, secret
		pool, err := balancer.NewPool(o)
		if err != nil {
			t.Fatal(err)
		}
		v.Revisions = append(v.Revisions, Revision{Version: e.Revision, Pool: pool, Stats: NewRevisionStats("shop", e.Revision)})
		shares = append(shares, balancer.Share{Revision: e.Revision, Pool: pool, Weight: []int{weight1, weight2}[i]})
	}
	split, err := balancer.NewSplit(shares, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.Split = split
	return r, one, two
}

// Weights are exact, not merely likely, and counted by revision.
func TestSplitByWeight(t *testing.T) {
	t.Parallel()
	r, one, two := splitRig(t, 90, 10)
	c := r.start().dial()
	for range 200 {
		c.send(get).response("GET")
	}
	if a, b := len(one.requests()), len(two.requests()); a != 180 || b != 20 {
		t.Errorf("got %d and %d requests; want 180 and 20", a, b)
	}
	waitFor(t, "the outcomes", func() bool {
		return r.view.Revisions[0].Stats.Requests.Load()+r.view.Revisions[1].Stats.Requests.Load() == 200
	})
	if n := r.view.Revisions[1].Stats.Requests.Load(); n != 20 {
		t.Errorf("got %d requests counted of v2; want 20", n)
	}
}

// A session keeps its revision whatever the weights say, and when its instance is gone, too.
func TestSessionsKeepTheirRevision(t *testing.T) {
	t.Parallel()
	r, _, _ := splitRig(t, 100, 0)
	c := r.start().dial()
	secret := r.view.Affinity.Secret
	bound := balancer.Token(secret, "v2", r.view.Revisions[1].Pool.Endpoints()[0].ID)
	if body, set := askWith(t, c, "gw="+bound); body != "v2" || set != nil {
		t.Errorf("got %s, %v; want v2 and no new cookie", body, set)
	}
	moved := balancer.RevisionToken(secret, "v2") + ".AAAAAAAAAAAAAAAA"
	if body, set := askWith(t, c, "gw="+moved); body != "v2" || set == nil || set.Value != bound {
		t.Errorf("got %s, %v; want v2 and a cookie for the instance there", body, set)
	}
	r.view.Revisions[1].Pool.Endpoints()[0].SetHealthy(false, time.Now().UnixNano())
	if body, set := askWith(t, c, "gw="+bound); body != "v1" || set == nil {
		t.Errorf("got %s, %v; want v1 and a new cookie: v2 cannot serve", body, set)
	}
}

// A cohort goes to its revision whatever the weights and the session say.
func TestCohort(t *testing.T) {
	t.Parallel()
	for _, cohort := range []*Cohort{{Revision: 1, Header: "x-beta", Value: "1"}, {Revision: 1, Header: "x-beta"}, {Revision: 1, Cookie: "beta", Value: "1"}} {
		r, _, _ := splitRig(t, 100, 0)
		r.view.Cohort = cohort
		c := r.start().dial()
		bound := balancer.Token(r.view.Affinity.Secret, "v1", r.view.Revisions[0].Pool.Endpoints()[0].ID)
		f := func(fields, want string) {
			t.Helper()
			if res, body := c.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n").response("GET"); body != want {
				t.Errorf("%+v, %q: got %d %s; want %s", *cohort, fields, res.StatusCode, body, want)
			}
		}
		f("", "v1")
		f("Cookie: gw="+bound+"\r\n", "v1")
		f("X-Beta: 1\r\nCookie: beta=1\r\n", "v2")
		f("X-Beta: 1\r\nCookie: beta=1; gw="+bound+"\r\n", "v2")
		if cohort.Value != "" {
			f("X-Beta: 2\r\nCookie: beta=2\r\n", "v1")
		}
	}
}

// A further try goes to the stable revision: a candidate's failures stay with it, and no client sees them.
func TestCandidateFailsUnseen(t *testing.T) {
	t.Parallel()
	r, one, _ := splitRig(t, 0, 100)
	broken := newEndpoint("v2", record(t, thenReset).addr)
	o := r.pool
	o.Members = []balancer.Member{{Endpoint: broken, Weight: 1}}
	pool, err := balancer.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	r.view.Revisions[1].Pool, r.view.Affinity = pool, nil
	c := r.start().dial()
	for range 10 {
		if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "v1" {
			t.Fatalf("got %d %q; want stable's answer", res.StatusCode, body)
		}
	}
	if n := r.view.Revisions[1].Stats.Errors.Load(); n != 10 || len(one.requests()) != 10 {
		t.Errorf("got %d errors of the candidate and %d requests at stable; want 10 of each", n, len(one.requests()))
	}
}
