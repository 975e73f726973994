package router

import (
	"fmt"
	"testing"
)

// manyRules returns n rules: a tenth as many hosts, on each of them prefixes, exact paths and conditions.
func manyRules(n int) []Rule[string] {
	rules := make([]Rule[string], n)
	for i := range rules {
		rules[i] = Rule[string]{Name: fmt.Sprint("route-", i), Hosts: []string{fmt.Sprintf("shop-%d.example.com", i/10)}}
		switch i % 3 {
		case 0:
			rules[i].Path.Prefix = fmt.Sprintf("/api/v1/service-%d/", i)
		case 1:
			rules[i].Path.Exact = fmt.Sprintf("/api/v1/service-%d", i)
		case 2:
			rules[i].Path.Prefix = fmt.Sprintf("/static/%d", i)
			rules[i].Methods = []string{"GET", "POST"}
		}
	}
	return rules
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 10, 1000, 10_000} {
		b.Run(fmt.Sprint("routes=", n), func(b *testing.B) {
			r := build(b, manyRules(n)...)
			last := (n - 1) / 3 * 3
			req := request(b, fmt.Sprintf("GET /api/v1/service-%d/items/42?x=1", last))
			host := fmt.Appendf(nil, "shop-%d.example.com:8080", last/10)
			if !r.Match(req, host).Found {
				b.Fatal("no route")
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Match(req, host)
			}
		})
	}
}

// BenchmarkMatchOneHost has all rules on one host, so that the tree is as large as it gets.
func BenchmarkMatchOneHost(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint("routes=", n), func(b *testing.B) {
			rules := manyRules(n)
			for i := range rules {
				rules[i].Hosts = nil
			}
			r := build(b, rules...)
			req := request(b, fmt.Sprintf("GET /api/v1/service-%d/items/42?x=1", (n-1)/3*3))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				host := []byte("shop.example.com")
				for pb.Next() {
					r.Match(req, host)
				}
			})
		})
	}
}

func BenchmarkMatchConditions(b *testing.B) {
	r := build(b,
		Rule[string]{Name: "a", Hosts: []string{"*.example.com"}, Headers: map[string]string{"x-beta": "1"}, Query: map[string]string{"debug": ""}},
		Rule[string]{Name: "b", Hosts: []string{"*.example.com"}, Path: Path{Regex: `/items/\d+`}},
	)
	req := request(b, "GET /items/42?x=1&debug", "X-Beta: 2", "Accept: */*")
	host := []byte("shop.example.com")
	b.ReportAllocs()
	for b.Loop() {
		r.Match(req, host)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	r := build(t, append(manyRules(100), Rule[string]{Name: "re", Path: Path{Regex: `/x/\d+`}},
		Rule[string]{Name: "wild", Hosts: []string{"*.example.org"}, Query: map[string]string{"q": "1"}, Methods: []string{"BREW"}})...)
	f := func(line, host string) {
		t.Helper()
		req, h := request(t, line), []byte(host)
		if n := testing.AllocsPerRun(100, func() { r.Match(req, h) }); n != 0 {
			t.Errorf("%s at %s: %v allocations", line, host, n)
		}
	}
	f("GET /api/v1/service-3/x", "SHOP-0.example.com:80")
	f("GET /api/v1/service-4", "shop-0.example.com")
	f("GET /x/12", "shop-0.example.com")
	f("BREW /?q=1", "a.b.example.org.")
	f("GET /none", "[::1]:80")
}
