package store

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/run"
)

// contribute commits rounds in which participants 2 and 5 contribute, 5 twice to every other.
func contribute(t *testing.T, s *Store, id string, from, to uint64) {
	t.Helper()
	for v := from; v <= to; v++ {
		must(t, s.OpenRound(id, testOpen(v)))
		c := testCommit(v, 10)
		c.Contributions = []run.Contribution{{Participant: 2, Order: v, Weight: 600}, {Participant: 5, Order: v, Weight: 7}}
		if v%2 == 0 {
			c.Contributions = append(c.Contributions, run.Contribution{Participant: 5, Order: 100 + v, Weight: 3})
		}
		must(t, s.Commit(id, c))
		must(t, s.Commit(id, c)) // again, as after a failure that was none
	}
}

// Participants have the sums of their contributions, bytes and events, each counted once.
func TestParticipants(t *testing.T) {
	s := open(t, t.TempDir())
	for _, id := range []string{"r", "other"} {
		must(t, s.CreateRun(testRun(id, "digits")))
		contribute(t, s, id, 1, 4)
	}
	must(t, s.Log("r", []run.LogEntry{
		{At: start, Participant: 2, Kind: "join", Detail: "Firefox"}, {At: start, Participant: 9, Kind: "join", Detail: "swarm"},
		{At: start, Participant: 2, Kind: "rejected", Detail: "late"}, {At: start, Participant: 2, Kind: "rejected", Detail: "late"},
		{At: start, Participant: 2, Kind: "resume", Detail: "Firefox 140"}, {At: start, Participant: 7, Kind: "leave"},
	}, testLedger(4)))
	must(t, s.Depart("r", []uint32{5}, time.Now()))
	want := []Participant{
		{Number: 2, Client: "Firefox 140", Contributions: 4, Examples: 2400, First: 1, Last: 4, Up: 10_000, Down: 8000, Rejected: 2},
		{Number: 5, Contributions: 6, Examples: 34, First: 1, Last: 4, Down: 8000, Left: true},
		{Number: 9, Client: "swarm"},
	}
	got, err := s.Participants("r", 0, -1)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err := s.Participants("r", 2, 1); err != nil || !reflect.DeepEqual(got, want[1:2]) {
		t.Errorf("the one after 2: %+v, %v", got, err)
	}
}

// What a database of schema 12 has recorded of participants is added up as it comes.
func TestSchema13(t *testing.T) {
	db, err := connect(filepath.Join(t.TempDir(), File), "")
	must(t, err)
	defer db.Close()
	must(t, migrate(db, migrations[:12], 0))
	for _, insert := range []string{
		`INSERT INTO runs (id, task, title, seed, created_at, spec_hash, spec) VALUES ('r', 't', '', '1', '', '', ''), ('other', 't', '', '1', '', '', '')`,
		`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, cohort) VALUES ('r', 1, 1, 0, '', '', ''), ('r', 2, 1, 0, '', '', ''), ('other', 2, 1, 0, '', '', '')`,
		`INSERT INTO contributions (run, round, participant, order_number, weight, fingerprint) VALUES ('r', 1, 2, 1, 600, ''), ('r', 2, 2, 2, 600, ''), ('r', 2, 3, 2, 50, ''), ('other', 2, 2, 2, 1, '')`,
		`INSERT INTO traffic (run, round, participant, bytes_up, bytes_down, models_up, models_down) VALUES ('r', 1, 2, 10, 20, 0, 0), ('r', 2, 2, 30, 40, 0, 0), ('r', 2, 8, 1, 2, 0, 0)`,
		`INSERT INTO events (run, at, round, participant, kind, detail) VALUES ('r', '', 0, 2, 'join', 'old'), ('r', '', 0, 2, 'resume', 'new'), ('r', '', 0, 9, 'join', 'x'), ('r', '', 0, 3, 'rejected', ''), ('r', '', 0, 3, 'rejected', ''), ('r', '', 0, 4, 'leave', '')`,
	} {
		_, err := db.Exec(insert)
		must(t, err)
	}
	must(t, migrate(db, migrations, 12))
	s := &Store{database: &database{read: db}}
	got, err := s.Participants("r", 0, -1)
	must(t, err)
	want := []Participant{
		{Number: 2, Client: "new", Contributions: 2, Examples: 1200, First: 1, Last: 2, Up: 40, Down: 60},
		{Number: 3, Contributions: 1, Examples: 50, First: 2, Last: 2, Rejected: 2}, {Number: 8, Up: 1, Down: 2}, {Number: 9, Client: "x"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLogLines(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.CreateRun(testRun("other", "digits")))
	for i := range uint64(12) {
		kind := []string{"accepted", "rejected"}[i%2]
		must(t, s.Log("r", []run.LogEntry{{At: start, Round: i / 4, Participant: uint32(i % 3), Kind: kind}}, run.Ledger{}))
		must(t, s.Log("other", []run.LogEntry{{At: start, Round: i / 4, Participant: uint32(i % 3), Kind: kind}}, run.Ledger{}))
	}
	participant, round, none := uint32(0), uint64(1), uint64(9)
	for name, c := range map[string]struct {
		f    LogFilter
		want string // IDs, those of the run being odd
	}{
		"all":              {LogFilter{}, "[23 21 19 17 15 13 11 9 7 5 3 1]"},
		"kind":             {LogFilter{Kind: "rejected"}, "[23 19 15 11 7 3]"},
		"the coordinator":  {LogFilter{Participant: &participant}, "[19 13 7 1]"},
		"round":            {LogFilter{Round: &round}, "[15 13 11 9]"},
		"before":           {LogFilter{Before: 7}, "[5 3 1]"},
		"limit":            {LogFilter{Limit: 2}, "[23 21]"},
		"everything":       {LogFilter{Kind: "accepted", Participant: &participant, Round: &round, Before: 20, Limit: 9}, "[13]"},
		"a round too late": {LogFilter{Round: &none}, "[]"},
	} {
		lines, err := s.LogLines("r", c.f)
		must(t, err)
		ids := []int64{}
		for _, l := range lines {
			ids = append(ids, l.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	for where, index := range map[string]string{"participant = 1": "events_by_participant", "round = 1": "events_by_run"} {
		var id, parent, unused int
		var plan string
		must(t, s.read.QueryRow(`EXPLAIN QUERY PLAN SELECT * FROM events WHERE run = 'r' AND `+where+` AND id < 9 ORDER BY id DESC LIMIT 3`).Scan(&id, &parent, &unused, &plan))
		if want := "SEARCH events USING INDEX " + index; len(plan) < len(want) || plan[:len(want)] != want {
			t.Errorf("%s: %s, want %s", where, plan, want)
		}
	}
}

// Kept versions come with their figures, and a pin is refused once the parameters are gone.
func TestKeptVersions(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 2)
	must(t, s.Evaluate("r", run.Evaluation{Version: 2, Figures: learn.Figures{Examples: 10, Loss: .5, Accuracy: math.NaN()}}))
	must(t, s.Pin("r", 1, true))
	play(t, s, "r", 3, 9)
	all, err := s.KeptVersions("r")
	must(t, err)
	loss := .5
	want := []KeptVersion{{Version: 1, Participants: 2, Bytes: 40, Pinned: true}, {Version: 2, Participants: 2, Bytes: 40, TestLoss: &loss}}
	for v := uint64(5); v <= 9; v++ {
		want = append(want, KeptVersion{Version: v, Participants: 2, Bytes: 40})
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got  %+v\nwant %+v", all, want)
	}
	if err := s.Pin("r", 3, true); !errors.Is(err, ErrNotKept) || err.Error() != "run r: pin version 3: no longer kept, only its hash and metrics are" {
		t.Errorf("pin what is gone: %v", err)
	}
	must(t, s.Pin("r", 3, false))
}

// The short record of a round has what the long one has, and a ledger comes as it was written.
func TestEachRound(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	if l, err := s.Ledger("r"); err != nil || l != (run.Ledger{}) {
		t.Errorf("a new run has the ledger %+v, %v", l, err)
	}
	play(t, s, "r", 1, 3)
	must(t, s.Evaluate("r", run.Evaluation{Version: 2, Figures: learn.Figures{Examples: 10, Loss: .5, Accuracy: .75, RMSE: 2}}))
	must(t, s.OpenRound("r", testOpen(4)))
	want, err := s.Rounds("r", 0, -1)
	must(t, err)
	for i := range want {
		want[i].Hash, want[i].Traffic.Kinds = [32]byte{}, run.Traffic{}.Kinds
	}
	var got []run.RoundRecord
	must(t, s.EachRound("r", func(r *run.RoundRecord) {
		if f := r.Test; f != nil { // NaN is what it lacks
			f.BalancedAccuracy, f.F1, f.MAE, f.R2 = 0, 0, 0, 0
		}
		got = append(got, *r)
	}))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if l, err := s.Ledger("r"); err != nil || l != testLedger(3) {
		t.Errorf("the ledger is %+v, %v, want %+v", l, err, testLedger(3))
	}
	if _, err := s.Ledger("x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no run: %v", err)
	}
}
