package ratelimit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func limiter(t testing.TB, o Options) *Limiter {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatalf("New(%+v): %s", o, err)
	}
	return l
}

func TestNewErrors(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): got %v; want %q", o, err, want)
		}
	}
	f(Options{Rate: 0, Burst: 1}, "requestsPerSecond: got 0; want more than 0")
	f(Options{Rate: -1, Burst: 1}, "requestsPerSecond: got -1")
	f(Options{Rate: math.NaN(), Burst: 1}, "requestsPerSecond: got NaN")
	f(Options{Rate: math.Inf(1), Burst: 1}, "requestsPerSecond: got +Inf")
	f(Options{Rate: 2e9, Burst: 1}, "requestsPerSecond: got 2e+09")
	f(Options{Rate: 1, Burst: 0}, "burst: got 0; want at least 1")
	f(Options{Rate: 1e-9, Burst: 1000}, "burst: got 1000; want less than")
	f(Options{Rate: 1, Burst: 1, MaxKeys: -1}, "maxKeys: got -1")
}

func TestBurstThenRate(t *testing.T) {
	l := limiter(t, Options{Rate: 10, Burst: 3})
	const ms = int64(time.Millisecond)
	now := int64(1e18)
	f := func(at int64, wantOK bool, wantWait time.Duration) {
		t.Helper()
		ok, wait := l.Allow(7, now+at)
		if ok != wantOK || wait != wantWait {
			t.Errorf("at %v: got %v, %v; want %v, %v", time.Duration(at), ok, wait, wantOK, wantWait)
		}
	}
	f(0, true, 0)
	f(0, true, 0)
	f(0, true, 0)
	f(0, false, 100*time.Millisecond)
	f(40*ms, false, 60*time.Millisecond)
	f(100*ms-1, false, 1)
	f(100*ms, true, 0) // a refused request costs nothing
	f(100*ms, false, 100*time.Millisecond)
	f(10_000*ms, true, 0) // never more than the burst, however long the pause
	f(10_000*ms, true, 0)
	f(10_000*ms, true, 0)
	f(10_000*ms, false, 100*time.Millisecond)
	f(5_000*ms, false, 100*time.Millisecond) // the clock went back
	f(5_099*ms, false, time.Millisecond)
	f(5_100*ms, true, 0)
}

func TestKeysAreApart(t *testing.T) {
	l := limiter(t, Options{Rate: 1, Burst: 1})
	for key := range uint64(1000) {
		if ok, _ := l.Allow(key, 1); !ok {
			t.Fatalf("key %d pays for others", key)
		}
		if ok, _ := l.Allow(key, 1); ok {
			t.Fatalf("key %d was let through twice", key)
		}
	}
	l = limiter(t, Options{Rate: 1, Burst: 1})
	for i := range 1000 {
		key := fmt.Append(nil, "client ", i)
		if ok, _ := l.AllowBytes(key, 1); !ok {
			t.Fatalf("%s pays for others", key)
		}
		if ok, _ := l.AllowBytes(key, 1); ok {
			t.Fatalf("%s was let through twice", key)
		}
	}
}

// bucket is the same limit as a level that fills and is drawn from.
type bucket struct{ level, at int64 }

func TestAgainstTokenBucket(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		o := Options{Rate: 1 / (0.001 + rnd.Float64()), Burst: 1 + rnd.IntN(20)}
		l, interval := limiter(t, o), o.interval()
		capacity := interval * int64(o.Burst)
		twin := make(map[uint64]*bucket)
		now, allowed := int64(1e18), 0
		for range 2000 {
			now += rnd.Int64N(2 * interval / 3)
			key := rnd.Uint64N(3)
			b := twin[key]
			if b == nil {
				b = &bucket{capacity, now}
				twin[key] = b
			}
			b.level, b.at = min(capacity, b.level+now-b.at), now
			wantOK, wantWait := b.level >= interval, max(0, interval-b.level)
			if wantOK {
				b.level -= interval
				allowed++
			}
			if ok, wait := l.Allow(key, now); ok != wantOK || wait != time.Duration(wantWait) {
				t.Fatalf("%+v: got %v, %v; want %v, %v", o, ok, wait, wantOK, time.Duration(wantWait))
			}
		}
		if allowed == 0 || allowed == 2000 {
			t.Fatalf("%+v: %d of 2000 allowed; the case is too narrow", o, allowed)
		}
	}
}

// TestForgetsTheSmallestDebt compares a table of one group with a list from which the smallest debt is thrown out.
func TestForgetsTheSmallestDebt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for maxKeys := 1; maxKeys <= 13; maxKeys++ {
		l := limiter(t, Options{Rate: 1, Burst: 5, MaxKeys: maxKeys})
		places := min(maxKeys, groupWays)
		twin := make(map[uint64]int64) // key to when its bucket is full
		var forgotten uint64
		now := int64(1e18)
		for step := range 5000 {
			now += rnd.Int64N(int64(time.Second) / 2)
			for key, full := range twin {
				if full <= now {
					delete(twin, key)
				}
			}
			key := rnd.Uint64N(12)
			next := max(twin[key], now) + int64(time.Second)
			want := next-now <= 5*int64(time.Second)
			if want {
				if _, known := twin[key]; !known && len(twin) == places {
					least, first := uint64(0), true
					for k := range twin {
						if first || twin[k] < twin[least] {
							least, first = k, false
						}
					}
					delete(twin, least)
					forgotten++
				}
				twin[key] = next
			}
			if ok, _ := l.Allow(key, now); ok != want {
				t.Fatalf("%d keys, step %d: got %v; want %v", maxKeys, step, ok, want)
			}
		}
		if l.Forgotten() != forgotten {
			t.Errorf("%d keys: %d forgotten; want %d", maxKeys, l.Forgotten(), forgotten)
		}
		if len(l.groups)*l.ways > maxKeys {
			t.Errorf("%d places for %d keys", len(l.groups)*l.ways, maxKeys)
		}
	}
}

// TestHalfFullForgetsFew holds the figure that the documentation of Limiter gives.
func TestHalfFullForgetsFew(t *testing.T) {
	const clients = 20_000
	l := limiter(t, Options{Rate: 1, Burst: 10, MaxKeys: 2 * clients})
	for key := range uint64(clients) {
		l.Allow(key, 1)
	}
	if n := l.Forgotten(); n > clients/100 {
		t.Errorf("%d of %d clients forgotten; want less than one in a hundred", n, clients)
	}
}

func TestExactUnderContention(t *testing.T) {
	l := limiter(t, Options{Rate: 1, Burst: 1000})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if ok, _ := l.Allow(42, 1); ok {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1000 {
		t.Errorf("%d requests let through; want 1000", allowed.Load())
	}
}

func TestGroupSize(t *testing.T) {
	if size := unsafe.Sizeof(group{}); size != 128 {
		t.Errorf("a group takes %d bytes; want 128", size)
	}
}
