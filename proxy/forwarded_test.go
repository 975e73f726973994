package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"gatewayd/internal/clientaddr"
)

// forwardedRig returns a rig that believes its clients, all of whom come from 127.0.0.1, or does not.
func forwardedRig(t *testing.T, trusted bool) (*rig, *recorder) {
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	if trusted {
		r.settings.Trusted = clientaddr.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")})
	}
	return r, rec
}

// Who is not trusted cannot say who it is; who is, is believed and appended to.
func TestForwardedIdentity(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		r, rec := forwardedRig(t, trusted)
		r.start()
		f := func(what, fields, want string) {
			t.Helper()
			c := r.dial()
			port := c.nc.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
			c.send(wire("GET / HTTP/1.1\nHost: a\nConnection: close\n" + fields + "\n")).all()
			seen := rec.last(t)
			var got []string
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Forwarded"} {
				for _, v := range fieldLines(seen, name) {
					got = append(got, name+": "+v)
				}
			}
			want = strings.ReplaceAll(want, "PORT", netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[8:])
			if s := strings.Join(got, "\n"); s != want {
				t.Errorf("%s, trusted %v: got\n%s\nwant\n%s", what, trusted, s, want)
			}
		}
		plain := "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\nForwarded: for=\"127.0.0.1:PORT\";host=a;proto=http"
		choose := func(whenTrusted string) string {
			if trusted {
				return whenTrusted
			}
			return plain
		}
		f("nothing said", "", plain)
		f("spoofed address", "X-Forwarded-For: 1.2.3.4\n", choose("X-Forwarded-For: 1.2.3.4, 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\n"+
			"Forwarded: for=1.2.3.4;proto=http, for=\"127.0.0.1:PORT\";host=a;proto=http"))
		f("several lines", "X-Forwarded-For: 1.2.3.4\nX-Forwarded-For: 10.0.0.1\n", choose("X-Forwarded-For: 1.2.3.4, 10.0.0.1, 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\n"+
			"Forwarded: for=1.2.3.4;proto=http, for=\"127.0.0.1:PORT\";host=a;proto=http"))
		f("all of them", "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: shop.example.com\nX-Forwarded-Port: 443\nX-Real-IP: 1.2.3.4\n",
			choose("X-Forwarded-For: 1.2.3.4, 127.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: shop.example.com\nX-Forwarded-Port: 443\nX-Real-IP: 1.2.3.4\n"+
				"Forwarded: for=1.2.3.4;host=shop.example.com;proto=https, for=\"127.0.0.1:PORT\";host=a;proto=http"))
		f("Forwarded with quoted IPv6", "Forwarded: for=\"[2001:db8::1]:80\";proto=https\n",
			choose("X-Forwarded-For: 2001:db8::1, 127.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: a\n"+
				"Forwarded: for=\"[2001:db8::1]:80\";proto=https, for=\"127.0.0.1:PORT\";host=a;proto=http"))
		f("X-Real-IP alone", "X-Real-IP: 1.2.3.4\n", choose("X-Forwarded-For: 1.2.3.4, 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\nX-Real-IP: 1.2.3.4\n"+
			"Forwarded: for=1.2.3.4;proto=http, for=\"127.0.0.1:PORT\";host=a;proto=http"))
	}
}

// Which of the addresses is the client decides limits and hashes: from right to left, over trusted ones, to the first other.
func TestForwardedClient(t *testing.T) {
	t.Parallel()
	r, _ := forwardedRig(t, true)
	tracer := &spans{}
	r.server.opt.Tracer = tracer
	r.start()
	f := func(fields, want string) {
		t.Helper()
		n := len(tracer.all())
		r.dial().send(wire("GET / HTTP/1.1\nHost: a\nConnection: close\n" + fields + "\n")).all()
		waitFor(t, "the span", func() bool { return len(tracer.all()) == n+1 })
		if got := tracer.all()[n].Client; got != want {
			t.Errorf("%q: got client %s; want %s", fields, got, want)
		}
	}
	f("", "127.0.0.1")
	f("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.9\n", "1.2.3.4")
	f("X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-For: 10.0.0.9\n", "1.2.3.4")
	f("X-Forwarded-For: 10.0.0.8, 10.0.0.9\n", "10.0.0.8")
	f("X-Forwarded-For: 1.2.3.4, garbage, 10.0.0.9\n", "10.0.0.9")
	f("X-Forwarded-For: 1.2.3.4, garbage\n", "127.0.0.1")
}

// Another X-Request-Id than a trusted peer's is not taken over, and whatever it is comes back to the client.
func TestRequestID(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		r, rec := forwardedRig(t, trusted)
		r.start()
		f := func(id string, kept bool) {
			t.Helper()
			got := r.dial().send(wire("GET / HTTP/1.1\nHost: a\nConnection: close\nX-Request-Id: " + id + "\n\n")).all()
			back, there := field(got, "X-Request-Id"), fieldLines(rec.last(t), "X-Request-Id")
			if len(there) != 1 || there[0] != back || back == "" || kept != (back == id) {
				t.Errorf("trusted %v: got %q there and %q back; want the same, and the client's: %v", trusted, there, back, kept)
			}
		}
		f("req-123", trusted)
		f("bad id \"<>", false)
		f(strings.Repeat("x", 500), false)
		f("", false)
	}
}
