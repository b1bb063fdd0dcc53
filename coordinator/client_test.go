package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fedtab/api"
	"fedtab/client"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
)

// ward is a task whose data participants bring; label and model are given.
func ward(t *testing.T, model, label string, edit ...string) string {
	t.Helper()
	text := fmt.Sprintf(`name: ward
model: {kind: %s}
data:
  source: own
  table:
    features:
      - {name: age, type: number, min: 0, max: 120, columns: [Alter]}
      - {name: pressure, type: number, min: 50, max: 300, missing: mean}
      - {name: area, type: number, min: 10, max: 1000}
      - {name: sex, type: category, values: [f, m], aliases: {female: f, male: m}}
      - {name: smoker, type: boolean, missing: "no"}
    label: %s
  holdout: 0.2
strategy: {kind: fedavg, fraction: 1, epochs: 2, batch: 10, lr: 0.05, min_clients: 3}
stop: {rounds: 12}
seed: 1
`, model, label)
	file := filepath.Join(t.TempDir(), "ward.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(edit...).Replace(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	wardClasses = "{name: outcome, values: [healthy, ill]}"
	wardPrices  = "{name: price, type: number, min: 0, max: 5000000}"
)

// wardRows returns rows of the task, with a line of names. Numbers have many digits, so
// that none is in a message by chance.
func wardRows(n int, seed uint64) [][]string {
	rows := [][]string{{"age", "pressure", "area", "sex", "smoker", "outcome", "price"}}
	src := rng.New(seed)
	uniform := func() float64 { return float64(src.Uint64()>>11) / (1 << 53) }
	for range n {
		age, pressure, area := 18+70*uniform(), 90+90*uniform(), 30+150*uniform()
		smoker := src.Uint64()%3 == 0
		risk := (age-53)/20 + (pressure-135)/26 + 2*(uniform()-.5)
		row := []string{fmt.Sprintf("%.5f", age), fmt.Sprintf("%.5f", pressure), fmt.Sprintf("%.6f", area), []string{"f", "m"}[src.Uint64()%2], "no", "healthy",
			fmt.Sprintf("%.4f", 2500*area+10000*(uniform()-.5))}
		if smoker {
			risk++
			row[4] = "yes"
		}
		if risk > .5 {
			row[5] = "ill"
		}
		if src.Uint64()%20 == 0 {
			row[1] = ""
		}
		rows = append(rows, row)
	}
	return rows
}

// clients runs clients with files until their run is over, and returns what they print.
func clients(t *testing.T, url string, files ...[]string) (stdouts, stderrs []string) {
	t.Helper()
	outs, errs, codes := make([]strings.Builder, len(files)), make([]strings.Builder, len(files)), make([]int, len(files))
	var wait sync.WaitGroup
	for i, args := range files {
		wait.Go(func() {
			codes[i] = Main(t.Context(), append([]string{"client", "--url", url}, args...), &outs[i], &errs[i])
		})
	}
	wait.Wait()
	for i, code := range codes {
		if code != 0 {
			t.Fatalf("client %d: exit code %d: %s", i, code, errs[i].String())
		}
		stdouts, stderrs = append(stdouts, outs[i].String()), append(stderrs, errs[i].String())
	}
	return stdouts, stderrs
}

// figureIn returns the number in text after the name of a figure.
func figureIn(t *testing.T, text, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(name + ` ([0-9.e+]+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %q", name, text)
	}
	return number(t, m[1])
}

// pool are the examples of several.
type pool []data.Examples

func (p pool) Features() int { return p[0].Features() }
func (p pool) Classes() int  { return p[0].Classes() }
func (p pool) Len() (n int) {
	for _, x := range p {
		n += x.Len()
	}
	return n
}
func (p pool) Fill(to, y []float32, index []int32) {
	for k, i := range index {
		for _, x := range p {
			if int(i) < x.Len() {
				x.Fill(to[k*p.Features():][:p.Features()], y[k:k+1], []int32{i})
				break
			}
			i -= int32(x.Len())
		}
	}
}

// central trains on the training rows of all in one place, and returns what the model
// does on the rows of test, in the unit of the target, and the constants.
func central(t *testing.T, file string, owns []*data.Own, test *data.Own) (learn.Figures, data.Constants) {
	t.Helper()
	tk, err := task.Find(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := owns[0].Schema
	var totals []data.Totals
	var squares [][]float64
	for _, o := range owns {
		totals = append(totals, o.Totals())
	}
	mean := data.Mean(totals)
	for _, o := range owns {
		squares = append(squares, o.Squares(mean))
	}
	c := s.CombineConstants(mean, totals, squares)
	var train pool
	for _, o := range owns {
		x, err := o.Train(c)
		if err != nil {
			t.Fatal(err)
		}
		train = append(train, x)
	}
	model, err := learn.New(tk.Model.Spec(s.Shape(), len(s.Classes()), 1))
	if err != nil {
		t.Fatal(err)
	}
	params := client.OwnModels().Initial(model, 1)
	fit := learn.NewFit(model)
	if err := fit.Start(params, train, learn.FitConfig{Epochs: 24, Batch: 10, LR: .02, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		if done, err = fit.Run(1000); err != nil {
			t.Fatal(err)
		}
	}
	a, err := test.Train(c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := test.Test(c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := learn.Evaluate(model, params, pool{a, b}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Mean); s.Classes() == nil {
		m = m.InUnits(c.Mean[n-1], c.Deviation[n-1])
	}
	return m.Figures(), c
}

// Three participants without a browser have unequal files of one table, one with other
// names, another order of columns and decimal commas, one compressed. The exported model
// predicts as well as one that is trained on all rows in one place. No row leaves them.
func TestClient(t *testing.T) {
	for _, c := range []struct{ name, model, label, figure string }{
		{"classes", "softmax", wardClasses, "accuracy"},
		{"numbers", "linear", wardPrices, "RMSE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, db := ward(t, c.model, c.label), filepath.Join(dir, "db")
			tables := [][][]string{wardRows(500, 1), wardRows(300, 2), wardRows(120, 3)}
			paths := []string{writeCSV(t, filepath.Join(dir, "north.csv"), ',', tables[0]), german(t, dir, tables[1]), packed(t, dir, tables[2])}

			s := serveTest(t, Config{Data: db, Tasks: []string{file}})
			p := newProxy(t, s.Addr())
			outs, errs := clients(t, "http://"+p.Addr().String(), []string{"--data", paths[0]}, []string{"--data", paths[1], "--task", "ward", "--map", "area=Wohnfläche"}, []string{"--data", paths[2]})
			v := s.api(t, "/api/tasks/ward")
			sent := p.sent(t)
			rows := wardRows(1, 7)
			spy := hubtest.Connect(t, nil, "ws://"+p.Addr().String()+"/ws")
			spy.Frame(append([]byte(rows[1][2]), binary.LittleEndian.AppendUint64(nil, math.Float64bits(number(t, rows[1][0])))...))
			spy.Closed()
			if spied := p.sent(t); !bytes.Contains(spied, []byte(rows[1][2])) || !bytes.Contains(spied, binary.LittleEndian.AppendUint64(nil, math.Float64bits(number(t, rows[1][0])))) {
				t.Error("a row that is sent is not found")
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			for i, out := range outs {
				if !strings.Contains(out, "12 contributions accepted, 0 rejected\n") || !strings.Contains(out, "the training is finished: 12 rounds done\n") || !strings.Contains(out, "version 12 on the ") {
					t.Errorf("client %d prints %q, want 12 contributions, the end, and how the last version does", i, out)
				}
			}
			for _, want := range []string{"separator ';', decimal comma\n", "  age: column 7, Alter\n", "  area: column 5, Wohnfläche, by --map\n", "300 rows without problems, 0 with\n", "filled with the mean of all participants", "240 examples to train on, 60 held out to evaluate on\n"} {
				if !strings.Contains(errs[1], want) {
					t.Errorf("what was understood lacks %q:\n%s", want, errs[1])
				}
			}

			model := filepath.Join(dir, "m.safetensors")
			program(t, "export", "--data", db, "--run", "ward", "--out", model)
			test := writeCSV(t, filepath.Join(dir, "test.csv"), ',', wardRows(2000, 9))
			_, summary := program(t, "predict", "--model", model, "--data", test)
			tk, err := task.Find(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			var owns []*data.Own
			for i, path := range append(paths, test) {
				f := ownFile{path: path, schema: tk.Data.Schema(), out: io.Discard}
				if i == 1 {
					f.columns = list{"area=Wohnfläche"}
				}
				o, err := f.read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				owns = append(owns, o)
			}
			owns, all := owns[:3], owns[3]
			best, constants := central(t, file, owns, all)
			if got := figureIn(t, summary, c.figure); c.figure == "accuracy" {
				t.Logf("accuracy %.2f%%, of the central learner %.2f%%", got, 100*best.Accuracy)
				if math.Abs(got-100*best.Accuracy) > 1 || got < 85 {
					t.Errorf("accuracy %.2f%%, want the %.2f%% of the central learner within a point", got, 100*best.Accuracy)
				}
			} else {
				t.Logf("RMSE %.0f, of the central learner %.0f", got, best.RMSE)
				if got > 1.02*best.RMSE || got > 4000 {
					t.Errorf("RMSE %.0f, want the %.0f of the central learner within 2%%", got, best.RMSE)
				}
			}
			if v.Evaluation.Accuracy == nil && v.Evaluation.RMSE == nil {
				t.Error("the coordinator knows no figure")
			}

			if len(sent) < 3*12*20 {
				t.Fatalf("%d bytes recorded", len(sent))
			}
			for i, path := range paths {
				for name, needle := range rowNeedles(t, owns[i], constants, tables[i]) {
					if bytes.Contains(sent, needle) {
						t.Errorf("client %d has sent %s", i, name)
					}
				}
				if name, _, _ := strings.Cut(filepath.Base(path), "."); bytes.Contains(sent, []byte(name)) {
					t.Errorf("client %d has sent the name of its file, %s", i, name)
				}
			}
		})
	}
}

// german writes rows with other names in another order, with decimal commas.
func german(t *testing.T, dir string, rows [][]string) string {
	t.Helper()
	var out [][]string
	for i, row := range rows {
		row = slices.Clone(row)
		if i == 0 {
			row[0], row[2] = "Alter", "Wohnfläche"
		} else {
			for k := range row {
				row[k] = strings.Replace(row[k], ".", ",", 1)
			}
			row[3] = map[string]string{"f": "female", "m": "Male"}[row[3]]
		}
		slices.Reverse(row)
		out = append(out, row)
	}
	return writeCSV(t, filepath.Join(dir, "sued.csv"), ';', out)
}

// packed writes rows and compresses the file.
func packed(t *testing.T, dir string, rows [][]string) string {
	t.Helper()
	text, err := os.ReadFile(writeCSV(t, filepath.Join(dir, "plain.csv"), '\t', rows))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(text)
	z.Close()
	path := filepath.Join(dir, "west.csv.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sent returns what went up all connections: requests, and the payloads of frames without
// their masks.
func (p *proxy) sent(t *testing.T) (all []byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		socket, _ := c.up.socket()
		c.up.mu.Lock()
		stream := c.up.bytes
		c.up.mu.Unlock()
		if !socket {
			all = append(all, stream...)
			continue
		}
		head, rest, _ := bytes.Cut(stream, []byte("\r\n\r\n"))
		all = append(all, head...)
		for len(rest) >= 6 {
			begin, size := 2, uint64(rest[1]&0x7f)
			switch size {
			case 126:
				begin, size = 4, uint64(binary.BigEndian.Uint16(rest[2:]))
			case 127:
				begin, size = 10, binary.BigEndian.Uint64(rest[2:])
			}
			mask := rest[begin : begin+4]
			for i, b := range rest[begin+4:][:size] {
				all = append(all, b^mask[i%4])
			}
			rest = rest[uint64(begin)+4+size:]
		}
	}
	return all
}

// rowNeedles returns what shows a row or a column of a table, by a name: its text, its
// numbers as they are and as they are trained on, in both precisions and byte orders.
func rowNeedles(t *testing.T, o *data.Own, c data.Constants, rows [][]string) map[string][]byte {
	t.Helper()
	needles := map[string][]byte{}
	numbers := func(name string, values []float64) {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			var single, double []byte
			for _, v := range values {
				single = order.AppendUint32(single, math.Float32bits(float32(v)))
				double = order.AppendUint64(double, math.Float64bits(v))
			}
			needles[fmt.Sprintf("%s as float32, %v", name, order)] = single
			needles[fmt.Sprintf("%s as float64, %v", name, order)] = double
		}
	}
	for i, row := range rows[1:] {
		var values []float64
		for _, k := range []int{0, 1, 2, 6} {
			if row[k] == "" {
				continue
			}
			v, err := strconv.ParseFloat(row[k], 64)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
			needles[fmt.Sprintf("row %d, column %d as text", i, k)] = []byte(row[k])
			needles[fmt.Sprintf("row %d, column %d with a comma", i, k)] = []byte(strings.Replace(row[k], ".", ",", 1))
		}
		numbers(fmt.Sprintf("row %d", i), values[:2])
		if i%2 == 1 {
			before, _ := strconv.ParseFloat(rows[i][2], 64)
			numbers(fmt.Sprintf("area of rows %d and %d", i-1, i), []float64{before, values[len(values)-2]})
		}
	}
	train, err := o.Train(c)
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, train.Features()), make([]float32, 1)
	for i := range train.Len() {
		train.Fill(x, y, []int32{int32(i)})
		numbers(fmt.Sprintf("trained row %d", i), []float64{float64(x[0]), float64(x[1]), float64(x[2])})
	}
	return needles
}

// What cannot be used is refused before anything is sent, with what to do.
func TestClientRefuses(t *testing.T) {
	first, second := ward(t, "softmax", wardClasses), ward(t, "linear", wardPrices, "name: ward", "name: prices")
	s := serveTest(t, Config{Tasks: []string{first, second, smallTask(t)}})
	only := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	dir := t.TempDir()
	good := writeCSV(t, filepath.Join(dir, "good.csv"), ',', wardRows(40, 1))
	broken := wardRows(40, 1)
	broken[3][0], broken[5][5], broken[5][6] = "abc", "sick", "-1"
	bad := writeCSV(t, filepath.Join(dir, "bad.csv"), ',', broken)
	few := writeCSV(t, filepath.Join(dir, "few.csv"), ',', wardRows(5, 1))
	vague := wardRows(40, 1)
	for i := range vague[1:] {
		for k := range vague[1+i] {
			vague[1+i][k] = strings.Split(vague[1+i][k], ".")[0]
		}
	}
	vague[1][6] = "12.345"
	asks := writeCSV(t, filepath.Join(dir, "asks.csv"), ';', vague)
	other := wardRows(40, 1)
	other[0][0], other[0][1] = "years", "years"
	names := writeCSV(t, filepath.Join(dir, "names.csv"), ',', other)
	page := "http://" + s.Addr() + "/"
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--data", good}, 2, []string{"client: --url: empty"}},
		{[]string{"--url", page}, 2, []string{"client: --data is missing, want a file"}},
		{[]string{"--url", page, "--data", good, "--decimal", "dot"}, 2, []string{`client: --decimal is "dot", want detect, point or comma`}},
		{[]string{"--url", page, "--data", good}, 1, []string{"several tasks take data of participants: ward, prices: choose one with --task"}},
		{[]string{"--url", page, "--data", good, "--task", "small"}, 1, []string{"task small takes no data of participants: the coordinator has its data"}},
		{[]string{"--url", page, "--data", good, "--task", "none"}, 1, []string{"no task is called none: the coordinator has ward, prices, small"}},
		{[]string{"--url", "http://" + only.Addr(), "--data", good}, 1, []string{"no task takes data of participants: the coordinator has small (whose data the coordinator has)"}},
		{[]string{"--url", page + "nothing/", "--data", good}, 1, []string{"cannot connect", "404 Not Found"}},
		{[]string{"--url", page, "--data", filepath.Join(dir, "none.csv"), "--task", "ward"}, 1, []string{"--data: open", "no such file"}},
		{[]string{"--url", page, "--data", good, "--labels", good, "--task", "ward"}, 1, []string{"--labels: the task wants a table"}},
		{[]string{"--url", page, "--data", bad, "--task", "ward"}, 1, []string{"  line 4: age is \"abc\", want a number from 0 to 120\n", "  line 6: outcome is \"sick\", want one of healthy, ill\n", "problems in 2 of 40 rows", "--skip-problems leaves them out", `--alias "outcome:sick=VALUE"`}},
		{[]string{"--url", page, "--data", few, "--task", "ward", "--skip-problems"}, 1, []string{"few.csv has 5 rows without problems, and the task wants at least 10."}},
		{[]string{"--url", page, "--data", asks, "--task", "prices"}, 1, []string{"12.345", "(--decimal point or --decimal comma answers it)"}},
		{[]string{"--url", page, "--data", names, "--task", "ward"}, 1, []string{"no column is called age", "--map FIELD=COLUMN. Its columns are 1 years, 2 years, 3 area"}},
		{[]string{"--url", page, "--data", names, "--task", "ward", "--map", "age=years"}, 1, []string{"--map age=years: several columns are called years, want the number of one: 1 years"}},
		{[]string{"--url", page, "--data", names, "--task", "ward", "--map", "age=8"}, 1, []string{"--map age=8: there is no column 8, want one of 1 years"}},
		{[]string{"--url", page, "--data", names, "--task", "ward", "--map", "age=1", "--map", "pressure=1"}, 1, []string{"--map pressure=1: column 1 is read for age already"}},
		{[]string{"--url", page, "--data", names, "--task", "ward", "--map", "weight=1"}, 1, []string{`--map weight=1: no field of the task before "=", want one of age, pressure`}},
		{[]string{"--url", page, "--data", bad, "--task", "ward", "--alias", "outcome:sick=unwell"}, 1, []string{"--alias outcome:sick=unwell: no value of outcome after the sign =, want one of healthy, ill"}},
	} {
		var out, errs strings.Builder
		code := Main(t.Context(), append([]string{"client"}, c.args...), &out, &errs)
		if code != c.code || out.String() != "" {
			t.Errorf("%q: exit code %d, output %q, want %d and none", c.args, code, out.String(), c.code)
		}
		for _, want := range c.want {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("%q: no %q in:\n%s", c.args, want, errs.String())
			}
		}
	}
	if n := s.hub.Counts(); n.Sessions != 0 || len(n.Closed) > 0 {
		t.Errorf("%+v: want no socket before the data is read", n)
	}
}

// A participant that is told to end says that it leaves; its texts and problems are
// handled as it has said.
func TestClientLeaves(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{ward(t, "softmax", wardClasses)}})
	rows := wardRows(40, 1)
	for _, row := range rows[1:] {
		row[5] = map[string]string{"ill": "sick", "healthy": "healthy"}[row[5]]
	}
	rows[2][0] = "abc"
	path := writeCSV(t, filepath.Join(t.TempDir(), "a.csv"), ',', rows)
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs strings.Builder
	ended := make(chan int)
	go func() {
		ended <- Main(ctx, []string{"client", "--url", s.socket(), "--data", path, "--alias", "outcome:sick=ill", "--skip-problems"}, &out, &errs)
	}()
	waitFor(t, "a participant", func() bool {
		var v api.Task
		if err := json.Unmarshal([]byte(s.body(t, s.Addr(), "/api/tasks/ward", http.StatusOK)), &v); err != nil {
			t.Fatal(err)
		}
		return v.Survey != nil && v.Survey.Ready == 1
	})
	cancel()
	if code := <-ended; code != 0 || !strings.Contains(out.String(), "left the run, which goes on\n") {
		t.Errorf("exit code %d, output %q, want 0 and that it left:\n%s", code, out.String(), errs.String())
	}
	if want := "39 rows without problems, 1 with\n"; !strings.Contains(errs.String(), want) || !strings.Contains(errs.String(), "the run waits for 3 participants, 1 of them are here") {
		t.Errorf("no %q, or not what the run waits for, in:\n%s", want, errs.String())
	}
	if n := s.hub.Counts().Closed[protocol.CloseNormal]; n != 1 {
		t.Errorf("%d participants have left, want 1", n)
	}
}

// A run that takes the place of the one that the data was read for ends the part in it.
func TestClientOfAnotherRun(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{ward(t, "softmax", wardClasses)}})
	v, err := swarm.OwnTask(t.Context(), s.socket(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := ownFile{path: writeCSV(t, filepath.Join(t.TempDir(), "a.csv"), ',', wardRows(40, 1)), schema: v.Data.Own, out: io.Discard}
	own, err := f.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.Run = "ward-0"
	if _, err := (swarm.Owner{URL: s.socket(), Task: v, Data: own}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another run of the task") {
		t.Errorf("got %v, want an error about another run", err)
	}
}

// The same file has the same holdout whenever it is read.
func TestClientHoldout(t *testing.T) {
	v := ward(t, "softmax", wardClasses)
	tk, err := task.Find(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seed := func(name string, rows [][]string) uint64 {
		f := ownFile{path: writeCSV(t, filepath.Join(dir, name), ',', rows), schema: tk.Data.Schema(), out: io.Discard}
		o, err := f.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return o.Seed
	}
	if a, b, c := seed("a.csv", wardRows(40, 1)), seed("b.csv", wardRows(40, 1)), seed("c.csv", wardRows(40, 2)); a != b || a == c {
		t.Errorf("seeds %d, %d and %d, want two equal ones of the same rows and another", a, b, c)
	}
}

// Images come from IDX files, and what is not clear in them is asked for.
func TestClientImages(t *testing.T) {
	schema := &data.Schema{Holdout: .2, Min: 10, Max: 100, Images: &data.ImageSchema{Width: 4, Height: 4, Channels: 1, Classes: []string{"cat", "dog"}}}
	dir := t.TempDir()
	write := func(name string, a data.Array) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(data.WriteIDX(f, a), f.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const n = 20
	pixels, labels := make([]uint8, 16*n), make([]uint8, n)
	for i := range pixels {
		pixels[i] = uint8(i * 7)
	}
	for i := range labels {
		labels[i] = uint8(1 + i%2)
	}
	images := write("images.idx", data.Array{Dims: []int{n, 4, 4}, Data: pixels})
	from1 := write("labels.idx", data.Array{Dims: []int{n}, Data: labels})
	for _, c := range []struct {
		name string
		file ownFile
		want string // in the error
		len  int    // without one
	}{
		{"no labels", ownFile{path: images}, "--labels names the file of the labels", 0},
		{"labels from 1", ownFile{path: images, labels: from1}, "label goes from 1 in the file and from 0 in the task", 0},
		{"an alias of no class", ownFile{path: images, labels: from1, aliases: list{"label:1=cow"}}, "--alias label:1=cow: no value of label after the sign =, want one of cat, dog", 0},
		{"columns", ownFile{path: images, labels: from1, columns: list{"a=1"}}, "--map: the task wants images", 0},
		{"aliases", ownFile{path: images, labels: from1, aliases: list{"label:1=cat", "label:2=dog"}}, "", n},
		{"some left out", ownFile{path: images, labels: from1, aliases: list{"label:1=cat"}, skip: true}, "", n / 2},
	} {
		var out strings.Builder
		c.file.schema, c.file.out = schema, &out
		o, err := c.file.read(t.Context())
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "--skip-problems") {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		case err != nil:
			t.Errorf("%s: %v:\n%s", c.name, err, out.String())
		case o.Len() != c.len:
			t.Errorf("%s: %d images, want %d:\n%s", c.name, o.Len(), c.len, out.String())
		}
		if c.name == "labels from 1" && !strings.Contains(out.String(), `--alias "label:1=cat" --alias "label:2=dog"`) {
			t.Errorf("no answers to choose from in:\n%s", out.String())
		}
	}
}
