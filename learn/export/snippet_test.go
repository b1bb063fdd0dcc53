package export

import (
	"os"
	"strings"
	"testing"

	"fedtab/learn/data"
)

// documented is the model of docs/models.md.
func documented() Use {
	return Use{
		File:    "ill",
		Columns: []data.EncodedColumn{{Name: "age", Mean: 54.37}, {Name: "sex", Categories: []string{"f", "m"}}, {Name: "bmi", Mean: 26.4}},
		Classes: []string{"healthy", "ill"},
	}
}

// The code in the documentation is that of the page.
func TestSnippetsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Snippets(documented()) {
		block := "```" + map[string]string{"Python": "py", "JavaScript": "js"}[s.Language] + "\n" + s.Code + "```\n"
		if !strings.Contains(string(page), block) {
			t.Errorf("docs/models.md does not have\n%s", block)
		}
	}
}

// Names are texts in the code, whatever is in them.
func TestSnippetsQuote(t *testing.T) {
	u := Use{
		File:    `a"b`,
		Columns: []data.EncodedColumn{{Name: "x\"\n\u2028\\"}, {Name: "y", Categories: []string{"a\"", "b"}}},
		Classes: []string{"{file}", "\"\\"},
	}
	for _, s := range Snippets(u) {
		if !strings.Contains(s.Code, `"a\"b.`+s.Format+`"`) || s.Library != "numpy" && !strings.Contains(s.Code, `["{file}", "\"\\"]`) {
			t.Errorf("%s:\n%s", s.Library, s.Code)
		}
		for line := range strings.Lines(s.Code) {
			if strings.HasPrefix(line, "# x") || strings.HasPrefix(line, "// x") {
				if line = strings.TrimSuffix(line, "\n"); strings.ContainsAny(line, "\n\u2028") || !strings.HasSuffix(line, `y=a", y=b`) {
					t.Errorf("%s: the names are %q", s.Library, line)
				}
			}
		}
		if strings.Contains(s.Code, "{examples}") || strings.Contains(s.Code, "{input}") {
			t.Errorf("%s: a template is not filled:\n%s", s.Library, s.Code)
		}
	}
}

func TestSnippetsOf(t *testing.T) {
	m := models(t)["images"]
	all := Snippets(m.Use("pets"))
	if len(all) != 2 || all[0].Library != "onnxruntime" || all[1].Library != "onnxruntime-web" {
		t.Fatalf("%+v", all)
	}
	for _, want := range []string{"np.zeros((1, 6, 8, 2), np.float32)", `"pets.onnx"`, `{"images": examples}`, `["cat", "dog", "\"<cow>\""]`} {
		if !strings.Contains(all[0].Code, want) {
			t.Errorf("no %s in\n%s", want, all[0].Code)
		}
	}
	if want := "new Float32Array(6 * 8 * 2)"; !strings.Contains(all[1].Code, want) {
		t.Errorf("no %s in\n%s", want, all[1].Code)
	}
	if u := models(t)["numbers"].Use("x"); u.Classes != nil || u.Conv || len(u.Columns) != 3 || len(Snippets(u)) != 3 {
		t.Errorf("%+v", u)
	}
}
