package config

import (
	"fmt"
	"strings"
	"testing"
)

// manyRoutes is a file with n routes to n/10 services.
func manyRoutes(n int) []byte {
	var b strings.Builder
	b.WriteString("listeners: [{name: web, address: ':8080'}]\nroutes:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: route-%d
    match: {hosts: [shop-%d.example.com, "*.shop-%d.example.com"], path: {prefix: /api/v%d/}, methods: [GET, POST], headers: {x-beta: "1"}}
    service: service-%d
    rewrite: {stripPrefix: /api}
    timeout: 15s
    retries: {attempts: 2, perTryTimeout: 5s}
    rateLimit: {requestsPerSecond: 100, burst: 200}
`, i, i, i, i%10, i/10)
	}
	b.WriteString("services:\n")
	for i := range n / 10 {
		fmt.Fprintf(&b, "  service-%d:\n    healthCheck: {path: /health}\n    instances: [{address: \"10.0.0.1:%d\"}, {address: \"10.0.0.2:%d\", weight: 2}]\n", i, 1000+i, 1000+i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{10, 5000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			data := manyRoutes(n)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Parse("x", data, testEnv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
