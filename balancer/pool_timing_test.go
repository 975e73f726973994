package balancer

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// Each benchmark includes acquiring and releasing. Parallel ones give each goroutine a shard, as event loops do; over one
// endpoint they measure how the cores fight for its in-flight counter, which no picker can help.
func BenchmarkPick(b *testing.B) {
	for _, a := range Algorithms() {
		for _, n := range []int{1, 10, 1000} {
			p := benchPool(b, a, n)
			b.Run(fmt.Sprintf("%s/%d", a, n), func(b *testing.B) {
				b.ReportAllocs()
				pickLoop(p, 0, b.Loop)
			})
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, a := range Algorithms() {
		for _, n := range []int{1, 10, 1000} {
			p := benchPool(b, a, n)
			var shards atomic.Uint32
			b.Run(fmt.Sprintf("%s/%d", a, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) { pickLoop(p, shards.Add(1), pb.Next) })
			})
		}
	}
}

// BenchmarkPropose measures the picker alone: what it costs to choose, without the endpoint's own counter.
func BenchmarkPropose(b *testing.B) {
	for _, a := range Algorithms() {
		for _, n := range []int{1, 10, 1000} {
			p := benchPool(b, a, n)
			var shards atomic.Uint32
			b.Run(fmt.Sprintf("%s/%d", a, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					q := Query{Now: 1, Shard: shards.Add(1)}
					for pb.Next() {
						q.Hash++
						if p.picker.pick(&q, 0) == nil {
							panic("nothing proposed")
						}
					}
				})
			})
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	e := NewEndpoint(Identity{Instance: "a"})
	for _, limit := range []int64{0, 64} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			for range b.N {
				if e.TryAcquire(limit) {
					e.Release()
				}
			}
		})
	}
}

func BenchmarkSplitParallel(b *testing.B) {
	s, err := NewSplit([]Share{{Revision: "a", Weight: 95}, {Revision: "b", Weight: 5}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Pick()
		}
	})
}

func BenchmarkNewPool(b *testing.B) {
	for _, a := range Algorithms() {
		p := benchPool(b, a, 1000)
		b.Run(string(a)+"/1000", func(b *testing.B) {
			for range b.N {
				if _, err := NewPool(Options{Algorithm: a, Members: p.members}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchPool(b *testing.B, a Algorithm, n int) *Pool {
	b.Helper()
	members := make([]Member, n)
	for i := range members {
		e := NewEndpoint(Identity{Instance: fmt.Sprintf("instance-%d", i)})
		e.SetHealthy(true, 0)
		for range 1 + i%3 { // an idle pool would end a least-connections scan at once
			e.TryAcquire(0)
		}
		weight := 1
		if a == Weighted {
			weight += i % 3
		}
		members[i] = Member{Endpoint: e, Weight: weight}
	}
	p, err := NewPool(Options{Algorithm: a, Members: members, MaxConcurrency: 64, PanicPercent: 50})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func pickLoop(p *Pool, shard uint32, next func() bool) {
	q := Query{Now: 1, Shard: shard}
	for next() {
		q.Hash++
		e := p.Pick(&q)
		if e == nil {
			panic("nothing picked")
		}
		e.Release()
	}
}
