package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure are the packages without network, clock and browser.
var pure = []string{"api", "fields", "tab", "protocol", "compress", "learn", "combine", "strategy", "client", "run", "privacy", "simulation", "lab"}

// bannedImports are the imports that pure packages may not have, with everything
// below them.
var bannedImports = []string{"net", "os", "syscall", "log", "encoding/json", "github.com/gorilla", "fedtab/coordinator", "fedtab/wasm", "fedtab/ui"}

// bannedCalls are the functions of package time that read the clock or wait.
var bannedCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

// goFiles parses the program files of folders below the project's root.
func goFiles(t *testing.T, roots []string, visit func(path string, f *ast.File)) {
	t.Helper()
	n := 0
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			n++
			visit(filepath.ToSlash(path[len("../"):]), f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Fatal("no files found")
	}
}

func imports(f *ast.File) []string {
	var paths []string
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// The three state machines and the packages below them import no network, clock or
// browser (docs/adr/0001).
func TestPurePackages(t *testing.T) {
	goFiles(t, pure, func(path string, f *ast.File) {
		for _, p := range imports(f) {
			for _, banned := range bannedImports {
				if p == banned || strings.HasPrefix(p, banned+"/") {
					t.Errorf("%s imports %s", path, p)
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			parallel := strings.HasPrefix(path, "learn/") || path == "simulation/pool.go" // whose results do not depend on it
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(bannedCalls, s.Sel.Name) {
					t.Errorf("%s calls time.%s", path, s.Sel.Name)
				}
				if s.Sel.Name == "WaitGroup" && !parallel {
					t.Errorf("%s waits for goroutines", path)
				}
			}
			if _, ok := n.(*ast.GoStmt); ok && !parallel {
				t.Errorf("%s starts a goroutine", path)
			}
			return true
		})
	})
}

// syscall/js stays in wasm/, ui/ and files named _js.go.
func TestBrowserStaysOutside(t *testing.T) {
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range folders {
		if f.IsDir() && !strings.HasPrefix(f.Name(), ".") && f.Name() != "bin" {
			all = append(all, f.Name())
		}
	}
	goFiles(t, all, func(path string, f *ast.File) {
		allowed := strings.HasPrefix(path, "wasm/") || strings.HasPrefix(path, "ui/") || strings.HasSuffix(path, "_js.go")
		if !allowed && slices.Contains(imports(f), "syscall/js") {
			t.Errorf("%s imports syscall/js", path)
		}
	})
}

// heavy are packages of hundreds of kilobytes that the tab does not link.
var heavy = []string{"encoding/json", "net", "net/http", "log/slog", "google.golang.org/protobuf/proto"}

// The tab and packages run and export, which must build for it, link no package under
// coordinator/ and none of heavy.
func TestTabStaysSmall(t *testing.T) {
	for _, root := range []string{"./wasm", "./run", "./learn/export"} {
		list := exec.Command("go", "list", "-deps", root)
		list.Dir = ".."
		list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for p := range strings.Lines(string(out)) {
			p = strings.TrimSpace(p)
			if strings.HasPrefix(p, "fedtab/coordinator") || slices.Contains(heavy, p) {
				t.Errorf("%s links %s", root, p)
			}
		}
	}
}

// README's tree of packages is the tree on disk.
func TestReadmeTree(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "## Packages\n\n```\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("README.md: no tree under \"## Packages\"")
	}
	var listed []string
	parent := ""
	for line := range strings.Lines(text) {
		name := strings.TrimSuffix(strings.Fields(line)[0], "/")
		if strings.HasPrefix(line, " ") {
			name = parent + "/" + name
		} else {
			parent = name
		}
		if name != "docs" {
			listed = append(listed, name)
		}
	}
	out, err := exec.Command("go", "list", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, pkg := range strings.Fields(string(out)) {
		want = append(want, strings.TrimPrefix(pkg, "fedtab/"))
	}
	// Modules of their own, which stand in for what a dependency links.
	out, err = exec.Command("go", "list", "-m", "-f", "{{with .Replace}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, replacement := range strings.Fields(string(out)) {
		want = append(want, strings.TrimPrefix(replacement, "./"))
	}
	slices.Sort(listed)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("packages in README.md: %v\nwant those on disk: %v", listed, want)
	}
}
