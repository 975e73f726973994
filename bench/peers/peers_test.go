package main

import (
	"maps"
	"testing"
	"time"
)

func TestParsePicks(t *testing.T) {
	f := func(text string, want map[string]map[pick][]float64) {
		t.Helper()
		got := map[string]map[pick][]float64{}
		for _, c := range parsePicks(text) {
			got[c.algorithm] = c.ns
		}
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for a := range want {
			if !maps.EqualFunc(got[a], want[a], func(x, y []float64) bool { return len(x) == len(y) && x[0] == y[0] }) {
				t.Fatalf("%s: got %v, want %v", a, got[a], want[a])
			}
		}
	}
	f("goos: linux\nPASS\n", map[string]map[pick][]float64{})
	f("BenchmarkPropose/ip-hash/10   \t 100\t  2.5 ns/op\t 0 B/op\n", map[string]map[pick][]float64{"ip-hash": {pick{false, 10, 1}: {2.5}}})
	f("BenchmarkPickParallel/p2c/1000-2 \t 100\t  12.5 ns/op\n", map[string]map[pick][]float64{"p2c": {pick{true, 1000, 2}: {25}}})
	f("BenchmarkPropose/p2c/10 1 3 ns/op\nBenchmarkPropose/p2c/10-4 1 3 ns/op\n", map[string]map[pick][]float64{"p2c": {pick{false, 10, 1}: {3}, pick{false, 10, 4}: {12}}})
	f("BenchmarkNewPool/p2c/1000 1 3 ns/op\n", map[string]map[pick][]float64{})
}

func TestRatioIsTakenWithinRounds(t *testing.T) {
	f := func(a, b []float64, want string) {
		t.Helper()
		if got := ratio(map[string][]float64{"a": a, "b": b}, "a", "b"); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	f(nil, nil, "")
	f([]float64{1, 2}, nil, "")
	f([]float64{10, 100, 30}, []float64{20, 200, 30}, "0.50")
	f([]float64{10, 100}, []float64{20, 100}, "0.75")
	f([]float64{10, 100}, []float64{0, 100}, "1.00")
}

func TestPercentile(t *testing.T) {
	f := func(v []time.Duration, p, want float64) {
		t.Helper()
		if got := percentile(v, p); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	ms := time.Millisecond
	f(nil, 0.99, 0)
	f([]time.Duration{1500 * time.Microsecond}, 0.99, 1.5)
	f([]time.Duration{ms, 2 * ms, 3 * ms, 4 * ms}, 0.5, 3)
	f([]time.Duration{ms, 2 * ms, 3 * ms, 4 * ms}, 1, 4)
}

func TestAnswerIsTakenInPieces(t *testing.T) {
	f := func(whole string) {
		t.Helper()
		for cut := 1; cut < len(whole); cut++ {
			c := genConn{left: -1}
			if c.take([]byte(whole[:cut])) {
				t.Fatalf("complete after %q of %q", whole[:cut], whole)
			}
			if !c.take([]byte(whole[cut:])) || !isOK(c.head) {
				t.Fatalf("not complete with %q after %q", whole[cut:], whole[:cut])
			}
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
	f(string(response("/chunked/100")))
	f(string(response("/20")))
}
