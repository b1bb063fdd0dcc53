package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// patients writes a table of 300 rows in the German way, in which older smokers are ill.
func patients(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	text := "age;sex;smoker;weight;outcome\n"
	for range 300 {
		age, smoker := 18+r.IntN(76), r.IntN(2)
		ill := float64(age-55)/20+float64(2*smoker-1)+r.NormFloat64() > 0
		text += fmt.Sprintf("%d;%s;%s;%s;%s\n", age, []string{"f", "m"}[r.IntN(2)], []string{"no", "yes"}[smoker],
			strings.Replace(fmt.Sprintf("%.1f", 75+10*r.NormFloat64()), ".", ",", 1), map[bool]string{false: "healthy", true: "ill"}[ill])
	}
	path := filepath.Join(t.TempDir(), "patients.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A task that is made of a table is served and simulated: participants bring such tables,
// and the model that they train is exported and predicts raw rows, also where the file
// that it was tested on is gone.
func TestInitServes(t *testing.T) {
	table, dir := patients(t), t.TempDir()
	var text bytes.Buffer
	if err := execute(t.Context(), []string{"tasks", "--init", table}, &text, io.Discard); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "patients.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(text.String())
	if err := execute(t.Context(), []string{"simulate", "--task", file}, io.Discard, io.Discard); err != nil {
		t.Errorf("simulate: %v", err)
	}
	serveTest(t, Config{Data: t.TempDir(), Tasks: []string{file}})
	test := patients(t)
	write(strings.Replace(text.String(), "evaluate: {on: holdouts, every: 1}", "evaluate: {on: both, test: {csv: "+test+"}}", 1))
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	err := execute(t.Context(), []string{"swarm", "--url", "http://" + s.Addr(), "--task", "patients", "--from", file, "--clients", "3"}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if v := s.api(t, "/api/tasks/patients"); v.Finished != "50 rounds done" || v.Evaluation.Accuracy == nil || *v.Evaluation.Accuracy < .75 {
		t.Errorf("%+v, want the end of the run and about 80%% on the hold-outs", v)
	}
	if body := s.body(t, s.Addr(), "/api/tasks/patients", 200); !strings.Contains(body, `"file":{"examples":300,`) {
		t.Errorf("no figures on the test file: %s", body)
	}
	if err := errors.Join(s.stop(), os.Remove(test)); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "model.safetensors")
	if err := execute(t.Context(), []string{"export", "--data", dir, "--run", "patients", "--out", model}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	var judged bytes.Buffer
	if err := execute(t.Context(), []string{"predict", "--model", model, "--data", table, "--out", filepath.Join(dir, "out.csv")}, io.Discard, &judged); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(judged.String(), "300 rows: accuracy 8") {
		t.Errorf("%s, want 300 rows and an accuracy above 80%%", judged.String())
	}
}

// What the clients of a swarm cannot have is said before they connect.
func TestSwarmFromRefused(t *testing.T) {
	for _, c := range []struct {
		name, from string
		want       string
	}{
		{"no data of clients", smallTask(t, "data: {source: mnist, partition: {kind: iid, clients: 100}}", "data: {source: own, images: {width: 8, height: 8, channels: 1, classes: [a, b]}}"), "data.from is given, want none beside data.images"},
		{"data of the coordinator", "mnist-2nn", "data.from is given, want none, because source is \"mnist\""},
		{"no such task", "none", "--from none: "},
	} {
		err := execute(t.Context(), []string{"swarm", "--url", "http://127.0.0.1:1", "--from", c.from}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
