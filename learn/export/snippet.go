package export

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fedtab/learn"
	"fedtab/learn/data"
)

// Snippet is code that predicts with an exported file. docs/models.md has the same.
type Snippet struct {
	Language string // Python or JavaScript
	Library  string // beyond the language's own: numpy, onnxruntime or onnxruntime-web
	Format   string // of the file that it loads: safetensors or onnx
	Code     string
}

// Use says what a snippet is to load, and what the model takes and gives.
type Use struct {
	File    string               // name of the exported files, without extension
	Input   []int                // shape of a picture; nil for a table
	Columns []data.EncodedColumn // of a table: names and categories, and means as values of the example
	Classes []string             // nil in a regression
	Scores  bool                 // the model has scores in place of probabilities (the loss hinge)
	Conv    bool                 // the model has convolutions or pools, which numpy lacks
}

// Use returns what a snippet for m needs to know. file is the name of the exported files,
// without extension.
func (m *Model) Use(file string) Use {
	u := Use{File: file, Classes: m.Classes, Scores: m.Classes != nil && !m.Spec.HasProbabilities()}
	if m.Encoding != nil {
		u.Columns = m.Encoding.Columns
	} else {
		u.Input = m.Spec.Input
	}
	for _, l := range m.Spec.Layers {
		u.Conv = u.Conv || l.Kind == learn.Conv || l.Kind == learn.MaxPool || l.Kind == learn.AveragePool
	}
	return u
}

var (
	//go:embed snippets/numpy.py
	numpy string
	//go:embed snippets/numpy-pictures.py
	numpyPictures string
	//go:embed snippets/numpy-table.py
	numpyTable string
	//go:embed snippets/numpy-classes.py
	numpyClasses string
	//go:embed snippets/numpy-number.py
	numpyNumber string
	//go:embed snippets/onnx-classes.py
	onnxClassesPython string
	//go:embed snippets/onnx-number.py
	onnxNumberPython string
	//go:embed snippets/onnx-classes.js
	onnxClassesScript string
	//go:embed snippets/onnx-number.js
	onnxNumberScript string
)

// Snippets returns code for Python and JavaScript. Each has an example, black pictures or
// a row of means, and prints what the model says of it.
func Snippets(u Use) []Snippet {
	python, script := onnxNumberPython, onnxNumberScript
	direct := numpyTable + numpyNumber
	if u.Classes != nil {
		python, script = onnxClassesPython, onnxClassesScript
		direct = numpyTable + numpyClasses
	}
	if u.Input != nil {
		direct = strings.Replace(direct, numpyTable, numpyPictures, 1)
	}
	all := []Snippet{
		{"Python", "numpy", "safetensors", u.fill(numpy+direct, ".safetensors", u.examplesNumpy())},
		{"Python", "onnxruntime", "onnx", u.fill(python, ".onnx", u.examplesPython())},
		{"JavaScript", "onnxruntime-web", "onnx", u.fill(script, ".onnx", u.examplesScript())},
	}
	if u.Conv {
		return all[1:]
	}
	return all
}

// fill puts what a template lacks into it.
func (u *Use) fill(template, extension, examples string) string {
	input, scores := "features", "probabilities"
	if u.Input != nil {
		input = "images"
	}
	if u.Scores {
		scores = "scores"
	}
	return strings.NewReplacer(
		"{file}", quote(u.File+extension), "{examples}", examples, "{input}", input, "{scores}", scores,
		"{classes}", literal(u.Classes),
	).Replace(template)
}

// quote returns a text as Python and JavaScript write it.
func quote(s string) string { return string(appendString(nil, s)) }

// literal returns texts as a list.
func literal(texts []string) string {
	var b strings.Builder
	for i, s := range texts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(s))
	}
	return "[" + b.String() + "]"
}

// sizes returns the shape of n pictures, without its brackets.
func (u *Use) sizes(n int) string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(n))
	for _, d := range u.Input {
		fmt.Fprintf(&b, ", %d", d)
	}
	return b.String()
}

func (u *Use) examplesNumpy() string {
	if u.Input != nil {
		return "examples = np.zeros((" + u.sizes(1) + "))  # pixels, 0 to 255: yours here"
	}
	var values []string
	for i := range u.Columns {
		c := &u.Columns[i]
		value := ""
		if c.Categories != nil {
			value = quote(c.Categories[0])
		} else {
			value = middle(c)
		}
		values = append(values, quote(c.Name)+": "+value)
	}
	return "examples = [{" + strings.Join(values, ", ") + "}]  # yours here"
}

func (u *Use) examplesPython() string {
	if u.Input != nil {
		return "examples = np.zeros((" + u.sizes(1) + "), np.float32)  # pixels, 0 to 255: yours here"
	}
	values, names := u.row()
	return "# " + names + "\nexamples = np.array([[" + values + "]], np.float32)  # yours here"
}

func (u *Use) examplesScript() string {
	if u.Input != nil {
		return "const pixels = new Float32Array(" + strings.ReplaceAll(strings.TrimPrefix(u.sizes(1), "1, "), ", ", " * ") + "); // 0 to 255: yours here\n" +
			"const examples = new ort.Tensor(\"float32\", pixels, [" + u.sizes(1) + "]);"
	}
	values, names := u.row()
	return "// " + names + "\nconst row = Float32Array.of(" + values + "); // yours here\n" +
		"const examples = new ort.Tensor(\"float32\", row, [1, row.length]);"
}

// row returns the features of the example, and their names.
func (u *Use) row() (values, names string) {
	var v []string
	for i := range u.Columns {
		c := &u.Columns[i]
		if c.Categories == nil {
			v = append(v, middle(c))
			continue
		}
		v = append(v, "1")
		v = append(v, slices.Repeat([]string{"0"}, len(c.Categories)-1)...)
	}
	e := data.Encoding{Columns: u.Columns}
	oneLine := func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' { // ends of lines in JavaScript
			return ' '
		}
		return r
	}
	return strings.Join(v, ", "), strings.Map(oneLine, strings.Join(e.Features(), ", "))
}

// middle returns the mean of a column of numbers, to three digits.
func middle(c *data.EncodedColumn) string { return strconv.FormatFloat(c.Mean, 'g', 3, 64) }
