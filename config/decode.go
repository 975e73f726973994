package config

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxValues bounds the values of one file, aliases followed, so that many
// aliases of a large block cannot fill the memory. Ten thousand routes have about half of it.
const maxValues = 500_000

// position is a place in the file.
type position struct{ line, column int }

// decoder fills a Config from YAML nodes. It goes on after an error, and keeps
// the position of every value for those who check them together.
type decoder struct {
	file   string
	env    func(string) (string, bool)
	shapes map[reflect.Type]*shape
	errs   Errors
	at     map[string]position // by path, of what stands in the file
	bad    map[string]bool     // paths with an error, and keys that were probably meant by an unknown one
	left   int                 // how many more values are decoded
}

func newDecoder(file string, env func(string) (string, bool)) *decoder {
	return &decoder{
		file: file, env: env,
		shapes: map[reflect.Type]*shape{},
		at:     map[string]position{},
		bad:    map[string]bool{},
		left:   maxValues,
	}
}

// fail reports an error at a node.
func (d *decoder) fail(n *yaml.Node, path, found, want string) {
	d.errs = append(d.errs, Error{d.file, max(n.Line, 1), max(n.Column, 1), path, found, want})
	d.bad[path] = true
}

// value decodes the value of a key, of an element of a list or of a map. f says
// what is wanted of it, t is its type.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, f *field) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.left--; d.left < 0 {
		if d.left == -1 {
			d.fail(n, path, "got too many values", "a smaller file")
		}
		return
	}
	d.at[path] = position{n.Line, n.Column}
	t := v.Type()
	switch {
	case n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0 && n.Kind == yaml.ScalarNode:
		d.fail(n, path, "got nothing", f.wantedNode(t))
	case isScalar(t):
		d.scalar(path, n, v, f)
	case t.Kind() == reflect.Slice:
		d.list(path, n, v, f)
	case t.Kind() == reflect.Map:
		d.dictionary(path, n, v, f)
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		v.Set(p)
		d.block(path, n, p.Elem())
	default:
		d.block(path, n, v)
	}
}

// wantedNode says what kind of value is wanted, whatever kind the type is of.
func (f *field) wantedNode(t reflect.Type) string {
	switch {
	case isScalar(t):
		return f.wanted(t)
	case t.Kind() == reflect.Slice:
		return "a list; [] is an empty one"
	}
	return "a block of keys; {} is an empty one"
}

// block decodes a mapping into a struct, with defaults for what is left out.
func (d *decoder) block(path string, n *yaml.Node, v reflect.Value) {
	s := d.shape(v.Type())
	v.Set(s.zero)
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "got "+describeNode(n), "a block of keys; {} is an empty one")
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		key, ok := d.key(path, k, seen)
		if !ok {
			continue
		}
		f := s.byKey[key]
		if f == nil {
			d.unknown(path, k, s)
			continue
		}
		at := join(path, key)
		d.value(at, value, v.Field(f.index), f)
		if f.refused != "" && !d.bad[at] {
			d.fail(k, at, f.refused, "this key left out")
		}
	}
	for i := range s.fields {
		f := &s.fields[i]
		if f.required && seen[f.key] == nil && !d.bad[join(path, f.key)] {
			d.fail(n, join(path, f.key), "missing", f.wantedNode(f.typ))
		}
	}
}

// unknown reports a key that the block does not have.
func (d *decoder) unknown(path string, k *yaml.Node, s *shape) {
	want := "one of " + strings.Join(s.keys(), ", ")
	if known, ok := nearest(k.Value, s.keys()); ok {
		want = fmt.Sprintf("%q?", known)
		d.bad[join(path, known)] = true
	}
	d.fail(k, join(path, k.Value), fmt.Sprintf("unknown key %s", quote(k.Value)), want)
}

// key checks a key of a mapping and that it stands there once.
func (d *decoder) key(path string, k *yaml.Node, seen map[string]*yaml.Node) (string, bool) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		d.fail(k, path, "got "+describeNode(k)+" as a key", "a text")
		return "", false
	}
	if k.Tag == "!!merge" {
		d.fail(k, path, "got the merge key <<", "the keys themselves; an alias may stand for a whole value")
		return "", false
	}
	if first := seen[k.Value]; first != nil {
		d.fail(k, join(path, k.Value), fmt.Sprintf("duplicate key %s", quote(k.Value)),
			fmt.Sprintf("it once; it stands in line %d already", first.Line))
		return "", false
	}
	seen[k.Value] = k
	return k.Value, true
}

// list decodes a sequence.
func (d *decoder) list(path string, n *yaml.Node, v reflect.Value, f *field) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "got "+describeNode(n), "a list; [] is an empty one")
		return
	}
	if len(n.Content) == 0 && f.required {
		d.fail(n, path, "got an empty list", "at least one element")
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), element, list.Index(i), f)
	}
	v.Set(list)
}

// dictionary decodes a mapping whose keys are names of the user's.
func (d *decoder) dictionary(path string, n *yaml.Node, v reflect.Value, f *field) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "got "+describeNode(n), "a block of keys; {} is an empty one")
		return
	}
	seen := map[string]*yaml.Node{}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	values := field{typ: v.Type().Elem(), format: mapValueFormat(f.format)}
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		key, ok := d.key(path, k, seen)
		if !ok {
			continue
		}
		at := join(path, key)
		if f.format != "" {
			if want, ok := checkFormat(f.format, key); !ok {
				d.fail(k, at, "got "+quote(key)+" as a key", want)
			}
		}
		element := reflect.New(values.typ).Elem()
		d.value(at, n.Content[i+1], element, &values)
		if element.Kind() == reflect.Pointer && element.IsNil() { // it had an error, but references to it are right
			element.Set(reflect.New(values.typ.Elem()))
			element.Elem().Set(d.shape(values.typ.Elem()).zero)
		}
		m.SetMapIndex(reflect.ValueOf(key), element)
	}
	v.Set(m)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// describeNode names a value for people: nothing, a list, a block, or its text.
func describeNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a block of keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool":
		return shorten(n.Value)
	}
	return quote(n.Value)
}

func quote(s string) string { return fmt.Sprintf("%q", shorten(s)) }

// shorten cuts what would make a message unreadable.
func shorten(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
