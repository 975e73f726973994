package accesslog

import (
	"io"
	"log/slog"
	"testing"
)

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func discard(t testing.TB) *Log {
	t.Helper()
	l, err := newLog(Options{Logger: slog.New(slog.DiscardHandler)}, nowhere{io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func BenchmarkAppend(b *testing.B) {
	for name, format := range map[string]Format{"json": JSON, "common": Common} {
		b.Run(name, func(b *testing.B) {
			e := full()
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = format.append(dst[:0], e)
			}
		})
	}
}

// BenchmarkWrite writes entries and empties the ring whenever it is half full, so that the reader's cost is in the figure too.
func BenchmarkWrite(b *testing.B) {
	l, e := discard(b), full()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Write(e)
		if i%(len(l.lines.places)/2) == 0 {
			l.drain()
		}
	}
	if l.Dropped() > 0 {
		b.Fatalf("%d dropped", l.Dropped())
	}
}

// BenchmarkDrop is what an entry costs that finds no place.
func BenchmarkDrop(b *testing.B) {
	l := discard(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := full()
		for pb.Next() {
			l.Write(e)
		}
	})
}

func TestWriteDoesNotAllocate(t *testing.T) {
	l, e := discard(t), full()
	e.UserAgent = []byte("M\u00fcller \xff")
	for range len(l.lines.places) {
		l.Write(e)
	}
	l.drain()
	if n := testing.AllocsPerRun(1000, func() { l.Write(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	l.format = Common
	if n := testing.AllocsPerRun(1000, func() { l.Write(e) }); n != 0 {
		t.Errorf("common format: %v allocations", n)
	}
	l.drain()
	if l.Dropped() != 0 {
		t.Errorf("%d dropped; the test has to write them", l.Dropped())
	}
}

// BenchmarkTime shows why appendTime is there.
func BenchmarkTime(b *testing.B) {
	at, dst := full().Time, make([]byte, 0, 64)
	b.Run("own", func(b *testing.B) {
		for b.Loop() {
			dst = appendTime(dst[:0], at)
		}
	})
	b.Run("AppendFormat", func(b *testing.B) {
		for b.Loop() {
			dst = at.UTC().AppendFormat(dst[:0], "2006-01-02T15:04:05.000Z")
		}
	})
}
