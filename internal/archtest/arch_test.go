package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// floors says on which floor a package stands; the longest matching prefix counts. A package imports from lower floors only, never
// sideways: siblings below a common parent of F2, such as providers, do not know each other either.
var floors = map[string]int{
	"config": 0, "events": 0, "store": 0, "internal": 0, "admin/api": 0, "admin/dashboard": 0,
	"balancer": 1, "health": 1, "scaler": 1, "rollout": 1, "monitor": 1, "cost": 1,
	"proxy": 2, "provider": 2, "admin": 2, "health/probe": 2, "scaler/simulate": 2, "monitor/report": 2, "monitor/notify": 2,
	"internal/gateway": 3, "internal/demo": 2, "internal/testkit": 2, "internal/scenario": 4,
	"cmd": 4, "bench": 4,
}

func floorOf(pkg string) int {
	best, floor := "", -1
	for prefix, f := range floors {
		if (pkg == prefix || strings.HasPrefix(pkg, prefix+"/")) && len(prefix) > len(best) {
			best, floor = prefix, f
		}
	}
	return floor
}

// packages parses every package of ours, tests left out.
func packages(t *testing.T) map[string][]*ast.File {
	t.Helper()
	found := map[string][]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "bin" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		found[filepath.ToSlash(dir)] = append(found[filepath.ToSlash(dir)], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFloors(t *testing.T) {
	for pkg, files := range packages(t) {
		floor := floorOf(pkg)
		if floor < 0 {
			t.Errorf("package %s stands on no floor: add it to floors", pkg)
			continue
		}
		for _, f := range files {
			for _, imp := range f.Imports {
				path, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				other, ours := strings.CutPrefix(path, "gatewayd/")
				if !ours || allowed(pkg, other) {
					continue
				}
				if of := floorOf(other); of >= floor && !(floor == 0 && of == 0) {
					t.Errorf("%s (floor %d) imports %s (floor %d): a package imports from lower floors only", pkg, floor, other, of)
				}
			}
		}
	}
}

// allowed tells whether an import stays within one subject: a package and those in its folder, and what lies below cmd and bench.
func allowed(pkg, other string) bool {
	return strings.HasPrefix(other, pkg+"/") || strings.HasPrefix(pkg, other+"/") && floorOf(other) < floorOf(pkg)
}

func TestOnePackageComment(t *testing.T) {
	for pkg, files := range packages(t) {
		n := 0
		for _, f := range files {
			if f.Doc != nil {
				n++
			}
		}
		if n != 1 {
			t.Errorf("package %s has %d package comments; want 1", pkg, n)
		}
	}
}

func TestNoCatchAllPackages(t *testing.T) {
	for pkg := range packages(t) {
		switch name := filepath.Base(pkg); name {
		case "utils", "util", "common", "helpers", "helper", "types", "misc":
			t.Errorf("package %s: name it by its duty, not %q", pkg, name)
		}
	}
}

// TestFileSizes holds the size beyond which a file has more than one idea.
func TestFileSizes(t *testing.T) {
	const most = 500
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(b), "\n"); n > most {
			t.Errorf("%s has %d lines; want %d at most: it holds more than one idea", path, n, most)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
