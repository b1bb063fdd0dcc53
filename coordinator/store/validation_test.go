package store

import (
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"fedtab/learn"
	"fedtab/run"
)

// evaluation returns an evaluation of a version with some right of 100 in each set.
func evaluation(version uint64, test, validation int64) run.Evaluation {
	metrics := func(right int64) learn.Metrics {
		return learn.Metrics{Sums: learn.Sums{Examples: 100, Loss: 50, Correct: int(right)}, Confusion: []int64{right - 1, 99 - right, 1, 1}}
	}
	v := metrics(validation).Figures()
	return run.Evaluation{Version: version, Figures: metrics(test).Figures(), Confusion: metrics(test).Confusion, Validation: &v, ValidationConfusion: metrics(validation).Confusion}
}

// What a version does on the validation set is there after a restart, with the classes'
// figures, and in every list of rounds.
func TestValidation(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 3)
	want := evaluation(2, 80, 70)
	must(t, s.Evaluate("r", evaluation(1, 60, 65)))
	must(t, s.Evaluate("r", want))
	saved, err := s.Load("r")
	must(t, err)
	if e := saved.Evaluated; e == nil || e.Version != 2 || !sameFigures(e.Validation, want.Validation) || !reflect.DeepEqual(e.ValidationConfusion, want.ValidationConfusion) || !sameFigures(&e.Figures, &want.Figures) {
		t.Errorf("newest evaluation %+v\nwant %+v", e, want)
	}
	classless := *want.Validation
	classless.Classes = nil
	if r := saved.Rounds; r[0].Validation == nil || !sameFigures(r[1].Validation, &classless) || r[2].Validation != nil {
		t.Errorf("rounds %+v", r)
	}
	n := 0
	must(t, s.EachRound("r", func(r *run.RoundRecord) {
		if n++; (r.Validation != nil) != (n < 3) || n == 2 && (r.Validation.Accuracy != want.Validation.Accuracy || r.Validation.Loss != want.Validation.Loss) {
			t.Errorf("round %d: %+v", n, r.Validation)
		}
	}))
	if n != 3 {
		t.Errorf("%d rounds, want 3", n)
	}
}

// sameFigures compares figures, NaN with NaN.
func sameFigures(a, b *learn.Figures) bool {
	if a == nil || b == nil {
		return a == b
	}
	bits := func(f *learn.Figures) (all []uint64) {
		for _, x := range []float64{f.Loss, f.Accuracy, f.BalancedAccuracy, f.F1, f.RMSE, f.MAE, f.R2} {
			all = append(all, math.Float64bits(x))
		}
		return append(all, uint64(f.Examples))
	}
	return reflect.DeepEqual(bits(a), bits(b)) && reflect.DeepEqual(a.Classes, b.Classes)
}

// The best version is the one with the best figures on the validation set, and without one
// that with the best on the test set; of equals, the earliest. Its parameters are kept.
func TestBestByValidation(t *testing.T) {
	loss := func(version uint64, test, validation float64) run.Evaluation {
		nan := math.NaN()
		v := learn.Figures{Examples: 10, Loss: validation, Accuracy: nan, RMSE: math.Sqrt(validation)}
		return run.Evaluation{Version: version, Figures: learn.Figures{Examples: 10, Loss: test, Accuracy: nan}, Validation: &v}
	}
	without := func(e run.Evaluation) run.Evaluation {
		e.Validation, e.ValidationConfusion = nil, nil
		return e
	}
	for _, c := range []struct {
		name string
		of   []run.Evaluation
		best uint64
	}{
		{"validation", []run.Evaluation{evaluation(1, 99, 60), evaluation(2, 50, 80), evaluation(3, 70, 80), evaluation(4, 90, 70)}, 2},
		{"test", []run.Evaluation{without(evaluation(1, 60, 99)), without(evaluation(2, 90, 50)), without(evaluation(3, 80, 60))}, 2},
		{"loss", []run.Evaluation{loss(1, 1, 9), loss(2, 5, 3), loss(3, 4, 3), loss(4, 2, 4)}, 2},
		{"loss on the test set", []run.Evaluation{without(loss(1, 5, 1)), without(loss(2, 1, 9)), without(loss(3, 4, 3))}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			must(t, s.CreateRun(testRun("r", "digits")))
			for _, e := range c.of {
				play(t, s, "r", e.Version, e.Version)
				must(t, s.Evaluate("r", e))
			}
			play(t, s, "r", uint64(len(c.of)+1), 12)
			kept, err := s.Kept("r")
			must(t, err)
			if want := []uint64{c.best, 8, 9, 10, 11, 12}; !reflect.DeepEqual(kept, want) {
				t.Errorf("kept %v, want %v", kept, want)
			}
			var gone int
			must(t, s.read.QueryRow(`SELECT count(*) FROM rounds r JOIN models m ON m.run = r.run AND m.version = r.round
				WHERE m.parameters IS NULL AND (r.test_confusion IS NOT NULL OR r.validation_confusion IS NOT NULL)`).Scan(&gone))
			if gone != 0 {
				t.Errorf("%d confusions of versions that are not kept", gone)
			}
		})
	}
}

// The figures of a database of schema 13 stay, without a validation set.
func TestSchema14(t *testing.T) {
	db, err := connect(filepath.Join(t.TempDir(), File), "")
	must(t, err)
	defer db.Close()
	must(t, migrate(db, migrations[:13], 0))
	for _, insert := range []string{
		`INSERT INTO runs (id, task, title, seed, created_at, spec_hash, spec) VALUES ('r', 't', '', '1', '', '', '')`,
		`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, participants, cohort, bytes_up, bytes_down, test_loss, test_accuracy, test_examples)
			VALUES ('r', 1, 1, 0, '2026-03-01T12:00:00.000Z', '', '2026-03-01T12:00:01.000Z', 2, '[]', 1, 2, .5, .75, 100)`,
	} {
		_, err := db.Exec(insert)
		must(t, err)
	}
	must(t, migrate(db, migrations, 13))
	rounds := 0
	must(t, (&Store{database: &database{read: db}}).EachRound("r", func(r *run.RoundRecord) {
		if rounds++; r.Test == nil || r.Test.Loss != .5 || r.Test.Accuracy != .75 || r.Test.Examples != 100 || r.Validation != nil || r.Selected() != r.Test {
			t.Errorf("round %+v", r)
		}
	}))
	if rounds != 1 {
		t.Errorf("%d rounds, want 1", rounds)
	}
}
