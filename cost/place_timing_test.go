package cost

import (
	"fmt"
	"testing"
)

func BenchmarkPlace(b *testing.B) {
	for _, fill := range []float64{0.5, 0.95, 1.5} {
		b.Run(fmt.Sprintf("200x10/fill=%v", fill), func(b *testing.B) {
			q := largeRequest(1, 200, 10, fill)
			b.ReportAllocs()
			for b.Loop() {
				Place(q)
			}
		})
	}
}
