package store

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"

	"fedtab/run"
)

// collect reads a sequence to its end.
func collect[T any](rows iter.Seq2[*T, error]) (all []T, err error) {
	for row, err := range rows {
		if err != nil {
			return all, err
		}
		all = append(all, *row)
	}
	return all, nil
}

// fill gives a run rounds with contributions and traffic of two participants, quickly.
func fill(t testing.TB, s *Store, id string, rounds int) {
	t.Helper()
	tx, err := s.write.Begin()
	must(t, err)
	defer tx.Rollback()
	for _, insert := range []string{
		`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, participants, cohort, weight, bytes_up, bytes_down, test_loss, test_examples)
			SELECT ?1, n, n, n - 1, ?3, ?3, ?3, 2, '[]', 1200, 10 * n, 20 * n, 1.0 / n, 100 FROM counted`,
		`INSERT INTO models (run, version, hash, length) SELECT ?1, n, printf('%064x', n), 10 FROM counted WHERE ?3 <> ''`,
		`INSERT INTO contributions (run, round, participant, order_number, weight, fingerprint, scale) SELECT ?1, n, p.value, n, 600, '00000000000000ff', .5 FROM counted, json_each('[2, 5]') p WHERE ?3 <> ''`,
		`INSERT INTO traffic (run, round, participant, bytes_up, bytes_down, models_up, models_down) SELECT ?1, n, p.value, 5 * n, 10 * n, 1, 1 FROM counted, json_each('[2, 5]') p WHERE ?3 <> ''`,
	} {
		_, err := tx.Exec(`WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?2) `+insert, id, rounds, timeText(start))
		must(t, err)
	}
	must(t, tx.Commit())
}

// A Reader has every row of a run once, in order, over several pages, and no other run's.
func TestReader(t *testing.T) {
	const rounds = 2*pageRows + 7
	s := open(t, t.TempDir())
	for _, id := range []string{"r1", "other"} {
		must(t, s.CreateRun(testRun(id, id)))
		fill(t, s, id, rounds)
	}
	r, err := s.Reader("r1")
	must(t, err)
	play(t, s, "r1", rounds+1, rounds+2) // later than the Reader
	must(t, s.OpenRound("r1", testOpen(rounds+3)))

	all, err := collect(r.Rounds())
	must(t, err)
	contributions, err := collect(r.Contributions())
	must(t, err)
	traffic, err := collect(r.Traffic())
	must(t, err)
	if len(all) != rounds || len(contributions) != 2*rounds || len(traffic) != 2*rounds {
		t.Fatalf("%d rounds, %d contributions, %d rows of traffic; want %d, and twice that of the others", len(all), len(contributions), len(traffic), rounds)
	}
	for i := range all {
		n := uint64(i + 1)
		if all[i].Round != n || all[i].Traffic.Up != 10*int64(n) || all[i].Test.Loss != 1/float64(n) {
			t.Fatalf("round %d: %+v", n, all[i])
		}
		for j, participant := range []uint32{2, 5} {
			c, want := contributions[2*i+j], Contribution{n, participant, n, 600, .5, 0, "00000000000000ff"}
			if !math.IsNaN(c.Counted) {
				t.Fatalf("counted is %v where it was not recorded", c.Counted)
			}
			if c.Counted = 0; c != want {
				t.Fatalf("contribution %+v, want %+v", c, want)
			}
			if got, want := traffic[2*i+j], (ClientTraffic{n, participant, 5 * int64(n), 10 * int64(n), 1, 1}); got != want {
				t.Fatalf("traffic %+v, want %+v", got, want)
			}
		}
	}

	empty := testRun("empty", "empty")
	must(t, s.CreateRun(empty))
	r, err = s.Reader("empty")
	must(t, err)
	if all, err := collect(r.Rounds()); len(all) != 0 || err != nil {
		t.Errorf("a run without rounds: %d, %v", len(all), err)
	}
	if _, err := s.Reader("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no run: %v, want ErrNotFound", err)
	}
}

// What is read of a run that is deleted meanwhile does not pass for all of it.
func TestReaderOfDeletedRun(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r1", "digits")))
	fill(t, s, "r1", pageRows+1)
	must(t, s.Finish("r1", "done", start))
	for name, read := range map[string]func(*Reader) error{
		"rounds":        func(r *Reader) error { return drain(s, r.Rounds()) },
		"contributions": func(r *Reader) error { return drain(s, r.Contributions()) },
	} {
		r, err := s.Reader("r1")
		must(t, err)
		if err := read(r); !errors.Is(err, ErrNotFound) || err.Error() != fmt.Sprintf("run r1: %s: not found: the run was deleted meanwhile", name) {
			t.Errorf("%s of a run that was deleted meanwhile: %v, want ErrNotFound", name, err)
		}
		must(t, s.CreateRun(testRun("r1", "digits")))
		fill(t, s, "r1", pageRows+1)
		must(t, s.Finish("r1", "done", start))
	}
}

// drain deletes the run once the first row was read.
func drain[T run.RoundRecord | Contribution](s *Store, rows iter.Seq2[*T, error]) error {
	deleted := false
	for _, err := range rows {
		if err != nil {
			return err
		}
		if !deleted {
			deleted = true
			if err := s.Delete("r1"); err != nil {
				return err
			}
		}
	}
	return nil
}
