package proxy

import (
	"bufio"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"gatewayd/balancer"
)

// The hot path allocates nothing: a keep-alive request through the gateway, counted over the whole process, in
// which client and instance allocate nothing either.
func TestHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f := func(what, request string, change func(r *rig)) {
		t.Helper()
		one, two := cannedInstance(t), cannedInstance(t)
		r := newRig(t, one, two)
		change(r)
		r.start()
		c := r.dial()
		out := []byte(strings.Replace(request, "TOKEN", balancer.Token([]byte("secret"), "v1", two), 1))
		buf, answer := make([]byte, 4096), 0
		ask := func() {
			if _, err := c.nc.Write(out); err != nil {
				t.Fatal(err)
			}
			n, err := c.nc.Read(buf)
			if err != nil || n < answer {
				t.Fatalf("got %d bytes, %v; want %d", n, err, answer)
			}
			answer = n
		}
		for range 200 { // fills the pools
			ask()
		}
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		const requests = 2000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range requests {
			ask()
		}
		runtime.ReadMemStats(&after)
		if per := float64(after.Mallocs-before.Mallocs) / requests; per > 0.1 {
			t.Errorf("%s: got %.2f allocations per request; want 0", what, per)
		}
	}
	plain := func(*rig) {}
	browser := "GET /shop/items?page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: de,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n" +
		"Cookie: a=b; gw=x; c=d\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
	f("GET", get, plain)
	f("a browser's GET", browser, plain)
	f("POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", plain)
	f("header rules", browser, func(r *rig) {
		r.route.RequestHeaders = NewHeaderRules(map[string]string{"X-A": "1"}, []string{"X-A"}, []string{"Accept-Language"})
		r.route.ResponseHeaders = NewHeaderRules(map[string]string{"X-B": "1"}, []string{"X-B"}, []string{"Server"})
	})
	f("strip", browser, func(r *rig) { r.route.Rewrite.StripPrefix = "/shop" })
	for _, algorithm := range balancer.Algorithms() {
		f(string(algorithm), browser, func(r *rig) { r.pool.Algorithm = algorithm })
	}
	f("a bound session", "GET / HTTP/1.1\r\nHost: a\r\nCookie: gw=TOKEN; c=d\r\n\r\n", func(r *rig) {
		r.pool.AffinitySecret = []byte("secret")
		r.view.Affinity = &Affinity{Cookie: "gw", Secret: r.pool.AffinitySecret}
	})
}

// cannedInstance answers each read with the same bytes.
func cannedInstance(t testing.TB) string {
	reply := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	return instance(t, func(nc net.Conn, _ *bufio.Reader) {
		buf := make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			nc.Write(reply)
		}
	})
}
