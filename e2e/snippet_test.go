package e2e

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/learn/predict"
)

// python returns a Python that has a module.
func python(t *testing.T, module string) string {
	t.Helper()
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(path, "-c", "import "+module).Run() == nil {
			return path
		}
	}
	if module == "numpy" {
		t.Fatal("no Python with numpy: run make browsers")
	}
	t.Skipf("no Python with %s", module)
	return ""
}

// snippet returns the code for a library.
func snippet(t *testing.T, m *export.Model, library string) string {
	t.Helper()
	for _, s := range export.Snippets(m.Use("model")) {
		if s.Library == library {
			return s.Code
		}
	}
	t.Fatalf("no snippet for %s", library)
	return ""
}

// files writes the files of a model to a folder.
func files(t *testing.T, m *export.Model) string {
	t.Helper()
	dir := t.TempDir()
	for name, write := range map[string]func() ([]byte, error){"model.safetensors": m.Safetensors, "model.onnx": m.ONNX} {
		b, err := write()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ran runs a program in a folder, and returns the last line that it prints, decoded.
func ran[T any](t *testing.T, dir, input, program string, args ...string) T {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, errs.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var v T
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("%s prints\n%s\n%v", program, out, err)
	}
	return v
}

// numpyScript runs a snippet, its example first, and then the examples of a test.
const numpyScript = `
import json, sys
values = {}
exec(open("snippet.py").read(), values)
examples = json.load(sys.stdin)
if "pixels" in values["about"]:
    examples = values["np"].array(examples["values"]).reshape(examples["shape"])
print(json.dumps(values["predict"](values["features"](examples)).tolist()))
`

// The code for numpy gives what learn gives, for every model that it is offered for.
func TestSnippetNumpy(t *testing.T) {
	program := python(t, "numpy")
	var cases []onnxCase
	for name, s := range specs() {
		cases = append(cases, imageCase(t, name, s))
	}
	cases = append(cases, tableCase(t, "table of classes", learn.Softmax, 3), tableCase(t, "table of two classes", learn.Logistic, 1), tableCase(t, "table of numbers", learn.Squared, 1))
	offered := 0
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			all := export.Snippets(c.model.Use("model"))
			if all[0].Library != "numpy" {
				return // convolutions and pools
			}
			offered++
			dir := files(t, c.model)
			if err := os.WriteFile(filepath.Join(dir, "snippet.py"), []byte(all[0].Code), 0o644); err != nil {
				t.Fatal(err)
			}
			var examples any = map[string]any{"shape": append([]int{len(c.raw) / c.model.Spec.Features()}, c.model.Spec.Input...), "values": c.raw}
			if c.model.Encoding != nil {
				examples = c.rows()
			}
			input, err := json.Marshal(examples)
			if err != nil {
				t.Fatal(err)
			}
			if c.model.Classes == nil {
				values := ran[[]float64](t, dir, string(input), program, "-c", numpyScript)
				c.check(t, map[string]onnxOutput{"value": {Shape: []int{len(values)}, Values: values}})
				return
			}
			name := "probabilities"
			if !c.model.Spec.HasProbabilities() {
				name = "scores"
			}
			rows := ran[[][]float64](t, dir, string(input), program, "-c", numpyScript)
			label := onnxOutput{Type: "int64", Shape: []int{len(rows)}}
			for _, p := range rows {
				label.Values = append(label.Values, float64(slices.Index(p, slices.Max(p))))
			}
			c.check(t, map[string]onnxOutput{"label": label, name: {Shape: []int{len(rows)}, Values: slices.Concat(rows...)}})
		})
	}
	if offered < 10 {
		t.Errorf("%d models have code for numpy", offered)
	}
}

// rows returns the raw examples of a table as the code for numpy takes them.
func (c *onnxCase) rows() []map[string]any {
	var all []map[string]any
	for raw := c.raw; len(raw) > 0; {
		row := map[string]any{}
		for _, col := range c.model.Encoding.Columns {
			n := max(len(col.Categories), 1)
			switch v := raw[:n]; {
			case math.IsNaN(float64(v[0])):
				row[col.Name] = nil
			case col.Categories != nil:
				row[col.Name] = col.Categories[slices.Index(v, 1)]
			default:
				row[col.Name] = v[0]
			}
			raw = raw[n:]
		}
		all = append(all, row)
	}
	return all
}

// snippetCases are models of each kind that the snippets tell apart.
func snippetCases(t *testing.T) []onnxCase {
	all := specs()
	return []onnxCase{
		imageCase(t, "picture", all["dense relu"]), imageCase(t, "colours, convolution", all["two convs, pools, dropout"]),
		imageCase(t, "scores", all["hinge of 3"]), imageCase(t, "number of pictures", all["squared of 1"]),
		tableCase(t, "table of classes", learn.Softmax, 3), tableCase(t, "table of numbers", learn.Squared, 1),
	}
}

// wants returns what a model says of the example of the snippets: the scores of the
// classes, or the number.
func (c *onnxCase) wants(t *testing.T) []float64 {
	t.Helper()
	m, err := predict.New(c.model)
	if err != nil {
		t.Fatal(err)
	}
	var a predict.Answer
	if height, width, _, pictures := m.Pictures(); pictures {
		black := make([]uint8, 4*height*width)
		for i := 3; i < len(black); i += 4 {
			black[i] = 255
		}
		a, err = m.Picture(black, width, height, false)
	} else {
		var texts []string
		for _, col := range m.Encoding.Columns {
			text := strconv.FormatFloat(col.Mean, 'g', 3, 64)
			if col.Categories != nil {
				text = col.Categories[0]
			}
			texts = append(texts, text)
		}
		var problems []data.Problem
		if a, problems = m.Row(texts, '.'); problems != nil {
			t.Fatal(problems)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.Scores == nil {
		return []float64{a.Value}
	}
	return slices.Clone(a.Scores)
}

// given are the names of what a snippet for onnxruntime has been given.
func (c *onnxCase) given() string {
	switch {
	case c.model.Classes == nil:
		return "value"
	case c.model.Spec.HasProbabilities():
		return "probabilities"
	}
	return "scores"
}

// The code for onnxruntime-web gives what the model says of its example. onnxruntime-node
// has the same interface.
func TestSnippetScript(t *testing.T) {
	library, err := filepath.Abs("onnx/node_modules/onnxruntime-node/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range snippetCases(t) {
		t.Run(c.name, func(t *testing.T) {
			dir := files(t, c.model)
			code := strings.Replace(snippet(t, c.model, "onnxruntime-web"), `"onnxruntime-web"`, strconv.Quote(library), 1)
			code += "console.log(JSON.stringify(Array.from(" + c.given() + ".data)));\n"
			if err := os.WriteFile(filepath.Join(dir, "snippet.mjs"), []byte(code), 0o644); err != nil {
				t.Fatal(err)
			}
			compare(t, ran[[]float64](t, dir, "", node(t), "snippet.mjs"), c.wants(t))
		})
	}
}

// The code for onnxruntime gives it in Python too.
func TestSnippetPython(t *testing.T) {
	program := python(t, "onnxruntime")
	for _, c := range snippetCases(t) {
		t.Run(c.name, func(t *testing.T) {
			dir := files(t, c.model)
			code := snippet(t, c.model, "onnxruntime") + "import json\nprint(json.dumps(" + c.given() + ".flatten().tolist()))\n"
			compare(t, ran[[]float64](t, dir, "", program, "-c", code), c.wants(t))
		})
	}
}

func compare(t *testing.T, got, want []float64) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(1, math.Abs(b)) }) {
		t.Errorf("got %v, want %v", got, want)
	}
}
