package store

import (
	"fmt"
	"testing"
	"time"
)

func TestRuns(t *testing.T) {
	s := open(t, t.TempDir())
	if all, err := s.Runs(Filter{}); err != nil || len(all) != 0 {
		t.Fatalf("an empty database has the runs %+v, %v", all, err)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for i, task := range []string{"a", "b", "a"} {
		if err := s.CreateRun(Run{ID: fmt.Sprint(task, i), Task: task, Title: "T", Seed: 1<<64 - 1, Created: at.Add(time.Duration(i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish("a0", "done", at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	all, err := s.Runs(Filter{})
	if err != nil || len(all) != 3 || all[0].ID != "a2" || all[1].ID != "b1" || all[2].ID != "a0" {
		t.Fatalf("%+v, %v", all, err)
	}
	if r := all[2]; r.Finished != "done" || !r.Ended.Equal(at.Add(time.Minute)) || !r.Created.Equal(at) || r.Seed != "18446744073709551615" || r.Version != 0 || r.TestLoss != nil {
		t.Errorf("%+v", r)
	}
	if all[0].Finished != "" || !all[0].Ended.IsZero() {
		t.Errorf("%+v goes on", all[0])
	}
	if all, err := s.Runs(Filter{Task: "a"}); err != nil || len(all) != 2 {
		t.Errorf("of one task: %+v, %v", all, err)
	}
	if all, err := s.Runs(Filter{Task: "none"}); err != nil || len(all) != 0 {
		t.Errorf("of no task: %+v, %v", all, err)
	}
}

// A pause is there after a restart, until its end or that of the run, also if the run is
// extended afterwards.
func TestPauses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	paused := func(want string) {
		t.Helper()
		must(t, s.Close())
		s = open(t, dir)
		saved, err := s.Load("r")
		must(t, err)
		yes := true
		all, err := s.Runs(Filter{Paused: &yes})
		must(t, err)
		if saved.Paused != want || (len(all) == 1) != (want != "") {
			t.Errorf("loaded as paused for %q, and %d runs are, want %q", saved.Paused, len(all), want)
		}
	}
	paused("")
	must(t, s.Pause("r", "a break", time.Now()))
	paused("a break")
	must(t, s.Resume("r"))
	paused("")
	must(t, s.Pause("r", "a break", time.Now()))
	must(t, s.Finish("r", "enough", time.Now()))
	must(t, s.Extend("r", Extension{Rounds: 9}))
	paused("")
}

// The list of 10,000 runs with 20 rounds each.
func BenchmarkRuns(b *testing.B) {
	s := open(b, b.TempDir())
	tx, err := s.write.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 10_000 {
		id := fmt.Sprint("r", i)
		if _, err := tx.Exec(`INSERT INTO runs (id, task, title, spec, spec_hash, data_hash, seed, created_at) VALUES (?, 't', 'T', '', '', '', '1', ?)`, id, timeText(time.Unix(int64(i), 0))); err != nil {
			b.Fatal(err)
		}
		for round := range 20 {
			if _, err := tx.Exec(`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, cohort, test_examples, test_loss, test_accuracy) VALUES (?, ?, 1, 0, '', '', '', '', 100, .5, .9)`, id, round+1); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		all, err := s.Runs(Filter{})
		if err != nil || len(all) != 10_000 || all[0].Version != 20 || *all[0].TestAccuracy != .9 {
			b.Fatal(len(all), err)
		}
	}
}
