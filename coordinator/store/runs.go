package store

import (
	"database/sql"
	"errors"
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
	Rounds          int       // after which it ends, where it was extended; 0: as in its task
	Participants    int64     // that have taken part, or joined
	Up, Down        int64     // bytes of all messages
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
	query := `SELECT number, id, task, title, seed, note, origin, created_at, coalesce(finished_at, ''), coalesce(finish_reason, ''), coalesce(pause_reason, ''), coalesce(stop_rounds, 0), participants, bytes_up, bytes_down, version, evaluated, test_loss, test_accuracy FROM runs WHERE true`
	var args []any
	where := func(is bool, condition string, arg any) {
		if is {
			query, args = query+" AND "+condition, append(args, arg)
		}
	}
	where(f.ID != "", "id = ?", f.ID)
	where(f.Task != "", "task = ?", f.Task)
	where(f.Over != nil, "? = (finished_at IS NOT NULL)", f.Over)
	where(f.Paused != nil, "? = (pause_reason IS NOT NULL)", f.Paused)
	where(f.Before > 0, "number < ?", f.Before)
	query += " ORDER BY number DESC"
	if f.Limit > 0 {
		query, args = query+" LIMIT ?", append(args, f.Limit)
	}
	rows, err := s.read.Query(query, args...)
	if err != nil {
		return nil, wrap(err, "list of runs")
	}
	defer rows.Close()
	for rows.Next() {
		var r Summary
		var created, ended string
		var loss, accuracy sql.NullFloat64
		err := rows.Scan(&r.Number, &r.ID, &r.Task, &r.Title, &r.Seed, &r.Note, &r.Origin, &created, &ended, &r.Finished, &r.Paused, &r.Rounds, &r.Participants, &r.Up, &r.Down, &r.Version, &r.Evaluated, &loss, &accuracy)
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
	if s.via != nil {
		return s.via.Annotate(id, note)
	}
	r, err := s.write.Exec(`UPDATE runs SET note = ? WHERE id = ?`, note, id)
	return wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: annotate", id)
}

// deletedAtOnce bounds what a transaction of Delete removes: other runs are written to in
// between.
const deletedAtOnce = 20

// Delete removes a run that is over with all that is recorded of it, its models included, a
// part at a time: if it is interrupted, the rest is there, and can be deleted. Its account of
// privacy stays.
// The error wraps ErrNotFound, or ErrUnfinished for a run that goes on.
func (s *Store) Delete(id string) error {
	if s.via != nil {
		return s.via.Delete(id)
	}
	var over bool
	err := s.read.QueryRow(`SELECT finished_at IS NOT NULL FROM runs WHERE id = ?`, id).Scan(&over)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = fmt.Errorf("run %w", ErrNotFound)
	case err == nil && !over:
		err = ErrUnfinished
	}
	if err == nil {
		err = s.keepAccount(id)
	}
	for _, part := range []string{
		`DELETE FROM models WHERE run = ?1 AND version IN (SELECT version FROM models WHERE run = ?1 LIMIT ?2)`,
		`DELETE FROM rounds WHERE run = ?1 AND round IN (SELECT round FROM rounds WHERE run = ?1 LIMIT ?2)`,
		`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE run = ?1 LIMIT 100 * ?2)`,
	} {
		for n := int64(1); n > 0 && err == nil; {
			var r sql.Result
			if r, err = s.write.Exec(part, id, deletedAtOnce); err == nil {
				n, err = r.RowsAffected()
			}
		}
	}
	if err == nil {
		_, err = s.write.Exec(`DELETE FROM runs WHERE id = ? AND finished_at IS NOT NULL`, id)
	}
	return wrap(err, "run %s: delete", id)
}
