package simulation

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What runs in the tab too knows no network, clock, file, log or browser, and nothing of the
// coordinator.
func TestPure(t *testing.T) {
	forbidden := []string{"net", "os", "log", "syscall", "database", "io/fs", "encoding/json", "encoding/gob", "context", "fedtab/coordinator", "fedtab/wasm", "fedtab/ui"}
	for _, folder := range []string{".", "adversary", "../run", "../strategy", "../client", "../combine", "../compress", "../lab", "../lab/study"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				for _, no := range forbidden {
					if path == no || strings.HasPrefix(path, no+"/") {
						t.Errorf("%s imports %s", name, path)
					}
				}
			}
		}
	}
}
