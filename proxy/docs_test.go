package proxy

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/request.md names every status and cause that the gateway answers by itself, and no other.
func TestDocsNameEveryCause(t *testing.T) {
	source, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../docs/request.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(Cause\w+)\s+Cause = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		names[m[1]] = m[2]
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{3}) \| ([a-z-]+) \|`).FindAllStringSubmatch(string(docs), -1) {
		rows[m[1]+" "+m[2]] = true
	}
	failures := regexp.MustCompile(`status: (\d+), cause: (Cause\w+), detail`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 20 || len(failures) < 20 {
		t.Fatalf("got %d causes and %d failures in cause.go; want all of them", len(names), len(failures))
	}
	known := map[string]bool{"503 maintenance": true, "429 rate-limited": true, "499 client-gone": true}
	for _, status := range []string{"400", "414", "417", "431", "501", "505"} { // of the parser
		known[status+" malformed-request"] = true
	}
	for _, f := range failures {
		known[f[1]+" "+names[f[2]]] = true
	}
	for row := range known {
		if !rows[row] {
			t.Errorf("docs/request.md has no row for %s", row)
		}
	}
	for row := range rows {
		if !known[row] {
			t.Errorf("docs/request.md has a row for %s, which the gateway never answers", row)
		}
	}
	for _, cause := range names {
		if !strings.Contains(string(docs), cause) {
			t.Errorf("docs/request.md does not name %s", cause)
		}
	}
}
