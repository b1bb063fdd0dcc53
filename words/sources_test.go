package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// use is a place in the sources where a text is said.
type use struct {
	where string
	key   string
	args  int // -1: unknown
}

// sources calls f with the path and the content of every file that is built, below the
// folders of the repository, with one of the endings.
func sources(t *testing.T, endings []string, f func(path string, content []byte)) {
	t.Helper()
	skipped := []string{".git", "dist", "vendor", "node_modules", "testdata"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || strings.HasSuffix(path, "_test.go") || !slices.Contains(endings, filepath.Ext(path)):
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil {
			f(strings.TrimPrefix(path, "../"), content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// literal returns the string that an expression is, if it is a literal.
func literal(e ast.Expr) (string, bool) {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, err := strconv.Unquote(l.Value)
		return s, err == nil
	}
	return "", false
}

// uses returns where the sources say a text, and all strings that may be keys: some are
// in tables.
func uses(t *testing.T) (said []use, strs map[string]bool) {
	t.Helper()
	strs = map[string]bool{}
	saying := []string{"say", "Say", "announce"}
	files := token.NewFileSet()
	sources(t, []string{".go"}, func(path string, content []byte) {
		// The generated files have what the components say.
		file, err := parser.ParseFile(files, path, content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if s, ok := literal(e); ok {
					strs[s] = true
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if key, ok := literal(call.Args[0]); ok && (name == "say" || name == "Say") {
				args := len(call.Args) - 1
				if call.Ellipsis.IsValid() {
					args = -1
				}
				said = append(said, use{files.Position(call.Pos()).String(), key, args})
			}
			return true
		})
	})
	calls := regexp.MustCompile(`\b(` + strings.Join(saying, "|") + `)[ (]"([^"]+)"`)
	quoted := regexp.MustCompile(`"([a-z][a-z0-9.]*)"`)
	sources(t, []string{".js", ".html", ".tmpl"}, func(path string, content []byte) {
		if !strings.HasPrefix(path, "static/") && !strings.HasPrefix(path, "coordinator/") {
			return
		}
		for _, m := range calls.FindAllSubmatch(content, -1) {
			said = append(said, use{path, string(m[2]), -1})
		}
		for _, m := range quoted.FindAllSubmatch(content, -1) {
			strs[string(m[1])] = true
		}
	})
	return said, strs
}

// Every text that is said exists, and has places for as many arguments as it gets.
func TestTextsThatAreSaidExist(t *testing.T) {
	said, _ := uses(t)
	if len(said) < 100 {
		t.Fatalf("the sources say %d texts, want some hundreds: are they looked at?", len(said))
	}
	texts := english.load().texts
	for _, u := range said {
		text, ok := texts[u.key]
		if !ok {
			t.Errorf("%s: says %q, which en.txt does not have", u.where, u.key)
			continue
		}
		if found, _ := holes(text); u.args >= 0 && u.args != len(found) {
			t.Errorf("%s: %s gets %d arguments, want %d: %s", u.where, u.key, u.args, len(found), text)
		}
	}
}

// Every text is said somewhere.
func TestTextsAreUsed(t *testing.T) {
	_, strs := uses(t)
	for _, key := range slices.Sorted(maps.Keys(english.load().texts)) {
		if !strs[key] {
			t.Errorf("%s is never said: remove it from the files", key)
		}
	}
}
