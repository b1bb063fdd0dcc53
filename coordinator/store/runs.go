package store

import (
	"database/sql"
	"time"

	"fedtab/run"
)

// Summary is a run in a list of runs.
type Summary struct {
	ID, Task, Title string
	Seed            string // decimal
	Created         time.Time
	Ended           time.Time // zero while the run goes on
	Finished        string    // why it ended
	Version         uint64    // newest; 0: none is committed
	Evaluated       uint64    // newest version with figures; 0: none
	TestLoss        *float64
	TestAccuracy    *float64
}

// Runs returns the runs of a task, or of all tasks where it is empty, the newest first.
func (s *Store) Runs(task string) (all []Summary, err error) {
	rows, err := s.read.Query(`SELECT r.id, r.task, r.title, r.seed, r.created_at, coalesce(r.finished_at, ''), coalesce(r.finish_reason, ''),
			coalesce((SELECT round FROM rounds WHERE run = r.id AND committed_at IS NOT NULL ORDER BY round DESC LIMIT 1), 0),
			coalesce(e.round, 0), e.test_loss, e.test_accuracy
		FROM runs r LEFT JOIN rounds e ON e.run = r.id AND e.round =
			(SELECT round FROM rounds WHERE run = r.id AND test_examples IS NOT NULL ORDER BY round DESC LIMIT 1)
		WHERE ? IN ('', r.task) ORDER BY r.number DESC`, task)
	if err != nil {
		return nil, wrap(err, "list of runs")
	}
	defer rows.Close()
	for rows.Next() {
		var r Summary
		var created, ended string
		var loss, accuracy sql.NullFloat64
		err := rows.Scan(&r.ID, &r.Task, &r.Title, &r.Seed, &created, &ended, &r.Finished, &r.Version, &r.Evaluated, &loss, &accuracy)
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
