package proxy

import (
	"bufio"
	"net"
	"testing"

	"gatewayd/balancer"
)

// oneRequest returns a function that sends a request through a server and reads its answer, without allocating.
func oneRequest(tb testing.TB, loops int) func() {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Mon, 02 Mar 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
	addr := instance(tb, func(nc net.Conn, br *bufio.Reader) {
		p := make([]byte, 4<<10)
		for {
			if _, err := nc.Read(p); err != nil {
				return
			}
			nc.Write(answer)
		}
	})
	r := newRig(tb, addr)
	r.server.opt.Loops = loops
	r.pool.Algorithm = balancer.LeastConnections
	nc := r.start().dial().nc
	request, buf := []byte("GET /a?b=c HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"), make([]byte, 4<<10)
	return func() {
		if _, err := nc.Write(request); err != nil {
			tb.Fatal(err)
		}
		n, err := nc.Read(buf)
		if err != nil || string(buf[n-2:n]) != "ok" {
			tb.Fatalf("got %q, %v", buf[:n], err)
		}
	}
}

// BenchmarkRequest is one client's requests, one after the other, with client and instance in the same process.
func BenchmarkRequest(b *testing.B) {
	for _, loops := range []int{0, 1} {
		b.Run([]string{"goroutine", "loop"}[loops], func(b *testing.B) {
			do := oneRequest(b, loops)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
