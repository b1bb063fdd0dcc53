package store

import (
	"math"
	"reflect"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/run"
)

// A run's account of privacy is kept with each attempt and each version.
func TestSpent(t *testing.T) {
	s, err := Open(t.TempDir(), "fedtab test")
	must(t, err)
	t.Cleanup(func() { s.Close() })
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must(t, s.CreateRun(Run{ID: "private-1", Task: "private", Created: at}))
	if got, err := s.Spent("private-1"); got != nil || err != nil {
		t.Errorf("before the first version: %+v, %v", got, err)
	}
	want := []*run.Spent{{Releases: 1, Epsilon: .5, Delta: 1e-5}, {Releases: 4, Epsilon: math.Inf(1), Delta: 1e-5}}
	for i, spent := range want {
		round := uint64(i + 1)
		charged := &run.Spent{Releases: spent.Releases, Epsilon: 7, Delta: 1e-5}
		must(t, s.OpenRound("private-1", run.OpenRound{Round: round, Base: round - 1, Opened: at, Deadline: at, Spent: charged}))
		if got, err := s.Spent("private-1"); err != nil || !sameSpent(got, charged) {
			t.Errorf("attempt at version %d: %+v, %v; want %+v", round, got, err, charged)
		}
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

// What attempts are charged stays when a run that is over is extended, which goes on with the
// newest, and when it is deleted.
func TestAccounts(t *testing.T) {
	s := open(t, t.TempDir())
	for i, id := range []string{"a", "b", "plain", "new"} {
		r := testRun(id, "digits")
		r.Spec = []byte("task of " + id)
		must(t, s.CreateRun(r))
		if i < 2 {
			o := testOpen(1)
			o.Spent = &run.Spent{Releases: uint64(i + 1), Epsilon: float64(i + 1), Delta: 1e-5}
			must(t, s.OpenRound(id, o))
		}
	}
	must(t, s.OpenRound("plain", testOpen(1)))
	want := []Account{{"a", 1, []byte("task of a"), run.Spent{Releases: 1, Epsilon: 1, Delta: 1e-5}}, {"b", 2, []byte("task of b"), run.Spent{Releases: 2, Epsilon: 2, Delta: 1e-5}}}
	check := func(when string) {
		t.Helper()
		if got, err := s.Accounts("digits"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	check("of open attempts")
	must(t, s.Finish("a", "enough", start))
	must(t, s.Extend("a", Extension{Rounds: 9}))
	saved, err := s.Load("a")
	if err != nil || saved.Open == nil || !sameSpent(saved.Open.Spent, &want[0].Spent) {
		t.Errorf("extended: open round %+v, %v; want it with its account", saved.Open, err)
	}
	check("extended")
	must(t, s.Finish("a", "enough", start))
	must(t, s.keepAccount("a")) // and then the deletion was interrupted
	check("deleted in part")
	must(t, s.Delete("a"))
	check("deleted")
	if got, err := s.Accounts("letters"); err != nil || got != nil {
		t.Errorf("of another task: %+v, %v", got, err)
	}
}
