package store

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/run"
)

const build = "fedtab test"

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, build)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start is when the tests' runs begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func testRun(id, task string) Run {
	spec := []byte("name: " + task + "\n")
	return Run{ID: id, Task: task, Title: "A task", Spec: spec, SpecHash: sha256.Sum256(spec), Seed: 1<<64 - 1, Created: start}
}

func testOpen(round uint64) run.OpenRound {
	at := start.Add(time.Duration(round) * time.Minute)
	return run.OpenRound{Round: round, Order: 2*round + 1, Base: round - 1, Cohort: []uint32{1, 2, 5}, Weights: []uint64{600, 1200, 7}, Opened: at, Deadline: at.Add(30 * time.Second)}
}

func testTraffic(round uint64) run.Traffic {
	t := run.Traffic{Up: 1000 * int64(round), Down: 2000, ModelsUp: 2, ModelsDown: 3}
	t.Kinds[0].Up = 1
	t.Kinds[protocol.KindContribution].Up = t.Up - 1
	t.Kinds[protocol.KindModel].Down = 2000
	return t
}

// testLedger is a run's ledger after some rounds.
func testLedger(rounds uint64) run.Ledger {
	var l run.Ledger
	for r := uint64(1); r <= rounds; r++ {
		t := testTraffic(r)
		l.Traffic.Add(&t)
		l.MessagesUp += 2
		l.Answers[protocol.ReasonAccepted] += 2
	}
	return l
}

func testCommit(round uint64, n int) run.Commit {
	params := make([]float32, n)
	for i := range params {
		params[i] = float32(round) + float32(i)/float32(n)
	}
	params[0] = float32(math.Copysign(0, -1))
	return run.Commit{
		Round: round, Base: round - 1, Params: params, Hash: sha256.Sum256(vectorBytes(params)),
		State:    map[string][]float32{"momentum": {1, 2, float32(round)}, "empty": {}},
		Snapshot: fmt.Appendf(nil, "snapshot %d", round), Participants: []uint32{2, 5}, Weight: 1200, TrainLoss: 1 / float64(round),
		Traffic: testTraffic(round), Rate: .1, Clients: []run.ClientTraffic{{Participant: 2, Traffic: testTraffic(round)}, {Participant: 5, Traffic: run.Traffic{Down: 2000}}},
		Ledger: testLedger(round), Committed: start.Add(time.Duration(round)*time.Minute + 10*time.Second),
		Times: &run.Times{Download: time.Second, Training: 8*time.Second + time.Nanosecond, Upload: time.Millisecond, Begun: true}, Norms: &run.Norms{Min: .1, Median: .2, Max: float64(round)},
	}
}

// play opens and commits rounds from to to.
func play(t testing.TB, s *Store, id string, from, to uint64) {
	t.Helper()
	for r := from; r <= to; r++ {
		must(t, s.OpenRound(id, testOpen(r)))
		must(t, s.Commit(id, testCommit(r, 10)))
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, ok, err := s.LatestRun("digits"); ok || err != nil {
		t.Fatalf("a run in an empty database: %v, %v", ok, err)
	}
	must(t, s.CreateRun(testRun("older", "digits")))
	must(t, s.CreateRun(testRun("r1", "digits")))
	must(t, s.CreateRun(testRun("other", "letters")))

	saved, err := s.Load("r1")
	must(t, err)
	if want := (run.Saved{Participants: 1}); !reflect.DeepEqual(saved, want) {
		t.Errorf("a new run:\ngot  %+v\nwant %+v", saved, want)
	}

	must(t, s.ReserveParticipants("r1", 64))
	must(t, s.ReserveParticipants("r1", 32)) // never back
	play(t, s, "r1", 1, 3)
	// A real one has the figures of classes or of numbers; this one has all.
	test := learn.Figures{Examples: 10000, Loss: .25, Accuracy: .9, BalancedAccuracy: .8, F1: .7, RMSE: 3, MAE: 2, R2: -1}
	evaluation := run.Evaluation{Version: 2, Figures: test, Confusion: []int64{8000, 1000, 0, 1000}}
	must(t, s.Evaluate("r1", evaluation))
	evaluation.Classes = []learn.ClassFigures{{Examples: 9000, Precision: 1, Recall: 8. / 9, F1: 16. / 17}, {Examples: 1000, Precision: .5, Recall: 1, F1: 2. / 3}}
	beyond := testLedger(3) // and what was in no round
	beyond.Up += 1000
	beyond.Abandoned = 1
	must(t, s.Log("r1", []run.LogEntry{{At: start, Round: 1, Participant: 2, Kind: "join", Detail: "x"}}, beyond))
	abandoned := testOpen(4)
	must(t, s.OpenRound("r1", abandoned))
	retried := testOpen(4)
	retried.Order, retried.Cohort, retried.State = 99, nil, []byte{1, 2}
	must(t, s.OpenRound("r1", retried))
	secret := s.Secret()
	must(t, s.Close())
	must(t, s.Close())

	s = open(t, dir)
	if got := s.Secret(); string(got) != string(secret) || len(got) != 32 {
		t.Errorf("the secret is %x after a restart, and was %x", got, secret)
	}
	r, ok, err := s.LatestRun("digits")
	must(t, err)
	if want := testRun("r1", "digits"); !ok || !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	saved, err = s.Load("r1")
	must(t, err)
	last := testCommit(3, 10)
	last.Clients, last.Traffic.Kinds = nil, [protocol.Kinds + 1]run.KindTraffic{} // the past is in the rounds
	last.Traffic.ModelsUp, last.Traffic.ModelsDown = 0, 0
	last.Ledger, last.Times, last.Norms = run.Ledger{}, nil, nil
	want := run.Saved{Participants: 64, Last: &last, Open: &retried, Ledger: beyond, Elapsed: 3*time.Minute + 10*time.Second}
	for i := uint64(1); i <= 3; i++ {
		c := testCommit(i, 10)
		want.Rounds = append(want.Rounds, run.RoundRecord{Round: i, Participants: 2, Weight: 1200, TrainLoss: c.TrainLoss,
			Traffic: testTraffic(i), Rate: .1, Opened: testOpen(i).Opened, Committed: c.Committed, Hash: c.Hash, Times: c.Times, Norms: c.Norms})
	}
	want.Rounds[1].Test, want.Evaluated = &test, &evaluation
	if !reflect.DeepEqual(saved, want) {
		t.Errorf("got  %+v\nwant %+v", saved, want)
	}
	if math.Signbit(float64(saved.Last.Params[0])) == false {
		t.Error("-0 came back as 0")
	}
	params, hash, err := s.Model("r1", 2)
	must(t, err)
	if c := testCommit(2, 10); !reflect.DeepEqual(params, c.Params) || hash != c.Hash {
		t.Error("version 2 came back different")
	}

	must(t, s.Finish("r1", "100 rounds", start))
	must(t, s.Finish("r1", "again", start))
	if r, _, _ := s.LatestRun("digits"); r.Finished != "100 rounds" {
		t.Errorf("finished by %q", r.Finished)
	}
	if saved, _ := s.Load("r1"); saved.Finished != "100 rounds" {
		t.Errorf("finished by %q", saved.Finished)
	}
}

func TestNaN(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.OpenRound("r", testOpen(1)))
	c := testCommit(1, 2)
	c.TrainLoss, c.Weight = math.NaN(), math.Inf(1)
	must(t, s.Commit("r", c))
	must(t, s.Evaluate("r", run.Evaluation{Version: 1, Figures: learn.Figures{Loss: math.NaN(), Accuracy: 0.1, Examples: 10}}))
	var nulls int
	must(t, s.read.QueryRow(`SELECT (train_loss IS NULL) + (test_loss IS NULL) FROM rounds`).Scan(&nulls))
	if nulls != 2 {
		t.Errorf("%d NULLs, want 2", nulls)
	}
	saved, err := s.Load("r")
	must(t, err)
	rec := saved.Rounds[0]
	if !math.IsNaN(rec.TrainLoss) || !math.IsNaN(saved.Last.TrainLoss) || !math.IsInf(rec.Weight, 1) {
		t.Errorf("got %+v", rec)
	}
	if rec.Test == nil || !math.IsNaN(rec.Test.Loss) || rec.Test.Accuracy != 0.1 {
		t.Error("an evaluation without a number is no evaluation")
	}
}

func TestClockSetBack(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("first", "digits")))
	second := testRun("second", "digits")
	second.Created = start.Add(-time.Hour)
	must(t, s.CreateRun(second))
	if r, _, err := s.LatestRun("digits"); r.ID != "second" || err != nil {
		t.Errorf("the newest run is %q, %v", r.ID, err)
	}
	must(t, s.OpenRound("first", testOpen(1)))
	c := testCommit(1, 1)
	c.Committed = start.Add(-time.Minute)
	must(t, s.Commit("first", c))
	if saved, err := s.Load("first"); saved.Elapsed != 0 || err != nil {
		t.Errorf("elapsed %v, %v", saved.Elapsed, err)
	}
}

func TestErrors(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 2)
	wrongHash := testCommit(3, 3)
	wrongHash.Hash[0]++
	other := testCommit(2, 11)
	for _, c := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"a run twice", s.CreateRun(testRun("r", "digits")), ErrExists, "run r: create: run exists already"},
		{"load no run", second(s.Load("x")), ErrNotFound, "run x: load: run not found"},
		{"reserve for no run", s.ReserveParticipants("x", 5), ErrNotFound, "run x: reserve participants below 5: run not found"},
		{"finish no run", s.Finish("x", "y", start), ErrNotFound, "run x: finish: run not found"},
		{"open a committed round", s.OpenRound("r", testOpen(2)), ErrExists, "run r: open round 2: committed round exists already"},
		{"commit without open", s.Commit("r", testCommit(3, 3)), errNotOpen, "run r: commit round 3: the round is not open"},
		{"commit another", s.Commit("r", other), errNotOpen, "run r: commit round 2: the round is not open"},
		{"commit with a wrong hash", s.Commit("r", wrongHash), nil, "run r: commit round 3: hash of the parameters: "},
		{"evaluate nothing", s.Evaluate("r", run.Evaluation{Version: 7}), ErrNotFound, "run r: store evaluation of version 7: committed round not found"},
		{"set the task of no run", s.SetTask(Run{ID: "x"}), ErrNotFound, "run x: record its task: run not found"},
		{"pin nothing", s.Pin("r", 7, true), ErrNotFound, "run r: pin version 7: not found"},
		{"log for no run", s.Log("x", []run.LogEntry{{Kind: "join"}}, run.Ledger{}), nil, `run x: log "join": constraint failed`},
		{"model of no version", third(s.Model("r", 9)), ErrNotFound, "run r: model version 9: not found"},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) || !strings.HasPrefix(c.err.Error(), c.text) {
			t.Errorf("%s: got %v, want %s", c.name, c.err, c.text)
		}
	}
	must(t, s.Commit("r", testCommit(2, 10))) // the very same
	if saved, err := s.Load("r"); err != nil || len(saved.Rounds) != 2 || saved.Open != nil {
		t.Errorf("the errors left something: %+v, %v", saved, err)
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

func TestRetention(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.CreateRun(testRun("untouched", "digits")))
	play(t, s, "untouched", 1, 1)
	accuracy := map[uint64]float64{3: 0.5, 60: 0.9, 61: 0.9, 70: 0.4}
	for v := uint64(1); v <= 110; v++ {
		play(t, s, "r", v, v)
		if a, ok := accuracy[v]; ok {
			must(t, s.Evaluate("r", run.Evaluation{Version: v, Figures: learn.Figures{Accuracy: a, Examples: 1}, Confusion: []int64{1}}))
		}
		switch v {
		case 10:
			must(t, s.Pin("r", 8, true))
			must(t, s.Pin("r", 9, true))
		case 20:
			must(t, s.Pin("r", 9, false))
		case 50:
			// Too late for its parameters: it must not cost those of the best that is there.
			must(t, s.Evaluate("r", run.Evaluation{Version: 30, Figures: learn.Figures{Accuracy: 0.99, Examples: 1}}))
		}
	}
	var kept []uint64
	rows, err := s.read.Query(`SELECT version FROM models WHERE run = 'r' AND parameters IS NOT NULL AND snapshot IS NOT NULL ORDER BY version`)
	must(t, err)
	for rows.Next() {
		var v uint64
		must(t, rows.Scan(&v))
		kept = append(kept, v)
	}
	must(t, rows.Err())
	want := []uint64{8, 50, 60, 100, 106, 107, 108, 109, 110}
	if !reflect.DeepEqual(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	var models, vectors, orphans int
	must(t, s.read.QueryRow(`SELECT (SELECT count(*) FROM models WHERE run = 'r'), (SELECT count(*) FROM vectors WHERE run = 'r'),
		(SELECT count(*) FROM models WHERE parameters IS NULL AND snapshot IS NOT NULL)`).Scan(&models, &vectors, &orphans))
	if models != 110 || vectors != 2*len(want) || orphans != 0 {
		t.Errorf("%d models, %d vectors, %d orphans", models, vectors, orphans)
	}
	_, hash, err := s.Model("r", 77)
	if !errors.Is(err, ErrNotKept) || hash != testCommit(77, 10).Hash {
		t.Errorf("version 77: %x, %v", hash, err)
	}
	for _, v := range append(want, 1) {
		id := "r"
		if v == 1 {
			id = "untouched"
		}
		if _, _, err := s.Model(id, v); err != nil {
			t.Error(err)
		}
	}
}

// TestColumns reads the file as an organiser's tool would.
func TestColumns(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 1)
	must(t, s.Evaluate("r", run.Evaluation{Version: 1, Figures: learn.Figures{Loss: 0.5, Accuracy: 0.75, Examples: 100}}))
	must(t, s.OpenRound("r", testOpen(2)))
	must(t, s.Log("r", []run.LogEntry{{At: start, Round: 1, Participant: 5, Kind: "join", Detail: "tab"}}, run.Ledger{}))
	must(t, s.Finish("r", "stopped", start.Add(time.Hour)))

	db, err := sql.Open("sqlite", filepath.Join(dir, File))
	must(t, err)
	defer db.Close()
	for _, c := range []struct{ query, want string }{
		{`SELECT group_concat(key || '=' || value, ' ') FROM meta WHERE key NOT IN ('secret', 'created_at', 'place', 'inode') ORDER BY key`,
			"created_by=fedtab test opened_by=fedtab test schema_version=18"},
		{`SELECT typeof(value) || length(value) FROM meta WHERE key = 'secret'`, "blob32"},
		{`SELECT concat_ws('|', id, task, title, spec, seed, created_at, finished_at, finish_reason, participants_reserved, length(spec_hash)) FROM runs`,
			"r|digits|A task|name: digits\n|18446744073709551615|2026-03-01T12:00:00.123Z|2026-03-01T13:00:00.123Z|stopped|1|64"},
		{`SELECT concat_ws('|', run, round, order_number, base, cohort, opened_at, deadline_at, committed_at, participants, participant_list,
			weight, train_loss, test_loss, test_accuracy, test_examples, bytes_up, bytes_down) FROM rounds WHERE round = 1`,
			"r|1|3|0|[1,2,5]|2026-03-01T12:01:00.123Z|2026-03-01T12:01:30.123Z|2026-03-01T12:01:10.123Z|2|[2,5]|1200.0|1.0|0.5|0.75|100|1000|2000"},
		{`SELECT concat_ws('|', round, committed_at IS NULL, test_loss IS NULL) FROM rounds WHERE round = 2`, "2|1|1"},
		{`SELECT group_concat(value) FROM rounds, json_each(cohort) WHERE round = 1`, "1,2,5"},
		{`SELECT concat_ws('|', run, version, length(hash), length, length(parameters), snapshot, pinned) FROM models`, "r|1|64|10|40|snapshot 1|0"},
		{`SELECT concat_ws('|', run, at, round, participant, kind, detail) FROM events`, "r|2026-03-01T12:00:00.123Z|1|5|join|tab"},
		{`PRAGMA user_version`, "18"},
		{`PRAGMA journal_mode`, "wal"},
		{`PRAGMA foreign_key_check`, ""},
	} {
		var got string
		if err := db.QueryRow(c.query).Scan(&got); err != nil && !(c.want == "" && errors.Is(err, sql.ErrNoRows)) {
			t.Errorf("%s: %v", c.query, err)
		} else if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.query, got, c.want)
		}
	}
	for pragma, want := range map[string]int{"synchronous": 2, "foreign_keys": 1} {
		var got int
		must(t, s.write.QueryRow("PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %d, want %d", pragma, got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, File))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the secret has mode %v", info.Mode())
	}
}

// TestConcurrent reads while rounds are written. Every Load must see a moment
// between two writes.
func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir())
	const runs, rounds = 2, 30
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for i := range runs {
		id := fmt.Sprint("r", i)
		must(t, s.CreateRun(testRun(id, id)))
		writers.Go(func() {
			for r := uint64(1); r <= rounds; r++ {
				if err := errors.Join(s.OpenRound(id, testOpen(r)), s.Commit(id, testCommit(r, 10)), s.Log(id, []run.LogEntry{{At: start, Kind: "x"}}, run.Ledger{})); err != nil {
					t.Error(err)
					return
				}
			}
		})
		readers.Go(func() {
			seen := 0
			for {
				saved, err := s.Load(id)
				n := len(saved.Rounds)
				if err != nil || n < seen || n > 0 && saved.Last.Round != uint64(n) || saved.Open != nil && saved.Open.Round != uint64(n+1) {
					t.Errorf("saw %d rounds after %d, last %+v, open %+v: %v", n, seen, saved.Last, saved.Open, err)
					return
				}
				seen = n
				if n > 0 {
					if _, _, err := s.Model(id, uint64(n)); err != nil && !errors.Is(err, ErrNotKept) {
						t.Error(err)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	for i := range runs {
		if saved, err := s.Load(fmt.Sprint("r", i)); err != nil || len(saved.Rounds) != rounds {
			t.Errorf("%d rounds, %v", len(saved.Rounds), err)
		}
	}
}

// A run of an earlier schema goes on with the sum of its rounds.
func TestLedgerOfEarlierSchema(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 3)
	_, err := s.write.Exec("UPDATE runs SET ledger = NULL")
	must(t, err)
	saved, err := s.Load("r")
	must(t, err)
	if want := (run.Ledger{Traffic: testLedger(3).Traffic}); saved.Ledger != want {
		t.Errorf("got %+v, want %+v", saved.Ledger, want)
	}
}

// A run that was begun anew, and has no version yet, hides no model of the runs before.
func TestLatestModel(t *testing.T) {
	s := open(t, t.TempDir())
	if _, ok, err := s.LatestModel("digits"); ok || err != nil {
		t.Errorf("a model of nothing: %v, %v", ok, err)
	}
	for _, id := range []string{"first", "second", "anew"} {
		must(t, s.CreateRun(testRun(id, "digits")))
	}
	must(t, s.CreateRun(testRun("other", "letters")))
	play(t, s, "first", 1, 2)
	play(t, s, "second", 1, 1)
	play(t, s, "other", 1, 1)
	if r, ok, err := s.LatestModel("digits"); r.ID != "second" || !ok || err != nil {
		t.Errorf("got %q, %v, %v, want the second run", r.ID, ok, err)
	}
}

// What a class is taken for is not computed from rows of which some are hidden.
func TestHiddenClasses(t *testing.T) {
	for name, c := range map[string]struct {
		examples int
		known    bool
	}{"all rows": {12, true}, "a hidden row": {20, false}} {
		e := &run.Evaluation{Participants: 3, Figures: learn.Figures{Examples: c.examples}, Confusion: []int64{8, 2, 0, 2}}
		e.Classes = learn.Metrics{Confusion: e.Confusion}.Figures().Classes
		hidePrecision(e)
		if f := e.Classes[0]; math.IsNaN(f.Precision) == c.known || math.IsNaN(f.F1) == c.known || math.IsNaN(f.Recall) {
			t.Errorf("%s: %+v, want precision and F1 known: %v", name, f, c.known)
		}
	}
}

// A run that begins with a model is written with it, or not at all.
func TestCreateRunFrom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	r := testRun("r", "digits")
	r.Origin = "version 12 of digits-0"
	first := testCommit(1, 10)
	first.Participants, first.Clients, first.Weight, first.TrainLoss, first.Traffic, first.Ledger = nil, nil, 0, math.NaN(), run.Traffic{}, run.Ledger{}
	first.Committed = r.Created
	constants := &data.Constants{Mean: []float64{1, 2}, Deviation: []float64{3, 4}}

	wrong := first
	wrong.Hash[0] ^= 1
	if err := s.CreateRunFrom(r, wrong, nil); err == nil {
		t.Error("a model with the hash of another is taken")
	}
	huge := first // does not fit on the disk
	huge.Params = make([]float32, 1<<18)
	huge.Hash = learn.Hash(huge.Params)
	must(t, s.Limit(512<<10))
	if err := s.CreateRunFrom(r, huge, constants); !errors.Is(err, ErrFull) {
		t.Errorf("on a full disk: %v, want ErrFull", err)
	}
	must(t, s.Limit(0))
	if _, ok, err := s.FindRun("r"); ok || err != nil {
		t.Fatalf("half of a run is left: %v, %v", ok, err)
	}

	must(t, s.CreateRunFrom(r, first, constants))
	if err := s.CreateRunFrom(r, first, nil); !errors.Is(err, ErrExists) {
		t.Errorf("a second run with its ID: %v, want ErrExists", err)
	}
	must(t, s.Close())
	s = open(t, dir)
	got, ok, err := s.FindRun("r")
	if !ok || err != nil || got.Origin != r.Origin {
		t.Errorf("found %v with origin %q, %v, want %q", ok, got.Origin, err, r.Origin)
	}
	saved, err := s.Load("r")
	must(t, err)
	last := saved.Last
	if last == nil || last.Round != 1 || last.Hash != first.Hash || !reflect.DeepEqual(last.State, first.State) || string(last.Snapshot) != string(first.Snapshot) || last.Participants != nil || !math.IsNaN(last.TrainLoss) {
		t.Errorf("version 1 is %+v", last)
	}
	if len(saved.Rounds) != 1 || saved.Rounds[0].Participants != 0 || saved.Elapsed != 0 || saved.Open != nil || !reflect.DeepEqual(saved.Constants, constants) {
		t.Errorf("rounds %+v, elapsed %v, open %+v, constants %v", saved.Rounds, saved.Elapsed, saved.Open, saved.Constants)
	}
	play(t, s, "r", 2, 3) // it goes on
}
