package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/simulate"
)

// simulated runs simulate, and returns its exit code and what it says.
func simulated(ctx context.Context, args ...string) (code int, says string) {
	var errs bytes.Buffer
	code = Main(ctx, append([]string{"simulate"}, args...), io.Discard, &errs)
	return code, errs.String()
}

// same wants two files to be equal.
func same(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s differs from %s", got, want)
	}
}

// TestSimulateKilled kills a simulation twice. It ends with the result and the ledger of one
// that was never interrupted, and every round is timed once.
func TestSimulateKilled(t *testing.T) {
	dir := t.TempDir()
	whole, killed := filepath.Join(dir, "whole.json"), filepath.Join(dir, "killed.json")
	args := func(result string) []string {
		return []string{"--task", "anes96", "--set", "stop.rounds=4000", "--set", "eval_every=20", "--json", result, "--ledger", result + ".ledger", "--timing", result + ".timing"}
	}
	if code, says := simulated(t.Context(), args(whole)...); code != exitDone {
		t.Fatal(says)
	}
	kill := func(after time.Duration, flags ...string) {
		c := coordinator(t, append(append([]string{"simulate"}, args(killed)...), flags...)...)
		c.Stdout, c.Stderr = io.Discard, io.Discard
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after) // the moment is what is tested
		c.Process.Kill()
		c.Wait()
	}
	waitFor(t, "a checkpoint", func() bool { // the first is made after a second
		kill(1200 * time.Millisecond)
		_, err := simulate.OpenCheckpoint(killed+checkpointSuffix, simulate.Origin{})
		return errors.Is(err, simulate.ErrCheckpoint) // there is one, of something
	})
	kill(300*time.Millisecond, "--resume")
	code, says := simulated(t.Context(), append(args(killed), "--resume")...)
	if code != exitDone || !strings.Contains(says, "goes on after round") || strings.Contains(says, "round   1 ") {
		t.Fatalf("exit code %d, says %.500s; want that it goes on, and no early round", code, says)
	}
	same(t, killed, whole)
	same(t, killed+".ledger", whole+".ledger")
	if _, err := os.Stat(killed + checkpointSuffix); !os.IsNotExist(err) {
		t.Errorf("the checkpoint is left: %v", err)
	}
	var timing wallClock
	text, err := os.ReadFile(killed + ".timing")
	if err == nil {
		err = json.Unmarshal(text, &timing)
	}
	if err != nil || len(timing.Seconds) < 4000 {
		t.Errorf("%v, %d rounds are timed, want 4,000", err, len(timing.Seconds))
	}
}

// What --resume cannot go on with it refuses, and changes nothing; a whole result is enough.
func TestSimulateResume(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) []string {
		return []string{"--task", "anes96", "--set", "stop.rounds=5", "--json", filepath.Join(dir, name)}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	interrupt := func(name string) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		third := writer(func(b []byte) {
			if strings.Contains(string(b), "round   3") {
				stop()
			}
		})
		if code := Main(ctx, append([]string{"simulate"}, at(name)...), io.Discard, third); code != exitFailed {
			t.Fatalf("exit code %d, want that it is interrupted", code)
		}
	}
	if code, says := simulated(t.Context(), at("whole")...); code != exitDone {
		t.Fatal(says)
	}
	interrupt("partial")
	interrupt("lost")
	os.Remove(filepath.Join(dir, "lost"+checkpointSuffix))
	write("text", "{")
	write("older", `{"task": "anes96", "final": {"round": 5}}`)
	code, says := simulated(t.Context(), append(at("stuck"), "--set", "strategy.lr=1000", "--set", "strategy.epochs=100", "--set", "strategy.guard=.inf", "--set", "model.hidden=[20,20]")...)
	if code != exitFailed || !strings.Contains(says, "no progress") {
		t.Fatalf("exit code %d: %s", code, says)
	}
	for _, test := range []struct {
		name string
		sets []string
		code int
		says string
	}{
		{"whole", nil, exitDone, "whole already (5 rounds done after 5 rounds), nothing was done"},
		{"whole", []string{"--set", "strategy.lr=.2", "--seed", "7"}, exitFailed, "another simulation (seed is 7, was 1; strategy.lr is 0.2, was 0.05)"},
		{"partial", []string{"--set", "strategy.lr=.2"}, exitFailed, "another simulation: strategy.lr is 0.2, was 0.05"},
		{"lost", nil, exitFailed, `ended with "simulate: interrupted after round 3`},
		{"stuck", nil, exitFailed, "nothing to go on with"},
		{"text", nil, exitFailed, "is not the result of a simulation"},
		{"older", nil, exitFailed, "has no settings, as results of older builds"},
		{"none", nil, exitFailed, "there is no "},
	} {
		file := filepath.Join(dir, test.name)
		was, _ := os.ReadFile(file)
		code, says := simulated(t.Context(), append(append(at(test.name), test.sets...), "--resume")...)
		if code != test.code || !strings.Contains(says, test.says) {
			t.Errorf("%s %q: exit code %d, %q; want %d and %q", test.name, test.sets, code, says, test.code, test.says)
		}
		if is, _ := os.ReadFile(file); !bytes.Equal(is, was) {
			t.Errorf("%s: the file was changed", test.name)
		}
	}
	if code, says := simulated(t.Context(), append(at("partial"), "--resume")...); code != exitDone {
		t.Fatal(says)
	}
	same(t, filepath.Join(dir, "partial"), filepath.Join(dir, "whole"))
	interrupt("partial")
	if code, says := simulated(t.Context(), at("partial")...); code != exitDone || !strings.Contains(says, "without --resume this one begins anew") {
		t.Errorf("exit code %d, %q; want that it says that it begins anew", code, says)
	}
	same(t, filepath.Join(dir, "partial"), filepath.Join(dir, "whole"))
}
