//go:build !js

package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Words are in the files of package words, not here: a string of two words, or one with
// a capital letter, would stay English in every language.
func TestNoWordsInSources(t *testing.T) {
	notWords := []string{"chart blank", "card mine", "step try", "step try later", "step keep", "step keep later"} // classes of the style sheet
	wordy := regexp.MustCompile(`[A-Za-z]{2,}[,.:;]? +[A-Za-z(]|^[A-Z][a-z]{2,}`)
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_gen.go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok && f.Tag != nil {
				return false
			}
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			s, _ := strconv.Unquote(l.Value)
			browser := strings.HasSuffix(name, "_js.go") && !strings.Contains(s, " ") // names of what a browser has
			if wordy.MatchString(s) && !browser && !slices.Contains(notWords, s) {
				t.Errorf("%s: %q: say it by a key of package words", files.Position(l.Pos()), s)
			}
			return true
		})
	}

	names, err = filepath.Glob("*.vugu")
	if err != nil || len(names) == 0 {
		t.Fatalf("no components: %v", err)
	}
	formats := []string{"safetensors", "ONNX"}
	text := regexp.MustCompile(`>([^<>]*[A-Za-z][^<>]*)<`)
	attribute := regexp.MustCompile(`[^:](?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z][^"]*)"`)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		quoted := regexp.MustCompile(`'[^']*'`).ReplaceAll(b, []byte(`''`)) // Go
		for _, m := range append(text.FindAllSubmatch(quoted, -1), attribute.FindAllSubmatch(quoted, -1)...) {
			if s := strings.TrimSpace(string(m[1])); !slices.Contains(formats, s) {
				t.Errorf("%s: %q: say it by a key of package words", name, s)
			}
		}
		for _, expression := range regexp.MustCompile(`'[^']*'`).FindAllString(string(b), -1) {
			expression = regexp.MustCompile(`say\("[^"]*"`).ReplaceAllString(expression, "")
			for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(expression, -1) {
				if wordy.MatchString(m[1]) {
					t.Errorf("%s: %q: say it by a key of package words", name, m[1])
				}
			}
		}
	}
}
