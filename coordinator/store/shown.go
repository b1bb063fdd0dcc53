package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"fedtab/run"

	"go.yaml.in/yaml/v3"
)

// ErrWithheld is wrapped by the error of a table of which nothing may be shown.
var ErrWithheld = errors.New("withheld: its versions have noise, and this tells who has taken part in which round without any")

// Shown is a Store as all read it who are outside the machine room: of a run with noise it has
// what is the same whatever one participant does, and who has joined. Its methods hide those of
// the Store with the same names.
type Shown struct{ *Store }

// withholds reports whether a run has noise. The task of another build may be unreadable by
// package task, but not its noise.
func (s Shown) withholds(id string) (bool, error) {
	var spec string
	err := s.read.QueryRow(`SELECT spec FROM runs WHERE id = ?`, id).Scan(&spec)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, wrap(err, "run %s: its task", id)
	}
	var t struct{ Privacy struct{ Noise float64 } }
	if err := yaml.NewDecoder(bytes.NewReader([]byte(spec))).Decode(&t); err != nil {
		return strings.Contains(spec, "noise:"), nil
	}
	return t.Privacy.Noise != 0, nil
}

// Runs is Store.Runs without the bytes of runs with noise: they add up who was drawn.
func (s Shown) Runs(f Filter) ([]Summary, error) {
	all, err := s.Store.Runs(f)
	for i := range all {
		withheld, err := s.withholds(all[i].ID)
		if err != nil {
			return nil, err
		}
		if withheld {
			all[i].Up, all[i].Down = 0, 0
		}
	}
	return all, err
}

// Rounds is Store.Rounds, each round as it may be shown.
func (s Shown) Rounds(id string, before uint64, limit int) ([]run.RoundRecord, error) {
	all, err := s.Store.Rounds(id, before, limit)
	for i := range all {
		all[i] = all[i].Shown()
	}
	return all, err
}

// EachRound is Store.EachRound, each round as it may be shown.
func (s Shown) EachRound(id string, f func(*run.RoundRecord)) error {
	return s.Store.EachRound(id, func(r *run.RoundRecord) {
		w := r.Shown()
		f(&w)
	})
}

// Participants is Store.Participants. Of those of a run with noise it has that they have joined,
// or left.
func (s Shown) Participants(id string, after uint32, limit int) ([]Participant, error) {
	all, err := s.Store.Participants(id, after, limit)
	if err != nil {
		return nil, err
	}
	withheld, err := s.withholds(id)
	if withheld {
		for i, p := range all {
			all[i] = Participant{Number: p.Number, Client: p.Client, Left: p.Left}
		}
	}
	return all, err
}

// Ledger is Store.Ledger.
func (s Shown) Ledger(id string) (run.Ledger, error) {
	l, err := s.Store.Ledger(id)
	if err != nil {
		return l, err
	}
	withheld, err := s.withholds(id)
	if withheld {
		l = l.Shown()
	}
	return l, err
}

// shownKinds are the lines of the event log of a run with noise that may be shown: what depends
// on connections, or on what organisers and versions do.
var shownKinds = []string{"join", "resume", "codec", "contested", "lost", "leave", "paused", "resumed", "going back", "rolled back"}

// LogLines is Store.LogLines. Those of a run with noise are numbered anew, as gaps between their
// numbers would count those that are withheld.
func (s Shown) LogLines(id string, f LogFilter) ([]LogLine, error) {
	withheld, err := s.withholds(id)
	if err != nil || !withheld {
		if err != nil {
			return nil, err
		}
		return s.Store.LogLines(id, f)
	}
	before, limit := f.Before, f.Limit
	f.Before, f.Limit = 0, 0
	all, err := s.Store.LogLines(id, LogFilter{})
	all = slices.DeleteFunc(all, func(l LogLine) bool { return !slices.Contains(shownKinds, l.Kind) })
	for i := range all {
		all[i].ID = int64(len(all) - i)
	}
	all = slices.DeleteFunc(all, func(l LogLine) bool { return !f.chooses(&l) || before > 0 && l.ID >= before })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, err
}

// chooses reports whether a line is of the kind, the participant and the round of f.
func (f *LogFilter) chooses(l *LogLine) bool {
	return (f.Kind == "" || l.Kind == f.Kind) && (f.Participant == nil || l.Participant == *f.Participant) && (f.Round == nil || l.Round == *f.Round)
}

// Reader is Store.Reader.
func (s Shown) Reader(id string) (*Reader, error) {
	r, err := s.Store.Reader(id)
	if err != nil {
		return nil, err
	}
	r.withheld, err = s.withholds(id)
	return r, err
}

// refused returns a table of a run with noise that may not be shown at all.
func refused[T any](r *Reader, what string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) { yield(nil, fmt.Errorf("run %s: %s: %w", r.run, what, ErrWithheld)) }
}
