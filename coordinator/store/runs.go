package store

import (
	"database/sql"
	"fmt"
	"time"

	"fedtab/run"
)

// Summary is a run in a list of runs.
type Summary struct {
	Number          int64 // by which runs are ordered: later runs have larger ones
	ID, Task, Title string
	Seed            string // decimal
	Note, Origin    string // as in Run
	Created         time.Time
	Ended           time.Time // zero while the run goes on
	Finished        string    // why it ended
	Paused          string    // why it is paused, empty while it is not
	Version         uint64    // newest; 0: none is committed
	Evaluated       uint64    // newest version with figures; 0: none
	TestLoss        *float64
	TestAccuracy    *float64
}

// A Filter chooses runs. Its zero value chooses all.
type Filter struct {
	ID     string // this run only
	Task   string // runs of this task only
	Over   *bool  // only those that are over, or that are not
	Paused *bool  // only those that are paused, or that are not
	Before int64  // only runs with a lower number
	Limit  int    // at most that many; 0: all
}

// Runs returns the runs that a filter chooses, the newest first.
func (s *Store) Runs(f Filter) (all []Summary, err error) {
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	rows, err := s.read.Query(`SELECT number, id, task, title, seed, note, origin, created_at, coalesce(finished_at, ''), coalesce(finish_reason, ''), coalesce(pause_reason, ''), version, evaluated, test_loss, test_accuracy FROM runs
		WHERE ?1 IN ('', id) AND ?2 IN ('', task) AND (?3 IS NULL OR ?3 = (finished_at IS NOT NULL)) AND (?4 IS NULL OR ?4 = (pause_reason IS NOT NULL)) AND (?5 = 0 OR number < ?5)
		ORDER BY number DESC LIMIT ?6`, f.ID, f.Task, f.Over, f.Paused, f.Before, limit)
	if err != nil {
		return nil, wrap(err, "list of runs")
	}
	defer rows.Close()
	for rows.Next() {
		var r Summary
		var created, ended string
		var loss, accuracy sql.NullFloat64
		err := rows.Scan(&r.Number, &r.ID, &r.Task, &r.Title, &r.Seed, &r.Note, &r.Origin, &created, &ended, &r.Finished, &r.Paused, &r.Version, &r.Evaluated, &loss, &accuracy)
		if err == nil {
			r.Created, err = parseTime(created)
		}
		if err == nil && ended != "" {
			r.Ended, err = parseTime(ended)
		}
		if err != nil {
			return nil, wrap(err, "list of runs")
		}
		if loss.Valid {
			r.TestLoss = run.Finite(&loss.Float64)
		}
		if accuracy.Valid {
			r.TestAccuracy = run.Finite(&accuracy.Float64)
		}
		all = append(all, r)
	}
	return all, wrap(rows.Err(), "list of runs")
}

// Annotate sets the organiser's note on a run.
func (s *Store) Annotate(id, note string) error {
	r, err := s.write.Exec(`UPDATE runs SET note = ? WHERE id = ?`, note, id)
	return wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: annotate", id)
}

// Delete removes a run that is over with all that is recorded of it, its models included.
// The error wraps ErrNotFound, or ErrUnfinished for a run that goes on.
func (s *Store) Delete(id string) error {
	return wrap(transact(s.write, func(tx *sql.Tx) error {
		var over bool
		err := tx.QueryRow(`SELECT finished_at IS NOT NULL FROM runs WHERE id = ?`, id).Scan(&over)
		switch {
		case err == sql.ErrNoRows:
			return fmt.Errorf("run %w", ErrNotFound)
		case err != nil:
			return err
		case !over:
			return ErrUnfinished
		}
		_, err = tx.Exec(`DELETE FROM runs WHERE id = ?`, id)
		return err
	}), "run %s: delete", id)
}

// Pause implements run.Journal.
func (s *Store) Pause(id, reason string, at time.Time) error {
	r, err := s.write.Exec(`UPDATE runs SET paused_at = ?, pause_reason = ? WHERE id = ?`, timeText(at), reason, id)
	return s.journal(wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: pause", id))
}

// Resume implements run.Journal.
func (s *Store) Resume(id string) error {
	r, err := s.write.Exec(`UPDATE runs SET paused_at = NULL, pause_reason = NULL WHERE id = ?`, id)
	return s.journal(wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: resume", id))
}
