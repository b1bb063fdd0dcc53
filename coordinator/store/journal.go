package store

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"fedtab/coordinator/account"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/run"
)

var _ run.Journal = (*Store)(nil)

// What is kept of the parameters, besides the best and the pinned.
const (
	KeepNewest = 5
	KeepEvery  = 50
)

// prepare compiles the statements that every round uses.
func (s *Store) prepare() error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.reserve, `UPDATE runs SET participants_reserved = max(participants_reserved, ?) WHERE id = ?`},
		{&s.depart, `INSERT OR IGNORE INTO departures (run, participant, left_at) VALUES (?, ?, ?)`},
		{&s.openRound, `INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, cohort, weights, state, releases, epsilon, delta)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (run, round) DO UPDATE SET order_number = excluded.order_number, base = excluded.base,
			opened_at = excluded.opened_at, deadline_at = excluded.deadline_at, cohort = excluded.cohort, weights = excluded.weights, state = excluded.state,
			releases = excluded.releases, epsilon = excluded.epsilon, delta = excluded.delta
			WHERE committed_at IS NULL`},
		{&s.sum, `INSERT INTO sums (run, round, order_number, part, participants, bound, packed)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM rounds WHERE run = ?1 AND round = ?2 AND order_number = ?3 AND committed_at IS NULL
			ON CONFLICT DO UPDATE SET packed = excluded.packed
			WHERE participants = excluded.participants AND bound = excluded.bound AND packed = excluded.packed`},
		{&s.pruneSums, `DELETE FROM sums WHERE run = ? AND (round <= ? OR order_number < ?)`},
		{&s.commitRound, `UPDATE rounds SET committed_at = ?, base = ?, participants = ?, weight = ?, train_loss = ?, bytes_up = ?, bytes_down = ?,
			rate = ?, models_up = ?, models_down = ?, kinds = ?, participant_list = ?, weights = NULL, state = NULL,
			download = ?, training = ?, upload = ?, committing = ?, norm_min = ?, norm_median = ?, norm_max = ?,
			releases = ?, epsilon = ?, delta = ?
			WHERE run = ? AND round = ? AND committed_at IS NULL`},
		{&s.insertModel, `INSERT INTO models (run, version, hash, length, snapshot, parameters) VALUES (?, ?, ?, ?, ?, ?)`},
		{&s.insertVector, `INSERT INTO vectors (run, version, name, vector) VALUES (?, ?, ?, ?)`},
		{&s.insertSeeds, `INSERT OR REPLACE INTO seeds (run, version, seeds) VALUES (?, ?, ?)`},
		{&s.insertContribution, `INSERT INTO contributions (run, round, participant, order_number, weight, fingerprint, scale, counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.insertTraffic, `INSERT INTO traffic (run, round, participant, bytes_up, bytes_down, models_up, models_down, kinds) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.sumContributions, `INSERT INTO participants (run, participant, contributions, examples, first_round, last_round)
			SELECT run, participant, count(*), sum(weight), round, round FROM contributions WHERE run = ? AND round = ? GROUP BY participant
			ON CONFLICT (run, participant) DO UPDATE SET contributions = contributions + excluded.contributions, examples = examples + excluded.examples,
			first_round = CASE first_round WHEN 0 THEN excluded.first_round ELSE first_round END, last_round = excluded.last_round`},
		{&s.sumTraffic, `INSERT INTO participants (run, participant, bytes_up, bytes_down)
			SELECT run, participant, bytes_up, bytes_down FROM traffic WHERE run = ? AND round = ?
			ON CONFLICT (run, participant) DO UPDATE SET bytes_up = bytes_up + excluded.bytes_up, bytes_down = bytes_down + excluded.bytes_down`},
		{&s.name, `INSERT INTO participants (run, participant, client) VALUES (?, ?, ?) ON CONFLICT (run, participant) DO UPDATE SET client = excluded.client`},
		{&s.rejected, `INSERT INTO participants (run, participant, rejected) VALUES (?, ?, 1) ON CONFLICT (run, participant) DO UPDATE SET rejected = rejected + 1`},
		// The best of those that there still are: an evaluation may come after
		// its version was pruned. Of equals, the earliest.
		{&s.best, `SELECT m.version FROM models m JOIN rounds r ON r.run = m.run AND r.round = m.version
			WHERE m.run = ? AND m.parameters IS NOT NULL AND (r.test_accuracy IS NOT NULL OR r.test_loss IS NOT NULL)
			ORDER BY coalesce(r.validation_accuracy, r.test_accuracy) DESC, CASE WHEN r.test_accuracy IS NULL THEN coalesce(r.validation_loss, r.test_loss) END, m.version LIMIT 1`},
		{&s.prune, `UPDATE models SET parameters = NULL, snapshot = NULL
			WHERE run = ? AND parameters IS NOT NULL AND version <= ? AND version <> ? AND version % ? <> 0 AND pinned = 0`},
		{&s.pruneVectors, `DELETE FROM vectors WHERE run = ? AND version IN
			(SELECT m.version FROM models m WHERE m.run = vectors.run AND m.version = vectors.version AND m.parameters IS NULL)`},
		{&s.pruneConfusion, `UPDATE rounds SET test_confusion = NULL, validation_confusion = NULL WHERE run = ? AND test_confusion IS NOT NULL AND round IN
			(SELECT m.version FROM models m WHERE m.run = rounds.run AND m.version = rounds.round AND m.parameters IS NULL)`},
		{&s.evaluate, `UPDATE rounds SET test_loss = ?, test_accuracy = ?, test_examples = ?, test_balanced_accuracy = ?, test_f1 = ?,
			test_rmse = ?, test_mae = ?, test_r2 = ?, test_confusion = ?, test_participants = ?, test_spread = ?, test_file = ?,
			validation_examples = ?, validation_loss = ?, validation_accuracy = ?, validation_balanced_accuracy = ?, validation_f1 = ?,
			validation_rmse = ?, validation_mae = ?, validation_r2 = ?, validation_confusion = ? WHERE run = ? AND round = ? AND committed_at IS NOT NULL`},
		{&s.keepLedger, `UPDATE runs SET ledger = ?, bytes_up = ?, bytes_down = ? WHERE id = ?`},
		{&s.log, `INSERT INTO events (run, at, round, participant, kind, detail) VALUES (?, ?, ?, ?, ?, ?)`},
	} {
		var err error
		if *p.stmt, err = s.write.Prepare(p.text); err != nil {
			return wrap(err, "prepare %.40q", p.text)
		}
	}
	return nil
}

// one says whether a statement changed a row, and none if it did not.
func one(r sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return none
	}
	return nil
}

// ReserveParticipants implements run.Journal.
func (s *Store) ReserveParticipants(id string, limit uint32) error {
	if s.via != nil {
		return s.via.ReserveParticipants(id, limit)
	}
	r, err := s.reserve.Exec(limit, id)
	return s.journal(wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: reserve participants below %d", id, limit))
}

// Depart implements run.Journal. To record a participant again is no error.
func (s *Store) Depart(id string, participants []uint32, at time.Time) error {
	if s.via != nil {
		return s.via.Depart(id, participants, at)
	}
	err := transact(s.write, func(tx *sql.Tx) error {
		depart := tx.Stmt(s.depart)
		for _, p := range participants {
			if _, err := depart.Exec(id, p, timeText(at)); err != nil {
				return err
			}
		}
		return nil
	})
	return s.journal(wrap(err, "run %s: departures", id))
}

// OpenRound implements run.Journal.
func (s *Store) OpenRound(id string, o run.OpenRound) error {
	if s.via != nil {
		return s.via.OpenRound(id, o)
	}
	err := s.charge(o.Spent != nil, func(tx *sql.Tx) error {
		args := []any{id, o.Round, o.Order, o.Base, timeText(o.Opened), timeText(o.Deadline), list(o.Cohort), list(o.Weights), o.State}
		r, err := tx.Stmt(s.openRound).Exec(append(args, spentColumns(o.Spent)...)...)
		return one(r, err, fmt.Errorf("committed round %w", ErrExists))
	})
	return s.journal(wrap(err, "run %s: open round %d", id, o.Round))
}

// charge runs do in a transaction. One that changes an account of privacy is not to be found
// undone later by a copy from before it.
func (s *Store) charge(charged bool, do func(*sql.Tx) error) error {
	if charged {
		return s.move(do)
	}
	return transact(s.write, do)
}

// Sum implements run.Journal. Sums of earlier attempts go in the same transaction. The same sum may
// be written again; another of its group is refused.
func (s *Store) Sum(id string, sum run.Sum) error {
	if s.via != nil {
		return s.via.Sum(id, sum)
	}
	err := transact(s.write, func(tx *sql.Tx) error {
		if _, err := tx.Stmt(s.pruneSums).Exec(id, 0, sum.Order); err != nil {
			return err
		}
		r, err := tx.Stmt(s.sum).Exec(id, sum.Round, sum.Order, sum.Group, list(sum.Participants), sum.Bound, sum.Packed)
		err = one(r, err, errNotOpen)
		if errors.Is(err, errNotOpen) {
			var there int
			if tx.QueryRow(`SELECT count(*) FROM sums WHERE run = ? AND order_number = ? AND part = ?`, id, sum.Order, sum.Group).Scan(&there) == nil && there > 0 {
				return fmt.Errorf("another sum of the attempt %w", ErrExists)
			}
		}
		return err
	})
	return s.journal(wrap(err, "run %s: sum of group %d of round %d", id, sum.Group, sum.Round))
}

// Commit implements run.Journal. The parameters that are no longer kept go in
// the same transaction. To commit the same version again is no error: a
// caller that could not know whether the first attempt reached the disk may
// repeat it.
func (s *Store) Commit(id string, c run.Commit) error {
	if s.via != nil {
		return s.via.Commit(id, c)
	}
	blob, err := modelBytes(&c)
	if err == nil {
		err = s.charge(c.Spent != nil, func(tx *sql.Tx) error { return s.commit(tx, id, c, blob) })
	}
	return s.journal(wrap(err, "run %s: commit round %d", id, c.Round))
}

// modelBytes returns the parameters of a commit as they are stored, nil for one without: only its
// hash and figures are kept. A hash of others would
// keep them from being loaded again.
func modelBytes(c *run.Commit) ([]byte, error) {
	if c.Params == nil {
		return nil, nil
	}
	blob := vectorBytes(c.Params)
	if got := sha256.Sum256(blob); got != c.Hash {
		return nil, fmt.Errorf("%w: %x, want the commit's %x", errHash, got, c.Hash)
	}
	return blob, nil
}

func (s *Store) commit(tx *sql.Tx, id string, c run.Commit, blob []byte) error {
	args := []any{timeText(c.Committed), c.Base, len(c.Participants), number(c.Weight), number(c.TrainLoss),
		c.Traffic.Up, c.Traffic.Down, number(c.Rate), c.Traffic.ModelsUp, c.Traffic.ModelsDown, account.Kinds(&c.Traffic), list(c.Participants)}
	args = append(append(append(args, timesColumns(c.Times)...), normsColumns(c.Norms)...), spentColumns(c.Spent)...)
	r, err := tx.Stmt(s.commitRound).Exec(append(args, id, c.Round)...)
	if err := one(r, err, errNotOpen); errors.Is(err, errNotOpen) {
		var hash string
		if tx.QueryRow(`SELECT hash FROM models WHERE run = ? AND version = ?`, id, c.Round).Scan(&hash) == nil && hash == hex.EncodeToString(c.Hash[:]) {
			return nil
		}
		return err
	} else if err != nil {
		return wrap(err, "store figures")
	}
	snapshot := c.Snapshot
	if snapshot == nil && blob != nil {
		snapshot = []byte{} // NULL is for what is no longer kept
	}
	if _, err := tx.Stmt(s.insertModel).Exec(id, c.Round, hex.EncodeToString(c.Hash[:]), len(c.Params), snapshot, blob); err != nil {
		return wrap(err, "store model")
	}
	if c.Seeds != nil {
		if _, err := tx.Stmt(s.insertSeeds).Exec(id, c.Round, c.Seeds); err != nil {
			return wrap(err, "store seeds")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.State)) {
		if _, err := tx.Stmt(s.insertVector).Exec(id, c.Round, name, vectorBytes(c.State[name])); err != nil {
			return wrap(err, "store server vector %q", name)
		}
	}
	contribution := tx.Stmt(s.insertContribution)
	for _, k := range c.Contributions {
		if _, err := contribution.Exec(id, c.Round, k.Participant, k.Order, k.Weight, fmt.Sprintf("%016x", k.Fingerprint), k.Scale, k.Counted); err != nil {
			return wrap(err, "store contribution of participant %d", k.Participant)
		}
	}
	traffic := tx.Stmt(s.insertTraffic)
	for _, t := range c.Clients {
		if _, err := traffic.Exec(id, c.Round, t.Participant, t.Up, t.Down, t.ModelsUp, t.ModelsDown, account.Kinds(&t.Traffic)); err != nil {
			return wrap(err, "store traffic of participant %d", t.Participant)
		}
	}
	for _, sum := range []*sql.Stmt{s.sumContributions, s.sumTraffic} {
		if _, err := tx.Stmt(sum).Exec(id, c.Round); err != nil {
			return wrap(err, "store sums of participants")
		}
	}
	if _, err := tx.Stmt(s.keepLedger).Exec(account.Ledger(&c.Ledger), c.Ledger.Up, c.Ledger.Down, id); err != nil {
		return wrap(err, "store ledger")
	}
	if _, err := tx.Stmt(s.pruneSums).Exec(id, c.Round, 0); err != nil {
		return wrap(err, "prune sums")
	}
	return wrap(s.retain(tx, id, c.Round), "prune models")
}

// retain takes away the parameters that are no longer kept.
func (s *Store) retain(tx *sql.Tx, id string, newest uint64) error {
	if newest <= KeepNewest {
		return nil
	}
	var best uint64
	if err := tx.Stmt(s.best).QueryRow(id).Scan(&best); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	r, err := tx.Stmt(s.prune).Exec(id, newest-KeepNewest, best, KeepEvery)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); n == 0 || err != nil {
		return err
	}
	if _, err := tx.Stmt(s.pruneVectors).Exec(id); err != nil {
		return err
	}
	_, err = tx.Stmt(s.pruneConfusion).Exec(id)
	return err
}

// Evaluate implements run.Journal.
func (s *Store) Evaluate(id string, e run.Evaluation) error {
	if s.via != nil {
		return s.via.Evaluate(id, e)
	}
	var participants, spread, file any
	if e.Participants > 0 {
		participants = e.Participants
	}
	if s := e.Spread; s != nil {
		b, err := json.Marshal([]float64{s.Min, s.Lower, s.Median, s.Upper, s.Max})
		if err != nil {
			return fmt.Errorf("run %s: store evaluation of version %d: %w", id, e.Version, err)
		}
		spread = string(b)
	}
	if f := e.File; f != nil {
		b, err := json.Marshal(fileFigures{f.Examples, run.Finite(&f.Loss), run.Finite(&f.Accuracy), run.Finite(&f.RMSE), run.Finite(&f.MAE), run.Finite(&f.R2)})
		if err != nil {
			return fmt.Errorf("run %s: store evaluation of version %d: %w", id, e.Version, err)
		}
		file = string(b)
	}
	args := []any{number(e.Loss), number(e.Accuracy), e.Examples, number(e.BalancedAccuracy), number(e.F1),
		number(e.RMSE), number(e.MAE), number(e.R2), counts(e.Confusion), participants, spread, file}
	args = append(args, validationColumns(&e)...)
	r, err := s.evaluate.Exec(append(args, id, e.Version)...)
	return s.journal(wrap(one(r, err, fmt.Errorf("committed round %w", ErrNotFound)), "run %s: store evaluation of version %d", id, e.Version))
}

// validationColumns returns what the columns of a validation set have of an evaluation.
func validationColumns(e *run.Evaluation) []any {
	v := e.Validation
	if v == nil {
		return make([]any, 9)
	}
	return []any{v.Examples, number(v.Loss), number(v.Accuracy), number(v.BalancedAccuracy), number(v.F1), number(v.RMSE), number(v.MAE), number(v.R2), counts(e.ValidationConfusion)}
}

// counts returns confusion counts as JSON; nil, which is NULL, for none.
func counts(confusion []int64) any {
	if confusion == nil {
		return nil
	}
	b, err := json.Marshal(confusion)
	if err != nil {
		panic(err) // numbers
	}
	return string(b)
}

// fileFigures are the figures on the organiser's test file, as JSON.
type fileFigures struct {
	Examples int      `json:"examples"`
	Loss     *float64 `json:"loss"`
	Accuracy *float64 `json:"accuracy,omitempty"`
	RMSE     *float64 `json:"rmse,omitempty"`
	MAE      *float64 `json:"mae,omitempty"`
	R2       *float64 `json:"r2,omitempty"`
}

// figures returns the figures; those that are absent are NaN.
func (f *fileFigures) figures() *learn.Figures {
	or := func(p *float64) float64 {
		if p == nil {
			return math.NaN()
		}
		return *p
	}
	return &learn.Figures{Examples: f.Examples, Loss: or(f.Loss), Accuracy: or(f.Accuracy), BalancedAccuracy: math.NaN(), F1: math.NaN(), RMSE: or(f.RMSE), MAE: or(f.MAE), R2: or(f.R2)}
}

// Constants implements run.Journal.
func (s *Store) Constants(id string, c data.Constants) error {
	if s.via != nil {
		return s.via.Constants(id, c)
	}
	err := transact(s.write, func(tx *sql.Tx) error { return setConstants(tx, id, c) })
	return s.journal(wrap(err, "run %s: store constants", id))
}

func setConstants(tx *sql.Tx, id string, c data.Constants) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	r, err := tx.Exec(`UPDATE runs SET constants = ? WHERE id = ?`, string(b), id)
	return one(r, err, fmt.Errorf("run %w", ErrNotFound))
}

// Finish implements run.Journal. A run that is over stays as it ended, is not paused, and needs
// no seeds: if it is extended, another tree begins.
func (s *Store) Finish(id, reason string, at time.Time) error {
	if s.via != nil {
		return s.via.Finish(id, reason, at)
	}
	err := transact(s.write, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM seeds WHERE run = ?`, id); err != nil {
			return err
		}
		r, err := tx.Exec(`UPDATE runs SET finished_at = coalesce(finished_at, ?), finish_reason = coalesce(finish_reason, ?), paused_at = NULL, pause_reason = NULL WHERE id = ?`,
			timeText(at), reason, id)
		return one(r, err, fmt.Errorf("run %w", ErrNotFound))
	})
	return s.journal(wrap(err, "run %s: finish", id))
}

// Pause implements run.Journal.
func (s *Store) Pause(id, reason string, at time.Time) error {
	if s.via != nil {
		return s.via.Pause(id, reason, at)
	}
	r, err := s.write.Exec(`UPDATE runs SET paused_at = ?, pause_reason = ? WHERE id = ?`, timeText(at), reason, id)
	return s.journal(wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: pause", id))
}

// Resume implements run.Journal.
func (s *Store) Resume(id string) error {
	if s.via != nil {
		return s.via.Resume(id)
	}
	r, err := s.write.Exec(`UPDATE runs SET paused_at = NULL, pause_reason = NULL WHERE id = ?`, id)
	return s.journal(wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: resume", id))
}

// Log implements run.Journal.
func (s *Store) Log(id string, entries []run.LogEntry, ledger run.Ledger) error {
	if s.via != nil {
		return s.via.Log(id, entries, ledger)
	}
	return s.journal(wrap(transact(s.write, func(tx *sql.Tx) error { return s.logEntries(tx, id, entries, ledger) }), "run %s", id))
}

// LogOnce is Log, and records a value under a key (SetMeta) in the same transaction. It does nothing
// if the key has that value: the entries are there.
func (s *Store) LogOnce(id string, entries []run.LogEntry, ledger run.Ledger, key, value string) error {
	return s.journal(wrap(s.once(key, value, func(tx *sql.Tx) error { return s.logEntries(tx, id, entries, ledger) }), "run %s", id))
}

// once runs do in a transaction that records a value under a key, unless the key has it.
func (s *Store) once(key, value string, do func(*sql.Tx) error) error {
	return transact(s.write, func(tx *sql.Tx) error {
		var was string
		if err := tx.QueryRow(`SELECT value FROM meta WHERE key = ?`, key).Scan(&was); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if was == value {
			return nil
		}
		if err := do(tx); err != nil {
			return err
		}
		_, err := tx.Exec(setMeta, key, value)
		return wrap(err, "record %s", key)
	})
}

func (s *Store) logEntries(tx *sql.Tx, id string, entries []run.LogEntry, ledger run.Ledger) error {
	log := tx.Stmt(s.log)
	for _, e := range entries {
		if _, err := log.Exec(id, timeText(e.At), e.Round, e.Participant, e.Kind, e.Detail); err != nil {
			return wrap(err, "log %q", e.Kind)
		}
		if err := s.mention(tx, id, e); err != nil {
			return wrap(err, "log %q", e.Kind)
		}
	}
	_, err := tx.Stmt(s.keepLedger).Exec(account.Ledger(&ledger), ledger.Up, ledger.Down, id)
	return wrap(err, "store ledger")
}

// mention enters an event in the sums of its participant.
func (s *Store) mention(tx *sql.Tx, id string, e run.LogEntry) (err error) {
	switch e.Kind {
	case "join", "resume":
		_, err = tx.Stmt(s.name).Exec(id, e.Participant, e.Detail)
	case "rejected":
		_, err = tx.Stmt(s.rejected).Exec(id, e.Participant)
	}
	return err
}

// Limit bounds the size of the database file as a full disk does: what does not
// fit fails with ErrFull, and nothing is lost. 0 lifts the limit.
func (s *Store) Limit(bytes int64) error {
	var page int64
	if err := s.write.QueryRow("PRAGMA page_size").Scan(&page); err != nil {
		return wrap(err, "limit the database")
	}
	pages := int64(1<<32 - 2) // SQLite's own
	if bytes > 0 {
		pages = max(bytes/page, 1)
	}
	// PRAGMA takes no parameters. The pages that there are stay.
	_, err := s.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	return wrap(err, "limit the database")
}

// Pin keeps the parameters of a version for ever, or no longer. Its error wraps ErrNotFound
// if there is no such version, or ErrNotKept if its parameters have been taken away.
func (s *Store) Pin(id string, version uint64, pinned bool) error {
	if s.via != nil {
		return s.via.Pin(id, version, pinned)
	}
	r, err := s.write.Exec(`UPDATE models SET pinned = ? WHERE run = ? AND version = ? AND (parameters IS NOT NULL OR NOT ?)`, pinned, id, version, pinned)
	if err = one(r, err, ErrNotKept); errors.Is(err, ErrNotKept) {
		var there bool
		if e := s.read.QueryRow(`SELECT EXISTS (SELECT 1 FROM models WHERE run = ? AND version = ?)`, id, version).Scan(&there); e != nil || !there {
			err = cmp.Or(e, ErrNotFound)
		}
	}
	return wrap(err, "run %s: pin version %d", id, version)
}
