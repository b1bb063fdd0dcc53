package store

import (
	"database/sql"
	"fmt"
	"iter"

	"fedtab/run"
)

// pageRows is how many rows a Reader reads at a time. Nothing is held open between two pages,
// so that a slow reader delays no write and no other reader.
const pageRows = 1000

// A Reader reads all that there is of a run's committed rounds, in the order of the rounds, up
// to the round that was the newest when the Reader was made. It holds a page of rows.
type Reader struct {
	s      *Store
	run    string
	newest uint64
	rounds int // that were committed

	withheld bool // the run has noise, and the reader has what may be shown of it
}

// Contribution is a contribution to a version.
type Contribution struct {
	Round       uint64
	Participant uint32
	Order       uint64
	Weight      uint64  // examples
	Scale       float64 // factor of its vectors in the sum; NaN: not recorded
	Counted     float64 // its part of the sum's divisor; NaN: not recorded
	Fingerprint string  // XXH64 of the packed vectors, hexadecimal
}

// ClientTraffic is what a participant has sent and was sent from one commit to the next.
type ClientTraffic struct {
	Round       uint64 // that ended the period
	Participant uint32
	Up, Down    int64 // bytes
	ModelsUp    int64
	ModelsDown  int64
}

// Reader returns a reader of a run. Its error wraps ErrNotFound.
func (s *Store) Reader(id string) (*Reader, error) {
	if _, ok, err := s.FindRun(id); err != nil || !ok {
		if err == nil {
			err = wrap(ErrNotFound, "run %s", id)
		}
		return nil, err
	}
	r := &Reader{s: s, run: id}
	err := s.read.QueryRow(`SELECT coalesce(max(round), 0) FROM rounds WHERE run = ? AND committed_at IS NOT NULL`, id).Scan(&r.newest)
	if err == nil {
		r.rounds, err = r.count()
	}
	return r, wrap(err, "run %s: rounds", id)
}

// Withheld reports whether r has of the rounds what may be shown, and no other table.
func (r *Reader) Withheld() bool { return r.withheld }

// Rounds returns the rounds. The sequence ends with its first error; one of a run that is
// deleted meanwhile wraps ErrNotFound.
func (r *Reader) Rounds() iter.Seq2[*run.RoundRecord, error] {
	return inPages(r, "rounds", func(last *run.RoundRecord) ([]run.RoundRecord, error) {
		all, err := records(r.s.read, r.run, `r.round > ?2 AND r.round <= ?3 ORDER BY r.round LIMIT ?4`, last.Round, r.newest, pageRows)
		for i := range all {
			if r.withheld {
				all[i] = all[i].Shown()
			}
		}
		return all, err
	})
}

// Contributions returns the contributions, as Rounds does the rounds.
func (r *Reader) Contributions() iter.Seq2[*Contribution, error] {
	if r.withheld {
		return refused[Contribution](r, "contributions")
	}
	return inPages(r, "contributions", func(last *Contribution) (all []Contribution, err error) {
		rows, err := r.s.read.Query(`SELECT round, participant, order_number, weight, scale, counted, fingerprint FROM contributions
			WHERE run = ? AND round <= ? AND (round, participant, order_number) > (?, ?, ?) ORDER BY round, participant, order_number LIMIT ?`,
			r.run, r.newest, last.Round, last.Participant, last.Order, pageRows)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var c Contribution
			var scale, counted sql.NullFloat64
			if err := rows.Scan(&c.Round, &c.Participant, &c.Order, &c.Weight, &scale, &counted, &c.Fingerprint); err != nil {
				return nil, err
			}
			c.Scale, c.Counted = orNaN(scale), orNaN(counted)
			all = append(all, c)
		}
		return all, rows.Err()
	})
}

// Traffic returns what participants have sent and were sent, as Rounds does the rounds.
func (r *Reader) Traffic() iter.Seq2[*ClientTraffic, error] {
	if r.withheld {
		return refused[ClientTraffic](r, "traffic")
	}
	return inPages(r, "traffic", func(last *ClientTraffic) (all []ClientTraffic, err error) {
		rows, err := r.s.read.Query(`SELECT round, participant, bytes_up, bytes_down, models_up, models_down FROM traffic
			WHERE run = ? AND round <= ? AND (round, participant) > (?, ?) ORDER BY round, participant LIMIT ?`,
			r.run, r.newest, last.Round, last.Participant, pageRows)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var t ClientTraffic
			if err := rows.Scan(&t.Round, &t.Participant, &t.Up, &t.Down, &t.ModelsUp, &t.ModelsDown); err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		return all, rows.Err()
	})
}

// inPages returns the rows of the pages that come after a row, from the zero row on.
func inPages[T any](r *Reader, what string, page func(last *T) ([]T, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		last := new(T)
		for {
			all, err := page(last)
			for i := range all {
				if !yield(&all[i], nil) {
					return
				}
			}
			if err == nil && len(all) == pageRows {
				last = &all[len(all)-1]
				continue
			}
			if err == nil {
				err = r.whole()
			}
			if err != nil {
				yield(nil, wrap(err, "run %s: %s", r.run, what))
			}
			return
		}
	}
}

// whole says whether what was read is all there was. A run is deleted a part at a time, the
// models of its versions first.
func (r *Reader) whole() error {
	n, err := r.count()
	if err == nil && n < r.rounds {
		err = fmt.Errorf("%w: the run was deleted meanwhile", ErrNotFound)
	}
	return err
}

// count returns how many of the rounds there are.
func (r *Reader) count() (n int, err error) {
	err = r.s.read.QueryRow(`SELECT count(*) FROM rounds r JOIN models m ON m.run = r.run AND m.version = r.round WHERE r.run = ? AND r.round <= ? AND r.committed_at IS NOT NULL`, r.run, r.newest).Scan(&n)
	return n, err
}
