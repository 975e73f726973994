package config

import (
	"encoding/json"
	"reflect"
	"time"

	"gopkg.in/yaml.v3"
)

// Schema returns the JSON Schema (draft 2020-12) of the configuration file. It
// knows keys, types, values and bounds; what only Parse checks (references, what
// belongs together) is in the descriptions. Wherever a scalar stands, ${VAR} may stand as well.
func Schema() []byte {
	s := &schemaWriter{d: newDecoder("", nil), docs: readDocs(), defs: map[string]any{}}
	root := s.block(reflect.TypeFor[Config]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "gatewayd configuration"
	s.defs["variable"] = map[string]any{"type": "string", "pattern": `\$\{`, "description": "A value with ${VAR} or ${VAR:-default}."}
	root["$defs"] = s.defs
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("BUG: cannot print the schema: " + err.Error())
	}
	return append(data, '\n')
}

type schemaWriter struct {
	d    *decoder
	docs map[string]string
	defs map[string]any // the blocks by type name
}

// block describes a struct.
func (s *schemaWriter) block(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	sh := s.d.shape(t)
	for i := range sh.fields {
		f := &sh.fields[i]
		p := s.value(f.typ, f)
		p["description"] = s.docs[t.Name()+"."+f.name]
		if f.hasDefault {
			p["default"] = defaultValue(f)
		}
		properties[f.key] = p
		if f.required {
			required = append(required, f.key)
		}
	}
	block := map[string]any{
		"type": "object", "description": s.docs[t.Name()], "properties": properties, "additionalProperties": false,
	}
	if len(required) > 0 {
		block["required"] = required
	}
	return block
}

// value describes what a key takes.
func (s *schemaWriter) value(t reflect.Type, f *field) map[string]any {
	switch {
	case isScalar(t):
		return scalarSchema(t, f)
	case t.Kind() == reflect.Slice:
		list := map[string]any{"type": "array", "items": s.value(t.Elem(), f)}
		if f.required {
			list["minItems"] = 1
		}
		return list
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.value(t.Elem(), &field{format: mapValueFormat(f.format)})}
	case t.Kind() == reflect.Pointer:
		return s.value(t.Elem(), f)
	}
	if s.defs[t.Name()] == nil {
		s.defs[t.Name()] = true // so that a block within itself would end
		s.defs[t.Name()] = s.block(t)
	}
	return map[string]any{"$ref": "#/$defs/" + t.Name()}
}

// scalarSchema describes a scalar. Texts take variables by themselves; all else by an alternative.
func scalarSchema(t reflect.Type, f *field) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	orVariable := func(schema map[string]any) map[string]any {
		return map[string]any{"anyOf": []any{schema, map[string]any{"$ref": "#/$defs/variable"}}}
	}
	if values, ok := isEnum(t); ok {
		return orVariable(map[string]any{"enum": values})
	}
	low, hasLow := number(f.low)
	high, hasHigh := number(f.high)
	bounded := func(schema map[string]any) map[string]any {
		if hasLow {
			schema["minimum"] = low
		}
		if hasHigh {
			schema["maximum"] = high
		}
		return orVariable(schema)
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return orVariable(map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$`})
	case reflect.TypeFor[Size]():
		return map[string]any{"type": []string{"string", "integer"}}
	case reflect.TypeFor[Percent]():
		schema := bounded(map[string]any{"type": "number"})
		schema["anyOf"] = append(schema["anyOf"].([]any), map[string]any{"type": "string", "pattern": "^[0-9.]+%?$"})
		return schema
	case reflect.TypeFor[Amount](), reflect.TypeFor[StatusRanges]():
		return map[string]any{"type": []string{"string", "integer"}}
	}
	switch t.Kind() {
	case reflect.Bool:
		return orVariable(map[string]any{"type": "boolean"})
	case reflect.Int:
		return bounded(map[string]any{"type": "integer"})
	case reflect.Float64:
		return bounded(map[string]any{"type": "number"})
	}
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// defaultValue is a default as a value of JSON.
func defaultValue(f *field) any {
	if isScalar(f.typ) && f.scalar().Kind() == reflect.String {
		return f.standard
	}
	var v any
	if err := yaml.Unmarshal([]byte(f.standard), &v); err != nil {
		panic("BUG: default of " + f.key + ": " + err.Error())
	}
	return v
}
