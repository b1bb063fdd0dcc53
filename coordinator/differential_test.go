package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/strategy"
)

const noisedTask = `name: noised
model: {kind: softmax}
data: {source: own, images: {width: 4, height: 4, channels: 1, classes: [a, b]}, examples: {min: 10}}
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 1, lr: 0.5, min_clients: 3, deadline: 1s}
privacy: {noise: 2, clip: 0.5, adapt: true, population: 40, delta: 1e-2, epsilon: 2.5}
stop: {rounds: 2}
`

// A served run with noise has its account on disk and in the API, which goes on after a restart
// and an extension until the budget ends the run. Other settings of the claim are another run's.
func TestDifferential(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "noised.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(noisedTask)
	tk, err := task.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	private, err := tk.Private(2, 0)
	if err != nil || private.Releases < 3 {
		t.Fatalf("%+v, %v: want a budget of a few versions", private, err)
	}
	train := func(s *testServer) string {
		t.Helper()
		totals, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "noised", Clients: 3, Own: anyOwn(t, s.studies()[0].Data.Own, 3)})
		if err != nil {
			t.Fatal(err)
		}
		return totals.Finished
	}
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if end := train(s); end != "2 rounds done" {
		t.Fatalf("it ends with %q", end)
	}
	id := s.studies()[0].Run()
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(id); return err == nil && r.Finished != "" })
	s.stop()
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{"extend", "--data", dir, "--run", "noised", "--rounds", "100"}, &out, &errs); code != 0 {
		t.Fatalf("extend: %s%s", &out, &errs)
	}
	write(strings.Replace(noisedTask, "noise: 2", "noise: 1", 1))
	cfg := Config{Data: dir, Tasks: []string{file}, Log: slog.New(slog.DiscardHandler)}
	cfg.Listen.Addr, cfg.Listen.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	if _, err := NewServer(cfg); err == nil || !strings.Contains(err.Error(), "privacy.noise is 1, was 2") {
		t.Errorf("with other noise: %v", err)
	}
	write(noisedTask)
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if end := train(s); end != strategy.SpentReason {
		t.Errorf("it ends with %q, want the end of the budget", end)
	}
	p := s.api(t, "/api/tasks/noised").Claim
	if p == nil || p.Releases != int(private.Releases) || p.Epsilon == nil || *p.Epsilon > 2.5 || p.Rate != 1 || p.Budget != 2.5 {
		t.Fatalf("the account is %+v, want %d releases within the budget", p, private.Releases)
	}
	saved, err := s.store.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := tk.Claim(2)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range saved.Rounds {
		want, err := claim.Epsilon(i + 1)
		if r.Spent == nil || int(r.Spent.Releases) != i+1 || r.Spent.Epsilon != want || err != nil {
			t.Errorf("version %d: %+v, want %d releases and epsilon %g (%v)", r.Round, r.Spent, i+1, want, err)
		}
	}
}

// A task's earlier runs count for the same people: what all have told is shown, and is what the
// budget leaves the next.
func TestEarlierRuns(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "noised.yaml")
	write := func(budget string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Replace(noisedTask, "epsilon: 2.5", "epsilon: "+budget, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serve := func() *testServer {
		t.Helper()
		return serveTest(t, Config{Data: dir, Tasks: []string{file}, Fresh: true})
	}
	train := func(s *testServer, want string) {
		t.Helper()
		totals, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "noised", Clients: 3, Own: anyOwn(t, s.studies()[0].Data.Own, 3)})
		if err != nil || totals.Finished != want {
			t.Fatalf("it ends with %q, %v; want %q", totals.Finished, err, want)
		}
	}
	call := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := Main(t.Context(), append(args, "--data", dir), &out, &errs); code != 0 {
			t.Fatalf("%v: %s%s", args, &out, &errs)
		}
		return out.String()
	}
	write("2.5")
	s := serve()
	first := s.studies()[0].Run()
	train(s, "2 rounds done")
	one := s.api(t, "/api/tasks/noised").Claim
	if one == nil || one.Epsilon == nil || one.Together != nil {
		t.Fatalf("the account of the first run is %+v", one)
	}
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(first); return err == nil && r.Finished != "" })
	s.stop()
	call("delete", "--run", first, "--confirm", first)

	cfg := Config{Data: dir, Tasks: []string{file}, Fresh: true, Log: slog.New(slog.DiscardHandler)}
	cfg.Listen.Addr, cfg.Listen.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	write("1.8")
	if _, err := NewServer(cfg); err == nil || !strings.Contains(err.Error(), "want a higher budget for the same people, or another task name for others") {
		t.Fatalf("beyond the budget: %v", err)
	}
	write("2.5") // of which a version is left, and not two
	s = serve()
	train(s, strategy.SpentReason)
	two := s.api(t, "/api/tasks/noised").Claim
	if two.Releases != 1 || two.Together == nil || two.Together.Runs != 1 || *two.Together.Epsilon != *one.Epsilon+*two.Epsilon || *two.Together.Epsilon > 2.5 ||
		two.Together.Delta != 2e-2 || two.Together.Adjacency != "add-remove" {
		t.Errorf("%+v, together %+v: want one version within the budget that the first run has left", two, two.Together)
	}
	var out bytes.Buffer
	s.describe(&out)
	for _, text := range []string{out.String(), call("runs")} {
		if !strings.Contains(text, "; with 1 earlier run of this task: epsilon ") || !strings.Contains(text, "delta 0.02 (add-remove)") {
			t.Errorf("not said in\n%s", text)
		}
	}
}

const sharesTask = `name: shares
model: {kind: softmax}
data: {source: own, images: {width: 4, height: 4, channels: 1, classes: [a, b]}, examples: {min: 10}, standardise: none}
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 0.1, lr: 0.5, min_clients: 5, deadline: 1s}
privacy: {aggregation: secure, min: 3, max: 8, noise: 2, clip: 0.5, population: 50, participations: 3, limits: number, delta: 1e-2}
stop: {rounds: 2}
`

// A served run whose participants add the noise has its account in the API.
func TestDistributed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shares.yaml")
	if err := os.WriteFile(file, []byte(sharesTask), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveTest(t, Config{Data: t.TempDir(), Tasks: []string{file}})
	totals, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "shares", Clients: 5, Own: anyOwn(t, s.studies()[0].Data.Own, 5)})
	if err != nil || totals.Finished != "2 rounds done" {
		t.Fatalf("it ends with %q, %v", totals.Finished, err)
	}
	p := s.api(t, "/api/tasks/shares").Claim
	if p == nil || !p.Distributed || p.Releases != 2 || p.Epsilon == nil || *p.Epsilon <= 0 || p.Rate != 1 || p.Participations != 3 {
		t.Errorf("the account is %+v, want two releases of participants' noise", p)
	}
}
