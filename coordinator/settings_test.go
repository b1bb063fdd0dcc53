package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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

// Every command answers wrong arguments with what would be right, and the exit code.
func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "coordinator serve"},
		{[]string{"help"}, 0, "coordinator simulate"},
		{[]string{"help", "serve"}, 0, "coordinator serve --task mnist-2nn --open"},
		{[]string{"--version"}, 0, "fedtab "},
		{[]string{"sirve"}, 2, `unknown command "sirve", did you mean serve?`},
		{[]string{"serve", "--prot"}, 2, "serve: unknown flag --prot (see coordinator serve --help)"},
		{[]string{"serve", "--taks", "x"}, 2, "unknown flag --taks, did you mean --task?"},
		{[]string{"serve", "--task"}, 2, "serve: --task has no value"},
		{[]string{"swarm", "--clients", "many"}, 2, `swarm: --clients is "many", want a whole number`},
		{[]string{"serve", "--task", "mnist-2nn", "--task", "anes96", "--set", "seed=2"}, 2, "serve: --set seed=2: there are 2 tasks, want one"},
		{[]string{"serve", "--set", "strategy.fraction=7"}, 1, "--set strategy.fraction=7: strategy.fraction is 7"},
		{[]string{"serve", "--task", "mnist-central"}, 1, `(the nearest is "periodic")`},
		{[]string{"invite", "--json", "--task", "x"}, 2, "invite: --json is given without --list"},
		{[]string{"hostile", "--json"}, 2, "hostile: --json is given without --list"},
		{[]string{"tasks", "--json", "--show", "mnist-2nn"}, 2, "tasks: --json is given beside"},
		{[]string{"tasks", "--json"}, 0, `"name": "mnist-2nn-noniid",`},
		{[]string{"hostile", "--list", "--json"}, 0, `"name": "http/all-together"`},
		{[]string{"version", "--json"}, 0, `"protocol": "fedtab.v1"`},
		{[]string{"serve", "stray"}, 2, "stray"},
		{[]string{"serve", "--per-address", "-1"}, 2, "--per-address is -1"},
		{[]string{"serve", "--trusted-proxies", "proxy.example"}, 2, `--trusted-proxies: "proxy.example", want addresses and networks`},
		{[]string{"serve", "--task", ""}, 1, `--task: "", want a task that ships (coordinator tasks lists them) or a task file`},
		{[]string{"simulate", "--task", ""}, 2, "--task is missing"},
		{[]string{"serve", "--data", ""}, 2, `serve: --data: "", want a directory`},
		{[]string{"serve", "--addr", "", "--data", t.TempDir()}, 1, `--addr: "", want HOST:PORT`},
		{[]string{"serve", "--public-url", "study.example"}, 1, `--public-url: "study.example", want http(s)://HOST`},
		{[]string{"swarm", "--url", "127.0.0.1:8080"}, 2, "--url: "},
		{[]string{"serve", "--help"}, 0, "--addr"},
		{[]string{"simulate"}, 2, "--task is missing"},
		{[]string{"simulate", "--task", "mnist-2nn", "--seed", "x"}, 2, "--seed"},
		{[]string{"simulate", "--task", "anes96", "--resume"}, 2, `--json is "", want a file`},
		{[]string{"simulate", "--task", "anes96", "--resume", "--json", "-"}, 2, `--json is "-", want a file`},
		{[]string{"simulate", "--task", "anes96", "--resume", "--json", "/nonexistent/x"}, 1, "there is no /nonexistent/x"},
		{[]string{"simulate", "--task", "mnist-2nn", "--set", "strategy.fraction=7"}, 1, "--set strategy.fraction=7"},
		{[]string{"simulate", "--task", "mnist-2nn", "--json", "/nonexistent/x"}, 1, "--json: open /nonexistent/"},
		{[]string{"export"}, 2, "--run is missing"},
		{[]string{"export", "--run", "x", "--format", "pt"}, 2, `--format is "pt", want safetensors or onnx`},
		{[]string{"export", "--run", "x", "--out", "x.json"}, 2, "want a name that does not end in .json"},
		{[]string{"export", "--run", "x", "--data", "/nonexistent"}, 1, "/nonexistent"},
		{[]string{"swarm"}, 2, "--url: empty"},
		{[]string{"swarm", "--url", "ws://127.0.0.1:1/ws", "--drop", "2"}, 2, "--drop: 2, want"},
		{[]string{"swarm", "--url", "ws://127.0.0.1:1/ws", "--adversaries", "liar"}, 2, "--adversaries: \"liar\", want one of sign-flip, "},
		{[]string{"swarm", "--url", "ws://127.0.0.1:1/ws", "--adversaries", "noise", "--adversary-scale", "2"}, 2, "--adversary-scale: 2, want none"},
		{[]string{"swarm", "--url", "ws://127.0.0.1:1/ws", "--adversary-fraction", ".1"}, 2, "--adversaries: \"\", want one of"},
		{[]string{"tasks"}, 0, "mnist-2nn-noniid"},
		{[]string{"tasks", "--show", "mnist-2nn"}, 0, "fraction"},
		{[]string{"tasks", "--show", "mnist-3nn"}, 1, "--show mnist-3nn: no such task"},
		{[]string{"tasks", "--set", "seed=2"}, 2, "--set seed=2: given without --show"},
		{[]string{"tasks", "--scheme", "radon"}, 0, "| `models` | 1 | 1 <= models <= 256 per participant | "},
		{[]string{"tasks", "--scheme", "random"}, 1, `scheme: "random", want one of central, `},
		{[]string{"tasks", "--show", "mnist-2nn"}, 0, "\n# memory of training: 1.66 MB: "},
		{[]string{"tasks", "--show", "anes96"}, 0, "\n# 20 clients: 11 to 205 examples"},
		{[]string{"tasks", "--show", "fashion-mnist-2nn", "--set", "data.dir=/nonexistent"}, 0, "# the data cannot be loaded: "},
		{[]string{"simulate", "--task", "fashion-mnist-2nn", "--set", "data.dir=/nonexistent"}, 1, "there is no train-images-idx3-ubyte.gz in /nonexistent"},
		{[]string{"version"}, 0, "fedtab.v1"},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			var out, errs strings.Builder
			code := Main(t.Context(), test.args, &out, &errs)
			if all := out.String() + errs.String(); code != test.code || !strings.Contains(all, test.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, test.code, test.want, all)
			}
		})
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
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(files) != 2 {
		t.Errorf("left behind: %v, want the result and its checkpoint", files)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}
