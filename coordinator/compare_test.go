package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/compare"
)

const smallExperiment = `seeds: [1, 2]
parts:
  - name: votes
    task: anes96
    set: {stop: {rounds: 3}}
    variants: {few: {strategy.fraction: 0.1}, all: {strategy.fraction: 1}}
    table: [final_accuracy, bytes]
    figures: [{kind: line, x: bytes, y: test_loss}]
    expect: {few.bytes: "< all.bytes"}
`

// An experiment is run from a file to a page, is taken from the cache the second time, and
// ends with an exit code by its statements.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "votes.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = Main(context.Background(), append([]string{"compare", "--cache", filepath.Join(dir, "cache")}, args...), &out, &errs)
		return code, out.String(), errs.String()
	}
	write(smallExperiment)
	out := filepath.Join(dir, "out")
	code, stdout, stderr := run(file, "--out", out)
	if code != exitDone || !strings.HasPrefix(stdout, "holds       votes: few.bytes < all.bytes (") || !strings.Contains(stderr, "4 of 4  votes ") || !strings.Contains(stderr, "4 simulations, 0 of them made before") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, name := range []string{"votes.md", "votes.csv", "votes.json", "votes.times.json", "votes/votes.svg", "votes/votes.png"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, stderr = run(file); !strings.Contains(stderr, "4 simulations, 4 of them made before") {
		t.Errorf("the second time: %s", stderr)
	}
	write(strings.Replace(smallExperiment, "< all.bytes", "> all.bytes", 1))
	if code, _, stderr = run(file); code != exitFailed || !strings.Contains(stderr, `coordinator: part votes, line 9: "few.bytes > all.bytes" does not hold: `) {
		t.Errorf("a statement that does not hold: exit code %d\n%s", code, stderr)
	}
	write(smallExperiment)
	if code, stdout, _ = run(file, "--plan"); code != exitDone || strings.Count(stdout, "coordinator simulate --task anes96 --set 'stop={rounds: 3}' --set strategy.fraction=0.1 --set seed=1\n") != 1 || strings.Count(stdout, "\n") != 4 {
		t.Errorf("plan: %s", stdout)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "compare: FILE is missing"},
		{[]string{filepath.Join(dir, "none.yaml")}, exitFailed, "none.yaml: no such file"},
		{[]string{file, "--only", "radon"}, exitUsage, "there is no part radon, want one of votes"},
		{[]string{file, "--jobs", "0"}, exitUsage, "--jobs is 0, want 1 or more"},
		{[]string{file, "other.yaml"}, exitUsage, "want one FILE"},
		{[]string{file, "--out", file}, exitFailed, "votes.yaml"},
	} {
		if code, _, stderr := run(test.args...); code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit code %d, %s", test.args, code, stderr)
		}
	}
}

// The experiments that ship can be planned: their settings, measures and statements are right.
func TestShippedExperiments(t *testing.T) {
	files, err := filepath.Glob("../experiments/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no experiments, error %v", err)
	}
	for _, file := range files {
		f, err := compare.Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		simulates := slices.ContainsFunc(f.Parts, func(p *compare.Part) bool { return p.Study == "" })
		if cells, err := f.Plan(file); err != nil || len(cells) == 0 && simulates {
			t.Errorf("%s: %d cells, error %v", file, len(cells), err)
		}
	}
}
