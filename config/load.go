package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads and checks the file at path, with ${VAR} from the process's
// environment. The error is Errors when the file could be read.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read config: %w", err)
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse checks data as Load does; filename is for the errors only, env looks up
// the variables of ${VAR}. The error is always Errors. The Config keeps nothing of data.
func Parse(filename string, data []byte, env func(string) (string, bool)) (*Config, error) {
	root, err := parseYAML(data)
	if err != nil {
		e := err.(*syntaxError)
		return nil, Errors{{filename, e.line, 1, "", e.what, "YAML"}}
	}
	d := newDecoder(filename, env)
	c := new(Config)
	d.block("", root, reflect.ValueOf(c).Elem())
	validate(c, d)
	if len(d.errs) > 0 {
		d.errs.sort()
		return nil, d.errs
	}
	return c, nil
}

// syntaxError is a text that is not one document of YAML.
type syntaxError struct {
	line int
	what string
}

func (e *syntaxError) Error() string { return e.what }

// parseYAML returns the root of the only document in data; an empty file is an
// empty block. The error is a *syntaxError.
func parseYAML(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}, nil
	}
	if err != nil {
		return nil, newSyntaxError(err)
	}
	if err = decoder.Decode(&second); err == nil {
		return nil, &syntaxError{second.Line, "got a second document"}
	}
	if !errors.Is(err, io.EOF) {
		return nil, newSyntaxError(err)
	}
	return document.Content[0], nil
}

// newSyntaxError takes the line out of "yaml: line 3: did not find expected key".
func newSyntaxError(err error) error {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if n, _ := fmt.Sscanf(what, "line %d:", &line); n == 1 {
		_, what, _ = strings.Cut(what, ": ")
	}
	return &syntaxError{max(line, 1), what}
}
