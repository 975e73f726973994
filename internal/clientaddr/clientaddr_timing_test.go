package clientaddr

import (
	"net/netip"
	"testing"
)

func BenchmarkIdentifyAndAppend(b *testing.B) {
	f := func(name, peer string, lines ...string) {
		b.Run(name, func(b *testing.B) {
			fields, from, host := fieldsOf(lines...), netip.MustParseAddrPort(peer), []byte("shop.example.com")
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				fw := proxies.Identify(from, fields, true)
				dst = fw.AppendFields(dst[:0], fields, host)
			}
		})
	}
	f("untrusted-v4", "203.0.113.9:4711", "Accept: */*", "User-Agent: x")
	f("untrusted-v6", "[2001:db8::7]:4711", "Accept: */*", "User-Agent: x")
	f("trusted", "10.0.0.1:4711", "Accept: */*", "X-Forwarded-For: 2001:db8::7, 10.0.0.2", "X-Forwarded-Proto: https")
}

func TestDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	f := func(peer string, lines ...string) {
		t.Helper()
		fields, from, host := fieldsOf(lines...), netip.MustParseAddrPort(peer), []byte("shop.example.com:80")
		if n := testing.AllocsPerRun(100, func() {
			fw := proxies.Identify(from, fields, true)
			fw.AppendFields(dst[:0], fields, host)
		}); n != 0 {
			t.Errorf("%s %q: %v allocations", peer, lines, n)
		}
	}
	f("203.0.113.9:4711", "X-Forwarded-For: 1.1.1.1")
	f("[2001:db8::7]:4711")
	f("10.0.0.1:4711", "X-Forwarded-For: 2001:db8::7, 10.0.0.2", "X-Forwarded-Proto: https")
	f("10.0.0.1:4711", `Forwarded: for="[2001:db8::7]:80";proto=https`)
}
