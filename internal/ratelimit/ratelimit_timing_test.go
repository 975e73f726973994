package ratelimit

import (
	"sync/atomic"
	"testing"
	"time"
)

func benchmarkAllow(b *testing.B, keys uint64) {
	l := limiter(b, Options{Rate: 1e6, Burst: 1000})
	var worker atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		key, now := worker.Add(1)<<32, int64(1e18)
		for i := uint64(0); pb.Next(); i++ {
			now += int64(time.Microsecond)
			l.Allow((key+i)%keys, now)
		}
	})
}

func BenchmarkAllowOneKey(b *testing.B)   { benchmarkAllow(b, 1) }
func BenchmarkAllow10kKeys(b *testing.B)  { benchmarkAllow(b, 10_000) }
func BenchmarkAllow100kKeys(b *testing.B) { benchmarkAllow(b, 100_000) }

func BenchmarkAllowBytes(b *testing.B) {
	l := limiter(b, Options{Rate: 1e6, Burst: 1000})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		key, now := []byte("2001:db8:1:2:3:4:5:6"), int64(1e18)
		for pb.Next() {
			now += int64(time.Microsecond)
			key[len(key)-1] = '0' + byte(now/1000%8)
			l.AllowBytes(key, now)
		}
	})
}

func TestAllowDoesNotAllocate(t *testing.T) {
	l := limiter(t, Options{Rate: 1, Burst: 1, MaxKeys: 3})
	key := []byte("client")
	if n := testing.AllocsPerRun(100, func() {
		key[0]++
		l.AllowBytes(key, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
