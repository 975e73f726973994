package dashboard_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"gatewayd/admin/dashboard"
)

func ask(method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "default-src 'none'") // as the admin API sets it for its own answers
	dashboard.New().ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	f := func(path, contentType, text string) {
		t.Helper()
		w := ask("GET", path, nil)
		if w.Code != 200 || w.Header().Get("Content-Type") != contentType || !strings.Contains(w.Body.String(), text) {
			t.Fatalf("%s: got %d %s %.80s; want 200 %s with %q", path, w.Code, w.Header().Get("Content-Type"), w.Body, contentType, text)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Fatalf("%s: policy %q", path, policy)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: a browser may guess its type", path)
		}
	}
	f("/", "text/html; charset=utf-8", "<title>gatewayd</title>")
	f("/app.js", "text/javascript; charset=utf-8", "connect")
	f("/views/service.js", "text/javascript; charset=utf-8", "serviceView")
	f("/style.css", "text/css; charset=utf-8", "prefers-color-scheme")
	f("/icon.svg", "image/svg+xml", "<svg")
}

func TestWhatIsRefused(t *testing.T) {
	f := func(method, path string, status int) {
		t.Helper()
		if w := ask(method, path, nil); w.Code != status {
			t.Fatalf("%s %s: got %d; want %d", method, path, w.Code, status)
		}
	}
	f("HEAD", "/", 200)
	f("POST", "/", 405)
	f("DELETE", "/app.js", 405)
	f("GET", "/index.html", 404) // there is one address for the page
	f("GET", "/files/app.js", 404)
	f("GET", "/views/", 404)
	f("GET", "/../dashboard.go", 404)
	f("POST", "/nope", 404)
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	tag := ask("GET", "/app.js", nil).Header().Get("ETag")
	w := ask("GET", "/app.js", http.Header{"If-None-Match": {tag}})
	if tag == "" || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Fatalf("tag %q: got %d with %d bytes; want 304 without any", tag, w.Code, w.Body.Len())
	}
	if other := ask("GET", "/style.css", nil).Header().Get("ETag"); other == tag {
		t.Fatalf("two files have the tag %q", tag)
	}
}

// TestNothingFromElsewhere holds that the page works offline and can have the strict policy: no address of another host, no inline script or
// style, no text that becomes HTML, and each import names a file that is there.
func TestNothingFromElsewhere(t *testing.T) {
	host := regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
	imported := regexp.MustCompile(`from '([^']+)'`)
	files := os.DirFS("files")
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "") // a name, never fetched
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "<style", " style=", "onclick=\"", "url("} {
			if strings.Contains(text, word) {
				t.Errorf("%s contains %q", name, word)
			}
		}
		if found := host.FindString(text); found != "" {
			t.Errorf("%s names another host: %s", name, found)
		}
		for _, match := range imported.FindAllStringSubmatch(text, -1) {
			path := "/" + strings.TrimPrefix(strings.TrimPrefix(match[1], "../"), "./")
			if strings.HasPrefix(name, "views/") && strings.HasPrefix(match[1], "./") {
				path = "/views" + path
			}
			if w := ask("GET", path, nil); w.Code != 200 {
				t.Errorf("%s imports %s: there is no %s", name, match[1], path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
