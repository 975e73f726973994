package proxy

import "sync"

// Sizes of the pooled buffers. headSize holds nearly every head; a head that does not fit moves to a buffer of
// the listener's limit. bodySize is what a streaming body moves through.
const (
	headSize = 8 << 10
	bodySize = 64 << 10
)

type bufferPool struct {
	size int
	pool sync.Pool
}

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:p.size]
	}
	return make([]byte, p.size)
}

// put takes back a buffer that get returned. Buffers of another size are left to the garbage collector.
func (p *bufferPool) put(b []byte) {
	if cap(b) != p.size {
		return
	}
	b = b[:p.size]
	p.pool.Put(&b)
}

// buffers are the pools of one Server.
type buffers struct {
	head bufferPool
	body bufferPool
}

func newBuffers() *buffers {
	return &buffers{head: bufferPool{size: headSize}, body: bufferPool{size: bodySize}}
}

func (b *buffers) release(buf []byte) {
	switch cap(buf) {
	case headSize:
		b.head.put(buf)
	case bodySize:
		b.body.put(buf)
	}
}
