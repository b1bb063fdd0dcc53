package store

import (
	"errors"
	"fmt"

	"fedtab/run"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What Open refuses. In each case the database file is as it was.
var (
	ErrDirectory = errors.New("data directory cannot be used")
	ErrLocked    = errors.New("data directory is in use by another coordinator")
	ErrNewer     = errors.New("database is from a newer version of fedtab")
	ErrForeign   = errors.New("not a fedtab database")
	ErrCorrupt   = errors.New("database is damaged")
)

// What the other methods answer.
var (
	ErrNotFound   = errors.New("not found")
	ErrNotKept    = errors.New("no longer kept, only its hash and metrics are")
	ErrExists     = errors.New("exists already")
	ErrUnfinished = errors.New("the run is not over")
	ErrFull       = errors.New("disk is full") // nothing was written; it may be tried again
	ErrBusy       = errors.New("another backup is being made")
	ErrClustered  = errors.New("the database is a node's of a cluster, want one that a coordinator has alone")
)

// errNotOpen answers a commit of a round that OpenRound has not written, or
// that another version has closed.
var errNotOpen = errors.New("the round is not open")

// errHash answers a commit that could not be loaded again.
var errHash = errors.New("hash of the parameters")

// journal marks the errors of a journal's methods that no later try can cure. The
// others may pass: a full or failing disk, a lock, a lack of memory.
//
// A write that succeeded in a file that is no longer in place has failed for good.
func (s *Store) journal(err error) error {
	if err == nil {
		if err = s.inPlace(); err == nil {
			return nil
		}
	}
	for _, cause := range []error{ErrDirectory, ErrCorrupt, ErrNotFound, ErrExists, errNotOpen, errHash} {
		if errors.Is(err, cause) {
			return permanent{err}
		}
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG,
			sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_RANGE:
			return permanent{err}
		}
	}
	return err
}

// permanent wraps run.ErrPermanent without saying so.
type permanent struct{ error }

func (p permanent) Unwrap() []error { return []error{p.error, run.ErrPermanent} }

// wrap wraps err with what was being done; nil stays nil. It puts the sentinel
// to SQLite's errors.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if sentinel := meaning(err); sentinel != nil && !errors.Is(err, sentinel) {
		return fmt.Errorf("%s: %w: %w", what, sentinel, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// meaning returns the sentinel for an error of SQLite, or nil.
func meaning(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code() & 0xff { // the rest is the extended code
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrCorrupt
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return ErrDirectory
	}
	return nil
}
