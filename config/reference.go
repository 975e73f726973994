package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Reference returns docs/configuration.md: every key with its type, default,
// bounds and meaning, and an example for each block.
func Reference() string {
	w := &referenceWriter{d: newDecoder("", nil), docs: readDocs()}
	w.b.WriteString(referenceIntroduction)
	w.section("", reflect.TypeFor[Config](), nil)
	return w.b.String()
}

const referenceIntroduction = `# Configuration reference

This page is made from the types in ` + "`config/`" + `, as ` + "`gatewayd schema`" + ` is; ` + "`config.example.yaml`" + ` shows a whole file.

- The file is YAML. An unknown key, a key that stands there twice, a value of the wrong kind and a reference to
  nothing are errors. ` + "`gatewayd validate -c FILE`" + ` prints all of them, each with line, column and what would be right.
- ` + "`${VAR}`" + ` in a value is the environment variable VAR, and an error where it is not set; ` + "`${VAR:-default}`" + ` is the
  default where VAR is not set or empty; ` + "`$${`" + ` is a literal ` + "`${`" + `. Variables are put in after the YAML was read, so a value never adds keys.
  A text that is empty counts as left out.
- **duration**: ` + "`1m30s`, `250ms`, `720h`" + `. **size**: bytes, or ` + "`64KiB`, `1.5GiB`" + ` (1024s), ` + "`64kB`, `2GB`" + ` (1000s). **percent**: ` + "`25` or `25%`" + `.
  **statuses**: ` + "`200-399`, `200,404`" + `. **CIDR**: ` + "`10.0.0.0/8`" + `, or an address alone.
- A change of the file is taken over while gatewayd runs; a file with errors changes nothing.
`

type referenceWriter struct {
	b    strings.Builder
	d    *decoder
	docs map[string]string
}

// section writes the block that a key has at path, and then the blocks within it. The
// file as a whole has no key.
func (w *referenceWriter) section(path string, t reflect.Type, key *field) {
	s := w.d.shape(t)
	if path != "" {
		fmt.Fprintf(&w.b, "\n## `%s`\n", path)
	} else {
		w.b.WriteString("\n## The file\n")
	}
	fmt.Fprintf(&w.b, "\n%s\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n", w.docs[t.Name()])
	for i := range s.fields {
		w.row(path, t, &s.fields[i])
	}
	if key != nil {
		w.example(key)
	}
	for i := range s.fields {
		f := &s.fields[i]
		if inner, at := innerBlock(join(path, f.key), f.typ); inner != nil {
			w.section(at, inner, f)
		}
	}
}

// innerBlock is the block type within a key's type, and where it stands; nil when there is none.
func innerBlock(path string, t reflect.Type) (reflect.Type, string) {
	switch {
	case isScalar(t):
		return nil, ""
	case t.Kind() == reflect.Slice:
		return innerBlock(path+"[]", t.Elem())
	case t.Kind() == reflect.Map:
		return innerBlock(path+".NAME", t.Elem())
	case t.Kind() == reflect.Pointer:
		return innerBlock(path, t.Elem())
	}
	return t, path
}

func (w *referenceWriter) row(path string, t reflect.Type, f *field) {
	meaning := w.docs[t.Name()+"."+f.name]
	if isScalar(f.typ) && !f.hasDefault && f.example != "" {
		meaning += " For example `" + f.example + "`."
	}
	if f.refused != "" {
		meaning += " It is checked and then refused: " + f.refused + "."
	}
	fmt.Fprintf(&w.b, "| `%s` | %s | %s | %s |\n", f.key, w.kind(join(path, f.key), f.typ, f), defaultText(f), cell(meaning))
}

// kind is the type of a key for readers, with its bounds.
func (w *referenceWriter) kind(path string, t reflect.Type, f *field) string {
	if inner, at := innerBlock(path, t); inner != nil {
		link := fmt.Sprintf("[block](#%s)", anchor(at))
		switch t.Kind() {
		case reflect.Slice:
			return "list of " + link
		case reflect.Map:
			return link + " by name"
		}
		return link
	}
	switch {
	case isScalar(t):
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if values, ok := isEnum(t); ok {
			return "`" + strings.Join(values, "`, `") + "`"
		}
		return kindName(t) + f.span()
	case t.Kind() == reflect.Slice:
		return "list of " + w.kind(path, t.Elem(), f)
	}
	return "texts by name"
}

func defaultText(f *field) string {
	switch {
	case f.required:
		return "*required*"
	case f.hasDefault:
		return "`" + cell(f.standard) + "`"
	}
	return ""
}

// anchor is the address of a section within the page, as GitHub makes it from the heading.
func anchor(path string) string {
	return strings.NewReplacer(".", "", "[", "", "]", "").Replace(strings.ToLower(path))
}

// cell keeps a text from ending its cell of the table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// example writes the example of a key, or else its default, in block style.
func (w *referenceWriter) example(f *field) {
	var value yaml.Node
	if err := yaml.Unmarshal([]byte(cmp.Or(f.example, f.standard)), &value); err != nil {
		panic("BUG: example of " + f.key + ": " + err.Error())
	}
	blockStyle(value.Content[0])
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(f.key), value.Content[0]}}); err != nil {
		panic("BUG: example of " + f.key + ": " + err.Error())
	}
	fmt.Fprintf(&w.b, "\n```yaml\n%s```\n", b.String())
}

// blockStyle opens mappings and lists of mappings; lists of scalars stay on one line.
func blockStyle(n *yaml.Node) {
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind != yaml.ScalarNode {
		n.Style &^= yaml.FlowStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}
