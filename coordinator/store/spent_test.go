package store

import (
	"math"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/run"
)

// A run's account of privacy is kept with each version, and goes on from the newest.
func TestSpent(t *testing.T) {
	s, err := Open(t.TempDir(), "fedtab test")
	must(t, err)
	t.Cleanup(func() { s.Close() })
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must(t, s.CreateRun(Run{ID: "private-1", Task: "private", Created: at}))
	if got, err := s.Spent("private-1"); got != nil || err != nil {
		t.Errorf("before the first version: %+v, %v", got, err)
	}
	want := []*run.Spent{{Releases: 1, Epsilon: .5, Delta: 1e-5}, {Releases: 4, Epsilon: math.Inf(1), Delta: 1e-5}, nil}
	for i, spent := range want {
		round := uint64(i + 1)
		must(t, s.OpenRound("private-1", run.OpenRound{Round: round, Base: round - 1, Opened: at, Deadline: at}))
		c := run.Commit{Round: round, Base: round - 1, Params: make([]float32, 2), Weight: math.NaN(), TrainLoss: math.NaN(), Rate: 1, Committed: at, Spent: spent}
		c.Hash = learn.Hash(c.Params)
		must(t, s.Commit("private-1", c))
		if got, err := s.Spent("private-1"); err != nil || !sameSpent(got, spent) {
			t.Errorf("version %d: %+v, %v; want %+v", round, got, err, spent)
		}
	}
	saved, err := s.Load("private-1")
	must(t, err)
	for i, rec := range saved.Rounds {
		if !sameSpent(rec.Spent, want[i]) || !math.IsNaN(rec.Weight) || rec.Participants != 0 {
			t.Errorf("version %d is loaded with %+v", i+1, rec)
		}
	}
	must(t, s.EachRound("private-1", func(r *run.RoundRecord) {
		if !sameSpent(r.Spent, want[r.Round-1]) {
			t.Errorf("version %d is read with %+v", r.Round, r.Spent)
		}
	}))
}

func sameSpent(a, b *run.Spent) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
