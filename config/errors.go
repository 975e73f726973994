package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a file.
type Error struct {
	File   string // as it was given to Load or Parse
	Line   int    // 1 or more
	Column int    // 1 or more, in bytes
	Path   string // of the value, such as services.shop.limits.queue; empty for the file as a whole
	Found  string // what is wrong: "got -1"
	Want   string // what would be right: "an integer from 0 to 100000"
}

// Error is FILE:LINE:COLUMN: PATH: what; want what.
func (e Error) Error() string {
	path := e.Path
	if path != "" {
		path += ": "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s; want %s", e.File, e.Line, e.Column, path, e.Found, e.Want)
}

// Errors is everything that is wrong with a file, in the file's order.
type Errors []Error

// Error prints one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}
