package store

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"

	"fedtab/run"
)

// Account is what a run with noise has told of each of its participants. It stays when the run
// is deleted: what was told is not taken back.
type Account struct {
	Run    string
	Number int64  // as of Summary
	Spec   []byte // the run's task, YAML
	run.Spent
}

// newestAccount chooses the newest row of rounds that has an account, committed or not: every
// attempt is charged when it is written down.
const newestAccount = `SELECT max(round) FROM rounds WHERE run = r.id AND releases IS NOT NULL`

// Spent returns what a run has told of each participant, by all attempts that were written down;
// nil if the run makes no claim, or there was none.
func (s *Store) Spent(id string) (*run.Spent, error) {
	var releases sql.NullInt64
	var columns [2]sql.NullFloat64
	err := s.read.QueryRow(`SELECT releases, epsilon, delta FROM rounds WHERE run = ? AND releases IS NOT NULL ORDER BY round DESC LIMIT 1`, id).
		Scan(&releases, &columns[0], &columns[1])
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return parseSpent(releases, columns), wrap(err, "run %s: its account of privacy", id)
}

// Accounts returns the accounts of a task's runs, in the order of the runs, those of deleted runs
// included.
func (s *Store) Accounts(task string) (all []Account, err error) {
	rows, err := s.read.Query(`SELECT number, run, spec, releases, epsilon, delta FROM accounts WHERE task = ?1
		UNION ALL SELECT r.number, r.id, r.spec, o.releases, o.epsilon, o.delta FROM runs r JOIN rounds o ON o.run = r.id AND o.round = (`+newestAccount+`) WHERE r.task = ?1`, task)
	if err != nil {
		return nil, wrap(err, "task %s: accounts of privacy", task)
	}
	defer rows.Close()
	for rows.Next() {
		var a Account
		var spec string
		if err := rows.Scan(&a.Number, &a.Run, &spec, &a.Releases, &a.Epsilon, &a.Delta); err != nil {
			return nil, wrap(err, "task %s: accounts of privacy", task)
		}
		a.Spec = []byte(spec)
		all = append(all, a)
	}
	// A run whose deletion was interrupted has two accounts, and may have gone on: the larger counts.
	slices.SortFunc(all, func(a, b Account) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(b.Releases, a.Releases))
	})
	all = slices.CompactFunc(all, func(a, b Account) bool { return a.Number == b.Number })
	return all, wrap(rows.Err(), "task %s: accounts of privacy", task)
}

// keepAccount keeps the account of a run that is to be deleted.
func (s *Store) keepAccount(id string) error {
	_, err := s.write.Exec(`INSERT INTO accounts (run, number, task, spec, releases, epsilon, delta)
		SELECT r.id, r.number, r.task, r.spec, o.releases, o.epsilon, o.delta FROM runs r JOIN rounds o ON o.run = r.id AND o.round = (`+newestAccount+`) WHERE r.id = ?
		ON CONFLICT (number) DO UPDATE SET releases = excluded.releases, epsilon = excluded.epsilon, delta = excluded.delta WHERE excluded.releases > releases`, id)
	return err
}
