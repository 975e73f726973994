// Package dashboard is the web page of the admin API: what the services do, live, and the changes that an operator makes. It
// is plain HTML, CSS and ES modules, embedded in the program, and needs nothing from elsewhere.
//
// The page is a client of the admin API like any other and has no way around its roles. This package hands out files: it
// knows nothing of services and starts no goroutine.
package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed files
var files embed.FS

// contentPolicy lets the page load its own files, call the API that it came from, and nothing else: no inline script or
// style, no evaluation of text, no frame around it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one file as it is sent.
type file struct {
	content     []byte
	contentType string
	tag         string // strong ETag
}

// New returns what serves the page at / and its parts beside it, to GET and HEAD. Answers carry a Content-Security-Policy of
// their own, in place of one that is set already, and may be kept by a browser as long as it asks each time whether
// they are still the same.
func New() http.Handler {
	served := map[string]file{}
	err := fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		f := file{content: content, contentType: contentType(name), tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		served[strings.TrimPrefix(name, "files")] = f
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("BUG: embedded files: %v", err))
	}
	served["/"] = served["/index.html"]
	delete(served, "/index.html")
	return handler(served)
}

// contentType returns the type of a file by its name. The types of the operating system are not asked: a wrong one there would
// keep a browser from running the modules.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	panic(fmt.Sprintf("BUG: no content type for %s", name))
}

// handler answers with the files, by path. It is never written to.
type handler map[string]file

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := h[r.URL.Path]
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("there is no %s here", r.URL.Path), http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("%s does not accept %s; want GET", r.URL.Path, r.Method), http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.tag)
	header.Set("Content-Type", f.contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
