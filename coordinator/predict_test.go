package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/coordinator/swarm"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/learn/rng"
)

// houses returns a table of houses as rows of fields, with a line of names: prices in
// euros, categories, columns to be ignored, missing values.
func houses() [][]string {
	rows := [][]string{{"id", "area", "town", "built", "price", "size"}}
	src := rng.New(5)
	for i := range 300 {
		area, built := 40+src.Uint64()%160, 1900+src.Uint64()%120
		town := []string{"Ulm", "Köln", "Bad, Ems"}[src.Uint64()%3]
		price := 2500*float64(area) + 300*float64(built-1900) + float64(len(town))*10000 + float64(src.Uint64()%20000)
		size := []string{"small", "middle", "large"}[min(area/70, 2)]
		row := []string{strconv.Itoa(i), fmt.Sprint(area), town, fmt.Sprint(built), fmt.Sprintf("%.2f", price), size}
		switch i % 17 {
		case 3:
			row[3] = "NA"
		case 5:
			row[2] = ""
		}
		rows = append(rows, row)
	}
	return rows
}

func writeCSV(t *testing.T, path string, separator rune, rows [][]string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	w.Comma = separator
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return path
}

// program runs a command and returns what it writes.
func program(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if code := Main(t.Context(), args, &out, &errs); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	return out.String(), errs.String()
}

// A model of a table is served, trained, exported, and predicts the held-out rows as the
// coordinator has reported: the raw rows, in another order of the columns and another
// dialect.
func TestPredict(t *testing.T) {
	const seed, share = 3, .2
	for _, c := range []struct{ name, target, ignored, predict, loss string }{
		{"classes", "size", "price", "class", "softmax"},
		{"numbers", "price", "size", "number", "squared"},
		{"margins", "size", "price", "class", "hinge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			table := houses()
			text := fmt.Sprintf(`name: houses
model: {kind: mlp, hidden: [8], loss: %s}
data:
  source: csv
  csv: {path: %s, target: %s, predict: %s, ignore: [id, %s], categorical: [{column: town}], missing: median}
  holdout: %v
  public: true
  partition: {kind: iid, clients: 6}
strategy: {kind: fedavg, fraction: 1, epochs: 3, batch: 10, lr: 0.05, min_clients: 3}
stop: {rounds: 3}
seed: %d
`, c.loss, writeCSV(t, filepath.Join(dir, "houses.csv"), ',', table), c.target, c.predict, c.ignored, share, seed)
			file := filepath.Join(dir, "houses.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			db := filepath.Join(dir, "db")
			s := serveTest(t, Config{Data: db, Tasks: []string{file}})
			if _, err := swarm.Run(t.Context(), swarm.Options{URL: "http://" + s.Addr(), Task: "houses", Clients: 3}); err != nil {
				t.Fatal(err)
			}
			v := s.api(t, "/api/tasks/houses")
			served := s.body(t, s.Addr(), "/api/tasks/houses/models/newest.onnx", http.StatusOK)
			described := s.body(t, s.Addr(), "/api/tasks/houses/models/newest.json", http.StatusOK)
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}

			model, onnx := filepath.Join(dir, "m.safetensors"), filepath.Join(dir, "o.onnx")
			program(t, "export", "--data", db, "--run", "houses", "--out", model)
			program(t, "export", "--data", db, "--run", "houses", "--format", "onnx", "--out", onnx)
			for path, want := range map[string]string{onnx: served, filepath.Join(dir, "m.json"): described, filepath.Join(dir, "o.json"): described} {
				if got, err := os.ReadFile(path); err != nil || string(got) != want {
					t.Errorf("%s: %d bytes, want the %d that were served: %v", filepath.Base(path), len(got), len(want), err)
				}
			}

			_, test, err := data.Holdout(len(table)-1, share, rng.Derive(seed, "holdout"))
			if err != nil {
				t.Fatal(err)
			}
			rows := [][]string{table[0]}
			for _, i := range test {
				rows = append(rows, table[1+i])
			}
			for i := range rows {
				rows[i] = slices.Clone(rows[i])
				slices.Reverse(rows[i])
			}
			heldOut := writeCSV(t, filepath.Join(dir, "held-out.csv"), ';', rows)
			out, summary := program(t, "predict", "--model", model, "--data", heldOut)
			if of, _ := program(t, "predict", "--run", "houses", "--version", "newest", "--database", db, "--data", heldOut); of != out {
				t.Errorf("predict --run prints %.200s, want what predict --model prints", of)
			}
			lines, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil || len(lines) != len(rows) {
				t.Fatalf("%d lines of predictions, want %d: %v", len(lines), len(rows), err)
			}
			target := slices.Index(rows[0], c.target)
			if c.predict == "class" {
				right := 0
				for i, line := range lines[1:] {
					if line[0] == rows[1+i][target] {
						right++
					}
					if sum := number(t, line[1]) + number(t, line[2]) + number(t, line[3]); c.loss == "softmax" && math.Abs(sum-1) > 1e-5 {
						t.Errorf("row %d: the probabilities add up to %v", i, sum)
					}
				}
				if want := int(math.Round(*v.Evaluation.Accuracy * float64(len(test)))); right != want || !strings.Contains(summary, fmt.Sprintf("%d rows: accuracy %.2f%% (%d right)", len(test), 100**v.Evaluation.Accuracy, right)) {
					t.Errorf("%d right, want the %d of the coordinator: %s", right, want, summary)
				}
				kind := map[string]string{"softmax": "probability_", "hinge": "score_"}[c.loss]
				if want := []string{"prediction", kind + "large", kind + "middle", kind + "small"}; !slices.Equal(lines[0], want) {
					t.Errorf("names %q, want %q", lines[0], want)
				}
			} else {
				square := 0.
				for i, line := range lines[1:] {
					d := number(t, line[0]) - number(t, rows[1+i][target])
					square += d * d
				}
				want := *v.Evaluation.RMSE
				if rmse := math.Sqrt(square / float64(len(test))); math.Abs(rmse/want-1) > 1e-6 || !strings.Contains(summary, fmt.Sprintf("RMSE %.9g,", want)) {
					t.Errorf("RMSE %.9g, want the coordinator's %.9g: %s", rmse, want, summary)
				}
			}

			// Without the target there is nothing to judge.
			for i := range rows {
				rows[i] = slices.Delete(rows[i], target, target+1)
			}
			again, summary := program(t, "predict", "--model", model, "--data", writeCSV(t, filepath.Join(dir, "new.csv"), ',', rows), "--separator", "comma")
			if again != out || summary != fmt.Sprintf("%d rows, none with %s\n", len(test), c.target) {
				t.Errorf("without the target: %s", summary)
			}
		})
	}
}

// With --skip-problems a row that cannot be predicted is written with its problems, and
// the others with their lines.
func TestPredictSkipsProblems(t *testing.T) {
	dir := t.TempDir()
	encoding := &data.Encoding{
		Columns: []data.EncodedColumn{{Name: "a", Deviation: 1}},
		Target:  data.EncodedTarget{Name: "y", Classes: []string{"no", "yes"}, Deviation: 1},
	}
	m := export.Model{Spec: learn.MLP([]int{1}, nil, 2), Params: []float32{0, 0, 0, 0}, Classes: encoding.Target.Classes, Encoding: encoding}
	m.Hash = learn.Hash(m.Params)
	b, err := m.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	model, rows := filepath.Join(dir, "m"), filepath.Join(dir, "rows.csv")
	for path, b := range map[string][]byte{model: b, rows: []byte("a,y\n1,no\nx,yes\n\n,\n2,maybe\n3,yes\n")} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, summary := program(t, "predict", "--model", model, "--data", rows, "--skip-problems")
	want := `line,prediction,probability_no,probability_yes,problems
2,no,0.5,0.5,
3,,,,"a is ""x"", want a number, with a decimal point if any"
6,no,0.5,0.5,"y is ""maybe"", want one of no, yes"
7,no,0.5,0.5,
`
	if out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
	if want := "1 row with problems has no prediction\n2 rows: accuracy 50.00% (1 right), balanced accuracy 50.00%, F1 0.3333; 1 more rows without y\n"; summary != want {
		t.Errorf("%s\nwant\n%s", summary, want)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPredictRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	encoding := &data.Encoding{
		Columns: []data.EncodedColumn{{Name: "a", Deviation: 1}},
		Target:  data.EncodedTarget{Name: "y", Classes: []string{"no", "yes"}, Deviation: 1},
	}
	table := export.Model{Spec: learn.MLP([]int{1}, nil, 2), Params: []float32{1, -1, 0, 0}, Classes: encoding.Target.Classes, Encoding: encoding}
	table.Hash = learn.Hash(table.Params)
	images := table
	images.Encoding, images.Pixels = nil, &data.Scaling{Scale: 1}
	files := map[string]string{}
	for name, m := range map[string]*export.Model{"table": &table, "images": &images} {
		b, err := m.Safetensors()
		if err != nil {
			t.Fatal(err)
		}
		files[name] = write(name, b)
	}
	rows := write("rows.csv", []byte("a,y\n1,no\nx,yes\n"))
	good := write("good.csv", []byte("a;y\n-1,5;yes\n1;yes\n2;?\n"))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "--model is missing"},
		{[]string{"--model", "x"}, 2, "--data is missing"},
		{[]string{"--model", "x", "--data", "y", "--decimal", "dot"}, 2, `--decimal is "dot", want detect, point or comma`},
		{[]string{"--model", "x", "--data", "y", "--separator", "bar"}, 2, `--separator is "bar", want`},
		{[]string{"--model", "x", "--data", "y", "--header", "no"}, 2, `--header is "no", want`},
		{[]string{"--model", filepath.Join(dir, "none"), "--data", rows}, 1, "no such file"},
		{[]string{"--model", rows, "--data", rows}, 1, "--model " + rows + ": export: no safetensors file: "},
		{[]string{"--model", files["images"], "--data", rows}, 1, "is a model of images, want one of a table"},
		{[]string{"--model", files["table"], "--data", filepath.Join(dir, "none.csv")}, 1, "--data: open"},
		{[]string{"--model", files["table"], "--data", rows}, 1, `rows.csv:3: column 1 (a) is "x", want a number`},
		{[]string{"--model", files["table"], "--data", good, "--out", dir}, 1, "--out: open"},
		{[]string{"--model", files["table"], "--data", good, "--decimal", "comma", "--header", "present"}, 0, "2 rows: accuracy 50.00% (1 right), balanced accuracy 50.00%, F1 0.3333; 1 more rows without y"},
	} {
		var out, errs strings.Builder
		code := Main(t.Context(), append([]string{"predict"}, c.args...), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%v: exit code %d, want %d and %s:\n%s", c.args, code, c.code, c.want, errs.String())
		}
	}
}
