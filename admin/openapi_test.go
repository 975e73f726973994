package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// document is what the tests need of an OpenAPI document.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Schemas    map[string]schema
		Parameters map[string]parameter
	}
}

type operation struct {
	Summary     string
	Role        string `yaml:"x-role"`
	Security    *[]any
	Parameters  []parameter
	RequestBody *struct{ Content map[string]content } `yaml:"requestBody"`
	Responses   map[string]struct {
		Ref     string `yaml:"$ref"`
		Content map[string]content
	}
}

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string
	In   string
}

type content struct{ Schema schema }

type schema struct {
	Ref        string `yaml:"$ref"`
	Type       any
	Format     string
	Enum       []string
	Items      *schema
	Required   []string
	Properties map[string]schema
}

func loadDocument(t *testing.T, s *Server) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal(do(s, request{path: "/api/v1/openapi.yaml"}).Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestOpenAPIAgreesWithRoutes compares both ways: methods, roles, path parameters, bodies and answers.
func TestOpenAPIAgreesWithRoutes(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, events.New(events.Options{})))
	d := loadDocument(t, s)
	described := 0
	for _, operations := range d.Paths {
		described += len(operations)
	}
	routes := s.routes()
	if described != len(routes) || !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Errorf("%d operations are described as OpenAPI %s; want %d as 3.1", described, d.OpenAPI, len(routes))
	}
	used := map[string]bool{"Error": true}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		op, ok := d.Paths[rt.path][strings.ToLower(rt.method)]
		if !ok {
			t.Errorf("%s is served and not described", name)
			continue
		}
		role := string(rt.role)
		if rt.role == RoleNone {
			role = "none"
		}
		if op.Role != role || (op.Security != nil) != (rt.role == RoleNone) || op.Summary == "" {
			t.Errorf("%s: described with the role %q, summary %q; want %q", name, op.Role, op.Summary, role)
		}
		compareParameters(t, name, rt.path, op, d)
		var body schema
		if op.RequestBody != nil {
			body = op.RequestBody.Content["application/json"].Schema
		}
		compareSchema(t, name+" body", rt.body, body, d, used)
		if rt.answer != nil || rt.json == nil {
			compareSchema(t, name+" answer", rt.answer, op.Responses[fmt.Sprint(rt.status)].Content["application/json"].Schema, d, used)
		}
		if _, ok := op.Responses[fmt.Sprint(rt.status)]; !ok || op.Responses["default"].Ref != "#/components/responses/Error" {
			t.Errorf("%s: want the responses %d and default", name, rt.status)
		}
	}
	compareSchema(t, "Error", api.Error{}, d.Components.Schemas["Error"], d, used)
	compareSchema(t, "Event", events.Event{}, schema{Ref: "#/components/schemas/Event"}, d, used)
	for name := range d.Components.Schemas {
		if !used[name] {
			t.Errorf("schema %s is described and never used", name)
		}
	}
}

func compareParameters(t *testing.T, name, path string, op operation, d document) {
	t.Helper()
	var inPath, want []string
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		if p.In == "path" {
			inPath = append(inPath, p.Name)
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "{") {
			want = append(want, strings.Trim(segment, "{}"))
		}
	}
	if !slices.Equal(inPath, want) {
		t.Errorf("%s: path parameters %v; want %v", name, inPath, want)
	}
}

// compareSchema holds a described schema against the Go type of value; nil means none.
func compareSchema(t *testing.T, where string, value any, s schema, d document, used map[string]bool) {
	t.Helper()
	if value == nil {
		if s.Ref != "" || s.Type != nil {
			t.Errorf("%s: a schema is described; want none", where)
		}
		return
	}
	compareType(t, where, reflect.TypeOf(value), s, d, used)
}

func compareType(t *testing.T, where string, typ reflect.Type, s schema, d document, used map[string]bool) {
	t.Helper()
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if name != typ.Name() {
			t.Errorf("%s: described as %s; want %s", where, name, typ.Name())
		}
		if used[name] {
			return
		}
		used[name] = true
		s = d.Components.Schemas[name]
	}
	wantType, wantFormat := jsonSchemaType(typ)
	if fmt.Sprint(s.Type) != wantType || s.Format != wantFormat {
		t.Errorf("%s: described as %v %s; want %s %s", where, s.Type, s.Format, wantType, wantFormat)
		return
	}
	switch {
	case wantType == "array" && s.Items != nil:
		compareType(t, where+"[]", typ.Elem(), *s.Items, d, used)
	case typ.Kind() == reflect.Struct && wantType == "object":
		compareFields(t, where, typ, s, d, used)
	}
}

// compareFields compares names, types and which are always there.
func compareFields(t *testing.T, where string, typ reflect.Type, s schema, d document, used map[string]bool) {
	t.Helper()
	var required []string
	fields := map[string]bool{}
	for i := range typ.NumField() {
		name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		fields[name] = true
		property, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s.%s is not described", where, name)
			continue
		}
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		} else if typ.Field(i).Type.Kind() == reflect.Pointer {
			compareType(t, where+"."+name, typ.Field(i).Type.Elem(), property, d, used)
			continue
		}
		compareType(t, where+"."+name, typ.Field(i).Type, property, d, used)
	}
	for name := range maps.Keys(s.Properties) {
		if !fields[name] {
			t.Errorf("%s.%s is described and does not exist", where, name)
		}
	}
	if !slices.Equal(s.Required, required) {
		t.Errorf("%s: required %v; want %v", where, s.Required, required)
	}
}

// jsonSchemaType returns how typ is described.
func jsonSchemaType(typ reflect.Type) (name, format string) {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "string", "date-time"
	case reflect.TypeFor[api.Duration]():
		return "string", ""
	}
	switch typ.Kind() {
	case reflect.Pointer:
		inner, format := jsonSchemaType(typ.Elem())
		return fmt.Sprintf("[%s null]", inner), format
	case reflect.String:
		return "string", ""
	case reflect.Bool:
		return "boolean", ""
	case reflect.Float64:
		return "number", ""
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer", ""
	case reflect.Slice:
		return "array", ""
	default:
		return "object", ""
	}
}

// TestEventTypesAreDescribed keeps the list of types in the document complete.
func TestEventTypesAreDescribed(t *testing.T) {
	d := loadDocument(t, newServer(t, Options{}))
	var want []string
	for _, typ := range events.Types() {
		want = append(want, string(typ))
	}
	if got := d.Components.Schemas["Event"].Properties["type"].Enum; !slices.Equal(got, want) {
		t.Fatalf("got %v; want %v", got, want)
	}
}

// TestAnswersHaveTheDescribedFields decodes what the handlers really send into the described types,
// strictly.
func TestAnswersHaveTheDescribedFields(t *testing.T) {
	s := newServer(t, wired(&fakeGateway{}, events.New(events.Options{})))
	for _, rt := range s.routes() {
		if rt.answer == nil || rt.method != "GET" || rt.path == "/api/v1/bottlenecks" {
			continue
		}
		w := do(s, concrete(rt))
		decoder := json.NewDecoder(w.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(reflect.New(reflect.TypeOf(rt.answer)).Interface()); err != nil || w.Code != rt.status {
			t.Errorf("%s: got %d, %v; want %d and a %T", rt.path, w.Code, err, rt.status, rt.answer)
		}
	}
}

// TestDocumentationListsEveryRoute holds the tables of docs/admin-api.md against the routes and event types.
func TestDocumentationListsEveryRoute(t *testing.T) {
	text, err := os.ReadFile("../docs/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	routes := newServer(t, wired(&fakeGateway{}, events.New(events.Options{}))).routes()
	for _, rt := range routes {
		role := cmp.Or(string(rt.role), "none")
		if row := fmt.Sprintf("| `%s %s` | %s |", rt.method, rt.path, role); !strings.Contains(string(text), row) {
			t.Errorf("no row begins with %s", row)
		}
	}
	if rows := strings.Count(string(text), "| `GET /") + strings.Count(string(text), "| `POST /") + strings.Count(string(text), "| `DELETE /"); rows != len(routes) {
		t.Errorf("%d rows; want one for each of %d routes", rows, len(routes))
	}
	for _, typ := range events.Types() {
		if !strings.Contains(string(text), string(typ)) {
			t.Errorf("the type %s is not listed", typ)
		}
	}
}
