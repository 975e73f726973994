package proxy

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	const second = int64(time.Second)
	taken := func(b *budget, now int64, requests uint64, tries int) (n int) {
		for range tries {
			if b.take(now, requests, 20) {
				n++
			}
		}
		return n
	}
	f := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: got %d retries; want %d", what, got, want)
		}
	}
	var b budget
	now := 1000 * second
	b.take(now, 0, 20)
	f("a quiet service", taken(&b, now, 0, 100), freeRetries-1)

	b = budget{}
	b.take(now, 0, 20)
	// 100 requests a second for ten seconds: 20 % of 1000, the one before included no more.
	f("a burst of failures", taken(&b, now+10*second, 1000, 1000), 200)
	f("more in the same window", taken(&b, now+15*second, 1500, 100), 0)
	f("the next window", taken(&b, now+21*second, 2100, 1000), 200)
}
