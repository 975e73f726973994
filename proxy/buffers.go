package proxy

import "sync"

// Sizes of the pooled buffers. headSize holds nearly every head; a head that does not fit moves to a buffer of
// the listener's limit. bodySize is what a streaming body moves through, and frameRoom the part of it that is kept free for a chunk's framing,
// so that what was read into one buffer can be framed in another of the same size.
const (
	headSize  = 8 << 10
	bodySize  = 64 << 10
	frameRoom = 32
)

// buffers are the pools of one Server. They hold pointers to arrays, because a slice would have to be boxed each time.
type buffers struct {
	heads  sync.Pool // of *[headSize]byte
	bodies sync.Pool // of *[bodySize]byte
}

func newBuffers() *buffers {
	return &buffers{
		heads:  sync.Pool{New: func() any { return new([headSize]byte) }},
		bodies: sync.Pool{New: func() any { return new([bodySize]byte) }},
	}
}

// head returns a buffer of headSize bytes.
func (b *buffers) head() []byte { return b.heads.Get().(*[headSize]byte)[:] }

// body returns a buffer of bodySize bytes.
func (b *buffers) body() []byte { return b.bodies.Get().(*[bodySize]byte)[:] }

// release takes back a buffer that head or body returned, however it was resliced at its end. Buffers of another size are left to the
// garbage collector.
func (b *buffers) release(buf []byte) {
	switch cap(buf) {
	case headSize:
		b.heads.Put((*[headSize]byte)(buf[:headSize]))
	case bodySize:
		b.bodies.Put((*[bodySize]byte)(buf[:bodySize]))
	}
}
