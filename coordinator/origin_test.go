package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/listen"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
)

// evaluation waits for the figures of a version.
func (s *testServer) evaluation(t *testing.T, version uint64) store.Summary {
	t.Helper()
	var r store.Summary
	waitFor(t, fmt.Sprintf("the evaluation of version %d", version), func() bool {
		runs, err := s.store.Runs(store.Filter{ID: s.studies()[0].Run()})
		if err != nil {
			t.Fatal(err)
		}
		r = runs[0]
		return r.Evaluated >= version
	})
	return r
}

// torchTasks are the models that testdata/pytorch/make.py trains.
var torchTasks = map[string]string{
	"mlp": "{kind: mlp, hidden: [16]}",
	"cnn": "{kind: layers, layers: [{conv: 4, size: 5, padding: same, activation: relu}, {maxpool: 2}, {conv: 8, size: 5, padding: same, activation: relu}, {maxpool: 2}, {dense: 16, activation: relu}]}",
}

// A run starts from a model that PyTorch has trained, and its first evaluation is PyTorch's
// of the same test images (testdata/pytorch/make.py), whether versions travel raw or on a
// grid.
func TestStartFromPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/pytorch/figures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, model := range torchTasks {
		for packing, edit := range map[string][]string{"raw": nil, "packed": {"compress: {up: {codec: float32}, down: {codec: float32}}", ""}} {
			t.Run(name+"/"+packing, func(t *testing.T) {
				var want struct{ Loss, Accuracy float64 }
				if err := json.Unmarshal(file[name], &want); err != nil {
					t.Fatal(err)
				}
				from := filepath.Join("testdata", "pytorch", name+modelExt)
				s := serveTest(t, Config{Tasks: []string{smallTask(t, append(edit, "{kind: mlp, hidden: [32]}", model)...)}, From: from})
				r := s.evaluation(t, 1)
				if r.Version != 1 || math.Abs(*r.TestLoss-want.Loss) > 1e-4 || math.Abs(*r.TestAccuracy-want.Accuracy) > 1e-4 {
					t.Errorf("version %d has loss %.6f and accuracy %.4f, want version 1 with %.6f and %.4f", r.Version, *r.TestLoss, *r.TestAccuracy, want.Loss, want.Accuracy)
				}
				if !strings.HasPrefix(r.Origin, "file "+name+".safetensors, SHA-256 ") {
					t.Errorf("origin %q", r.Origin)
				}
			})
		}
	}
}

// A run starts from a version of another one, trains on from it, and goes on after a
// restart with the same flags.
func TestStartFromRun(t *testing.T) {
	dir := t.TempDir()
	first := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t)}})
	train := func(s *testServer) {
		t.Helper()
		if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
			t.Fatal(err)
		}
	}
	train(first)
	trained := first.evaluation(t, 3)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	exported := filepath.Join(t.TempDir(), "small.safetensors")
	if code := Main(t.Context(), []string{"export", "--data", dir, "--run", "small", "--out", exported}, &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}

	file := smallTask(t, "rounds: 3", "rounds: 2")
	start := func(c Config) (*testServer, store.Summary, string) {
		t.Helper()
		var log bytes.Buffer
		c.Data, c.Log = dir, slog.New(slog.NewTextHandler(&log, nil))
		if c.Tasks == nil {
			c.Tasks = []string{file}
		}
		s := serveTest(t, c)
		var described bytes.Buffer
		s.describe(&described)
		return s, s.evaluation(t, 1), described.String()
	}
	// By the name of the task, whose newest run is the new one after a restart.
	s, r, text := start(Config{From: "small"})
	if want := "version 3 of " + trained.ID; r.Origin != want || !strings.Contains(text, "(new, from "+want+")") {
		t.Errorf("origin %q, want %q; it prints\n%s", r.Origin, want, text)
	}
	if r.Version != 1 || *r.TestLoss != *trained.TestLoss || *r.TestAccuracy != *trained.TestAccuracy {
		t.Errorf("version %d has loss %v and accuracy %v, want version 1 with %v and %v", r.Version, *r.TestLoss, *r.TestAccuracy, *trained.TestLoss, *trained.TestAccuracy)
	}
	id := r.ID
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s, r, text = start(Config{From: "small"})
	if r.ID != id || !strings.Contains(text, "(resumed at version 1)") {
		t.Errorf("after a restart the run is %s, want %s; it prints\n%s", r.ID, id, text)
	}
	train(s)
	if r := s.evaluation(t, 2); r.Version != 2 || *r.TestLoss >= *trained.TestLoss {
		t.Errorf("version %d has loss %v, want version 2 with less than %v", r.Version, *r.TestLoss, *trained.TestLoss)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// One that is over stays so; another origin and --fresh start a new run.
	for _, c := range []struct {
		Config
		same   bool
		origin string
	}{
		{Config{From: "small"}, true, "version 3 of " + trained.ID},
		{Config{From: trained.ID + "@2"}, false, "version 2 of " + trained.ID},
		{Config{From: exported}, false, "file small.safetensors, SHA-256 "},
		{Config{From: exported}, true, "file small.safetensors, SHA-256 "},
		{Config{}, true, "file small.safetensors, SHA-256 "},
		{Config{From: exported, Fresh: true}, false, "file small.safetensors, SHA-256 "},
		{Config{From: trained.ID + "@best", Fresh: true}, false, "version 3 of " + trained.ID},
	} {
		s, r, _ := start(c.Config)
		if (r.ID == id) != c.same || !strings.HasPrefix(r.Origin, c.origin) {
			t.Errorf("--from %s, fresh %v: run %s from %q after %s, want the same: %v, from %q", c.From, c.Fresh, r.ID, r.Origin, id, c.same, c.origin)
		}
		if c.From == exported && *r.TestLoss != *trained.TestLoss {
			t.Errorf("from the file: loss %v, want %v", *r.TestLoss, *trained.TestLoss)
		}
		id = r.ID
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be started from is refused, in a sentence that says what would be right.
func TestStartFromRefused(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t)}})
	id := s.studies()[0].Run()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	mlp := filepath.Join("testdata", "pytorch", "mlp.safetensors")
	for _, c := range []struct {
		from, want string
		edit       []string
	}{
		{"missing.safetensors", "no such file", nil},
		{"other", "want a run, or a task with a run that has a version, in this database, or a file that ends in .safetensors", nil},
		{id, "committed versions: 0, want at least 1", nil},
		{mlp, "tensor 1.weight has the shape [16 784], want [32 784], [out, in], for dense0.weight", nil},
		{mlp, "stop.rounds is 1", []string{"rounds: 3", "rounds: 1"}},
		{mlp, "oneshot ends with its first version", []string{"kind: fedavg, fraction: 1,", "kind: oneshot,", ", clip: none", "", "compress: {up: {codec: float32}, down: {codec: float32}}", "", "stop: {rounds: 3}", "stop: {time: 1h}"}},
	} {
		_, err := NewServer(Config{Data: dir, Listen: listen.Config{Addr: "127.0.0.1:0"}, Tasks: []string{smallTask(t, c.edit...)}, From: c.from, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "--from "+c.from+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("--from %s: %v, want %q", c.from, err, c.want)
		}
	}
	var out, errs bytes.Buffer
	if code := Main(context.Background(), []string{"serve", "--data", dir, "--from", mlp, "--task", "mnist-2nn", "--task", "mnist-cnn"}, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "there are 2 tasks, want one") {
		t.Errorf("two tasks: exit code %d, %s", code, &errs)
	}
}

// A run of own data goes on with the constants that its model was trained with, and needs no
// survey.
func TestStartFromOwnData(t *testing.T) {
	dir := t.TempDir()
	file := ward(t, "mlp, hidden: [8]", wardPrices, "rounds: 12", "rounds: 3")
	var files [][]string
	for i := range 3 {
		files = append(files, []string{"--data", writeCSV(t, filepath.Join(dir, fmt.Sprintf("%d.csv", i)), ',', wardRows(60, uint64(i)))})
	}
	db := filepath.Join(dir, "db")
	s := serveTest(t, Config{Data: db, Tasks: []string{file}})
	clients(t, "http://"+s.Addr(), files...)
	id := s.studies()[0].Run()
	was, err := s.store.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "ward.safetensors")
	program(t, "export", "--data", db, "--run", id, "--out", model)
	for _, from := range []string{id, model} {
		s := serveTest(t, Config{Data: db, Tasks: []string{file}, From: from, Fresh: true})
		saved, err := s.store.Load(s.studies()[0].Run())
		if err != nil {
			t.Fatal(err)
		}
		if saved.Constants == nil || !reflect.DeepEqual(saved.Constants, was.Constants) || !slices.Equal(saved.Last.Params, was.Last.Params) {
			t.Errorf("from %s: constants %v and parameters %v, want %v and %v", from, saved.Constants, saved.Last.Params, was.Constants, was.Last.Params)
		}
		clients(t, "http://"+s.Addr(), files...)
		if v := s.api(t, "/api/tasks/ward"); v.Version != 3 || v.Finished != "3 rounds done" {
			t.Errorf("from %s: version %d, %q", from, v.Version, v.Finished)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
	tk, err := task.Find(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newOrigin("", make([]float32, m.Layout().Size), nil, tk, d, m); err == nil || !strings.Contains(err.Error(), "does not say how its columns are standardised") {
		t.Errorf("a file that says nothing of its columns: %v", err)
	}
}

// A table with other rows is standardised otherwise: the model predicts the same of each row
// all the same.
func TestStartFromTable(t *testing.T) {
	dir := t.TempDir()
	// What stands for a missing value depends on the rows.
	table := slices.DeleteFunc(houses(), func(row []string) bool { return row[2] == "" || row[3] == "NA" })
	all := writeCSV(t, filepath.Join(dir, "all.csv"), ',', table)
	study := func(path string) string {
		file := filepath.Join(t.TempDir(), "houses.yaml")
		text := fmt.Sprintf(`name: houses
model: {kind: mlp, hidden: [8], loss: squared}
data:
  source: csv
  csv: {path: %s, target: price, predict: number, ignore: [id, size], categorical: [{column: town}], missing: median}
  holdout: .2
  public: true
  partition: {kind: iid, clients: 6}
strategy: {kind: fedavg, fraction: 1, epochs: 3, batch: 10, lr: 0.05, min_clients: 3}
stop: {rounds: 3}
seed: 3
`, path)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	db := filepath.Join(dir, "db")
	s := serveTest(t, Config{Data: db, Tasks: []string{study(all)}})
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: "http://" + s.Addr(), Task: "houses", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	id := s.studies()[0].Run()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	rmse := func(run string) float64 {
		model := filepath.Join(t.TempDir(), "m.safetensors")
		program(t, "export", "--data", db, "--run", run, "--out", model)
		_, text := program(t, "predict", "--model", model, "--data", all)
		return figureIn(t, text, "RMSE")
	}
	want := rmse(id)
	s = serveTest(t, Config{Data: db, Tasks: []string{study(writeCSV(t, filepath.Join(dir, "fewer.csv"), ',', table[:120]))}, From: id})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	other := s.studies()[0].Run()
	if got := rmse(other); other == id || math.Abs(got-want) > 1e-5*want {
		t.Errorf("run %s from %s: RMSE %v of all rows, want %v", other, id, got, want)
	}
	// What standardised a table that is another now is not known.
	writeCSV(t, all, ',', table[:200])
	_, err := NewServer(Config{Data: db, Listen: listen.Config{Addr: "127.0.0.1:0"}, Tasks: []string{study(all)}, From: id, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "the data of run "+id+" has changed since") {
		t.Errorf("a table that has changed: %v", err)
	}
}

// A simulation starts from a file.
func TestSimulateFrom(t *testing.T) {
	out, _ := program(t, "simulate", "--task", smallTask(t, "{kind: mlp, hidden: [32]}", torchTasks["cnn"], "rounds: 3", "rounds: 2", "fraction: 1,", "fraction: .05,"),
		"--from", filepath.Join("testdata", "pytorch", "cnn.safetensors"), "--json", "-")
	var res struct {
		Rounds []struct {
			TestLoss float64 `json:"test_loss"`
		}
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	if len(res.Rounds) != 2 || math.Abs(res.Rounds[0].TestLoss-.116975) > 1e-4 || !(res.Rounds[1].TestLoss < .116975) {
		t.Errorf("rounds %+v, want two, the first with PyTorch's loss of 0.116975", res.Rounds)
	}
}

// The model of a simulation is a file that another run begins with.
func TestSimulateOut(t *testing.T) {
	dir := t.TempDir()
	file, first, second := filepath.Join(dir, "m.safetensors"), filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")
	simulate := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"simulate", "--task", "anes96", "--set", "stop={rounds: 3}"}, args...), &out, &errs)
		return code, errs.String()
	}
	read := func(path string) (r simulateResult) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if code, errs := simulate("--json", first, "--out", file); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if code, errs := simulate("--json", second, "--from", file); code != exitDone {
		t.Fatalf("from the model: exit code %d: %s", code, errs)
	}
	a, b := read(first), read(second)
	if !strings.Contains(a.Program, "kernels ") || a.Model == "" {
		t.Errorf("the result does not say what has made it: %+v", a)
	}
	if begun, alone := *b.Rounds[1].Loss, *a.Rounds[0].Loss; begun >= alone {
		t.Errorf("from the model, the first round has a loss of %g, want less than %g", begun, alone)
	}
	if code, errs := simulate("--out", filepath.Join(dir, "m.pt")); code != exitUsage || !strings.Contains(errs, "want a name that ends in .safetensors or .onnx") {
		t.Errorf("another format: exit code %d: %s", code, errs)
	}
	if code, errs := simulate("--out", filepath.Join(dir, "none", "m.onnx")); code != exitFailed || !strings.Contains(errs, "--out: ") {
		t.Errorf("a folder that is not there: exit code %d: %s", code, errs)
	}
}

type simulateResult struct {
	Program string `json:"program"`
	Model   string `json:"model_sha256"`
	Rounds  []struct {
		Loss *float64 `json:"train_loss"`
	} `json:"rounds"`
}
