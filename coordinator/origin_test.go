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
	"strings"
	"testing"

	"fedtab/coordinator/listen"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
)

// evaluation waits for the figures of a version.
func (s *testServer) evaluation(t *testing.T, version uint64) store.Summary {
	t.Helper()
	var r store.Summary
	waitFor(t, fmt.Sprintf("the evaluation of version %d", version), func() bool {
		runs, err := s.store.Runs(store.Filter{ID: s.studies[0].Run})
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
				t.Logf("loss differs by %.1e, accuracy by %.1e", *r.TestLoss-want.Loss, *r.TestAccuracy-want.Accuracy)
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
	id := s.studies[0].Run
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
