package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/run"
)

// openTask opens the data of a task with the given data section.
func openTask(t *testing.T, section string) (*task.Task, *Dataset) {
	t.Helper()
	tk, err := task.Parse("own.yaml", []byte("name: own\nmodel: {kind: mlp}\ndata: "+section+"\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	return tk, d
}

// The coordinator knows the shape and the classes of data that it does not have.
func TestOwn(t *testing.T) {
	for _, c := range []struct {
		name, section, summary string
		features, labels       int
	}{
		{"classes", "{source: own, table: {features: [{name: a, type: number, min: 0, max: 1}, {name: b, type: category, values: [x, y, z]}], label: {name: outcome, values: [healthy, ill]}}}",
			"own data: 2 features, classes healthy and ill", 4, 2},
		{"many classes", "{source: own, table: {features: [{name: b, type: boolean}], label: {name: y, values: [a, b, c, d, e]}}}",
			"own data: 1 feature, 5 classes", 2, 5},
		{"a number", "{source: own, table: {features: [{name: a, type: number}], label: {name: price, type: number, min: 0, max: 9}}, standardise: none}",
			"own data: 1 feature, to predict price", 1, 0},
		{"images", "{source: own, images: {width: 4, height: 3, channels: 3, classes: [cat, dog, owl]}}",
			"own data: coloured images of 4 x 3 pixels, classes cat, dog and owl", 36, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, d := openTask(t, c.section)
			if d.Summary != c.summary || d.Labels() != c.labels {
				t.Errorf("%q with %d classes, want %q with %d", d.Summary, d.Labels(), c.summary, c.labels)
			}
			m, err := d.Model(tk)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Spec().Features(); got != c.features {
				t.Errorf("a model of %d features, want %d", got, c.features)
			}
			if err := d.Pack(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			if d.Evaluator(m) != nil || d.Judge(tk, m) != nil || d.Packed != nil || d.Hash == [32]byte{} {
				t.Error("there are test examples, shards or no hash, want none of data that participants bring but its hash")
			}
		})
	}
}

// Constants that come later become part of the encoding.
func TestSetConstants(t *testing.T) {
	_, d := openTask(t, "{source: own, table: {features: [{name: a, type: number, min: 0, max: 9}, {name: b, type: boolean}], label: {name: price, type: number, min: 0, max: 9}}}")
	check := func(mean, deviation float64) {
		t.Helper()
		e := d.Encoding()
		if c := e.Columns[0]; c.Mean != mean || c.Deviation != deviation || e.Target.Mean != 10*mean || e.Target.Deviation != deviation {
			t.Errorf("%+v, want mean %v and deviation %v", e, mean, deviation)
		}
	}
	check(0, 1)
	if err := d.SetConstants(data.Constants{Mean: []float64{1, 2}, Deviation: []float64{3}}); err == nil {
		t.Error("one constant too few is accepted")
	}
	check(0, 1)
	if err := d.SetConstants(data.Constants{Mean: []float64{2, 20}, Deviation: []float64{4, 4}}); err != nil {
		t.Fatal(err)
	}
	check(2, 4)
}

// tableFile writes a table of 40 good rows, and the given ones.
func tableFile(t *testing.T, more string) string {
	t.Helper()
	text := "sex;age;ill\n"
	for i := range 40 {
		text += fmt.Sprintf("%s;%d,5;%s\n", []string{"F", "male"}[i%2], 20+i, []string{"no", "yes"}[i/20])
	}
	path := filepath.Join(t.TempDir(), "patients.csv")
	if err := os.WriteFile(path, []byte(text+more), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// section is a task's data whose table has the columns of tableFile in another order.
func section(from string) string {
	return "{source: own, table: {features: [{name: Age, type: number, min: 0, max: 120}, {name: sex, type: category, values: [f, m], aliases: {male: m}}], label: {name: ill, type: boolean}}, from: " + from + "}"
}

// The clients of a simulation have what participants would: rows of the file under the
// schema, and hold-outs of their own.
func TestDivide(t *testing.T) {
	path := tableFile(t, "f;200,5;no\nx;30,5;maybe\n")
	tk, d := openTask(t, section("{csv: "+path+", partition: {kind: shards, clients: 4, shards_per_client: 1}}"))
	if err := d.Divide(tk); err != nil {
		t.Fatal(err)
	}
	if len(d.Parts) != 4 || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "data.from: 2 rows have problems and are left out; the first: line 42: age is") {
		t.Errorf("%d clients, notes %q; want 4 and what is wrong with line 42", len(d.Parts), d.Notes)
	}
	for i, p := range d.Parts {
		if p.Len() != 10 || p.Trained() != 8 {
			t.Errorf("client %d has %d rows and trains on %d, want 10 and 8", i, p.Len(), p.Trained())
		}
		p.Each(func(numbers []float64, label uint8) {
			if age := int(numbers[0]); int(label) != (age-20)/20 || float64(age)+.5 != numbers[0] {
				t.Errorf("a row of age %v and label %d", numbers[0], label)
			}
		})
	}
	var b strings.Builder
	if err := d.Describe(&b); err != nil || !strings.Contains(b.String(), "4 clients: 10 to 10 examples") {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestDivideRefuses(t *testing.T) {
	for _, c := range []struct{ name, from, more, want string }{
		{"no file", "{csv: none.csv}", "", "task own: data.from: open none.csv"},
		{"clients with too few rows", "{csv: FILE, partition: {clients: 5}}", "", "task own: data.from: client 0 of 5: data: 8 examples, want 10 to 100000"},
		{"no setting", "{}", "", "task own: data.from is missing"},
	} {
		tk, d := openTask(t, strings.Replace(strings.Replace(section(c.from), ", from: {}", "", 1), "FILE", tableFile(t, c.more), 1))
		if err := d.Divide(tk); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	pets, images := openTask(t, "{source: own, images: {width: 4, height: 4, channels: 1, classes: [cat, dog]}}")
	if err := images.Divide(pets); err == nil || !strings.Contains(err.Error(), "its participants bring images") {
		t.Errorf("images: %v, want that a simulation has none", err)
	}
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("sex,age,ill\nf,12.345,no\nf,999,no\nf,13.345,yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tk, d := openTask(t, strings.Replace(section("{csv: "+path+"}"), "120", "99999", 1))
	if err := d.Divide(tk); err == nil || !strings.Contains(err.Error(), "want data.from.decimal: point or comma") {
		t.Errorf("numbers that can be read in two ways: %v, want to be told data.from.decimal", err)
	}
}

// A test file is read under the schema, and its rows are standardised by the constants
// of the participants, also those of which the guard judges by a few.
func TestOwnTestFile(t *testing.T) {
	text := "name: own\nmodel: {kind: logistic}\ndata: " + strings.Replace(section(""), ", from: }", "}", 1) +
		"\nevaluate: {on: test, test: {csv: " + tableFile(t, "") + "}}\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"
	tk, err := task.Parse("own.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	evaluate, judge := d.Evaluator(m), d.Judge(tk, m)
	if err := d.SetConstants(data.Constants{Mean: []float64{40}, Deviation: []float64{10}}); err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	params[0] = 5 // older than the mean is ill, as all rows from 40.5 on
	for _, f := range []run.Evaluator{evaluate, judge} {
		if got := f(params); got.Examples != 40 || got.Correct != 40 {
			t.Errorf("%d of %d right, want all 40", got.Correct, got.Examples)
		}
	}
}
