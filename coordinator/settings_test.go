package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A flag's value comes from the command line, or else from the environment, or else from
// the file of settings.
func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fedtab.yaml")
	text := "simulate:\n  task: anes96\n  set: [stop.rounds=3, \"strategy.fraction=0.5\"]\n  seed: 7\nserve: {addr: \"0.0.0.0:80\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	rounds := func(environment map[string]string, args ...string) (n int, seed uint64) {
		t.Helper()
		for name, value := range environment {
			t.Setenv(name, value)
		}
		var out, errs bytes.Buffer
		if code := Main(t.Context(), append([]string{"simulate", "--json", "-"}, args...), &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &errs)
		}
		for name := range environment {
			os.Unsetenv(name)
		}
		var result struct {
			Seed  uint64
			Final struct{ Round int }
		}
		if err := json.Unmarshal(out.Bytes(), &result); err != nil {
			t.Fatal(err)
		}
		return result.Final.Round, result.Seed
	}
	for _, c := range []struct {
		name        string
		environment map[string]string
		args        []string
		rounds      int
		seed        uint64
	}{
		{"the file", nil, []string{"--config", file}, 3, 7},
		{"the file that the environment names", map[string]string{"FEDTAB_CONFIG": file}, nil, 3, 7},
		{"the environment before the file", map[string]string{"FEDTAB_SIMULATE_SEED": "8", "FEDTAB_SIMULATE_SET": "stop.rounds=2\nstrategy.fraction=0.5"}, []string{"--config", file}, 2, 8},
		{"the command line before both", map[string]string{"FEDTAB_SIMULATE_SEED": "8"}, []string{"--config", file, "--seed", "9"}, 3, 9},
		{"the environment alone", map[string]string{"FEDTAB_SIMULATE_TASK": "anes96", "FEDTAB_SIMULATE_SET": "stop.rounds=1"}, nil, 1, 1},
	} {
		if n, seed := rounds(c.environment, c.args...); n != c.rounds || seed != c.seed {
			t.Errorf("%s: %d rounds with seed %d, want %d and %d", c.name, n, seed, c.rounds, c.seed)
		}
	}
}

// What is wrong in the environment or the file is said with its place, and exit code 2.
func TestSettingsRefused(t *testing.T) {
	for _, c := range []struct {
		name, variable, value string
		file                  string // as --config
		want                  string
	}{
		{"a variable of no flag", "FEDTAB_TASKS_SHOWW", "x", "", "environment: FEDTAB_TASKS_SHOWW is no setting of coordinator tasks, did you mean FEDTAB_TASKS_SHOW?"},
		{"a value of another type", "FEDTAB_TASKS_JSON", "perhaps", "", `environment: FEDTAB_TASKS_JSON: json is "perhaps", want true or false`},
		{"two values", "FEDTAB_TASKS_SHOW", "a\nb", "", "environment: FEDTAB_TASKS_SHOW: has 2 values, want one"},
		{"no such file", "FEDTAB_CONFIG", "/nonexistent/fedtab.yaml", "", "--config: open /nonexistent/fedtab.yaml"},
		{"no YAML", "", "", "a: [", "--config FILE: yaml: "},
		{"no sections", "", "", "- serve", "FILE:1: want a section for each command"},
		{"no such command", "", "", "serve: {addr: x}\ntaks: {show: x}", `FILE:2: "taks" is no command, did you mean tasks?`},
		{"no flags", "", "", "tasks: mnist-2nn", "FILE:1: tasks: want its flags"},
		{"no such flag", "", "", "tasks:\n  shoe: x", `FILE:2: tasks has no flag "shoe", did you mean show?`},
		{"of another command", "", "", "serve:\n  adr: x", `FILE:2: serve has no flag "adr", did you mean addr?`},
		{"a mapping", "", "", "tasks: {show: {a: b}}", "FILE:1: tasks.show: want a value or a list of values"},
		{"a list in a list", "", "", "tasks: {set: [[a]]}", "FILE:1: tasks.set: want single values in the list"},
		{"too many values", "", "", "tasks: {show: [a, b]}", "FILE:1: tasks.show: has 2 values, want one"},
		{"itself", "", "", "tasks: {config: x}", `FILE:1: tasks has no flag "config"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"tasks"}
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			if c.file != "" {
				file := filepath.Join(t.TempDir(), "fedtab.yaml")
				if err := os.WriteFile(file, []byte(c.file), 0o644); err != nil {
					t.Fatal(err)
				}
				args, c.want = append(args, "--config", file), strings.ReplaceAll(c.want, "FILE", file)
			}
			var errs bytes.Buffer
			if code := Main(t.Context(), args, io.Discard, &errs); code != exitUsage || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, exitUsage, c.want, &errs)
			}
		})
	}
	// An empty file has no settings.
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := execute(t.Context(), []string{"tasks", "--config", empty}, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
}

// The flags in every example are flags of their commands.
func TestExamples(t *testing.T) {
	for _, c := range shell().Commands() {
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "coordinator" || words[1] != c.Name() {
				t.Errorf("%s: the example %q is of another command", c.Name(), line)
				continue
			}
			for _, w := range words[2:] {
				if name, ok := strings.CutPrefix(w, "--"); ok && c.Flags().Lookup(name) == nil {
					t.Errorf("%s: there is no flag %s, which an example has", c.Name(), w)
				}
			}
		}
	}
}

// Every flag says what it does, and shells complete commands, flags and tasks.
func TestCompletion(t *testing.T) {
	for _, c := range shell().Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.Name(), f.Name)
			}
		})
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		if err := execute(t.Context(), []string{"completion", shell}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "coordinator") {
			t.Errorf("%s: %v, %d bytes", shell, err, out.Len())
		}
	}
	for _, c := range []struct {
		line []string
		want string
	}{
		{[]string{"sim"}, "simulate\t"},
		{[]string{"simulate", "--tas"}, "--task\t"},
		{[]string{"simulate", "--task", "mnist-2nn-n"}, "mnist-2nn-noniid"},
	} {
		var out bytes.Buffer
		if err := execute(t.Context(), append([]string{cobra.ShellCompRequestCmd}, c.line...), &out, io.Discard); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v, completed by %q, want %q", c.line, err, out.String(), c.want)
		}
	}
}

// A simulation that is interrupted keeps the rounds that are done, and the file appears
// whole.
func TestSimulateInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var errs bytes.Buffer
	third := writer(func(b []byte) {
		if strings.Contains(string(b), "round   3") {
			if text, _ := os.ReadFile(file); string(text) != "old" {
				t.Errorf("while the simulation runs, the file holds %q", text)
			}
			stop()
		}
		errs.Write(b)
	})
	code := Main(ctx, []string{"simulate", "--task", "anes96", "--set", "stop.rounds=1000", "--json", file}, io.Discard, third)
	if code != exitFailed || !strings.Contains(errs.String(), "interrupted after round") || !strings.Contains(errs.String(), "has the 3 rounds that are done") {
		t.Errorf("exit code %d:\n%s", code, &errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Rounds []struct{ Round int }
		Final  struct {
			Round  int
			Reason string
		}
	}
	if err := json.Unmarshal(text, &result); err != nil || len(result.Rounds) != 3 || result.Final.Round != 3 || !strings.Contains(result.Final.Reason, "interrupted after round 3") {
		t.Errorf("%v: %+v", err, result)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}
