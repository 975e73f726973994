package clientaddr

import (
	"net/netip"
	"strings"
	"testing"

	"gatewayd/internal/message"
)

// fieldsOf makes fields of lines "Name: value".
func fieldsOf(lines ...string) message.Fields {
	var fields message.Fields
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, message.Field{Name: []byte(name), Value: []byte(value), Kind: message.KindOf([]byte(name))})
	}
	return fields
}

func trusted(prefixes ...string) *Trusted {
	var list []netip.Prefix
	for _, p := range prefixes {
		list = append(list, netip.MustParsePrefix(p))
	}
	return New(list)
}

var proxies = trusted("10.0.0.0/8", "2001:db8:aaaa::/48", "::ffff:172.16.0.0/108")

func TestClient(t *testing.T) {
	f := func(peer, want string, lines ...string) {
		t.Helper()
		got := proxies.Identify(netip.MustParseAddrPort(peer), fieldsOf(lines...), false)
		if got.Client.String() != want {
			t.Errorf("%s %q: got %s; want %s", peer, lines, got.Client, want)
		}
	}
	// What an untrusted peer says counts for nothing.
	f("203.0.113.9:1", "203.0.113.9")
	f("203.0.113.9:1", "203.0.113.9", "X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1")
	f("[2001:db8::1]:1", "2001:db8::1", "X-Forwarded-For: 1.1.1.1")
	f("[::ffff:203.0.113.9]:1", "203.0.113.9", "X-Forwarded-For: 1.1.1.1")
	f("[fe80::1%eth0]:1", "fe80::1")
	// A trusted peer that says nothing is the client.
	f("10.0.0.1:1", "10.0.0.1")
	f("[::ffff:10.0.0.1]:1", "1.1.1.1", "X-Forwarded-For: 1.1.1.1")
	f("172.16.3.4:1", "1.1.1.1", "X-Forwarded-For: 1.1.1.1")
	f("172.32.3.4:1", "172.32.3.4", "X-Forwarded-For: 1.1.1.1")
	f("[2001:db8:aaaa::5]:1", "2001:db8::7", "X-Forwarded-For: 2001:db8::7")
	// Right to left, passing over trusted ones; the first other one is the client.
	f("10.0.0.1:1", "2.2.2.2", "X-Forwarded-For: 1.1.1.1, 2.2.2.2")
	f("10.0.0.1:1", "2.2.2.2", "X-Forwarded-For: 1.1.1.1,2.2.2.2 ,\t10.9.9.9,10.0.0.2")
	f("10.0.0.1:1", "10.0.0.3", "X-Forwarded-For: 10.0.0.3, 10.0.0.2")
	f("10.0.0.1:1", "1.1.1.1", "X-Forwarded-For: 1.1.1.1, ::ffff:10.0.0.2")
	// Several lines are one list.
	f("10.0.0.1:1", "3.3.3.3", "X-Forwarded-For: 1.1.1.1", "X-Other: 9.9.9.9", "x-forwarded-for: 3.3.3.3, 10.0.0.2", "X-Forwarded-For: 10.0.0.3")
	// At a malformed entry the walk ends.
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, unknown")
	f("10.0.0.1:1", "10.0.0.2", "X-Forwarded-For: 1.1.1.1, _hidden, 10.0.0.2")
	f("10.0.0.1:1", "10.0.0.2", "X-Forwarded-For: 1.1.1.1,, 10.0.0.2")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: ")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: ", "Forwarded: for=1.1.1.1") // present counts, be it empty
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 2.2.2.256")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1 2.2.2.2")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 01.1.1.1")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: fe80::1%eth0")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: "+strings.Repeat("1", 100))
	// Ports and brackets.
	f("10.0.0.1:1", "1.1.1.1", "X-Forwarded-For: 1.1.1.1:4711")
	f("10.0.0.1:1", "2001:db8::7", "X-Forwarded-For: [2001:db8::7]:4711")
	f("10.0.0.1:1", "2001:db8::7", "X-Forwarded-For: [2001:DB8::7]")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1:")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1:http")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: [2001:db8::7")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: [2001:db8::7]x")
	f("10.0.0.1:1", "10.0.0.1", "X-Forwarded-For: [1.1.1.1]:80")
	// Forwarded where X-Forwarded-For is absent.
	f("10.0.0.1:1", "2.2.2.2", "X-Forwarded-For: 2.2.2.2", "Forwarded: for=1.1.1.1")
	f("10.0.0.1:1", "2.2.2.2", "Forwarded: for=1.1.1.1, for=2.2.2.2;proto=http, For=10.0.0.4")
	f("10.0.0.1:1", "2.2.2.2", "Forwarded: for=1.1.1.1", "Forwarded: for=2.2.2.2", "Forwarded: for=10.1.1.1")
	f("10.0.0.1:1", "2001:db8::7", `Forwarded: for=1.1.1.1,for="[2001:db8::7]"`)
	f("10.0.0.1:1", "2001:db8::7", `Forwarded: proto=https;FOR="[2001:db8::7]:4711"; by=10.0.0.4`)
	f("10.0.0.1:1", "1.1.1.1", `Forwarded: for="1.1.1.1:80";ext="a,b;for=9.9.9.9"`)
	f("10.0.0.1:1", "10.0.0.2", "Forwarded: for=1.1.1.1, for=unknown, for=10.0.0.2")
	f("10.0.0.1:1", "10.0.0.2", "Forwarded: for=1.1.1.1, for=[2001:db8::7], for=10.0.0.2")
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: for=1.1.1.1, proto=https")
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: for=1.1.1.1;for=2.2.2.2")
	f("10.0.0.1:1", "10.0.0.1", `Forwarded: for="1.1.1.1`)
	f("10.0.0.1:1", "10.0.0.1", `Forwarded: for=1.1.1.1;x="\"", for=2.2.2.2`)
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: for=1.1.1.1,")
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: for=")
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: for=1.1.1.1;")
	f("10.0.0.1:1", "10.0.0.1", `Forwarded: for="1.1.1.1"x`)
	f("10.0.0.1:1", "10.0.0.1", "Forwarded: ")
	f("10.0.0.1:1", "1.1.1.1", "Forwarded: "+strings.Repeat("for=2.2.2.2, ", 40)+"for=1.1.1.1"+strings.Repeat(", for=10.0.0.2", maxElements-1))
	f("10.0.0.1:1", "10.0.0.2", "Forwarded: for=1.1.1.1"+strings.Repeat(", for=10.0.0.2", maxElements))
	// X-Real-IP where neither is there.
	f("10.0.0.1:1", "1.1.1.1", "X-Real-IP: 1.1.1.1")
	f("10.0.0.1:1", "10.0.0.1", "X-Real-IP: 1.1.1.1, 2.2.2.2")
	f("10.0.0.1:1", "10.0.0.1", "X-Real-IP: 1.1.1.1:80")
}

func TestProtoAndHost(t *testing.T) {
	f := func(peer string, tls bool, wantProto, wantHost string, lines ...string) {
		t.Helper()
		got := proxies.Identify(netip.MustParseAddrPort(peer), fieldsOf(lines...), tls)
		if got.Proto != wantProto || string(got.Host) != wantHost {
			t.Errorf("%s %q: got %s, %s; want %s, %s", peer, lines, got.Proto, got.Host, wantProto, wantHost)
		}
	}
	told := []string{"X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: shop.example.com:8443"}
	f("1.1.1.1:1", false, "http", "", told...)
	f("1.1.1.1:1", true, "https", "", "X-Forwarded-Proto: http")
	f("10.0.0.1:1", false, "https", "shop.example.com:8443", told...)
	f("10.0.0.1:1", false, "https", "shop.example.com:8443", append(told, "X-Forwarded-For: 1.1.1.1")...)
	f("10.0.0.1:1", true, "http", "", "X-Forwarded-Proto: http")
	f("10.0.0.1:1", true, "https", "", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b")
	// Of several the last: only that one is the peer's own.
	f("10.0.0.1:1", false, "http", "b", "X-Forwarded-Proto: https, http", "X-Forwarded-Host: a, b")
	f("10.0.0.1:1", false, "https", "b", "X-Forwarded-Proto: http", "X-Forwarded-Host: a", "X-Forwarded-Proto: https", "X-Forwarded-Host: b")
	// Forwarded says it for each hop.
	f("10.0.0.1:1", false, "https", "a.test", "Forwarded: for=9.9.9.9;proto=http;host=x, for=1.1.1.1;proto=https;host=a.test, for=10.0.0.2;proto=http;host=inner")
	f("10.0.0.1:1", false, "http", "[::1]:80", `Forwarded: for=1.1.1.1;host="[::1]:80"`)
}

func TestNobodyIsTrusted(t *testing.T) {
	for _, nobody := range []*Trusted{New(nil), {}} {
		got := nobody.Identify(netip.MustParseAddrPort("10.0.0.1:1"), fieldsOf("X-Forwarded-For: 1.1.1.1"), false)
		if got.Trusted || got.Client.String() != "10.0.0.1" {
			t.Errorf("got %v", got)
		}
	}
}

func TestAppend(t *testing.T) {
	f := func(peer, host, wantFor, wantForwarded string, lines ...string) {
		t.Helper()
		fields := fieldsOf(lines...)
		fw := proxies.Identify(netip.MustParseAddrPort(peer), fields, true)
		if got := string(fw.AppendXForwardedFor(nil, fields)); got != wantFor {
			t.Errorf("X-Forwarded-For of %s %q: got %s; want %s", peer, lines, got, wantFor)
		}
		if got := string(fw.AppendForwarded(nil, fields, []byte(host))); got != wantForwarded {
			t.Errorf("Forwarded of %s %q: got %s; want %s", peer, lines, got, wantForwarded)
		}
	}
	// An untrusted peer's own are replaced.
	f("1.1.1.1:0", "a.test", "1.1.1.1", "for=1.1.1.1;host=a.test;proto=https", "X-Forwarded-For: 9.9.9.9", "Forwarded: for=9.9.9.9")
	f("1.1.1.1:4711", "a.test:443", "1.1.1.1", `for="1.1.1.1:4711";host="a.test:443";proto=https`)
	f("[2001:db8::7]:0", "[::1]:80", "2001:db8::7", `for="[2001:db8::7]";host="[::1]:80";proto=https`)
	f("[2001:db8::7]:80", "", "2001:db8::7", `for="[2001:db8::7]:80";proto=https`)
	f("[::ffff:1.1.1.1]:0", "a", "1.1.1.1", "for=1.1.1.1;host=a;proto=https")
	f("1.1.1.1:0", `a";for=x`, "1.1.1.1", "for=1.1.1.1;proto=https")
	// A trusted peer's are added to, all lines in their order.
	f("10.0.0.1:0", "a", "1.1.1.1, 2.2.2.2, 10.0.0.1", "for=1.1.1.1;proto=http, for=2.2.2.2, for=10.0.0.1;host=a;proto=https",
		"X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1;proto=http", "X-Forwarded-For: 2.2.2.2", "Forwarded: for=2.2.2.2")
	f("10.0.0.1:0", "a", "10.0.0.1", "for=10.0.0.1;host=a;proto=https", "X-Forwarded-For: ", "Forwarded: ")
	// What it said in one form is said in the other as well.
	f("10.0.0.1:0", "a", "1.1.1.1, 10.0.0.1", "for=1.1.1.1;host=b;proto=http, for=10.0.0.1;host=a;proto=https",
		"X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: b")
	f("10.0.0.1:0", "a", "2001:db8::7, 10.0.0.1", `for="[2001:db8::7]", for=10.0.0.1;host=a;proto=https`, `Forwarded: for="[2001:db8::7]"`)
}

func TestAppendFields(t *testing.T) {
	f := func(peer, want string, lines ...string) {
		t.Helper()
		fields := fieldsOf(lines...)
		fw := proxies.Identify(netip.MustParseAddrPort(peer), fields, false)
		want = strings.ReplaceAll(want, "\n", "\r\n")
		if got := string(fw.AppendFields(nil, fields, []byte("a.test"))); got != want {
			t.Errorf("%s %q: got\n%swant\n%s", peer, lines, got, want)
		}
	}
	told := []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.test", "X-Forwarded-Port: 8443", "X-Real-IP: 1.1.1.1"}
	f("2.2.2.2:0", `X-Forwarded-For: 2.2.2.2
X-Forwarded-Proto: http
X-Forwarded-Host: a.test
Forwarded: for=2.2.2.2;host=a.test;proto=http
`, told...)
	f("10.0.0.1:0", `X-Forwarded-For: 1.1.1.1, 10.0.0.1
X-Forwarded-Proto: https
X-Forwarded-Host: b.test
X-Forwarded-Port: 8443
X-Real-IP: 1.1.1.1
Forwarded: for=1.1.1.1;host=b.test;proto=https, for=10.0.0.1;host=a.test;proto=http
`, told...)
	for _, line := range told {
		name, _, _ := strings.Cut(line, ":")
		if !Drop.Has(message.KindOf([]byte(name))) {
			t.Errorf("Drop lacks %s", name)
		}
	}
	if !Drop.Has(message.KindForwarded) || Drop.Has(message.KindOther) || Drop.Has(message.KindVia) {
		t.Errorf("Drop is %b", Drop)
	}
}

// FuzzForwarded checks that whatever a trusted proxy passes on, the walk yields an address from the list or the peer's,
// and that what is appended reads back as the same client.
func FuzzForwarded(f *testing.F) {
	f.Add("1.1.1.1, 10.0.0.2", "for=1.1.1.1;proto=https, for=\"[2001:db8::7]:80\"")
	f.Add("", "for=10.0.0.2, for=\"a,b")
	f.Fuzz(func(t *testing.T, xff, forwarded string) {
		peer := netip.MustParseAddrPort("10.0.0.1:80")
		for _, line := range []string{"X-Forwarded-For: " + xff, "Forwarded: " + forwarded} {
			fields := fieldsOf(line)
			fw := proxies.Identify(peer, fields, false)
			if !fw.Client.IsValid() || fw.Client.Is4In6() || fw.Client.Zone() != "" {
				t.Fatalf("%q: client %v", line, fw.Client)
			}
			name, _, _ := strings.Cut(line, ":")
			var value []byte
			if name == "Forwarded" {
				value = fw.AppendForwarded(nil, fields, nil)
			} else {
				value = fw.AppendXForwardedFor(nil, fields)
			}
			again := proxies.Identify(peer, fieldsOf(name+": "+string(value)), false)
			// The own element takes one of the places that are looked at; and a broken quote takes it along.
			if again.Client != fw.Client && strings.Count(line, ",") < maxElements-1 && !strings.ContainsAny(line, `"\`) {
				t.Fatalf("%q: %v; behind one more hop, %q: %v", line, fw.Client, value, again.Client)
			}
		}
	})
}
