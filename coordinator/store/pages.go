package store

import (
	"database/sql"
	"errors"
	"fmt"

	"fedtab/coordinator/account"
	"fedtab/run"
)

// Rounds returns the newest limit committed rounds of a run below before (0: no bound), in
// order.
func (s *Store) Rounds(id string, before uint64, limit int) ([]run.RoundRecord, error) {
	all, err := newestRecords(s.read, id, before, limit)
	return all, wrap(err, "run %s: rounds", id)
}

// EachRound calls f with the committed rounds of a run, in order, each valid until f returns.
// They lack their hashes, the bytes by kind of message, and figures beside loss,
// accuracy and RMSE: of a long run the rest takes most of the time.
func (s *Store) EachRound(id string, f func(*run.RoundRecord)) error {
	rows, err := s.read.Query(`SELECT round, participants, weight, train_loss, test_examples, test_loss, test_accuracy, test_rmse,
		validation_examples, validation_loss, validation_accuracy, validation_rmse, bytes_up, bytes_down,
		coalesce(models_up, 0), coalesce(models_down, 0), rate, opened_at, committed_at, download, training, upload, committing, norm_min, norm_median, norm_max,
		releases, epsilon, delta
		FROM rounds WHERE run = ? AND committed_at IS NOT NULL ORDER BY round`, id)
	if err != nil {
		return wrap(err, "run %s: rounds", id)
	}
	defer rows.Close()
	for rows.Next() {
		var r run.RoundRecord
		var weight, trainLoss, rate sql.NullFloat64
		var test, validation setFigures
		var times [4]sql.NullFloat64
		var norms [3]sql.NullFloat64
		var releases sql.NullInt64
		var spent [2]sql.NullFloat64
		var opened, committed string
		err := rows.Scan(&r.Round, &r.Participants, &weight, &trainLoss, &test.examples, &test.loss, &test.accuracy, &test.rmse,
			&validation.examples, &validation.loss, &validation.accuracy, &validation.rmse, &r.Traffic.Up, &r.Traffic.Down,
			&r.Traffic.ModelsUp, &r.Traffic.ModelsDown, &rate, &opened, &committed, &times[0], &times[1], &times[2], &times[3], &norms[0], &norms[1], &norms[2],
			&releases, &spent[0], &spent[1])
		if err == nil {
			r.Opened, err = parseTime(opened)
		}
		if err == nil {
			r.Committed, err = parseTime(committed)
		}
		if err != nil {
			return wrap(err, "run %s: rounds", id)
		}
		r.Weight, r.TrainLoss, r.Rate, r.Times, r.Norms = orNaN(weight), orNaN(trainLoss), orNaN(rate), parseTimes(times), parseNorms(norms)
		r.Spent = parseSpent(releases, spent)
		r.Test, r.Validation = test.figures(), validation.figures()
		f(&r)
	}
	return wrap(rows.Err(), "run %s: rounds", id)
}

// Participant is a participant of a run, as far as versions and the event log have something
// of it.
type Participant struct {
	Number        uint32
	Client        string // as it named itself last; empty: not recorded
	Contributions int64  // in versions
	Examples      int64  // behind them, each round's counted
	First, Last   uint64 // rounds with a contribution of it; 0: none
	Up, Down      int64  // bytes, in rounds that were committed
	Rejected      int64  // contributions, as far as the event log has them
	Left          bool   // for good
}

// Participants returns at most limit participants of a run (-1: all) with numbers above
// after, ascending.
func (s *Store) Participants(id string, after uint32, limit int) (all []Participant, err error) {
	rows, err := s.read.Query(`
		SELECT participant, client, contributions, examples, first_round, last_round, bytes_up, bytes_down, rejected,
			EXISTS (SELECT 1 FROM departures d WHERE d.run = p.run AND d.participant = p.participant)
		FROM participants p WHERE run = ? AND participant > ? ORDER BY participant LIMIT ?`, id, after, limit)
	if err != nil {
		return nil, wrap(err, "run %s: participants", id)
	}
	defer rows.Close()
	for rows.Next() {
		var m Participant
		if err := rows.Scan(&m.Number, &m.Client, &m.Contributions, &m.Examples, &m.First, &m.Last, &m.Up, &m.Down, &m.Rejected, &m.Left); err != nil {
			return nil, wrap(err, "run %s: participants", id)
		}
		all = append(all, m)
	}
	return all, wrap(rows.Err(), "run %s: participants", id)
}

// LogLine is a line of a run's event log.
type LogLine struct {
	ID int64
	run.LogEntry
}

// A LogFilter chooses lines of a run's event log. Its zero value chooses all.
type LogFilter struct {
	Kind        string  // only lines of this kind
	Participant *uint32 // only lines of this participant; 0: of the coordinator itself
	Round       *uint64 // only lines of this round
	Before      int64   // only lines with a lower ID
	Limit       int     // at most that many; 0: all
}

// LogLines returns the lines of a run's event log that a filter chooses, the newest first.
func (s *Store) LogLines(id string, f LogFilter) (all []LogLine, err error) {
	query, args := `SELECT id, at, round, participant, kind, detail FROM events WHERE run = ?`, []any{id}
	where := func(is bool, condition string, arg any) {
		if is {
			query, args = query+" AND "+condition, append(args, arg)
		}
	}
	where(f.Kind != "", "kind = ?", f.Kind)
	where(f.Participant != nil, "participant = ?", f.Participant)
	where(f.Round != nil, "round = ?", f.Round)
	where(f.Before > 0, "id < ?", f.Before)
	query += " ORDER BY id DESC"
	if f.Limit > 0 {
		query, args = query+" LIMIT ?", append(args, f.Limit)
	}
	rows, err := s.read.Query(query, args...)
	if err != nil {
		return nil, wrap(err, "run %s: event log", id)
	}
	defer rows.Close()
	for rows.Next() {
		var l LogLine
		var at string
		err := rows.Scan(&l.ID, &at, &l.Round, &l.Participant, &l.Kind, &l.Detail)
		if err == nil {
			l.At, err = parseTime(at)
		}
		if err != nil {
			return nil, wrap(err, "run %s: event log", id)
		}
		all = append(all, l)
	}
	return all, wrap(rows.Err(), "run %s: event log", id)
}

// KeptVersion is a version whose parameters are kept, with the figures of its round.
type KeptVersion struct {
	Version      uint64
	Participants int
	Bytes        int64 // of its parameters
	Pinned       bool
	TestLoss     *float64
	TestAccuracy *float64

	ValidationLoss     *float64
	ValidationAccuracy *float64
}

// KeptVersions returns the versions whose parameters are kept, ascending.
func (s *Store) KeptVersions(id string) (all []KeptVersion, err error) {
	rows, err := s.read.Query(`SELECT m.version, coalesce(r.participants, 0), length(m.parameters), m.pinned, r.test_loss, r.test_accuracy, r.validation_loss, r.validation_accuracy
		FROM models m JOIN rounds r ON r.run = m.run AND r.round = m.version WHERE m.run = ? AND m.parameters IS NOT NULL ORDER BY m.version`, id)
	if err != nil {
		return nil, wrap(err, "run %s: versions that are kept", id)
	}
	defer rows.Close()
	for rows.Next() {
		var v KeptVersion
		if err := rows.Scan(&v.Version, &v.Participants, &v.Bytes, &v.Pinned, &v.TestLoss, &v.TestAccuracy, &v.ValidationLoss, &v.ValidationAccuracy); err != nil {
			return nil, wrap(err, "run %s: versions that are kept", id)
		}
		v.TestLoss, v.TestAccuracy = run.Finite(v.TestLoss), run.Finite(v.TestAccuracy)
		v.ValidationLoss, v.ValidationAccuracy = run.Finite(v.ValidationLoss), run.Finite(v.ValidationAccuracy)
		all = append(all, v)
	}
	return all, wrap(rows.Err(), "run %s: versions that are kept", id)
}

// Ledger returns a run's ledger as it was written last.
func (s *Store) Ledger(id string) (l run.Ledger, err error) {
	var text sql.NullString
	err = s.read.QueryRow(`SELECT ledger FROM runs WHERE id = ?`, id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("run %w", ErrNotFound)
	}
	if err == nil && text.Valid {
		err = account.ParseLedger(&l, text.String)
	}
	return l, wrap(err, "run %s: its ledger", id)
}

// Size returns how many versions of a run have parameters that are kept, and their bytes.
func (s *Store) Size(id string) (versions int, bytes int64, err error) {
	var size sql.NullInt64
	err = s.read.QueryRow(`SELECT count(*), sum(length(parameters)) FROM models WHERE run = ? AND parameters IS NOT NULL`, id).Scan(&versions, &size)
	return versions, size.Int64, wrap(err, "run %s: its models", id)
}

// Parameters returns the length of a run's parameter vector, 0 before its first version.
func (s *Store) Parameters(id string) (n int, err error) {
	err = s.read.QueryRow(`SELECT coalesce(max(length), 0) FROM (SELECT length FROM models WHERE run = ? LIMIT 1)`, id).Scan(&n)
	return n, wrap(err, "run %s: its parameters", id)
}
