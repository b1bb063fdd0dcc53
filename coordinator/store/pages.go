package store

import (
	"database/sql"

	"fedtab/run"
)

// Rounds returns the newest limit committed rounds of a run below before (0: no bound), in
// order.
func (s *Store) Rounds(id string, before uint64, limit int) ([]run.RoundRecord, error) {
	all, err := newestRecords(s.read, id, before, limit)
	return all, wrap(err, "run %s: rounds", id)
}

// Participant is a participant of a run, as far as versions have something of it.
type Participant struct {
	Number        uint32
	Contributions int64  // in versions
	Examples      int64  // behind them, each round's counted
	First, Last   uint64 // rounds with a contribution of it; 0: none
	Up, Down      int64  // bytes, in rounds that were committed
	Left          bool   // for good
}

// Participants returns at most limit participants of a run with numbers above after, ascending.
func (s *Store) Participants(id string, after uint32, limit int) (all []Participant, err error) {
	rows, err := s.read.Query(`
		WITH known AS (
			SELECT participant FROM (
				SELECT participant FROM traffic WHERE run = ?1 AND participant > ?2
				UNION SELECT participant FROM contributions WHERE run = ?1 AND participant > ?2)
			ORDER BY participant LIMIT ?3)
		SELECT k.participant, coalesce(c.n, 0), coalesce(c.examples, 0), coalesce(c.first, 0), coalesce(c.last, 0), coalesce(t.up, 0), coalesce(t.down, 0),
			EXISTS (SELECT 1 FROM departures d WHERE d.run = ?1 AND d.participant = k.participant)
		FROM known k
		LEFT JOIN (SELECT participant, count(*) n, sum(weight) examples, min(round) first, max(round) last FROM contributions WHERE run = ?1 AND participant IN (SELECT * FROM known) GROUP BY participant) c ON c.participant = k.participant
		LEFT JOIN (SELECT participant, sum(bytes_up) up, sum(bytes_down) down FROM traffic WHERE run = ?1 AND participant IN (SELECT * FROM known) GROUP BY participant) t ON t.participant = k.participant
		ORDER BY k.participant`, id, after, limit)
	if err != nil {
		return nil, wrap(err, "run %s: participants", id)
	}
	defer rows.Close()
	for rows.Next() {
		var m Participant
		if err := rows.Scan(&m.Number, &m.Contributions, &m.Examples, &m.First, &m.Last, &m.Up, &m.Down, &m.Left); err != nil {
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

// LogLines returns at most limit lines of a run's event log with an ID below before (0: no
// bound), the newest first; of kind, or of every kind where that is empty.
func (s *Store) LogLines(id, kind string, before int64, limit int) (all []LogLine, err error) {
	rows, err := s.read.Query(`SELECT id, at, round, participant, kind, detail FROM events
		WHERE run = ?1 AND (?2 = 0 OR id < ?2) AND ?3 IN ('', kind) ORDER BY id DESC LIMIT ?4`, id, before, kind, limit)
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
