package store

import (
	"path/filepath"
	"testing"
)

func BenchmarkPut(b *testing.B) {
	db, err := Open(filepath.Join(b.TempDir(), "gatewayd.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	bucket := NewBucket[doc](db, "x")
	b.ReportAllocs()
	for n := range b.N {
		if err := bucket.Put("key", doc{n}); err != nil {
			b.Fatal(err)
		}
	}
}
