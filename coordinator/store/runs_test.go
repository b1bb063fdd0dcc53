package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/run"
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

// ids returns the identities of the runs that a filter chooses.
func ids(t *testing.T, s *Store, f Filter) (all []string) {
	t.Helper()
	runs, err := s.Runs(f)
	must(t, err)
	for _, r := range runs {
		all = append(all, r.ID)
	}
	return all
}

func TestFilter(t *testing.T) {
	s := open(t, t.TempDir())
	for _, r := range []struct{ id, task string }{{"a1", "a"}, {"b2", "b"}, {"a3", "a"}, {"a4", "a"}, {"b5", "b"}} {
		must(t, s.CreateRun(testRun(r.id, r.task)))
	}
	must(t, s.Finish("a1", "done", start))
	must(t, s.Finish("b2", "done", start))
	must(t, s.Pause("a3", "lunch", start))
	must(t, s.Pause("b2", "lunch", start)) // over, too
	yes, no := true, false
	for _, test := range []struct {
		name string
		f    Filter
		want []string
	}{
		{"all", Filter{}, []string{"b5", "a4", "a3", "b2", "a1"}},
		{"ID", Filter{ID: "a3"}, []string{"a3"}},
		{"no ID", Filter{ID: "a"}, nil},
		{"task", Filter{Task: "b"}, []string{"b5", "b2"}},
		{"no task", Filter{Task: "a1"}, nil},
		{"over", Filter{Over: &yes}, []string{"b2", "a1"}},
		{"not over", Filter{Over: &no}, []string{"b5", "a4", "a3"}},
		{"paused", Filter{Paused: &yes}, []string{"a3", "b2"}},
		{"not paused", Filter{Paused: &no}, []string{"b5", "a4", "a1"}},
		{"before", Filter{Before: 4}, []string{"a3", "b2", "a1"}},
		{"before the first", Filter{Before: 1}, nil},
		{"limit", Filter{Limit: 2}, []string{"b5", "a4"}},
		{"limit beyond all", Filter{Limit: 9}, []string{"b5", "a4", "a3", "b2", "a1"}},
		{"limit of those that are chosen", Filter{Task: "a", Over: &no, Limit: 1}, []string{"a4"}},
		{"every field", Filter{ID: "a3", Task: "a", Over: &no, Paused: &yes, Before: 4, Limit: 1}, []string{"a3"}},
		{"every field but one", Filter{ID: "a3", Task: "a", Over: &yes, Paused: &yes, Before: 4, Limit: 1}, nil},
	} {
		if got := ids(t, s, test.f); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// Pages show each run once, also while runs are created and deleted.
func TestRunsInPages(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 11
	for i := range n {
		must(t, s.CreateRun(testRun(fmt.Sprint(i), "digits")))
		must(t, s.CreateRun(testRun(fmt.Sprint("other", i), "letters")))
	}
	var seen []string
	before := int64(0)
	for page := 0; ; page++ {
		all, err := s.Runs(Filter{Task: "digits", Before: before, Limit: 4})
		must(t, err)
		if len(all) == 0 {
			break
		}
		for _, r := range all {
			seen = append(seen, r.ID)
		}
		before = all[len(all)-1].Number
		must(t, s.CreateRun(testRun(fmt.Sprint("new", page), "digits")))
		must(t, s.Finish(all[0].ID, "done", start))
		must(t, s.Delete(all[0].ID))
	}
	var want []string
	for i := n - 1; i >= 0; i-- {
		want = append(want, fmt.Sprint(i))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestSummary(t *testing.T) {
	s := open(t, t.TempDir())
	r := testRun("r", "digits")
	r.Origin = "version 7 of run q"
	must(t, s.CreateRun(r))
	play(t, s, "r", 1, 3)
	must(t, s.OpenRound("r", testOpen(4)))
	must(t, s.Evaluate("r", run.Evaluation{Version: 2, Figures: learn.Figures{Examples: 10, Loss: .5, Accuracy: .75}}))
	must(t, s.Annotate("r", "with the old cameras"))
	must(t, s.Pause("r", "lunch", start))
	all, err := s.Runs(Filter{})
	must(t, err)
	loss, accuracy := .5, .75
	want := Summary{Number: 1, ID: "r", Task: "digits", Title: "A task", Seed: "18446744073709551615", Note: "with the old cameras", Origin: r.Origin,
		Created: start, Paused: "lunch", Participants: 2, Up: testLedger(3).Up, Down: testLedger(3).Down, Version: 3, Evaluated: 2, TestLoss: &loss, TestAccuracy: &accuracy}
	if len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("got  %+v\nwant %+v", all, want)
	}
}

func TestAnnotate(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.CreateRun(testRun("other", "digits")))
	for _, note := range []string{"first", "two\nlines, \"quoted\"", ""} {
		must(t, s.Annotate("r", note))
		if r, _, err := s.FindRun("r"); err != nil || r.Note != note {
			t.Errorf("got the note %q, %v, want %q", r.Note, err, note)
		}
	}
	if r, _, _ := s.FindRun("other"); r.Note != "" {
		t.Errorf("another run has the note %q", r.Note)
	}
	if err := s.Annotate("x", "y"); !errors.Is(err, ErrNotFound) || err.Error() != "run x: annotate: run not found" {
		t.Errorf("of no run: %v", err)
	}
}

// ofRuns are the tables whose rows belong to a run.
var ofRuns = []string{"rounds", "models", "vectors", "contributions", "traffic", "events", "departures", "participants", "sums", "seeds"}

// rows returns how many rows of a run each of the tables has.
func rows(t *testing.T, s *Store, id string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, table := range ofRuns {
		var n int
		must(t, s.read.QueryRow("SELECT count(*) FROM "+table+" WHERE run = ?", id).Scan(&n))
		all[table] = n
	}
	return all
}

// A sum is written once, however often; another of its group is refused for good, and one of a round
// that is not open.
func TestSumOnce(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.OpenRound("r", testOpen(1)))
	first := run.Sum{Round: 1, Order: testOpen(1).Order, Participants: []uint32{1, 2, 5}, Bound: 1.5, Packed: []byte{1, 2}}
	second := first
	second.Group, second.Packed = 1, []byte{3}
	for range 2 {
		must(t, s.Sum("r", first))
		must(t, s.Sum("r", second))
	}
	for name, edit := range map[string]func(*run.Sum){
		"other numbers":      func(o *run.Sum) { o.Packed = []byte{1, 3} },
		"other participants": func(o *run.Sum) { o.Participants = []uint32{1, 2} },
		"another bound":      func(o *run.Sum) { o.Bound = 2 },
		"another round":      func(o *run.Sum) { o.Round = 2 },
		"a later attempt":    func(o *run.Sum) { o.Order++ },
	} {
		o := first
		edit(&o)
		if err := s.Sum("r", o); !errors.Is(err, run.ErrPermanent) {
			t.Errorf("%s: %v, want to refuse it for good", name, err)
		}
	}
	saved, err := s.Load("r")
	must(t, err)
	if !reflect.DeepEqual(saved.Sums, []run.Sum{first, second}) {
		t.Errorf("%+v, want the first two", saved.Sums)
	}
}

// Whatever belongs to a run goes with it, and nothing else does.
func TestDelete(t *testing.T) {
	s := open(t, t.TempDir())
	for _, id := range []string{"r", "other"} {
		must(t, s.CreateRun(testRun(id, "digits")))
		for v := uint64(1); v <= 3; v++ {
			must(t, s.OpenRound(id, testOpen(v)))
			c := testCommit(v, 10)
			c.Contributions = []run.Contribution{{Participant: 2, Order: 3, Weight: 600}}
			must(t, s.Commit(id, c))
		}
		must(t, s.OpenRound(id, testOpen(4)))
		must(t, s.Sum(id, run.Sum{Round: 4, Order: testOpen(4).Order, Participants: []uint32{1, 2, 5}, Bound: 1.5, Packed: []byte{1, 2}}))
		must(t, s.Log(id, []run.LogEntry{{At: start, Kind: "join"}}, testLedger(3)))
		must(t, s.Depart(id, []uint32{2, 5}, start))
		must(t, s.Pin(id, 1, true))
		_, err := s.write.Exec(`INSERT INTO seeds VALUES (?, 3, x'00')`, id)
		must(t, err)
	}
	before := rows(t, s, "r")
	for _, table := range ofRuns {
		if before[table] == 0 {
			t.Fatalf("%s has no rows to delete", table)
		}
	}
	saved, err := s.Load("other")
	must(t, err)
	for name, c := range map[string]struct {
		err  error
		is   error
		text string
	}{
		"a run that goes on": {s.Delete("r"), ErrUnfinished, "run r: delete: the run is not over"},
		"no run":             {s.Delete("x"), ErrNotFound, "run x: delete: run not found"},
	} {
		if !errors.Is(c.err, c.is) || c.err.Error() != c.text {
			t.Errorf("%s: got %v, want %s", name, c.err, c.text)
		}
	}
	if got := rows(t, s, "r"); !reflect.DeepEqual(got, before) {
		t.Fatalf("a delete that was refused leaves %v, want %v", got, before)
	}
	must(t, s.Finish("r", "done", start))
	must(t, s.Delete("r"))
	if got := rows(t, s, "r"); !reflect.DeepEqual(got, map[string]int{"rounds": 0, "models": 0, "vectors": 0, "contributions": 0, "traffic": 0, "events": 0, "departures": 0, "participants": 0, "sums": 0, "seeds": 0}) {
		t.Errorf("left of the run: %v", got)
	}
	if got := rows(t, s, "other"); !reflect.DeepEqual(got, before) {
		t.Errorf("of the other run there are %v, want %v", got, before)
	}
	if again, err := s.Load("other"); err != nil || !reflect.DeepEqual(again, saved) {
		t.Errorf("the other run is %+v, %v, want %+v", again, err, saved)
	}
	if _, ok, err := s.FindRun("r"); ok || err != nil {
		t.Errorf("the run is still found (%v)", err)
	}
	if err := s.Delete("r"); !errors.Is(err, ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	// The name may be taken again, the number may not.
	must(t, s.CreateRun(testRun("r", "digits")))
	if all, err := s.Runs(Filter{ID: "r"}); err != nil || all[0].Number != 3 || all[0].Version != 0 {
		t.Errorf("a new run of that name: %+v, %v", all, err)
	}
	var tables int
	must(t, s.read.QueryRow(`SELECT count(DISTINCT m.name) FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'run' AND m.name <> 'accounts'`).Scan(&tables))
	if tables != len(ofRuns) {
		t.Errorf("%d tables have rows of runs, and this test knows %d", tables, len(ofRuns))
	}
}

func TestPause(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.CreateRun(testRun("other", "digits")))
	play(t, s, "r", 1, 1)
	paused := func(id string) [3]string {
		t.Helper()
		saved, err := s.Load(id)
		must(t, err)
		all, err := s.Runs(Filter{ID: id})
		must(t, err)
		r, _, err := s.FindRun(id)
		must(t, err)
		return [3]string{saved.Paused, all[0].Paused, r.Paused}
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string // why it is paused
	}{
		{"nothing", func() error { return nil }, ""},
		{"pause", func() error { return s.Pause("r", "lunch", start) }, "lunch"},
		{"pause again", func() error { return s.Pause("r", "tea", start) }, "tea"},
		{"a round beside it", func() error { return s.OpenRound("r", testOpen(2)) }, "tea"},
		{"resume", func() error { return s.Resume("r") }, ""},
		{"resume again", func() error { return s.Resume("r") }, ""},
		{"pause once more", func() error { return s.Pause("r", "lunch", start) }, "lunch"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got, want := paused("r"), [3]string{step.want, step.want, step.want}; got != want {
			t.Errorf("%s: Load, Runs and FindRun have %q, want %q", step.name, got, want)
		}
		if got := paused("other"); got != [3]string{} {
			t.Errorf("%s: another run is paused: %q", step.name, got)
		}
	}
	for what, err := range map[string]error{"pause": s.Pause("x", "lunch", start), "resume": s.Resume("x")} {
		if !errors.Is(err, ErrNotFound) || !errors.Is(err, run.ErrPermanent) || err.Error() != "run x: "+what+": run not found" {
			t.Errorf("%s of no run: %v", what, err)
		}
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
			if _, err := tx.Exec(`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, cohort) VALUES (?, ?, 1, 0, '', '', '')`, id, round+1); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := tx.Exec(`UPDATE rounds SET committed_at = '', test_examples = 100, test_loss = .5, test_accuracy = .9 WHERE run = ?`, id); err != nil {
			b.Fatal(err)
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

// A page of 1,000 of a run's 12,000 rounds, from their middle.
func BenchmarkRounds(b *testing.B) {
	s := open(b, b.TempDir())
	tx, err := s.write.Begin()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := tx.Exec(`INSERT INTO runs (id, task, title, spec, spec_hash, data_hash, seed, created_at) VALUES ('r', 't', 'T', '', '', '', '1', ?)`, timeText(start)); err != nil {
		b.Fatal(err)
	}
	hash, at := strings.Repeat("0", 64), timeText(start)
	for round := range 12_000 {
		if _, err := tx.Exec(`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, cohort, participants, weight, train_loss, bytes_up, bytes_down, kinds, test_examples, test_loss, test_accuracy)
			VALUES ('r', ?, 1, 0, ?, ?, ?, '[1,2,3]', 3, 100, .5, 1000, 1000, '{"order":{"up":0,"down":90}}', 100, .5, .9)`, round+1, at, at, at); err != nil {
			b.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO models (run, version, hash, length) VALUES ('r', ?, ?, 10)`, round+1, hash); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		all, err := s.Rounds("r", 6000, 1000)
		if err != nil || len(all) != 1000 || all[0].Round != 5000 {
			b.Fatal(len(all), err)
		}
	}
}

// The round that was open when a run ended is not gone back to when it is extended; one that
// goes on keeps it.
func TestExtendOpenRound(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 2)
	must(t, s.OpenRound("r", testOpen(3)))
	for _, over := range []bool{false, true} {
		if over {
			must(t, s.Finish("r", "enough", start))
		}
		must(t, s.Extend("r", Extension{Rounds: 9}))
		saved, err := s.Load("r")
		if err != nil || (saved.Open == nil) != over || len(saved.Rounds) != 2 {
			t.Errorf("over: %v; open round %+v, %d rounds, %v", over, saved.Open, len(saved.Rounds), err)
		}
	}
}
