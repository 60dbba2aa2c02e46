package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// importOrder is the house: a package may import what stands left of it. Those
// in one entry stand beside each other.
var importOrder = [][]string{
	{"location"}, {"sip"}, {"discovery"}, {"matcher"}, {"provisioning"}, {"gateway"}, {"notify", "portal", "store"}, {"cmd"},
}

// beside are packages that may import one that stands beside them: who serves files, those
// who make them; the SIP path, what reads and makes proofs.
var beside = map[string]string{"provisioning/serve": "provisioning/settings", "sip/proxy": "sip/digest"}

// mayAskTheTime are the packages that may read the clock; all others are told
// the time. storetest starts servers for tests.
var mayAskTheTime = []string{"discovery/capture", "provisioning/serve", "notify", "portal", "sip", "cmd", "store/storetest"}

// topLevel is what may stand at the top of the repository, beside the packages.
var topLevel = []string{
	".ci", ".git", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
	"docs", "go.mod", "go.sum", "testdata",
}

// sourceFile is one Go file that is not a test.
type sourceFile struct {
	path string // from the root, with slashes
	dir  string
	ast  *ast.File
}

func sources(t *testing.T) []sourceFile {
	t.Helper()
	var out []sourceFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		out = append(out, sourceFile{rel, filepath.ToSlash(filepath.Dir(rel)), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("found only %d Go files: the walk is broken", len(out))
	}
	return out
}

// rank is where a package stands; a sub-package stands where its parent does.
func rank(dir string) int {
	top, _, _ := strings.Cut(dir, "/")
	return slices.IndexFunc(importOrder, func(names []string) bool { return slices.Contains(names, top) })
}

func TestImportOrder(t *testing.T) {
	for _, f := range sources(t) {
		if strings.HasPrefix(f.dir, "testdata") {
			continue
		}
		mine := rank(f.dir)
		if mine < 0 {
			t.Errorf("%s: package %s is not in the house", f.path, f.dir)
			continue
		}
		for _, imp := range f.ast.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			p, ours := strings.CutPrefix(p, "perch/")
			if !ours {
				continue
			}
			theirs := rank(p)
			parent := strings.HasPrefix(f.dir, p+"/")
			if theirs > mine || theirs == mine && !parent && beside[f.dir] != p && !(mine == len(importOrder)-1) {
				t.Errorf("%s imports %s, which does not stand left of it", f.path, p)
			}
		}
	}
}

func TestNobodyAsksTheTime(t *testing.T) {
	for _, f := range sources(t) {
		exempt := slices.ContainsFunc(mayAskTheTime, func(d string) bool { return f.dir == d || strings.HasPrefix(f.dir, d+"/") })
		if exempt || strings.HasPrefix(f.dir, "testdata") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}, sel.Sel.Name) {
				t.Errorf("%s asks time.%s; it must be told the time", f.path, sel.Sel.Name)
			}
			return true
		})
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok && slices.Contains([]string{"discovery", "matcher", "gateway"}, f.dir) {
				t.Errorf("%s starts a goroutine at offset %d", f.path, g.Pos())
			}
			return true
		})
	}
}

func TestPackageComments(t *testing.T) {
	documented := map[string]int{}
	for _, f := range sources(t) {
		if f.ast.Doc != nil && len(f.ast.Doc.Text()) > 60 {
			documented[f.dir]++
		} else {
			documented[f.dir] += 0
		}
	}
	for dir, n := range documented {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want 1", dir, n)
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	ignored := gitignored(t)
	for _, e := range entries {
		if slices.Contains(topLevel, e.Name()) || rank(e.Name()) >= 0 || slices.Contains(ignored, e.Name()) {
			continue
		}
		t.Errorf("%s stands at the top of the repository without being part of the house", e.Name())
	}
}

// gitignored returns the names that .gitignore names literally.
func gitignored(t *testing.T) []string {
	b, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Fields(string(b)) {
		out = append(out, strings.Trim(line, "/"))
	}
	return out
}

// TestNamesToAvoid keeps words out of package names that say nothing.
func TestNamesToAvoid(t *testing.T) {
	for _, f := range sources(t) {
		for _, part := range strings.Split(f.dir, "/") {
			if slices.Contains([]string{"util", "utils", "common", "types", "models", "internal", "pkg", "helpers"}, part) {
				t.Errorf("%s: a package called %s", f.path, part)
			}
		}
	}
}
