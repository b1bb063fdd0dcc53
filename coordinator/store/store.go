// Package store keeps the history of runs in one SQLite file, fedtab.db in
// the data directory.
//
// A Store is the run.Journal of production: each method returns when what it
// wrote is on disk (write-ahead log, synchronous=FULL), and a commit, model,
// state, figures and pruning together, is one transaction. What a SIGKILL
// interrupts has happened or has not.
//
// The file is for people too: plain columns, times in RFC 3339 UTC with
// milliseconds, participants as JSON arrays, parameters as little-endian
// float32. The schema is in schema.go.
//
// Of every version the hash and the metrics are kept for ever; the parameters
// of the newest KeepNewest versions, of the one with the best validation or test accuracy,
// of every KeepEvery-th, and of those that are pinned.
package store

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"fedtab/protocol"

	"github.com/gofrs/flock"
	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Files in the data directory.
const (
	File     = "fedtab.db"
	LockFile = "fedtab.lock"
)

// A Store is an open data directory. Its methods may be called from several
// goroutines; writes take turns, reads do not wait for them.
type Store struct {
	*database
	via Recorder // takes what is written instead; nil: nothing does
}

// database is what an open data directory has, whoever writes to it.
type database struct {
	lock   *flock.Flock
	write  *sql.DB // one connection
	read   *sql.DB
	secret []byte
	path   string                 // of the database
	files  map[string]os.FileInfo // the database and its write-ahead log, as they were opened, by path

	placing sync.Mutex // of what follows
	place   place

	copying chan struct{} // has an element while there is a Copy

	openRound, sum, pruneSums, commitRound, insertModel, insertVector, insertContribution, insertTraffic, insertSeeds, sumContributions, sumTraffic, name, rejected, best, prune, pruneVectors, pruneConfusion,
	evaluate, reserve, depart, keepLedger, log *sql.Stmt // on write

	closing sync.Once
	closed  error
}

// Open opens the database in dir, creates it if there is none, and brings an
// older one up to date, of which a copy stays beside it (fedtab.db.schemaN, N
// being its version). build names the program in the database. The
// directory stays locked until Close or the end of the process.
//
// The error wraps ErrDirectory, ErrLocked, ErrNewer, ErrForeign, ErrCorrupt, or
// ErrFull where there is no room for that copy; then the database has not been
// touched.
func Open(dir, build string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{database: &database{lock: lock, path: filepath.Join(dir, File), copying: make(chan struct{}, 1), place: place{path: filepath.Join(dir, PlaceFile)}}}
	if err := s.open(s.path, build); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// lockDir creates dir and takes its lock.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: cannot create %s: %w", ErrDirectory, dir, cause(err))
	}
	path := filepath.Join(dir, LockFile)
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("%w: cannot write to %s: %w", ErrDirectory, dir, cause(err))
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s (%s): stop it, or choose another directory", ErrLocked, dir, holder(path))
	}
	// For people only: the lock is what counts.
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: cannot write to %s: %w", ErrDirectory, dir, cause(err))
	}
	return lock, nil
}

// cause takes the path out of a file error, for a message that names it.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// holder names the process that holds the lock.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if pid, e := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && e == nil && pid > 0 {
		return fmt.Sprintf("process %d", pid)
	}
	return "process unknown"
}

func (s *Store) open(path, build string) error {
	version, err := inspect(path, build)
	if err != nil {
		return err
	}
	os.Remove(copyName(path)) // of a process that was killed
	if 0 < version && version < len(migrations) {
		if err := backUp(path, version); err != nil {
			return err
		}
	}
	if version == 0 {
		// The file holds a secret, and SQLite's other files take its mode.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("%w: cannot write to %s: %w", ErrDirectory, path, cause(err))
		}
		f.Close()
	}
	// An immediate transaction takes the write lock at its beginning, where
	// waiting for it is possible.
	s.write, err = connect(path, "_txlock=immediate&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=journal_size_limit(67108864)&_pragma=secure_delete(FAST)")
	if err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	var mode string
	if err := s.write.QueryRow("PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return wrap(err, "open %s", path)
	}
	if mode != "wal" {
		return fmt.Errorf("%w: the file system of %s does not allow SQLite's write-ahead log (network file systems do not): use a local directory", ErrDirectory, path)
	}
	if err := migrate(s.write, migrations, version); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := transact(s.write, func(tx *sql.Tx) error { return s.sign(tx, build) }); err != nil {
		return wrap(err, "record the build in %s", path)
	}
	if _, err := s.write.Exec(`DELETE FROM departures WHERE left_at < ?`, timeText(time.Now().Add(-protocol.TokenLife))); err != nil {
		return wrap(err, "forget departures in %s", path) // whose tokens have expired
	}
	if s.read, err = connect(path, "_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	real, err := filepath.EvalSymlinks(path) // SQLite puts the write-ahead log beside the file itself
	if err != nil {
		return fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, path, cause(err))
	}
	s.files = map[string]os.FileInfo{}
	for _, path := range []string{path, real + "-wal"} {
		if s.files[path], err = os.Stat(path); err != nil {
			return fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, path, cause(err))
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	return s.prepare()
}

// inPlace says whether the files are still where they were opened. SQLite goes on
// writing to files that were removed or moved away, and what it writes there is lost
// with the process or belongs to another directory.
func (s *Store) inPlace() error {
	for path, opened := range s.files {
		now, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s was removed or moved while it was in use", ErrDirectory, path)
		case err == nil && !os.SameFile(opened, now):
			return fmt.Errorf("%w: %s was replaced while it was in use", ErrDirectory, path)
		} // Any other error of Stat may pass, and does not say that the file is gone.
	}
	return nil
}

// connect opens a pool on the file at path.
func connect(path, query string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "_pragma=busy_timeout(10000)&" + query}
	db, err := sql.Open("sqlite", u.String())
	return db, wrap(err, "open %s", path)
}

// sign records the build, reads the secret, and makes it in a new database.
func (s *Store) sign(tx *sql.Tx, build string) error {
	secret := make([]byte, 32)
	rand.Read(secret) // it never fails
	for _, m := range []struct {
		key     string
		value   any
		replace bool
	}{
		{"secret", secret, false},
		{"created_by", build, false},
		{"created_at", timeText(time.Now()), false},
		{"opened_by", build, true},
	} {
		verb := "INSERT OR IGNORE"
		if m.replace {
			verb = "INSERT OR REPLACE"
		}
		if _, err := tx.Exec(verb+" INTO meta VALUES (?, ?)", m.key, m.value); err != nil {
			return err
		}
	}
	if err := tx.QueryRow("SELECT value FROM meta WHERE key = 'secret'").Scan(&s.secret); err != nil {
		return err
	}
	if len(s.secret) != 32 {
		return fmt.Errorf("%w: the secret has %d bytes, want 32", ErrCorrupt, len(s.secret))
	}
	return nil
}

// inspect says which schema version the file at path has, 0 if it has to be
// made, and refuses what this program cannot use. It changes nothing, except that it
// undoes what a process had begun that was killed before the write-ahead log was there.
func inspect(path, build string) (version int, err error) {
	header := make([]byte, 100)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, path, cause(err))
	}
	n, err := io.ReadFull(f, header)
	f.Close()
	switch {
	case n == 0 && err == io.EOF:
		return 0, nil // SQLite makes the file before it writes to it
	case err != nil && err != io.ErrUnexpectedEOF:
		return 0, fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, path, cause(err))
	case n < len(header) || string(header[:16]) != "SQLite format 3\x00":
		return 0, fmt.Errorf("%w: %s is not a SQLite file: move it away, or choose another directory", ErrForeign, path)
	}
	// SQLite's header has the user version at 60 and the application at 68.
	// Where it is enough, nothing has to be opened; it may lag behind the
	// write-ahead log, so that SQLite is asked too.
	if v := int(binary.BigEndian.Uint32(header[60:])); binary.BigEndian.Uint32(header[68:]) == applicationID && v > len(migrations) {
		return 0, newer(path, v, build)
	}

	var application, tables int
	var db *sql.DB
	for _, mode := range []string{"mode=ro", "mode=rw"} {
		if db, err = connect(path, mode); err != nil {
			return 0, err
		}
		defer db.Close()
		err = db.QueryRow("SELECT a.application_id, v.user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id a, pragma_user_version v").
			Scan(&application, &version, &tables)
		if e := (*sqlite.Error)(nil); !errors.As(err, &e) || e.Code() != sqlite3.SQLITE_READONLY_ROLLBACK {
			break
		}
	}
	switch {
	case err != nil:
		return 0, unreadable(path, err)
	case tables == 0 && application == 0 && version == 0:
		return 0, nil // it was killed before the schema was there
	case application != applicationID:
		return 0, fmt.Errorf("%w: %s belongs to another program: move it away, or choose another directory", ErrForeign, path)
	case version > len(migrations):
		return 0, newer(path, version, build)
	}
	var report string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&report); err != nil {
		return 0, unreadable(path, err)
	}
	if report != "ok" {
		return 0, damaged(path, report)
	}
	return version, nil
}

// newer refuses a database of a later schema version.
func newer(path string, version int, build string) error {
	by := ""
	// immutable: SQLite makes no files beside it. What is in the write-ahead
	// log is not seen, and the message can do without.
	if db, err := connect(path, "mode=ro&immutable=1"); err == nil {
		var last string
		if db.QueryRow("SELECT value FROM meta WHERE key = 'opened_by'").Scan(&last) == nil {
			by = " (written by " + last + ")"
		}
		db.Close()
	}
	return fmt.Errorf("%w: %s has schema version %d%s, this program (%s) knows up to %d: start the newer program, or choose another directory",
		ErrNewer, path, version, by, build, len(migrations))
}

// unreadable refuses a database that SQLite cannot read, for whatever reason.
func unreadable(path string, err error) error {
	if meaning(err) == ErrCorrupt {
		return damaged(path, err.Error())
	}
	return wrap(err, "read %s", path)
}

// damaged refuses a database that SQLite finds faults in.
func damaged(path, report string) error {
	report, _, _ = strings.Cut(strings.ReplaceAll(strings.TrimPrefix(report, "*** in database main ***\n"), "\n", "; "), "\x00")
	return fmt.Errorf("%w: %s (%s): restore a copy, or save what can be read with `sqlite3 %s .recover`, or choose another directory",
		ErrCorrupt, path, report, path)
}

// Close waits for the calls under way, closes the database and unlocks the
// directory. The Store is of no use after it; a second Close does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.read != nil {
			errs = append(errs, s.read.Close())
		}
		if s.write != nil {
			errs = append(errs, s.write.Close()) // the last one empties the write-ahead log
		}
		errs = append(errs, s.lock.Close())
		s.closed = wrap(errors.Join(errs...), "close the database")
	})
	return s.closed
}

// Via has a recorder take what is written from now on, instead of the database, and returns
// the Store by which that is written to the database in the end. It is called before there is
// another goroutine.
func (s *Store) Via(r Recorder) (local *Store) {
	s.via = r
	return &Store{database: s.database}
}

// Trust has Secret return another secret, which several databases have.
func (s *Store) Trust(secret []byte) { s.secret = append([]byte(nil), secret...) }

// Secret returns the 32 random bytes that resume tokens are made with. They
// are as old as the database.
func (s *Store) Secret() []byte { return append([]byte(nil), s.secret...) }

// Meta returns what the database has under a key of SetMeta, empty if there is nothing.
func (s *Store) Meta(key string) (value string, err error) {
	err = s.read.QueryRow(`SELECT value FROM meta WHERE key = ?`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return value, wrap(err, "%s", key)
}

const setMeta = `INSERT OR REPLACE INTO meta VALUES (?, ?)`

// SetMeta records a value of the whole database under a key.
func (s *Store) SetMeta(key, value string) error {
	_, err := s.write.Exec(setMeta, key, value)
	return wrap(err, "record %s", key)
}
