package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse holds that Parse never panics, that each error has a place and says what is wanted,
// and that a good file is the same after it was printed and read again.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(data), "=====\n") {
			f.Add([]byte(part))
		}
	}
	// A small good file, for most changes of a large one only break it.
	f.Add([]byte("listeners: [{name: w, address: ':1'}]\nservices: {a: {provider: {exec: {scale: [a], list: [b]}}, scaling: {policies: [{name: p, type: slo}]}}}\nroutes: [{name: r, service: a, compress: {}, rateLimit: {requestsPerSecond: 1}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data, testEnv)
		if err == nil {
			if again := reload(t, c); !reflect.DeepEqual(c, again) {
				t.Errorf("printed and loaded again it is another:\n%s\n%s", c.YAML(), again.YAML())
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("got the error %v; want Errors", err)
		}
		last := Error{}
		for _, e := range errs {
			if e.Line < 1 || e.Column < 1 || e.Found == "" || e.Want == "" || e.File != "f.yaml" {
				t.Errorf("incomplete error %+v", e)
			}
			if e.Line < last.Line || e.Line == last.Line && e.Column < last.Column {
				t.Errorf("error %v comes after %v", e, last)
			}
			last = e
		}
	})
}
