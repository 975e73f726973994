package config

import (
	"encoding"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// shape is a struct type of the configuration as its tags describe it.
type shape struct {
	typ    reflect.Type
	fields []field
	byKey  map[string]*field
	zero   reflect.Value // a value with all defaults; what it refers to is shared and never written to
}

// field is one key of a block.
type field struct {
	index    int
	name     string // of the Go field, for its doc comment
	key      string
	typ      reflect.Type
	standard string // the default tag; hasDefault tells "" from none
	bounds   string // the range tag
	format   string
	example  string
	refused  string
	kinds    string // the for tag: the values of "type" that the key belongs to
	required bool

	hasDefault bool
	low, high  reflect.Value // of bounds, in typ; invalid where open
}

// keys are the keys of the block in the order of the type.
func (s *shape) keys() []string {
	keys := make([]string, len(s.fields))
	for i := range s.fields {
		keys[i] = s.fields[i].key
	}
	return keys
}

// readFields reads the tags of a struct type.
func readFields(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("key")
		if key == "-" {
			continue
		}
		standard, hasDefault := f.Tag.Lookup("default")
		fields = append(fields, field{
			index: i, name: f.Name, key: key, typ: f.Type,
			standard: standard, hasDefault: hasDefault,
			bounds: f.Tag.Get("range"), format: f.Tag.Get("format"), example: f.Tag.Get("example"),
			refused: f.Tag.Get("refused"), kinds: f.Tag.Get("for"), required: f.Tag.Get("required") == "true",
		})
	}
	return fields
}

// kinded is a block some keys of which belong to one kind of it only, as their for
// tags say.
type kinded interface{ kind() string }

// belongsTo tells whether the key may stand in a block of this type.
func (f *field) belongsTo(kind string) bool {
	if f.kinds == "" {
		return true
	}
	for k := range strings.SplitSeq(f.kinds, ",") {
		if k == kind {
			return true
		}
	}
	return false
}

// isScalar tells whether values of t are written as one scalar of YAML.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map:
		return false
	case reflect.Pointer:
		return isScalar(t.Elem())
	}
	return true
}

// isEnum returns the values of t when it is a type with a fixed set of them.
func isEnum(t reflect.Type) ([]string, bool) {
	if e, ok := reflect.Zero(t).Interface().(enum); ok {
		return e.Values(), true
	}
	return nil, false
}

// kindName is what a scalar of t is called in messages and in the reference.
func kindName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Percent]():
		return "percent"
	case reflect.TypeFor[Amount]():
		return "count or percent"
	case reflect.TypeFor[StatusRanges]():
		return "statuses"
	case reflect.TypeFor[KeySource]():
		return "key"
	case reflect.TypeFor[netip.Prefix]():
		return "CIDR"
	case reflect.TypeFor[Secret]():
		return "secret"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Pointer:
		return kindName(t.Elem())
	}
	return "text"
}

// wanted describes the values that the key takes.
func (f *field) wanted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if values, ok := isEnum(t); ok {
		return oneOf(values)
	}
	if f.format != "" {
		return formatWant(f.format)
	}
	switch kind := kindName(t); kind {
	case "duration":
		return "a duration" + f.span() + ", such as 1m30s"
	case "time":
		return "a time such as 2030-01-31T20:00:00Z"
	case "size":
		return "a size" + f.span() + ", such as 64KiB"
	case "percent":
		return "a percentage" + f.span()
	case "count or percent":
		return "a count such as 2 or a percentage such as 25%"
	case "statuses":
		return "statuses from 100 to 599, such as 200-299,404"
	case "key":
		return "client-ip, header:NAME, cookie:NAME, query:NAME, host, path or route"
	case "CIDR":
		return "a CIDR such as 10.0.0.0/8, or an IP address"
	case "integer":
		return "an integer" + f.span()
	case "true or false":
		return kind
	case "secret":
		return "a text"
	default:
		return "a " + kind + f.span()
	}
}

// span puts the bounds into words: " from 1 to 5".
func (f *field) span() string {
	low, high := f.limits()
	switch {
	case low != "" && high != "":
		return " from " + low + " to " + high
	case low != "":
		return " of " + low + " or more"
	}
	return ""
}

// limits are the bounds as text, also those that a type has by itself.
func (f *field) limits() (low, high string) {
	low, high, _ = strings.Cut(f.bounds, "..")
	if f.bounds == "" && f.scalar() == reflect.TypeFor[Percent]() {
		return "0", "100"
	}
	return low, high
}

// scalar is the type of the key's value, or of what its pointer refers to.
func (f *field) scalar() reflect.Type {
	if f.typ.Kind() == reflect.Pointer {
		return f.typ.Elem()
	}
	return f.typ
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// shape describes t, which is a struct type; it makes each description once.
func (d *decoder) shape(t reflect.Type) *shape {
	if s := d.shapes[t]; s != nil {
		return s
	}
	s := &shape{typ: t, fields: readFields(t), byKey: map[string]*field{}, zero: reflect.New(t).Elem()}
	d.shapes[t] = s
	for i := range s.fields {
		f := &s.fields[i]
		s.byKey[f.key] = f
		f.readBounds()
		v := s.zero.Field(f.index)
		switch {
		case f.hasDefault:
			d.readDefault(t, f, v)
		case f.typ.Kind() == reflect.Struct && !isScalar(f.typ):
			v.Set(d.shape(f.typ).zero)
		}
	}
	return s
}

// readBounds reads the bounds as values of the field's own type.
func (f *field) readBounds() {
	low, high := f.limits()
	for _, b := range []struct {
		text string
		v    *reflect.Value
	}{{low, &f.low}, {high, &f.high}} {
		if b.text == "" {
			continue
		}
		*b.v = reflect.New(f.scalar()).Elem()
		if err := parseScalar(*b.v, b.text); err != nil {
			panic("BUG: key " + f.key + " has the bound " + b.text)
		}
	}
}

// readDefault decodes the default tag as if it stood in the file.
func (d *decoder) readDefault(t reflect.Type, f *field, v reflect.Value) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.standard}
	if !isScalar(f.typ) {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(f.standard), &document); err != nil {
			panic("BUG: default of " + t.Name() + "." + f.key + ": " + err.Error())
		}
		n = document.Content[0]
	}
	own := newDecoder("", nil)
	own.shapes = d.shapes
	own.value(f.key, n, v, f)
	if len(own.errs) > 0 {
		panic("BUG: default of " + t.Name() + "." + f.key + ": " + own.errs.Error())
	}
}
