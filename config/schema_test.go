package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// check validates v against the keywords that Schema uses, and returns what is wrong.
// An unknown keyword is wrong too, so that the check cannot miss one.
func check(root, schema map[string]any, v any, path string) []string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for keyword, rule := range schema {
		switch keyword {
		case "$schema", "$defs", "title", "description", "default":
		case "$ref":
			name := strings.TrimPrefix(rule.(string), "#/$defs/")
			wrong = append(wrong, check(root, root["$defs"].(map[string]any)[name].(map[string]any), v, path)...)
		case "anyOf":
			if !slices.ContainsFunc(rule.([]any), func(s any) bool { return len(check(root, s.(map[string]any), v, path)) == 0 }) {
				bad("%v fits none of %v", v, rule)
			}
		case "enum":
			if !slices.Contains(rule.([]any), v) {
				bad("%v is none of %v", v, rule)
			}
		case "type":
			types, ok := rule.([]any)
			if !ok {
				types = []any{rule}
			}
			if !slices.ContainsFunc(types, func(t any) bool { return hasType(t.(string), v) }) {
				bad("%v is no %v", v, rule)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(s) {
				bad("%q does not match %v", s, rule)
			}
		case "minimum", "maximum":
			x, ok := v.(float64)
			if ok && (keyword == "minimum" && x < rule.(float64) || keyword == "maximum" && x > rule.(float64)) {
				bad("%v is beyond %v", x, rule)
			}
		case "items":
			for i, e := range asList(v) {
				wrong = append(wrong, check(root, rule.(map[string]any), e, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "minItems":
			if list, ok := v.([]any); ok && float64(len(list)) < rule.(float64) {
				bad("got %d elements", len(list))
			}
		case "required":
			for _, key := range rule.([]any) {
				if object, ok := v.(map[string]any); ok && object[key.(string)] == nil {
					bad("%v is missing", key)
				}
			}
		case "properties":
			properties := rule.(map[string]any)
			object, _ := v.(map[string]any)
			for key, inner := range object {
				if p, ok := properties[key].(map[string]any); ok {
					wrong = append(wrong, check(root, p, inner, path+"."+key)...)
				} else if schema["additionalProperties"] == false {
					bad("unknown key %s", key)
				}
			}
		case "additionalProperties":
			object, _ := v.(map[string]any)
			if inner, ok := rule.(map[string]any); ok {
				for key, e := range object {
					wrong = append(wrong, check(root, inner, e, path+"."+key)...)
				}
			}
		default:
			bad("the schema has the keyword %s", keyword)
		}
	}
	return wrong
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func hasType(name string, v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	}
	return false
}

// asJSON reads YAML as a JSON parser would see it.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func schema(t *testing.T) map[string]any {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestSchemaAcceptsGoodFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root := schema(t)
	for _, path := range append(paths, "../config.example.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range check(root, root, asJSON(t, data), path) {
			t.Error(wrong)
		}
		printed := loadGood(t, path).YAML()
		for _, wrong := range check(root, root, asJSON(t, printed), path+" printed") {
			t.Error(wrong)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	root := schema(t)
	f := func(text, want string) {
		t.Helper()
		wrong := strings.Join(check(root, root, asJSON(t, []byte(text)), "file"), "\n")
		if !strings.Contains(wrong, want) {
			t.Errorf("%s: got %q; want %s", text, wrong, want)
		}
	}
	f("{}", "listeners is missing")
	f("listeners: []", "got 0 elements")
	f("listeners: [{name: web, address: x, foo: 1}]", "unknown key foo")
	f("listeners: [{name: web}]", "address is missing")
	f("listeners: [{name: web, address: x, limits: {headers: 0}}]", "fits none of")
	f("services: {a: {balancer: {algorithm: best}}}", "fits none of")
	f("services: {a: {drainTimeout: 5}}", "fits none of")
	f("services: {a: {instances: [{address: a, weight: heavy}]}}", "fits none of")
	f("admin: 5", "is no object")
}
