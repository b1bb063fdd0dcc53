package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"fedtab/coordinator/account"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/run"
)

// A Run is a task's run as the database records it.
type Run struct {
	ID       string
	Task     string // its name
	Title    string
	Spec     []byte // the task, canonical YAML
	SpecHash [32]byte
	DataHash [32]byte // of the examples; zero: not recorded
	Seed     uint64
	Created  time.Time
	Finished string // why it ended, empty while it goes on; CreateRun ignores it
	Extended Extension
	Paused   string // why it is paused, empty while it is not; CreateRun ignores it
	Note     string // the organiser's; CreateRun ignores it
	Origin   string // what its version 1 was taken from; empty: it began with the seed
	Copied   bool   // the database is a copy, and nobody has vouched for the run; CreateRun ignores it
}

// Extension has stop conditions in place of a task's.
type Extension struct {
	Rounds   int      // 0: the task's
	Accuracy *float64 // nil: the task's; 0: no such condition
}

// CreateRun records a new run. Its error wraps ErrExists when the ID is taken.
func (s *Store) CreateRun(r Run) error {
	if s.via != nil {
		return s.via.CreateRun(r)
	}
	return wrap(transact(s.write, func(tx *sql.Tx) error { return insertRun(tx, r) }), "run %s: create", r.ID)
}

// CreateRunFrom records a new run with its version 1, which it begins with, and what
// standardises its own data, nil if that is not known: all of it or nothing. Its error wraps
// ErrExists when the ID is taken.
func (s *Store) CreateRunFrom(r Run, first run.Commit, c *data.Constants) error {
	if s.via != nil {
		return s.via.CreateRunFrom(r, first, c)
	}
	blob, err := modelBytes(&first)
	if err == nil {
		err = transact(s.write, func(tx *sql.Tx) error {
			if err := insertRun(tx, r); err != nil {
				return err
			}
			if c != nil {
				if err := setConstants(tx, r.ID, *c); err != nil {
					return err
				}
			}
			at := timeText(first.Committed)
			if _, err := tx.Stmt(s.openRound).Exec(r.ID, first.Round, 0, first.Base, at, at, list[uint32](nil), list[uint64](nil), nil, nil, nil, nil); err != nil {
				return wrap(err, "open round %d", first.Round)
			}
			return s.commit(tx, r.ID, first, blob)
		})
	}
	return wrap(err, "run %s: create from a model", r.ID)
}

func insertRun(tx *sql.Tx, r Run) error {
	res, err := tx.Exec(`INSERT INTO runs (id, task, title, spec, spec_hash, data_hash, seed, created_at, origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		r.ID, r.Task, r.Title, string(r.Spec), hex.EncodeToString(r.SpecHash[:]), hex.EncodeToString(r.DataHash[:]), strconv.FormatUint(r.Seed, 10), timeText(r.Created), r.Origin)
	return one(res, err, fmt.Errorf("run %w", ErrExists))
}

// SetTask records the task that a run goes on with, which may differ in settings that
// training does not depend on. Of r it reads ID, Title, Spec and SpecHash.
func (s *Store) SetTask(r Run) error {
	if s.via != nil {
		return s.via.SetTask(r)
	}
	res, err := s.write.Exec(`UPDATE runs SET title = ?, spec = ?, spec_hash = ? WHERE id = ?`, r.Title, string(r.Spec), hex.EncodeToString(r.SpecHash[:]), r.ID)
	return wrap(one(res, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: record its task", r.ID)
}

// Extend records stop conditions in place of the task's. A run that is over goes on: the
// round that was given up with its end is not gone back to, as its participants are others. One
// that is charged to an account of privacy is, as after a restart: it has what the attempts at it
// have cost.
func (s *Store) Extend(id string, e Extension) error {
	if s.via != nil {
		return s.via.Extend(id, e)
	}
	return wrap(transact(s.write, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM rounds WHERE run = ? AND committed_at IS NULL AND releases IS NULL AND EXISTS (SELECT 1 FROM runs WHERE id = run AND finished_at IS NOT NULL)`, id); err != nil {
			return err
		}
		r, err := tx.Exec(`UPDATE runs SET stop_rounds = ?, stop_accuracy = ?, finished_at = NULL, finish_reason = NULL WHERE id = ?`,
			sql.NullInt64{Int64: int64(e.Rounds), Valid: e.Rounds > 0}, e.Accuracy, id)
		return one(r, err, fmt.Errorf("run %w", ErrNotFound))
	}), "run %s: extend", id)
}

// SetDataHash records the hash of a run's examples.
func (s *Store) SetDataHash(id string, hash [32]byte) error {
	if s.via != nil {
		return s.via.SetDataHash(id, hash)
	}
	r, err := s.write.Exec(`UPDATE runs SET data_hash = ? WHERE id = ?`, hex.EncodeToString(hash[:]), id)
	return wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: record the hash of its data", id)
}

// LatestRun returns the newest run of a task, and false when there is none.
func (s *Store) LatestRun(task string) (Run, bool, error) {
	r, ok, err := s.findRun(`task = ?`, task)
	return r, ok, wrap(err, "newest run of task %s", task)
}

// LatestModel returns the newest run of a task that has committed a version, and false
// when there is none.
func (s *Store) LatestModel(task string) (Run, bool, error) {
	r, ok, err := s.findRun(`task = ? AND EXISTS (SELECT 1 FROM models WHERE models.run = runs.id)`, task)
	return r, ok, wrap(err, "newest run of task %s with a version", task)
}

// FindRun returns the run with an ID, and false when there is none.
func (s *Store) FindRun(id string) (Run, bool, error) {
	r, ok, err := s.findRun(`id = ?`, id)
	return r, ok, wrap(err, "run %s", id)
}

// FindNumber returns the run with a number (Summary.Number), and false when there is none.
func (s *Store) FindNumber(number int64) (Run, bool, error) {
	r, ok, err := s.findRun(`number = ?`, number)
	return r, ok, wrap(err, "run number %d", number)
}

func (s *Store) findRun(where string, value any) (r Run, ok bool, err error) {
	var spec, hash, seed, created string
	var dataHash sql.NullString
	var accuracy sql.NullFloat64
	err = s.read.QueryRow(`SELECT id, task, title, spec, spec_hash, data_hash, seed, created_at, coalesce(finish_reason, ''), coalesce(stop_rounds, 0), stop_accuracy, coalesce(pause_reason, ''), note, origin, copied_at IS NOT NULL FROM runs WHERE `+where+` ORDER BY number DESC LIMIT 1`, value).
		Scan(&r.ID, &r.Task, &r.Title, &spec, &hash, &dataHash, &seed, &created, &r.Finished, &r.Extended.Rounds, &accuracy, &r.Paused, &r.Note, &r.Origin, &r.Copied)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	if accuracy.Valid {
		r.Extended.Accuracy = &accuracy.Float64
	}
	if err == nil {
		r.Spec = []byte(spec)
		r.SpecHash, err = parseHash(hash)
	}
	if err == nil && dataHash.Valid {
		r.DataHash, err = parseHash(dataHash.String)
	}
	if err == nil {
		r.Created, err = parseTime(created)
	}
	if err == nil {
		r.Seed, err = strconv.ParseUint(seed, 10, 64)
	}
	if err != nil {
		return Run{}, false, err
	}
	return r, true, nil
}

// Load returns what a run goes on from. Its error wraps ErrNotFound, or
// ErrCorrupt when the newest model is not what was committed.
func (s *Store) Load(id string) (run.Saved, error) {
	// One transaction sees one moment, whatever is written meanwhile.
	tx, err := s.read.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return run.Saved{}, wrap(err, "run %s: load", id)
	}
	defer tx.Rollback()
	saved, err := load(tx, id)
	if err != nil {
		return run.Saved{}, wrap(err, "run %s: load", id)
	}
	return saved, nil
}

func load(tx *sql.Tx, id string) (saved run.Saved, err error) {
	var createdText string
	var ledger, constants sql.NullString
	err = tx.QueryRow(`SELECT participants_reserved, coalesce(finish_reason, ''), coalesce(pause_reason, ''), created_at, ledger, constants FROM runs WHERE id = ?`, id).
		Scan(&saved.Participants, &saved.Finished, &saved.Paused, &createdText, &ledger, &constants)
	if errors.Is(err, sql.ErrNoRows) {
		return saved, fmt.Errorf("run %w", ErrNotFound)
	}
	if err != nil {
		return saved, err
	}
	created, err := parseTime(createdText)
	if err != nil {
		return saved, err
	}
	if saved.Rounds, err = newestRecords(tx, id, 0, -1); err != nil {
		return saved, wrap(err, "rounds")
	}
	if ledger.Valid {
		if err = account.ParseLedger(&saved.Ledger, ledger.String); err != nil {
			return saved, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	} else {
		for i := range saved.Rounds {
			saved.Ledger.Traffic.Add(&saved.Rounds[i].Traffic)
		}
	}
	if constants.Valid {
		saved.Constants = new(data.Constants)
		if err := json.Unmarshal([]byte(constants.String), saved.Constants); err != nil {
			return saved, fmt.Errorf("constants: %w: %w", ErrCorrupt, err)
		}
	}
	if saved.Evaluated, err = evaluated(tx, id, saved.Rounds); err != nil {
		return saved, wrap(err, "newest evaluation")
	}
	if saved.Departed, err = departed(tx, id); err != nil {
		return saved, wrap(err, "departures")
	}
	newest := uint64(0)
	if n := len(saved.Rounds); n > 0 {
		last := saved.Rounds[n-1]
		newest = last.Round
		saved.Elapsed = max(0, last.Committed.Sub(created)) // a clock may have been set back
		if saved.Last, err = lastCommit(tx, id, newest); err != nil {
			return saved, wrap(err, "version %d", newest)
		}
	}
	if saved.Open, err = openRound(tx, id, newest); err != nil || saved.Open == nil {
		return saved, wrap(err, "open round")
	}
	saved.Sums, err = sums(tx, id, saved.Open)
	return saved, wrap(err, "sums of round %d", saved.Open.Round)
}

// evaluated returns the newest evaluation, nil if there is none.
func evaluated(tx *sql.Tx, id string, rounds []run.RoundRecord) (*run.Evaluation, error) {
	for _, rec := range slices.Backward(rounds) {
		if rec.Test == nil {
			continue
		}
		e := &run.Evaluation{Version: rec.Round, Figures: *rec.Test}
		if rec.Validation != nil {
			v := *rec.Validation
			e.Validation = &v
		}
		var confusion, validation, spread, file sql.NullString
		if err := tx.QueryRow(`SELECT test_confusion, validation_confusion, coalesce(test_participants, 0), test_spread, test_file FROM rounds WHERE run = ? AND round = ?`, id, rec.Round).
			Scan(&confusion, &validation, &e.Participants, &spread, &file); err != nil {
			return nil, err
		}
		if file.Valid {
			var f fileFigures
			if err := json.Unmarshal([]byte(file.String), &f); err != nil {
				return nil, fmt.Errorf("round %d: test file: %w: %w", rec.Round, ErrCorrupt, err)
			}
			e.File = f.figures()
		}
		if spread.Valid {
			var v [5]float64
			if err := json.Unmarshal([]byte(spread.String), &v); err != nil {
				return nil, fmt.Errorf("round %d: spread: %w: %w", rec.Round, ErrCorrupt, err)
			}
			e.Spread = &run.Spread{Min: v[0], Lower: v[1], Median: v[2], Upper: v[3], Max: v[4]}
		}
		if validation.Valid && e.Validation != nil {
			if err := json.Unmarshal([]byte(validation.String), &e.ValidationConfusion); err != nil {
				return nil, fmt.Errorf("round %d: confusion on the validation set: %w: %w", rec.Round, ErrCorrupt, err)
			}
			e.Validation.Classes = learn.Metrics{Confusion: e.ValidationConfusion}.Figures().Classes
		}
		if confusion.Valid {
			if err := json.Unmarshal([]byte(confusion.String), &e.Confusion); err != nil {
				return nil, fmt.Errorf("round %d: confusion: %w: %w", rec.Round, ErrCorrupt, err)
			}
			e.Classes = learn.Metrics{Confusion: e.Confusion}.Figures().Classes
			if e.Participants > 0 {
				run.HideEmpty(e.Classes)
				hidePrecision(e)
			}
		}
		return e, nil
	}
	return nil, nil
}

// hidePrecision leaves out the precision and F1 of all classes if the rows of some are not
// stored: what was taken for a class is then not known.
func hidePrecision(e *run.Evaluation) {
	stored := 0
	for _, n := range e.Confusion {
		stored += int(n)
	}
	if stored == e.Examples {
		return
	}
	for c := range e.Classes {
		e.Classes[c].Precision, e.Classes[c].F1 = math.NaN(), math.NaN()
	}
}

// departed returns the participants that have left for good and may have resume tokens
// that have not expired.
func departed(tx *sql.Tx, id string) (all []uint32, err error) {
	rows, err := tx.Query(`SELECT participant FROM departures WHERE run = ?`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p uint32
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// querier is a database or a transaction.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// newestRecords returns the committed rounds below before (0: no bound), the newest limit of
// them (-1: all), in order.
func newestRecords(q querier, id string, before uint64, limit int) ([]run.RoundRecord, error) {
	all, err := records(q, id, `(?2 = 0 OR r.round < ?2) ORDER BY r.round DESC LIMIT ?3`, before, limit)
	slices.Reverse(all)
	return all, err
}

// records returns the committed rounds of a run that a condition chooses, whose arguments are
// numbered from 2, in the order that it ends with.
func records(q querier, id, which string, args ...any) ([]run.RoundRecord, error) {
	rows, err := q.Query(`SELECT r.round, r.participants, r.weight, r.train_loss, r.test_loss, r.test_accuracy, r.test_examples,
		r.test_balanced_accuracy, r.test_f1, r.test_rmse, r.test_mae, r.test_r2,
		r.validation_examples, r.validation_loss, r.validation_accuracy, r.validation_balanced_accuracy, r.validation_f1, r.validation_rmse, r.validation_mae, r.validation_r2,
		r.bytes_up, r.bytes_down,
		coalesce(r.models_up, 0), coalesce(r.models_down, 0), r.rate, r.kinds, r.opened_at, r.committed_at, m.hash,
		r.download, r.training, r.upload, r.committing, r.norm_min, r.norm_median, r.norm_max,
		r.releases, r.epsilon, r.delta
		FROM rounds r JOIN models m ON m.run = r.run AND m.version = r.round
		WHERE r.run = ?1 AND r.committed_at IS NOT NULL AND `+which, append([]any{id}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []run.RoundRecord
	for rows.Next() {
		var r run.RoundRecord
		var weight, trainLoss, rate sql.NullFloat64
		var test, validation setFigures
		var times [4]sql.NullFloat64
		var norms [3]sql.NullFloat64
		var releases sql.NullInt64
		var spent [2]sql.NullFloat64
		var kinds sql.NullString
		var opened, committed, hash string
		if err := rows.Scan(&r.Round, &r.Participants, &weight, &trainLoss, &test.loss, &test.accuracy, &test.examples,
			&test.balanced, &test.f1, &test.rmse, &test.mae, &test.r2,
			&validation.examples, &validation.loss, &validation.accuracy, &validation.balanced, &validation.f1, &validation.rmse, &validation.mae, &validation.r2,
			&r.Traffic.Up, &r.Traffic.Down,
			&r.Traffic.ModelsUp, &r.Traffic.ModelsDown, &rate, &kinds, &opened, &committed, &hash,
			&times[0], &times[1], &times[2], &times[3], &norms[0], &norms[1], &norms[2],
			&releases, &spent[0], &spent[1]); err != nil {
			return nil, err
		}
		r.Spent = parseSpent(releases, spent)
		r.Rate, r.Times, r.Norms = orNaN(rate), parseTimes(times), parseNorms(norms)
		if err := account.ParseKinds(&r.Traffic, kinds.String); err != nil {
			return nil, fmt.Errorf("round %d: %w: %w", r.Round, ErrCorrupt, err)
		}
		r.Weight, r.TrainLoss = orNaN(weight), orNaN(trainLoss)
		r.Test, r.Validation = test.figures(), validation.figures()
		var errs [3]error
		r.Opened, errs[0] = parseTime(opened)
		r.Committed, errs[1] = parseTime(committed)
		r.Hash, errs[2] = parseHash(hash)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, fmt.Errorf("round %d: %w", r.Round, err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// setFigures are the columns of the figures on a set.
type setFigures struct {
	examples                                    sql.NullInt64
	loss, accuracy, balanced, f1, rmse, mae, r2 sql.NullFloat64
}

// figures returns the figures, nil if there are none.
func (f *setFigures) figures() *learn.Figures {
	if !f.examples.Valid {
		return nil
	}
	return &learn.Figures{
		Examples: int(f.examples.Int64), Loss: orNaN(f.loss), Accuracy: orNaN(f.accuracy), BalancedAccuracy: orNaN(f.balanced), F1: orNaN(f.f1),
		RMSE: orNaN(f.rmse), MAE: orNaN(f.mae), R2: orNaN(f.r2),
	}
}

// lastCommit returns the commit of round, which is the newest, in full.
func lastCommit(tx *sql.Tx, id string, round uint64) (*run.Commit, error) {
	c := &run.Commit{Round: round}
	var weight, trainLoss, rate sql.NullFloat64
	var committed, participants, hash string
	var blob []byte
	err := tx.QueryRow(`SELECT r.base, r.weight, r.train_loss, r.bytes_up, r.bytes_down, r.rate, r.committed_at, r.participant_list, m.hash, m.snapshot, s.seeds, m.parameters
		FROM rounds r JOIN models m ON m.run = r.run AND m.version = r.round LEFT JOIN seeds s ON s.run = m.run AND s.version = m.version WHERE r.run = ? AND r.round = ?`, id, round).
		Scan(&c.Base, &weight, &trainLoss, &c.Traffic.Up, &c.Traffic.Down, &rate, &committed, &participants, &hash, &c.Snapshot, &c.Seeds, &blob)
	if err != nil {
		return nil, err
	}
	if blob == nil {
		return nil, fmt.Errorf("%w: the newest version has no parameters", ErrCorrupt)
	}
	c.Weight, c.TrainLoss, c.Rate = orNaN(weight), orNaN(trainLoss), orNaN(rate)
	if c.Params, c.Hash, err = model(blob, hash); err != nil {
		return nil, err
	}
	if c.Committed, err = parseTime(committed); err != nil {
		return nil, err
	}
	if c.Participants, err = parseList[uint32](participants); err != nil {
		return nil, err
	}
	rows, err := tx.Query(`SELECT name, vector FROM vectors WHERE run = ? AND version = ?`, id, round)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var b []byte
		if err := rows.Scan(&name, &b); err != nil {
			return nil, err
		}
		if c.State == nil {
			c.State = map[string][]float32{}
		}
		if c.State[name], err = vector(b); err != nil {
			return nil, fmt.Errorf("server vector %q: %w", name, err)
		}
	}
	return c, rows.Err()
}

// openRound returns the round that has begun after the newest commit, or nil.
func openRound(tx *sql.Tx, id string, newest uint64) (*run.OpenRound, error) {
	var o run.OpenRound
	var opened, deadline, cohort, weights string
	var releases sql.NullInt64
	var spent [2]sql.NullFloat64
	err := tx.QueryRow(`SELECT round, order_number, base, opened_at, deadline_at, cohort, coalesce(weights, '[]'), state, releases, epsilon, delta FROM rounds
		WHERE run = ? AND committed_at IS NULL AND round > ? ORDER BY round DESC LIMIT 1`, id, newest).
		Scan(&o.Round, &o.Order, &o.Base, &opened, &deadline, &cohort, &weights, &o.State, &releases, &spent[0], &spent[1])
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if o.Opened, err = parseTime(opened); err != nil {
		return nil, err
	}
	if o.Deadline, err = parseTime(deadline); err != nil {
		return nil, err
	}
	if o.Cohort, err = parseList[uint32](cohort); err != nil {
		return nil, err
	}
	o.Spent = parseSpent(releases, spent)
	o.Weights, err = parseList[uint64](weights)
	return &o, err
}

// sums returns the sums of the open attempt.
func sums(tx *sql.Tx, id string, open *run.OpenRound) (all []run.Sum, err error) {
	rows, err := tx.Query(`SELECT part, participants, bound, packed FROM sums WHERE run = ? AND round = ? AND order_number = ? ORDER BY part`, id, open.Round, open.Order)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s := run.Sum{Round: open.Round, Order: open.Order}
		var participants string
		if err := rows.Scan(&s.Group, &participants, &s.Bound, &s.Packed); err != nil {
			return nil, err
		}
		if s.Participants, err = parseList[uint32](participants); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// Kept returns the versions whose parameters are kept, ascending. Version 0 is made from
// the seed and is not among them.
func (s *Store) Kept(id string) (all []uint64, err error) {
	rows, err := s.read.Query(`SELECT version FROM models WHERE run = ? AND parameters IS NOT NULL ORDER BY version`, id)
	if err != nil {
		return nil, wrap(err, "run %s: versions that are kept", id)
	}
	defer rows.Close()
	for rows.Next() {
		var v uint64
		if err := rows.Scan(&v); err != nil {
			return nil, wrap(err, "run %s: versions that are kept", id)
		}
		all = append(all, v)
	}
	return all, wrap(rows.Err(), "run %s: versions that are kept", id)
}

// Model returns the parameters of a version and their hash. Its error wraps
// ErrNotFound if there is no such version (version 0 is made from the seed
// and is not stored), ErrNotKept, with the hash, if its parameters have been
// taken away, or ErrCorrupt if they do not match the hash.
func (s *Store) Model(id string, version uint64) ([]float32, [32]byte, error) {
	var hashText string
	var blob []byte
	err := s.read.QueryRow(`SELECT hash, parameters FROM models WHERE run = ? AND version = ?`, id, version).Scan(&hashText, &blob)
	var params []float32
	var hash [32]byte
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = ErrNotFound
	case err != nil:
	case blob == nil:
		if hash, err = parseHash(hashText); err == nil {
			err = ErrNotKept
		}
	default:
		params, hash, err = model(blob, hashText)
	}
	return params, hash, wrap(err, "run %s: model version %d", id, version)
}
