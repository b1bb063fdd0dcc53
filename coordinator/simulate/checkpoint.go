package simulate

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fedtab/coordinator/task"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What OpenCheckpoint refuses, and why nothing is written any more.
var (
	ErrNoCheckpoint = errors.New("there is nothing to go on with")
	ErrCheckpoint   = errors.New("not a usable checkpoint")
	ErrInUse        = errors.New("in use by another simulation")
	ErrLarge        = errors.New("the file is large enough")
)

// Origin is what the result of a simulation depends on.
type Origin struct {
	Program  string            // build and processor
	Settings map[string]string // of the task
	Data     [32]byte          // hash of the data's content
}

// A Checkpoint is a file from which an interrupted simulation goes on, to the result that
// it would have had.
//
// The state of a simulation is in queues and closures that cannot be written to a file. But
// it follows from what took the time: what clients made of their orders, and evaluations.
// The file has these calls, by client and in order (client.AppendDone), and the vectors that
// clients keep as they were after their newest call. A simulation that is resumed begins
// anew in virtual time and takes its calls from the file instead of training; behind the
// newest of a client, that trains on.
//
// The file is a SQLite database. A transaction adds what is new and is committed every so
// often, so that a process that is killed leaves the newest commit.
type Checkpoint struct {
	Every time.Duration   // time between two commits; 0: 1 s, or more if they take long
	Most  int64           // bytes of the file from which on nothing is written any more; 0: 16 GiB
	Warn  func(err error) // called once when nothing is written to the file any more; the simulation goes on

	path string
	db   *sql.DB // one connection, with a transaction open

	recorded map[uint32]uint64 // calls in the file when it was opened, by client; 0 stands for the coordinator
	rounds   uint64            // likewise: versions that were committed

	kept bool          // something was committed
	off  bool          // nothing is written any more
	last time.Time     // newest commit
	cost time.Duration // of the newest commit
	err  error         // the file does not belong to this simulation, or is damaged
}

const (
	checkpointID     = 0x46544350 // in SQLite's header: "FTCP"
	checkpointFormat = 1
	checkpointEvery  = time.Second
	checkpointShare  = 20 // a commit takes at most this part of the time between two

	// maxCheckpoint bounds the file, so that a simulation whose clients send raw vectors
	// for days does not fill the disk.
	maxCheckpoint = 16 << 30
)

// checkpointSchema makes the tables anew, within a transaction.
const checkpointSchema = `
DROP TABLE IF EXISTS origin; DROP TABLE IF EXISTS calls; DROP TABLE IF EXISTS vectors;
CREATE TABLE origin (program TEXT NOT NULL, settings TEXT NOT NULL, data BLOB NOT NULL, rounds INTEGER NOT NULL);
CREATE TABLE calls (client INTEGER NOT NULL, number INTEGER NOT NULL, done BLOB NOT NULL, PRIMARY KEY (client, number));
CREATE TABLE vectors (client INTEGER PRIMARY KEY, calls INTEGER NOT NULL, vectors BLOB NOT NULL);
`

// NewCheckpoint begins a checkpoint at path. One of an earlier simulation stays until the
// first commit; the path of another file is refused.
func NewCheckpoint(path string, o Origin) (*Checkpoint, error) {
	c, _, err := connectCheckpoint(path)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(o.Settings)
	if err != nil {
		panic(err) // texts
	}
	if _, err = c.db.Exec(fmt.Sprintf("BEGIN EXCLUSIVE; PRAGMA application_id = %d; PRAGMA user_version = %d; %s", checkpointID, checkpointFormat, checkpointSchema)); err == nil {
		_, err = c.db.Exec("INSERT INTO origin VALUES (?, ?, ?, 0)", o.Program, settings, o.Data[:])
	}
	if err != nil {
		return nil, errors.Join(c.unusable(err), c.Close())
	}
	return c, nil
}

// OpenCheckpoint opens the checkpoint that an interrupted simulation of the same origin has
// left. The error wraps ErrNoCheckpoint if there is none, or ErrCheckpoint; nothing is
// changed then.
func OpenCheckpoint(path string, o Origin) (*Checkpoint, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoCheckpoint, err)
	}
	c, empty, err := connectCheckpoint(path)
	if err != nil {
		return nil, err
	}
	if empty {
		err = fmt.Errorf("%w (%s is empty: the simulation ended before its first checkpoint)", ErrNoCheckpoint, path)
	} else {
		err = c.load(o)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// connectCheckpoint opens the database at path, which may be new, and reports whether it is
// empty.
func connectCheckpoint(path string) (c *Checkpoint, empty bool, err error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: "_pragma=synchronous(EXTRA)&_pragma=page_size(32768)&_pragma=cache_size(-65536)&_pragma=locking_mode(EXCLUSIVE)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, false, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	db.SetMaxOpenConns(1)
	c = &Checkpoint{path: path, db: db, last: time.Now(), recorded: map[uint32]uint64{}}
	var id, tables int
	err = db.QueryRow("SELECT a.application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id a").Scan(&id, &tables)
	empty = id == 0 && tables == 0
	if err == nil && !empty && id != checkpointID {
		err = errors.New("it belongs to another program")
	}
	if err != nil {
		return nil, false, errors.Join(c.unusable(err), db.Close())
	}
	return c, empty, nil
}

// load checks the whole file and its origin, and opens a transaction.
func (c *Checkpoint) load(o Origin) error {
	var format int
	if err := c.db.QueryRow("PRAGMA user_version").Scan(&format); err != nil {
		return c.unusable(err)
	}
	if format != checkpointFormat {
		return fmt.Errorf("%w: %s has format %d, want %d: go on with the build that wrote it, or begin anew", ErrCheckpoint, c.path, format, checkpointFormat)
	}
	var report, program string
	var settings, data []byte
	if err := c.db.QueryRow("PRAGMA quick_check(1)").Scan(&report); err != nil {
		return c.unusable(err)
	}
	if report != "ok" {
		return c.unusable(errors.New(report))
	}
	if err := c.db.QueryRow("SELECT program, settings, data, rounds FROM origin").Scan(&program, &settings, &data, &c.rounds); err != nil {
		return c.unusable(err)
	}
	var was map[string]string
	if err := json.Unmarshal(settings, &was); err != nil {
		return c.unusable(err)
	}
	differences := task.Differences(was, o.Settings)
	if len(differences) == 0 && string(data) != string(o.Data[:]) {
		differences = append(differences, "the content of the data has changed")
	}
	if program != o.Program {
		differences = append(differences, fmt.Sprintf("the program is %s, was %s", o.Program, program))
	}
	if len(differences) > 0 {
		return fmt.Errorf("%w: %s is of another simulation: %s", ErrCheckpoint, c.path, strings.Join(differences, "; "))
	}
	return c.count()
}

// count reads how many calls there are, and opens a transaction.
func (c *Checkpoint) count() error {
	rows, err := c.db.Query("SELECT client, count(*), max(number) + 1 FROM calls GROUP BY client")
	if err != nil {
		return c.unusable(err)
	}
	defer rows.Close()
	for rows.Next() {
		var client uint32
		var n, end uint64
		if err := rows.Scan(&client, &n, &end); err != nil {
			return c.unusable(err)
		}
		if n != end {
			return c.unusable(fmt.Errorf("%d calls of client %d, want %d", n, client, end))
		}
		c.recorded[client] = n
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return c.unusable(err)
	}
	if _, err := c.db.Exec("BEGIN EXCLUSIVE"); err != nil {
		return c.unusable(err)
	}
	c.kept = true
	return nil
}

// unusable says why the file cannot be used.
func (c *Checkpoint) unusable(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("%w: %s is %w", ErrCheckpoint, c.path, ErrInUse)
	}
	return fmt.Errorf("%w: %s cannot be read (%w): remove it and begin anew", ErrCheckpoint, c.path, err)
}

// Path returns the path of the file.
func (c *Checkpoint) Path() string { return c.path }

// Rounds returns how many versions had been committed when the file was written.
func (c *Checkpoint) Rounds() uint64 { return c.rounds }

// Kept reports whether the file has a state from which the simulation can go on.
func (c *Checkpoint) Kept() bool { return c.kept }

// Close closes the file, if there is one. What was not committed is lost; a new file without
// a commit is removed.
func (c *Checkpoint) Close() error {
	if c == nil {
		return nil
	}
	err := c.db.Close()
	if info, e := os.Stat(c.path); !c.kept && e == nil && info.Size() == 0 {
		err = errors.Join(err, os.Remove(c.path))
	}
	return err
}

// Remove closes and removes the file, when the simulation is over.
func (c *Checkpoint) Remove() error {
	if c == nil {
		return nil
	}
	err := c.Close()
	if e := os.Remove(c.path); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// The rest implements simulation.Memory.

// Err says why the file cannot be gone on with.
func (c *Checkpoint) Err() error { return c.err }

// Calls returns how many calls of a client the file had when it was opened.
func (c *Checkpoint) Calls(client uint32) uint64 { return c.recorded[client] }

// Has reports whether a call is in the file, to be repeated from there.
func (c *Checkpoint) Has(client uint32, number uint64) bool {
	return number < c.Calls(client) && c.err == nil
}

// Done returns the record of a call, which the file has.
func (c *Checkpoint) Done(client uint32, number uint64) (done []byte, err error) {
	err = c.db.QueryRow("SELECT done FROM calls WHERE client = ? AND number = ?", client, number).Scan(&done)
	return done, err
}

// Figure reads a figure of the coordinator, which the file has.
func (c *Checkpoint) Figure(number uint64, v any) error {
	done, err := c.Done(0, number)
	if err != nil {
		return err
	}
	return gob.NewDecoder(bytes.NewReader(done)).Decode(v)
}

// Vectors returns those of a client after its newest call in the file.
func (c *Checkpoint) Vectors(client uint32) (vectors []byte, err error) {
	var calls uint64
	err = c.db.QueryRow("SELECT calls, vectors FROM vectors WHERE client = ?", client).Scan(&calls, &vectors)
	if err == nil && calls != c.recorded[client] {
		err = fmt.Errorf("vectors of client %d after %d calls, want %d", client, calls, c.recorded[client])
	}
	return vectors, err
}

// PutVectors replaces the vectors of a client.
func (c *Checkpoint) PutVectors(client uint32, calls uint64, vectors []byte) {
	c.write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", client, calls, vectors)
}

// Put adds a call.
func (c *Checkpoint) Put(client uint32, number uint64, done []byte) {
	c.write("INSERT INTO calls VALUES (?, ?, ?)", client, number, done)
}

// PutFigure adds a figure of the coordinator.
func (c *Checkpoint) PutFigure(number uint64, v any) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // structs of numbers
	}
	c.Put(0, number, b.Bytes())
}

// Off reports whether nothing is written any more.
func (c *Checkpoint) Off() bool { return c.off }

// write changes the file within the open transaction.
func (c *Checkpoint) write(query string, args ...any) {
	if c.off {
		return
	}
	if _, err := c.db.Exec(query, args...); err != nil {
		c.stop(err)
	}
}

// stop writes nothing any more.
func (c *Checkpoint) stop(err error) {
	c.off = true
	if c.Warn != nil {
		c.Warn(err)
	}
}

// Due reports whether it is time for a commit.
func (c *Checkpoint) Due() bool {
	if c.off {
		return false
	}
	every := c.Every
	if every == 0 {
		every = max(checkpointEvery, checkpointShare*c.cost)
	}
	return time.Since(c.last) >= every
}

// Commit makes what was written durable, with what f puts.
func (c *Checkpoint) Commit(rounds uint64, f func()) {
	began := time.Now()
	f()
	c.write("UPDATE origin SET rounds = max(rounds, ?)", rounds)
	c.write("COMMIT")
	c.kept = c.kept || !c.off
	c.write("BEGIN EXCLUSIVE")
	c.last = time.Now()
	c.cost = c.last.Sub(began)
	most := cmp.Or(c.Most, maxCheckpoint)
	if info, err := os.Stat(c.path); err == nil && info.Size() > most {
		c.stop(fmt.Errorf("%w: %d MB, at most %d are kept", ErrLarge, info.Size()/1e6, most/1e6))
	}
}

// Fail notes that the file does not fit this simulation.
func (c *Checkpoint) Fail(err error) {
	if c.err == nil {
		c.err, c.off = fmt.Errorf("%w: %s does not fit this simulation (%w): remove it and begin anew", ErrCheckpoint, c.path, err), true
	}
}
