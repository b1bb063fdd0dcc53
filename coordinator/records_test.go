package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
)

// runCommand runs a command on a data directory, wants its exit code, and returns what it prints.
func runCommand(t *testing.T, code int, dir string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := Main(t.Context(), append(args, "--data", dir), &out, &errs); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String() + errs.String()
}

// trained serves a small task in a new directory until its run is over.
func trained(t *testing.T) *testServer {
	t.Helper()
	s := serveTest(t, Config{Data: t.TempDir(), Tasks: []string{smallTask(t)}})
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end on disk", func() bool {
		r, _, err := s.store.FindRun(s.studies()[0].Run())
		return err == nil && r.Finished != ""
	})
	return s
}

// Records are the same from a coordinator that runs and from its database, and appear under
// their names once they are whole.
func TestRecords(t *testing.T) {
	s := trained(t)
	id, out := s.studies()[0].Run(), t.TempDir()
	t.Chdir(out)
	write := func(args ...string) map[string]string {
		t.Helper()
		runCommand(t, 0, s.cfg.Data, append([]string{"records", "--run", "small"}, args...)...)
		return files(t, out)
	}
	var served map[string]string
	for _, way := range []string{"served", "alone"} {
		write()
		write("--out", "x.jsonl")
		write("--table", "contributions", "--format", "csv")
		write("--table", "traffic", "--out", "traffic.csv")
		all := write("--format", "tensorboard", "--out", "logs")
		if way == "served" {
			served = all
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range all {
			if text != served[name] {
				t.Errorf("%s: %d bytes %s, want %d", name, len(text), way, len(served[name]))
			}
			if err := os.Remove(filepath.Join(out, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	rounds, err := csv.NewReader(strings.NewReader(served[id+"-rounds.csv"])).ReadAll()
	if err != nil || len(rounds) != 1+3 || rounds[3][1] != "3" || rounds[3][0] != id {
		t.Errorf("rounds: %v, %v; want 3", rounds, err)
	}
	if n := strings.Count(served["x.jsonl"], `"test_accuracy":0.`); n != 3 {
		t.Errorf("%d lines with an accuracy, want 3:\n%s", n, served["x.jsonl"])
	}
	for name, rows := range map[string]int{id + "-contributions.csv": 9, "traffic.csv": 9} {
		if n := strings.Count(served[name], "\n"); n != 1+rows {
			t.Errorf("%s has %d lines, want a header and %d rows", name, n, rows)
		}
	}
	if len(served) != 5 || !strings.Contains(fmt.Sprint(served), "logs/"+id+"/events.out.tfevents.") {
		t.Errorf("%d files, want 5, with that of TensorBoard in logs/%s", len(served), id)
	}
	if text := runCommand(t, 0, s.cfg.Data, "records", "--run", "small", "--out", "-"); text != served[id+"-rounds.csv"] {
		t.Errorf("to standard output: %d bytes, want those of the file", len(text))
	}
}

// files returns the files below a directory with what they hold, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What cannot be written is said in a sentence, and leaves no file.
func TestRecordsRefused(t *testing.T) {
	s := trained(t)
	out := t.TempDir()
	taken := filepath.Join(out, "taken.csv")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := func(name string) string { // a file for which there is no room
		unfinished := filepath.Join(out, fmt.Sprintf(".%s.%d", name, os.Getpid()))
		if err := os.Symlink("/dev/full", unfinished); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(out, name)
	}
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, []string{"records", "--run", "small", "--format", "xlsx"}, `records: --format: "xlsx", want csv, jsonl or tensorboard`},
		{2, []string{"records", "--run", "small", "--table", "models"}, `records: --table: "models", want rounds, contributions or traffic`},
		{2, []string{"records", "--run", "small", "--table", "traffic", "--format", "tensorboard"}, `records: --table: "traffic", want rounds in the format tensorboard, which has one value in a round`},
		{2, []string{"records"}, "records: --run is missing, want the identity of a run, its number, or the name of a task"},
		{1, []string{"records", "--run", "nothing", "--out", filepath.Join(out, "new.csv")}, `run: "nothing", want a run or a task in ` + s.cfg.Data},
		{1, []string{"records", "--run", "small", "--out", taken}, "--out: " + taken + " is there already, want another name, or remove it first"},
		{1, []string{"records", "--run", "small", "--out", full("full.csv")}, filepath.Join(out, "full.csv") + " cannot be written whole: write " + filepath.Join(out, fmt.Sprintf(".full.csv.%d", os.Getpid())) + ": no space left on device"},
		{1, []string{"backup", "--out", taken}, "--out: " + taken + " is there already, want another name, or remove it first"},
		{1, []string{"backup", "--out", full("full.db")}, filepath.Join(out, "full.db") + " cannot be written whole: write " + filepath.Join(out, fmt.Sprintf(".full.db.%d", os.Getpid())) + ": no space left on device"},
		{1, []string{"backup", "--out", filepath.Join(out, "none", "x.db")}, "--out: open " + filepath.Join(out, "none", fmt.Sprintf(".x.db.%d", os.Getpid())) + ": no such file or directory"},
	} {
		if text := runCommand(t, c.code, s.cfg.Data, c.args...); text != "coordinator: "+c.want+"\n" {
			t.Errorf("%v:\ngot  %swant %s", c.args, text, c.want)
		}
	}
	if left := files(t, out); len(left) != 1 || left["taken.csv"] != "mine" {
		t.Errorf("files %v, want taken.csv as it was", left)
	}
}

// A backup that is made while participants train is restored as docs/operating.md says, and
// the run goes on from it to its end.
func TestBackupRestored(t *testing.T) {
	dir, file := t.TempDir(), smallTask(t, "rounds: 3", "rounds: 8")
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	id := s.studies()[0].Run()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
	waitFor(t, "version 2", func() bool { return s.api(t, "/api/tasks/small").Version >= 2 })
	if testing.Short() { // otherwise the restored run waits for the cohort of its open round, for 30 s
		runCommand(t, 0, dir, "pause", "--run", "small")
	}
	backup := filepath.Join(t.TempDir(), "copy.db")
	if text := runCommand(t, 0, dir, "backup", "--out", backup); text != backup+"\n" {
		t.Errorf("it prints %q", text)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode() != 0o600 {
		t.Errorf("the backup, with the secret, has mode %v (%v)", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 || err != nil {
		t.Errorf("the coordinator has left %v (%v)", left, err)
	}
	if testing.Short() {
		runCommand(t, 0, dir, "resume", "--run", "small")
	}
	waitFor(t, "a later version", func() bool { return s.api(t, "/api/tasks/small").Version >= 5 })
	leave()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	restored := t.TempDir()
	b, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(restored, store.File), b, 0o600); err != nil {
		t.Fatal(err)
	}
	again := serveTest(t, Config{Data: restored, Tasks: []string{file}})
	if v := again.api(t, "/api/tasks/small"); v.Run != id || v.Version < 2 {
		t.Fatalf("restored: run %s, version %d; want %s and at least 2", v.Run, v.Version, id)
	}
	if testing.Short() {
		runCommand(t, 0, restored, "resume", "--run", "small")
	}
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: again.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	if v := again.api(t, "/api/tasks/small"); v.Run != id || v.Version != 8 {
		t.Errorf("at the end: run %s, version %d; want %s and 8", v.Run, v.Version, id)
	}
	// A coordinator that does not run is backed up, too.
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	runCommand(t, 0, restored, "backup", "--out", filepath.Join(t.TempDir(), "alone.db"))
}
