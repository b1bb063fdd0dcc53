package predict

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// made returns a model with parameters of a seed, read from its file.
func made(t testing.TB, m export.Model) *Model {
	t.Helper()
	lm, err := learn.New(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	m.Params = make([]float32, lm.Layout().Size)
	lm.Init(m.Params, 5)
	m.Hash = learn.Hash(m.Params)
	file, err := m.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func colours(t testing.TB, channels int) *Model {
	input := []int{9, 7, channels}
	if channels == 1 {
		input = input[:2]
	}
	return made(t, export.Model{Spec: learn.MLP(input, []int{16}, 3), Classes: []string{"a", "b", "c"}, Pixels: &data.Scaling{Scale: 1. / 100, Offset: -.5}})
}

// encoding is one with a column of each kind.
func encoding() *data.Encoding {
	fill := 1.
	return &data.Encoding{
		Columns: []data.EncodedColumn{
			{Name: "age", Mean: 40, Deviation: 10},
			{Name: "sex", Categories: []string{"f", "m"}, Aliases: map[string]string{"w": "f"}, Deviation: 1, Fill: &fill},
		},
		Target: data.EncodedTarget{Name: "ill", Classes: []string{"no", "yes"}, Aliases: map[string]string{"nein": "no"}, Deviation: 1},
	}
}

func patients(t testing.TB, loss learn.Loss) *Model {
	e := encoding()
	spec := learn.MLP([]int{3}, []int{8}, 2)
	spec.Loss = loss
	if loss.Regression() {
		spec = learn.MLP([]int{3}, []int{8}, 1)
		spec.Loss = loss
		e.Target = data.EncodedTarget{Name: "price", Mean: 1000, Deviation: 200}
	}
	return made(t, export.Model{Spec: spec, Classes: e.Target.Classes, Encoding: e})
}

// outputs are those of learn for one example.
func outputs(t testing.TB, m *Model, x []float32) []float32 {
	t.Helper()
	lm, err := learn.New(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	z, err := learn.Outputs(lm, m.Params, x)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func near(got, want []float64) bool {
	return slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) })
}

// A picture that has the model's shape gives what learn gives for its scaled pixels.
func TestPicture(t *testing.T) {
	for _, channels := range []int{1, 3} {
		t.Run(fmt.Sprint(channels), func(t *testing.T) {
			m := colours(t, channels)
			if height, width, got, ok := m.Pictures(); height != 9 || width != 7 || got != channels || !ok {
				t.Errorf("pictures of %d x %d x %d, %v", height, width, got, ok)
			}
			rgba := make([]uint8, 4*9*7)
			x := make([]float32, 9*7*channels)
			for i := range 9 * 7 {
				for c := range 3 {
					p := uint8(37*i + 61*c)
					if channels == 1 {
						p = uint8(37 * i)
					}
					rgba[4*i+c] = p
					if c < channels {
						x[i*channels+c] = float32(float32(p)*m.Pixels.Scale) + m.Pixels.Offset
					}
				}
				rgba[4*i+3] = 255
			}
			got, err := m.Picture(rgba, 7, 9, false)
			if err != nil {
				t.Fatal(err)
			}
			z := outputs(t, m, x)
			want := make([]float64, 3)
			m.Spec.Scores(want, z)
			if !near(got.Scores, want) || got.Class != m.Spec.Class(z) || m.Text(got) != m.Classes[got.Class] {
				t.Errorf("%+v, want %v", got, want)
			}
			if m.Image()[5*channels] != rgba[4*5] {
				t.Errorf("pixel 5 is %d, want %d", m.Image()[5*channels], rgba[4*5])
			}
			if _, err := m.Picture(rgba, 7, 8, false); !errors.Is(err, data.ErrFormat) {
				t.Errorf("another size: %v", err)
			}
			clear(rgba)
			if _, err := m.Picture(rgba, 7, 9, true); !errors.Is(err, data.ErrEmpty) {
				t.Errorf("an empty drawing: %v", err)
			}
		})
	}
}

// What is transparent is white, or dark where the task wants drawings.
func TestDark(t *testing.T) {
	m := colours(t, 1)
	for _, dark := range []bool{false, true} {
		m.Dark(dark)
		if _, err := m.Picture(make([]uint8, 4*9*7), 7, 9, false); err != nil {
			t.Fatal(err)
		}
		if white := m.Image()[0] == 255; white == dark {
			t.Errorf("dark %v: a transparent pixel is %d", dark, m.Image()[0])
		}
	}
}

func TestRow(t *testing.T) {
	m := patients(t, learn.Softmax)
	want := make([]float64, 2)
	m.Spec.Scores(want, outputs(t, m, []float32{.55, 0, 1}))
	for _, c := range []struct {
		age, sex string
		decimal  rune
	}{
		{"45.5", "m", '.'}, {" 45,5 ", "M", '.'}, {"45.5", "", ','}, {"45,500", "m", ','}, {"45.500", "?", '.'},
	} {
		got, problems := m.Row([]string{c.age, c.sex}, c.decimal)
		if problems != nil || !near(got.Scores, want) {
			t.Errorf("%+v: %+v, %v, want %v", c, got, problems, want)
		}
	}
	old, young := 120., 18.
	bounded := patients(t, learn.Softmax)
	bounded.Bound(&data.TableSchema{Features: []data.Field{{Name: "age", Type: data.NumberField, Min: &young, Max: &old}, {Name: "sex", Type: data.CategoryField}}})
	if lo, hi := bounded.Bounds(0); lo != &young || hi != &old {
		t.Errorf("bounds %v and %v", lo, hi)
	}
	if _, problems := bounded.Clone().Row([]string{"17", "f"}, '.'); len(problems) != 1 {
		t.Errorf("a clone knows no bounds: %v", problems)
	}
	rows, err := bounded.Rows(strings.NewReader("age,sex\n17,f\n"), "x.csv", data.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	if row, err := rows.Next(); err != nil || len(row.Problems) != 1 || row.Problems[0].Want != "a number from 18 to 120" {
		t.Errorf("a row out of bounds: %+v, %v", row, err)
	}
	for _, c := range []struct {
		m     *Model
		texts []string
		want  string
	}{
		{m, []string{"45"}, "1 value, want 2"},
		{m, []string{"", "f"}, `age is "", want a value (the model has none that stands for a missing one)`},
		{m, []string{"old", "f"}, `age is "old", want a number, with a decimal point if any`},
		{m, []string{"1e39", "f"}, `age is "1e39", want a number of at most 3.4e38`},
		{m, []string{"45", "x"}, `sex is "x", want one of f, m`},
		{bounded, []string{"17", "f"}, `age is "17", want a number from 18 to 120`},
		{bounded, []string{"old", "f"}, `age is "old", want a number from 18 to 120, with a decimal point if any`},
	} {
		if _, problems := c.m.Row(c.texts, '.'); len(problems) != 1 || problems[0].Words() != c.want {
			t.Errorf("%q: %v, want %s", c.texts, problems, c.want)
		}
	}
	if _, problems := m.Row([]string{"x", "y"}, '.'); len(problems) != 2 {
		t.Errorf("two problems: %v", problems)
	}
	number := patients(t, learn.Squared)
	got, problems := number.Row([]string{"45.5", "m"}, '.')
	if want := 1000 + 200*float64(outputs(t, number, []float32{.55, 0, 1})[0]); problems != nil || got.Class != -1 || got.Scores != nil || math.Abs(got.Value-want) > 1e-3 || number.Text(got) != strconv.FormatFloat(got.Value, 'g', 9, 64) {
		t.Errorf("a number: %+v, want %v", got, want)
	}
}

// predicted reads a table and returns the rows, the CSV file and the summary.
func predicted(t *testing.T, m *Model, text string, strict bool) (string, *Summary, error) {
	t.Helper()
	rows, err := m.Rows(strings.NewReader(text), "x.csv", data.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	rows.Strict = strict
	var out strings.Builder
	w := NewWriter(&out, m, !strict)
	s, err := m.Table(rows, w.Write)
	if err == nil {
		err = w.Flush()
	}
	return out.String(), s, err
}

// Names of classes and columns are not formulas in a spreadsheet.
func TestNoFormulas(t *testing.T) {
	for class, want := range map[string]string{
		`=HYPERLINK("x")`: `'=HYPERLINK("x")`, "@A1": "'@A1", "+A1": "'+A1", "-A1": "'-A1", "\t=A1": "'\t=A1",
		"-1": "-1", "+1.5": "+1.5", "+": "+", "-": "-", "a=b": "a=b",
	} {
		e := encoding()
		e.Target.Classes, e.Target.Aliases = []string{class, class + " "}, nil
		spec := learn.MLP([]int{3}, []int{8}, 2)
		m := made(t, export.Model{Spec: spec, Classes: e.Target.Classes, Encoding: e})
		var out strings.Builder
		w := NewWriter(&out, m, true)
		w.Write(&Row{Line: 2, Predicted: true, Answer: Answer{Scores: []float64{1, 0}}})
		w.Write(&Row{Line: 3, Problems: []data.Problem{{Column: class, Value: "x", Want: "y"}}})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := lines[1][1]; got != want {
			t.Errorf("class %q: %q, want %q", class, got, want)
		}
		if got := lines[2][4]; strings.ContainsAny(got[:1], "=+-@\t") && class != "-1" && class != "+1.5" && len(class) > 1 {
			t.Errorf("problem of column %q: %q begins as a formula does", class, got)
		}
	}
}

// A table of several batches is predicted as its rows are one by one; rows with problems
// are named and gone past.
func TestTable(t *testing.T) {
	for _, loss := range []learn.Loss{learn.Softmax, learn.Hinge, learn.Squared} {
		t.Run(loss.String(), func(t *testing.T) {
			m := patients(t, loss)
			var text, want strings.Builder
			text.WriteString("sex;note;age;" + m.Encoding.Target.Name + "\n")
			known, right, rejected := 0, 0, 0
			squares := 0.
			want.WriteString(map[learn.Loss]string{learn.Softmax: "line,prediction,probability_no,probability_yes,problems\n", learn.Hinge: "line,prediction,score_no,score_yes,problems\n", learn.Squared: "line,prediction,problems\n"}[loss])
			for i := range 700 {
				line := i + 2
				age, sex, y := fmt.Sprintf("%d,%d", 20+i%50, i%10), []string{"f", "M", "w", ""}[i%4], []string{"no", "YES", "nein", "?"}[i%4]
				if loss == learn.Squared {
					y = []string{"900,5", "1000", "1200", "-"}[i%4]
				}
				target := i%4 != 3
				switch {
				case i%100 == 5:
					age = "x"
				case i%100 == 6:
					y, target = "maybe", false
				case i%100 == 7:
					text.WriteString(";;;\n")
					continue
				case i%100 == 8:
					text.WriteString("f;1\n")
					rejected++
					fmt.Fprintf(&want, "%d%s,\"2 values, want 4 as in line 1\"\n", line, strings.Repeat(",", 1+len(m.Classes)))
					continue
				}
				fmt.Fprintf(&text, "%s;n;%s;%s;;\n", sex, age, y)
				a, problems := m.Row([]string{age, sex}, ',')
				if problems != nil {
					rejected++
					fmt.Fprintf(&want, "%d%s,\"age is \"\"x\"\", want a number, with a decimal comma if any\"\n", line, strings.Repeat(",", 1+len(m.Classes)))
					continue
				}
				fmt.Fprintf(&want, "%d,%s", line, m.Text(a))
				for _, p := range a.Scores {
					want.WriteString("," + strconv.FormatFloat(p, 'g', 6, 64))
				}
				switch {
				case y == "maybe" && loss == learn.Squared:
					want.WriteString(",\"price is \"\"maybe\"\", want a number, with a decimal comma if any\"")
				case y == "maybe":
					want.WriteString(",\"ill is \"\"maybe\"\", want one of no, yes\"")
				default:
					want.WriteString(",")
				}
				want.WriteString("\n")
				if !target {
					continue
				}
				known++
				if loss == learn.Squared {
					v, _ := strconv.ParseFloat(strings.ReplaceAll(y, ",", "."), 64)
					squares += (v - a.Value) * (v - a.Value)
				} else if (a.Class == 1) == (y == "YES") {
					right++
				}
			}
			got, s, err := predicted(t, m, text.String(), false)
			if err != nil {
				t.Fatal(err)
			}
			if !sameButDigits(got, want.String()) {
				a, b := strings.Split(got, "\n"), strings.Split(want.String(), "\n")
				for i := range min(len(a), len(b)) {
					if !sameButDigits(a[i], b[i]) {
						t.Fatalf("%s\nwant\n%s", a[i], b[i])
					}
				}
				t.Fatalf("%d lines, want %d", len(a), len(b))
			}
			if s.Rows != 693-rejected || s.Rejected != rejected || s.Problems != rejected+7 || s.Metrics.Examples != known || s.Metrics.Correct != right {
				t.Errorf("%+v, want %d rejected, %d known, %d right", s, rejected, known, right)
			}
			if rmse := math.Sqrt(squares / float64(known)); loss == learn.Squared && math.Abs(s.Metrics.Figures().RMSE/rmse-1) > 1e-6 {
				t.Errorf("RMSE %v, want %v", s.Metrics.Figures().RMSE, rmse)
			}
			if _, _, err := predicted(t, m, text.String(), true); err == nil || !strings.Contains(err.Error(), `x.csv:2: 6 fields, want 4 as in line 1`) {
				t.Errorf("strictly: %v", err)
			}
		})
	}
}

// sameButDigits reports whether two CSV texts are equal but for numbers that differ by
// rounding: the kernels of a batch and of one example add in other orders.
func sameButDigits(a, b string) bool {
	fields := func(r rune) bool { return r == ',' || r == '\n' }
	return slices.EqualFunc(strings.FieldsFunc(a, fields), strings.FieldsFunc(b, fields), func(a, b string) bool {
		v, first := strconv.ParseFloat(a, 64)
		w, second := strconv.ParseFloat(b, 64)
		return a == b || first == nil && second == nil && near([]float64{v}, []float64{w})
	})
}

// The metrics are those of learn.Evaluate.
func TestTableMetrics(t *testing.T) {
	m := patients(t, learn.Softmax)
	var text strings.Builder
	text.WriteString("age,sex,ill\n")
	var values []float32
	var labels []uint8
	for i := range 600 {
		fmt.Fprintf(&text, "%d,f,%s\n", i%90, m.Classes[i%2])
		values = append(values, float32((float64(i%90)-40)/10), 1, 0)
		labels = append(labels, uint8(i%2))
	}
	set, err := data.NewLabelled([]int{3}, values, labels, 2)
	if err != nil {
		t.Fatal(err)
	}
	want, err := learn.Evaluate(m.model, m.Params, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, s, err := predicted(t, m, text.String(), true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Metrics.Correct != want.Correct || !slices.Equal(s.Metrics.Confusion, want.Confusion) {
		t.Errorf("%+v, want %+v", s.Metrics, want)
	}
}

// An example costs no allocation after the first of its size.
func TestAllocatesNothing(t *testing.T) {
	pictures, table := colours(t, 3), patients(t, learn.Softmax)
	rgba := make([]uint8, 4*40*50)
	for i := range rgba {
		rgba[i] = uint8(i)
	}
	texts := []string{"1234.5", "W"}
	for name, f := range map[string]func(){
		"picture": func() { pictures.Picture(rgba, 40, 50, false) },
		"drawing": func() { pictures.Picture(rgba, 40, 50, true) },
		"row":     func() { table.Row(texts, '.') },
	} {
		f()
		if n := testing.AllocsPerRun(50, f); n > 0 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}

// Numbers for which the outputs are not finite are a problem, and no row of a table
// suffers from another.
func TestOverflow(t *testing.T) {
	m := patients(t, learn.Squared)
	for i := range m.Params {
		m.Params[i] *= 1e6
	}
	if _, problems := m.Row([]string{"3e38", "m"}, '.'); len(problems) != 1 || problems[0] != overflow {
		t.Errorf("a row: %v", problems)
	}
	out, s, err := predicted(t, m, "age,sex,price\n40,f,1\n3e38,m,1\n40,f,1\n", false)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if s.Rows != 2 || s.Rejected != 1 || s.Problems != 1 || s.Metrics.Examples != 2 || lines[2] != `3,,"the row has numbers for which the model has no answer, want numbers nearer to those that it has learned from"` {
		t.Errorf("%+v\n%s", s, out)
	}
	if _, _, err := predicted(t, m, "age,sex\n40,f\n3e38,m\n", true); !errors.Is(err, data.ErrFormat) || !strings.Contains(err.Error(), "line 3: the row has numbers") {
		t.Errorf("strictly: %v", err)
	}
	pictures := colours(t, 1)
	for i := range pictures.Params {
		pictures.Params[i] = 1e38
	}
	if _, err := pictures.Picture(slices.Repeat([]uint8{255}, 4*9*7), 7, 9, false); !errors.Is(err, export.ErrModel) {
		t.Errorf("a picture: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	m := export.Model{Spec: learn.MLP([]int{6}, nil, 2), Params: make([]float32, 14), Classes: []string{"a", "b"}, Pixels: &data.Scaling{Scale: 1}}
	if _, err := New(&m); !errors.Is(err, export.ErrModel) || !strings.Contains(err.Error(), "input of shape [6], want [height, width] or [height, width, 3]") {
		t.Errorf("pictures without a shape: %v", err)
	}
	m.Spec.Input, m.Params = []int{2, 3}, m.Params[1:]
	if _, err := New(&m); !errors.Is(err, export.ErrModel) {
		t.Errorf("too few parameters: %v", err)
	}
	m.Spec.Layers = nil
	if _, err := New(&m); !errors.Is(err, export.ErrModel) {
		t.Errorf("no layers: %v", err)
	}
	if _, err := Read([]byte("x")); !errors.Is(err, export.ErrFormat) {
		t.Errorf("no file: %v", err)
	}
	e := encoding()
	e.Columns[1].Categories = []string{"f", "f"}
	m = export.Model{Spec: learn.MLP([]int{3}, nil, 2), Params: make([]float32, 8), Classes: e.Target.Classes, Encoding: e}
	if _, err := New(&m); !errors.Is(err, data.ErrFormat) || !strings.Contains(err.Error(), `column "sex" is to hold "f" twice`) {
		t.Errorf("a category twice: %v", err)
	}
	stop := errors.New("stop")
	ok := patients(t, learn.Softmax)
	rows, err := ok.Rows(strings.NewReader("age,sex\n1,f\n"), "x.csv", data.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ok.Table(rows, func(*Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a caller that stops: %v", err)
	}
}

// Any picture and any row has an answer or is refused. export fuzzes the files.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("45.5\nm"), 1, false)
	f.Add([]byte("1.234,5\nW"), 2, true)
	f.Add([]byte("3e38\nm"), 0, false)
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"), 2, true)
	pictures, table, number := colours(f, 3), patients(f, learn.Softmax), patients(f, learn.Squared)
	answered := func(t *testing.T, m *Model, a Answer) {
		sum := 0.
		for _, p := range a.Scores {
			sum += p
		}
		switch {
		case m.Classes == nil && (a.Class != -1 || a.Value-a.Value != 0):
			t.Fatalf("%+v", a)
		case m.Classes != nil && (a.Class < 0 || a.Class >= len(m.Classes) || math.Abs(sum-1) > 1e-9):
			t.Fatalf("%+v", a)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, width int, flag bool) {
		if width > 0 && width < 1000 {
			height := len(text) / 4 / width
			a, err := pictures.Picture(text[:4*width*height], width, height, flag)
			if err == nil {
				answered(t, pictures, a)
			} else if !errors.Is(err, data.ErrFormat) && !errors.Is(err, data.ErrEmpty) {
				t.Fatal(err)
			}
		}
		decimal := '.'
		if flag {
			decimal = ','
		}
		for _, m := range []*Model{table, number} {
			if a, problems := m.Row(strings.Split(string(text), "\n"), decimal); problems == nil {
				answered(t, m, a)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	m := made(b, export.Model{Spec: learn.MLP([]int{28, 28}, []int{200, 200}, 10), Classes: strings.Split("0123456789", ""), Pixels: &data.Scaling{Scale: 1. / 255}})
	file, err := m.Safetensors()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Read(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPicture(b *testing.B) {
	m := made(b, export.Model{Spec: learn.MLP([]int{28, 28}, []int{200, 200}, 10), Classes: strings.Split("0123456789", ""), Pixels: &data.Scaling{Scale: 1. / 255}})
	rgba := make([]uint8, 4*280*280)
	for i := range rgba {
		rgba[i] = uint8(i)
	}
	for b.Loop() {
		if _, err := m.Picture(rgba, 280, 280, true); err != nil {
			b.Fatal(err)
		}
	}
}
