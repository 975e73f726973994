package config

import (
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// sources are the files with the types of the configuration. Their doc
// comments are the descriptions of the schema and the reference.
//
//go:embed config.go listener.go route.go service.go provider.go scaling.go rollout.go monitor.go
var sources embed.FS

// readDocs returns the doc comments of types as TYPE and of fields as TYPE.FIELD, each as
// one line.
func readDocs() map[string]string {
	docs := map[string]string{}
	entries, err := sources.ReadDir(".")
	if err != nil {
		panic("BUG: cannot read the embedded types: " + err.Error())
	}
	for _, e := range entries {
		source, err := sources.ReadFile(e.Name())
		if err != nil {
			panic("BUG: cannot read the embedded types: " + err.Error())
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), source, parser.ParseComments)
		if err != nil {
			panic("BUG: cannot parse the embedded types: " + err.Error())
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				readTypeDocs(d, docs)
			}
		}
	}
	return docs
}

func readTypeDocs(d *ast.GenDecl, docs map[string]string) {
	spec := d.Specs[0].(*ast.TypeSpec)
	docs[spec.Name.Name] = sentences(d.Doc)
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		docs[spec.Name.Name+"."+f.Names[0].Name] = sentences(f.Doc)
	}
}

// sentences puts a comment into one line, paragraphs with a space between.
func sentences(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
