package metrics

import (
	"io"
	"strconv"
	"testing"
)

func BenchmarkCounter(b *testing.B) {
	var c Counter
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Inc()
		}
	})
}

// BenchmarkScrape is one page with 1000 histograms of 20 buckets.
func BenchmarkScrape(b *testing.B) {
	h := HistogramData{Bounds: make([]float64, 20), Counts: make([]uint64, 21)}
	for i := range h.Bounds {
		h.Bounds[i] = float64(i)
	}
	var r Registry
	r.Add(CollectorFunc(func(w *Writer) {
		for i := range 1000 {
			w.Histogram("took_seconds", "Time.", h, Label{"service", strconv.Itoa(i)})
		}
	}))
	b.ReportAllocs()
	for range b.N {
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
