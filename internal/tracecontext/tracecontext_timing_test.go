package tracecontext

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkPassOn(b *testing.B) {
	fields := fieldsOf("Accept: */*", "traceparent: "+parent, "tracestate: a=1,b=2")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		c, _ := FromFields(fields)
		dst = c.Child(rand.Uint64).AppendTraceparent(dst[:0])
		dst = AppendTracestate(dst, fields)
	}
}

func BenchmarkStart(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = Start(rand.Uint64, true).AppendTraceparent(dst[:0])
		dst = AppendRequestID(dst, rand.Uint64)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	fields := fieldsOf("traceparent: "+parent, "tracestate: a=1,b=2")
	dst := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		c, _ := FromFields(fields)
		out := c.Child(rand.Uint64).AppendTraceparent(dst)
		out = AppendTracestate(out, fields)
		out = Start(rand.Uint64, true).AppendTraceparent(out)
		AppendRequestID(out, rand.Uint64)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
