package admin

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed openapi.yaml
var openAPISource []byte

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(s.openapi)
}

// describe returns the OpenAPI document with the operations of routes only.
func describe(routes []route) []byte {
	served := map[string]bool{}
	for _, rt := range routes {
		served[strings.ToLower(rt.method)+" "+rt.path] = true
	}
	var document yaml.Node
	if err := yaml.Unmarshal(openAPISource, &document); err != nil {
		panic(fmt.Sprintf("BUG: openapi.yaml: %v", err))
	}
	paths := yamlField(document.Content[0], "paths")
	keepFields(paths, func(path string, operations *yaml.Node) bool {
		keepFields(operations, func(method string, _ *yaml.Node) bool { return served[method+" "+path] })
		return len(operations.Content) > 0
	})
	text, err := yaml.Marshal(&document)
	if err != nil {
		panic(fmt.Sprintf("BUG: openapi.yaml: %v", err))
	}
	return text
}

// yamlField returns the value of a field of a mapping, which must be there.
func yamlField(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	panic(fmt.Sprintf("BUG: openapi.yaml has no field %s", name))
}

// keepFields drops the fields of a mapping that keep refuses.
func keepFields(mapping *yaml.Node, keep func(name string, value *yaml.Node) bool) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if keep(mapping.Content[i].Value, mapping.Content[i+1]) {
			kept = append(kept, mapping.Content[i], mapping.Content[i+1])
		}
	}
	mapping.Content = kept
}
