package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/api/v1"
	"fedtab/coordinator/access"
	"fedtab/coordinator/swarm"
)

// Every command on runs works while they are served, and on the database of a coordinator
// that has ended; an error says what would be right.
func TestOrders(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t)
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	command := func(code int, want string, args ...string) string {
		t.Helper()
		text := printed(t, code, append(args, "--data", dir)...)
		if !strings.Contains(text, want) {
			t.Errorf("%v: prints %q, want %q in it", args, text, want)
		}
		return text
	}
	runs := func(args ...string) (all []v1.Run) {
		t.Helper()
		if err := json.Unmarshal([]byte(command(0, "[", append([]string{"runs", "--json"}, args...)...)), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := s.studies()[0].Run()
	command(0, "run "+first+" is paused at version ", "pause", "--run", "small", "--reason", "lunch")
	command(1, "already paused", "pause", "--run", "1")
	if all := runs("--state", "paused"); len(all) != 1 || all[0].Paused != "lunch" {
		t.Errorf("paused: %+v", all)
	}
	command(0, "paused: lunch", "runs")
	command(0, "run "+first+" goes on from version ", "resume", "--run", "1")
	command(1, "is not paused", "resume", "--run", "small")
	command(0, "the note is written", "annotate", "--run", "small", "--note", "learning rate .1\nand more")
	command(0, "learning rate .1\n", "runs")
	command(0, "the note is written", "annotate", "--run", "small", "--note", "")
	if all := runs(); all[len(all)-1].Note != "" {
		t.Errorf("the note is %q", all[len(all)-1].Note)
	}
	command(1, "want a run or a task in", "pause", "--run", "none")
	command(1, "would be gone for good: to delete it, add --confirm "+first, "delete", "--run", "small")
	command(1, "is the one that task small has now", "delete", "--run", "small", "--confirm", first)
	command(1, "goes on, and task small has one at a time: stop it first", "run", "--task", "small")
	command(1, `task: "none", want a task that is served: small`, "run", "--task", "none")
	for _, wrong := range []struct {
		want string
		args []string
	}{
		{"pause: --run is missing", []string{"pause"}},
		{"annotate: --note is missing", []string{"annotate", "--run", "small"}},
		{`runs: --state is "gone", want going, paused or over`, []string{"runs", "--state", "gone"}},
		{"run: --task is missing", []string{"run"}},
		{`pin: --version is "", want the number of a version`, []string{"pin", "--run", "small"}},
		{"resume: unknown flag --reason", []string{"resume", "--run", "small", "--reason", "x"}},
	} {
		if text := printed(t, 2, append(wrong.args, "--data", dir)...); !strings.Contains(text, wrong.want) {
			t.Errorf("%v: prints %q, want %q", wrong.args, text, wrong.want)
		}
	}

	if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(first); return err == nil && r.Finished != "" })
	out := filepath.Join(t.TempDir(), "model.safetensors")
	command(0, "version 3 of run "+first, "export", "--run", "small", "--out", out)
	if info, err := os.Stat(strings.TrimSuffix(out, ".safetensors") + ".json"); err != nil || info.Size() == 0 {
		t.Errorf("the description: %v", err)
	}
	command(0, "run "+first+": version 1 is pinned", "pin", "--run", "small", "--version", "1")
	command(1, "pin version 9: not found", "pin", "--run", "small", "--version", "9")
	command(1, "no such file", "run", "--task", "small", "--from", "gone.safetensors")
	command(0, "has begun, at version 1", "run", "--task", "small", "--from", out)
	second := s.studies()[0].Run()
	if all := runs(); len(all) != 2 || all[0].Run != second || !strings.HasPrefix(all[0].Origin, "file model.safetensors, SHA-256 ") || !all[0].Served || all[1].Served {
		t.Errorf("after the next run has begun: %+v", all)
	}
	command(1, "is not the newest of task small, which alone goes on", "rollback", "--run", first, "--version", "0")
	command(1, "is over: 3 rounds done", "stop", "--run", first)
	command(0, "is deleted", "delete", "--run", first, "--confirm", first)
	first = second
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	command(1, "no coordinator serves", "run", "--task", "small")
	command(1, "no coordinator serves", "run", "--task", "small", "--from", out)
	number := "2"
	command(0, "run "+first+" is paused", "pause", "--run", number)
	command(1, "already paused", "pause", "--run", "small")
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if v := s.api(t, "/api/tasks/small"); v.Run != first || v.Phase != "paused" {
		t.Errorf("a coordinator that is started after the pause has run %s in phase %s", v.Run, v.Phase)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	command(0, "goes on", "resume", "--run", number)
	command(1, "is not paused", "resume", "--run", number)
	command(0, "run "+first+": version 1 is pinned", "pin", "--run", number, "--version", "1")
	command(0, "run "+first+": version 1 is no longer pinned", "pin", "--run", number, "--version", "1", "--off")
	command(1, "the run is not over: stop it first", "delete", "--run", number, "--confirm", first)
	command(0, "is over", "stop", "--run", number)
	command(0, "is deleted", "delete", "--run", number, "--confirm", first)
	if all := runs(); len(all) != 0 {
		t.Errorf("after all were deleted: %+v", all)
	}
}

// A service's log has the organiser's token once, and a terminal has it always.
func TestOrganisersLink(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t)
	for start, want := range []bool{true, false} {
		s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
		token := s.gate.Token(access.Organiser)
		if got := s.organisersLink(false); strings.Contains(got, token) != want || !strings.HasPrefix(got, "http://"+s.listeners.AdminAddr()+"/") {
			t.Errorf("start %d: %q, want the token in it: %v", start, got, want)
		}
		if got := s.organisersLink(true); !strings.HasSuffix(got, "/#token="+token) {
			t.Errorf("start %d, on a terminal: %q, want a link with the token", start, got)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// A misspelled command is answered with the nearest one, whatever follows it.
func TestMisspelledCommand(t *testing.T) {
	for _, args := range [][]string{{"pasue"}, {"pasue", "--run", "x"}} {
		if got := printed(t, 2, args...); !strings.Contains(got, "did you mean pause?") {
			t.Errorf("%v: prints %q", args, got)
		}
	}
	if got := printable("a\x1b[31mred\nline"); strings.ContainsAny(got, "\x1b\n") || !strings.Contains(got, "red") {
		t.Errorf("for a terminal: %q", got)
	}
}
