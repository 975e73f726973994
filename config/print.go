package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// YAML prints the effective configuration with all defaults; secrets are "***".
func (c *Config) YAML() []byte { return printYAML((&printer{}).block(reflect.ValueOf(c).Elem())) }

// JSON prints what YAML prints, as an object with the keys of the file in their order.
func (c *Config) JSON() []byte {
	var b bytes.Buffer
	printJSON(&b, (&printer{}).block(reflect.ValueOf(c).Elem()))
	return b.Bytes()
}

// printer makes YAML nodes of a Config. Keys without a value are left out: nil
// pointers, lists and maps, empty texts, and numbers that are 0 without that being a default.
type printer struct {
	// file prints secrets, and escapes, so that the result can be loaded.
	file bool
}

func (p *printer) block(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	kind := ""
	if k, ok := v.Addr().Interface().(kinded); ok {
		kind = k.kind()
	}
	for _, f := range readFields(v.Type()) {
		if field := v.Field(f.index); f.belongsTo(kind) && !leftOut(field, &f) {
			n.Content = append(n.Content, text(f.key), p.value(field))
		}
	}
	return n
}

// leftOut tells whether a value is that of a key which does not stand in the file.
func leftOut(v reflect.Value, f *field) bool {
	isBlock := v.Kind() == reflect.Struct && !isScalar(f.typ)
	zeroStands := f.hasDefault && v.Kind() != reflect.String && v.Kind() != reflect.Slice
	return v.IsZero() && !isBlock && !zeroStands
}

func (p *printer) value(v reflect.Value) *yaml.Node {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		return p.value(v.Elem())
	case isScalar(t):
		return p.scalar(v)
	case t.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, p.value(v.Index(i)))
		}
		return n
	case t.Kind() == reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := make([]string, 0, v.Len())
		for k := range v.Seq() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		for _, k := range keys {
			n.Content = append(n.Content, text(k), p.value(v.MapIndex(reflect.ValueOf(k))))
		}
		return n
	}
	return p.block(v)
}

func (p *printer) scalar(v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(x)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(x)}
	case float64:
		return float(x)
	case Percent:
		return float(float64(x))
	case time.Duration:
		return text(short(x))
	case time.Time:
		return text(x.Format(time.RFC3339Nano))
	case Secret:
		if !p.file {
			return text(x.String())
		}
	case fmt.Stringer:
		return text(x.String())
	case encoding.TextMarshaler:
		panic("BUG: config cannot print " + v.Type().String())
	}
	s := v.String()
	if p.file {
		s = strings.ReplaceAll(s, "${", "$${")
	}
	return text(s)
}

// float is a number, tagged so that YAML prints it plain: 20 is an integer to it.
func float(x float64) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(x, 'g', -1, 64)}
	if !strings.ContainsAny(n.Value, ".e") {
		n.Tag = "!!int"
	}
	return n
}

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func printYAML(n *yaml.Node) []byte {
	data, err := yaml.Marshal(n)
	if err != nil {
		panic("BUG: cannot print config: " + err.Error())
	}
	return data
}

// printJSON writes nodes as JSON with their keys in order.
func printJSON(b *bytes.Buffer, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			printJSON(b, n.Content[i])
			b.WriteByte(':')
			printJSON(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, e := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			printJSON(b, e)
		}
		b.WriteByte(']')
	default:
		if n.Tag != "!!str" {
			b.WriteString(n.Value)
			return
		}
		data, err := json.Marshal(n.Value)
		if err != nil {
			panic("BUG: cannot print config: " + err.Error())
		}
		b.Write(data)
	}
}
