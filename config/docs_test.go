package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md and the errors in testdata/*.bad.yaml")

func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../docs/configuration.md"
	got := Reference()
	if *update {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale; run go test ./config -update", path)
	}
}

// eachField calls f for every key of every block.
func eachField(d *decoder, t reflect.Type, path string, f func(path string, owner reflect.Type, f *field)) {
	s := d.shape(t)
	for i := range s.fields {
		at := join(path, s.fields[i].key)
		f(at, t, &s.fields[i])
		if inner, at := innerBlock(at, s.fields[i].typ); inner != nil {
			eachField(d, inner, at, f)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	docs := readDocs()
	eachField(newDecoder("", nil), reflect.TypeFor[Config](), "", func(path string, owner reflect.Type, f *field) {
		doc := docs[owner.Name()+"."+f.name]
		if doc == "" || !strings.HasSuffix(doc, ".") {
			t.Errorf("%s: got the doc comment %q; want a sentence", path, doc)
		}
		if docs[owner.Name()] == "" {
			t.Errorf("%s has no doc comment", owner)
		}
		if inner, _ := innerBlock("", f.typ); inner != nil && f.example == "" && !f.hasDefault {
			t.Errorf("%s: a block has no example", path)
		}
		if _, ok := isEnum(f.scalar()); !f.hasDefault && f.example == "" && !ok {
			t.Errorf("%s has neither a default nor an example", path)
		}
	})
}

func TestExamplesDecode(t *testing.T) {
	d := newDecoder("example", testEnv)
	eachField(d, reflect.TypeFor[Config](), "", func(path string, owner reflect.Type, f *field) {
		if f.example == "" {
			return
		}
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(f.example), &document); err != nil {
			t.Errorf("%s: cannot parse the example: %v", path, err)
			return
		}
		own := newDecoder(path, testEnv)
		own.value(path, document.Content[0], reflect.New(f.typ).Elem(), f)
		for _, e := range own.errs {
			if e.Found != f.refused {
				t.Error(e)
			}
		}
	})
}
