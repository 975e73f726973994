package compress

import (
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoder compresses one body. It is used by one goroutine at a time. Close must be called exactly once, also when the
// body broke off or a write failed, and nothing may be called after it.
type Encoder interface {
	// Write compresses p, which is not kept. Output goes to the writer whenever enough of it has come together.
	Write(p []byte) (int, error)

	// Flush writes out all that came so far, so that the client can decode it at once.
	Flush() error

	// Close writes the end of the body and gives the encoder back.
	Close() error
}

// Settings that are fast enough for bodies made on the spot. The windows bound the memory of encoder and client alike.
const (
	zstdWindow    = 128 << 10
	brotliQuality = 4
	brotliWindow  = 16 // log2: 64 KiB
	gzipLevel     = gzip.BestSpeed
)

// codec is what the three libraries have in common.
type codec interface {
	io.Writer
	Flush() error
	Close() error
	Reset(io.Writer)
}

func (p *Policy) initPools() {
	p.pools[Zstd].New = func() any { return p.wrap(Zstd, newZstd()) }
	p.pools[Brotli].New = func() any {
		return p.wrap(Brotli, brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: brotliQuality, LGWin: brotliWindow}))
	}
	p.pools[Gzip].New = func() any {
		w, err := gzip.NewWriterLevel(io.Discard, gzipLevel)
		if err != nil {
			panic("BUG: gzip refuses its level: " + err.Error())
		}
		return p.wrap(Gzip, w)
	}
}

// newZstd makes an encoder that works within its caller's goroutine: concurrency 1 starts none.
func newZstd() codec {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("BUG: zstd refuses its options: " + err.Error())
	}
	return w
}

func (p *Policy) wrap(e Encoding, c codec) *lent {
	return &lent{codec: c, policy: p, pool: &p.pools[e]}
}

// NewEncoder lends an encoder that writes to w, or returns nil when MaxEncoders are lent already; the response then has to go
// out as it is. e is not Identity.
func (p *Policy) NewEncoder(e Encoding, w io.Writer) Encoder {
	if p.lent.Add(1) > p.most {
		p.lent.Add(-1)
		return nil
	}
	l := p.pools[e].Get().(*lent)
	l.Reset(w)
	return l
}

// Lent returns how many encoders are in use.
func (p *Policy) Lent() int { return int(p.lent.Load()) }

// lent is an encoder with the way back to its pool.
type lent struct {
	codec
	policy *Policy
	pool   *sync.Pool
}

// Close gives the encoder back whatever becomes of the last write.
func (l *lent) Close() error {
	err := l.codec.Close()
	l.Reset(io.Discard) // lets go of the writer
	l.policy.lent.Add(-1)
	l.pool.Put(l)
	return err
}
