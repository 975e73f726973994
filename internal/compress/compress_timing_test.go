package compress

import (
	"io"
	"math/rand/v2"
	"testing"
)

func BenchmarkDecide(b *testing.B) {
	p := policy(b, Options{})
	req := request(b, "GET", "Accept: */*", "Accept-Encoding: gzip, deflate, br, zstd")
	res := response(b, 200, "Content-Type: application/json", "Content-Length: 5000", "Date: x", "X-Other: y")
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(req, res)
	}
}

// BenchmarkEncode compresses bodies of 64 KiB with encoders out of the pool.
func BenchmarkEncode(b *testing.B) {
	body := text(rand.New(rand.NewPCG(1, 2)), 64<<10)
	for e := Zstd; e < encodings; e++ {
		b.Run(e.String(), func(b *testing.B) {
			p := policy(b, Options{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					enc := p.NewEncoder(e, io.Discard)
					enc.Write(body)
					enc.Close()
				}
			})
		})
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := policy(t, Options{})
	req := request(t, "GET", "Accept-Encoding: gzip;q=0.5, *")
	res := response(t, 200, "Content-Type: application/problem+json", "Cache-Control: max-age=1")
	if n := testing.AllocsPerRun(100, func() { p.Decide(req, res) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
