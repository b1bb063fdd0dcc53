package store

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/account"
	"fedtab/run"
)

// snapshotDir copies the database files as they are on disk, as if the power
// had been cut at this moment.
func snapshotDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{File, File + "-wal"} { // -shm is made anew
		data, err := os.ReadFile(filepath.Join(from, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
	}
	return to
}

func TestCrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	const n = 3000 // several pages per model, so that the log is carried over now and then
	for v := uint64(1); v <= 12; v++ {
		must(t, s.OpenRound("r", testOpen(v)))
		check := func(committed uint64, isOpen bool) {
			t.Helper()
			s := open(t, snapshotDir(t, dir))
			defer s.Close()
			saved, err := s.Load("r")
			must(t, err)
			if uint64(len(saved.Rounds)) != committed || isOpen != (saved.Open != nil) {
				t.Fatalf("%d rounds committed, open %+v; want %d, %v", len(saved.Rounds), saved.Open, committed, isOpen)
			}
			if committed > 0 && saved.Last.Hash != testCommit(committed, n).Hash {
				t.Fatal("another model came back")
			}
		}
		check(v-1, true)

		// In the middle of the commit's transaction.
		c := testCommit(v, n)
		tx, err := s.write.Begin()
		must(t, err)
		must(t, s.commit(tx, "r", c, vectorBytes(c.Params)))
		check(v-1, true)
		must(t, tx.Rollback())

		must(t, s.Commit("r", c))
		check(v, false)
	}

	// A log that was cut in the middle of a write loses that write only.
	torn := snapshotDir(t, dir)
	wal := filepath.Join(torn, File+"-wal")
	info, err := os.Stat(wal)
	must(t, err)
	must(t, os.Truncate(wal, info.Size()-100))
	saved, err := open(t, torn).Load("r")
	must(t, err)
	if got := len(saved.Rounds); got != 11 || saved.Open == nil {
		t.Errorf("%d rounds from a torn log, open %v; want 11 and the 12th open", got, saved.Open)
	}
}

// TestRefusedFiles: what cannot be used is named, and stays as it is.
func TestRefusedFiles(t *testing.T) {
	make := func(t *testing.T, change func(*sql.DB)) []byte {
		dir := t.TempDir()
		s := open(t, dir)
		must(t, s.CreateRun(testRun("r", "digits")))
		play(t, s, "r", 1, 40)
		if change != nil {
			change(s.write)
		}
		must(t, s.Close())
		data, err := os.ReadFile(filepath.Join(dir, File))
		must(t, err)
		return data
	}
	exec := func(text string) func(*sql.DB) {
		return func(db *sql.DB) {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		data func(t *testing.T) []byte
		is   error
		want string // DB stands for the path
	}{
		{"newer", func(t *testing.T) []byte {
			return make(t, exec("PRAGMA user_version = 99; UPDATE meta SET value = 'fedtab 9.1' WHERE key = 'opened_by'"))
		}, ErrNewer, "database is from a newer version of fedtab: DB has schema version 99 (written by fedtab 9.1), this program (fedtab test) knows up to 18: start the newer program, or choose another directory"},
		{"text", func(*testing.T) []byte { return bytes.Repeat([]byte("not a database\n"), 100) },
			ErrForeign, "not a fedtab database: DB is not a SQLite file: move it away, or choose another directory"},
		{"short", func(*testing.T) []byte { return []byte("SQLite format 3\x00") }, ErrForeign, "not a fedtab database: DB is not a SQLite file"},
		{"another program's", func(t *testing.T) []byte {
			path := filepath.Join(t.TempDir(), "x.db")
			db, err := sql.Open("sqlite", path)
			must(t, err)
			exec("CREATE TABLE t (x)")(db)
			must(t, db.Close())
			data, err := os.ReadFile(path)
			must(t, err)
			return data
		}, ErrForeign, "not a fedtab database: DB belongs to another program"},
		{"overwritten page", func(t *testing.T) []byte {
			data := make(t, nil)
			copy(data[3*4096:], bytes.Repeat([]byte{0xa5}, 4096))
			return data
		}, ErrCorrupt, "database is damaged: DB ("},
		{"cut short", func(t *testing.T) []byte {
			data := make(t, nil)
			return data[:len(data)/2]
		}, ErrCorrupt, "database is damaged: DB ("},
		{"header only", func(t *testing.T) []byte {
			data := make(t, nil)
			copy(data[100:], bytes.Repeat([]byte{0xff}, 3996))
			return data
		}, ErrCorrupt, "database is damaged: DB ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, File)
			before := c.data(t)
			must(t, os.WriteFile(path, before, 0o600))
			_, err := Open(dir, build)
			if err == nil {
				t.Fatal("opened")
			}
			if got, want := err.Error(), strings.Replace(c.want, "DB", path, 1); !errors.Is(err, c.is) || !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			after, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(after, before) {
				t.Error("the file was changed")
			}
			if _, err := Open(dir, build); errors.Is(err, ErrLocked) {
				t.Error("the lock was not given back")
			}
		})
	}
}

// TestNewerInLog has the newer schema version in the write-ahead log only, as
// when the newer program was killed.
func TestNewerInLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	must(t, err)
	_, err = s.write.Exec(fmt.Sprintf("PRAGMA user_version = %d", len(migrations)+1))
	must(t, err)
	dir = snapshotDir(t, dir)
	before := read(t, dir)
	if _, err := Open(dir, build); !errors.Is(err, ErrNewer) {
		t.Fatalf("got %v, want ErrNewer", err)
	}
	for name, data := range before {
		if !bytes.Equal(read(t, dir)[name], data) {
			t.Errorf("%s was changed", name)
		}
	}
}

// read returns the database and its log.
func read(t *testing.T, dir string) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{File, File + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		files[name] = data
	}
	return files
}

// TestUnfinishedFile: a process that was killed before the first transaction
// leaves an empty file, or one with a header and nothing in it.
func TestUnfinishedFile(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, File), nil, 0o600))
	must(t, open(t, dir).Close())

	dir = t.TempDir()
	db, err := connect(filepath.Join(dir, File), "")
	must(t, err)
	_, err = db.Exec("PRAGMA journal_mode = WAL; VACUUM")
	must(t, err)
	must(t, db.Close())
	must(t, open(t, dir).CreateRun(testRun("r", "digits")))
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, build)
	want := fmt.Sprintf("data directory is in use by another coordinator: %s (process %d): stop it, or choose another directory", dir, os.Getpid())
	if !errors.Is(err, ErrLocked) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	must(t, s.CreateRun(testRun("r", "digits"))) // the first one is not disturbed
	must(t, s.Close())
	must(t, open(t, dir).Close())
}

func TestDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "data"), build)
	if want := fmt.Sprintf("data directory cannot be used: cannot create %s/data: not a directory", file); !errors.Is(err, ErrDirectory) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if os.Getuid() != 0 {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o500))
		_, err := Open(dir, build)
		if want := fmt.Sprintf("data directory cannot be used: cannot write to %s: permission denied", dir); !errors.Is(err, ErrDirectory) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	// Characters that mean something in a URI.
	odd := filepath.Join(t.TempDir(), "a b?c=d#e%20&f", "deep")
	s := open(t, odd)
	must(t, s.CreateRun(testRun("r", "digits")))
	if _, err := os.Stat(filepath.Join(odd, File)); err != nil {
		t.Error(err)
	}
}

// TestFull limits the number of pages as a full disk would. The commit leaves
// nothing behind, and works when there is room again.
func TestFull(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.OpenRound("r", testOpen(1)))
	limit := func(pages int) {
		_, err := s.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		must(t, err)
	}
	var pages int
	must(t, s.write.QueryRow("PRAGMA page_count").Scan(&pages))
	limit(pages + 10)
	c := testCommit(1, 100_000)
	for range 2 {
		if err := s.Commit("r", c); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
	}
	if saved, err := s.Load("r"); err != nil || saved.Last != nil || saved.Open == nil {
		t.Fatalf("something stayed: %+v, %v", saved, err)
	}
	limit(1 << 30)
	must(t, s.Commit("r", c))
	if saved, err := s.Load("r"); err != nil || saved.Last == nil {
		t.Fatalf("%+v, %v", saved, err)
	}
}

// TestDamagedModel has a database that is sound and a model that is not.
func TestDamagedModel(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	play(t, s, "r", 1, 2)
	for _, c := range []struct{ name, text, want string }{
		{"a bit", "UPDATE models SET parameters = zeroblob(40) WHERE version = 2", "the parameters have hash "},
		{"hash", "UPDATE models SET hash = 'xyz' WHERE version = 2", `hash "xyz"`},
		{"gone", "UPDATE models SET parameters = NULL, hash = '" + strings.Repeat("00", 32) + "' WHERE version = 2", "the newest version has no parameters"},
	} {
		_, err := s.write.Exec(c.text)
		must(t, err)
		if _, err := s.Load("r"); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		_, _, err = s.Model("r", 2)
		if c.name == "gone" {
			if !errors.Is(err, ErrNotKept) {
				t.Errorf("%s: got %v", c.name, err)
			}
		} else if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// TestMigrate leads the newest version to a made-up one after it, and one that
// fails nowhere.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	version := func() (v int) {
		must(t, s.write.QueryRow("PRAGMA user_version").Scan(&v))
		return v
	}
	newest := len(migrations)
	bad := append(slices.Clone(migrations), "ALTER TABLE runs ADD COLUMN extra TEXT; DROP TABLE nonsense")
	if err := migrate(s.write, bad, newest); err == nil || version() != newest {
		t.Fatalf("a migration that fails: version %d, %v", version(), err)
	}
	good := append(slices.Clone(migrations), "ALTER TABLE runs ADD COLUMN extra TEXT NOT NULL DEFAULT 'none'")
	must(t, migrate(s.write, good, newest))
	var extra string
	var recorded int
	must(t, s.read.QueryRow("SELECT extra, (SELECT value FROM meta WHERE key = 'schema_version') FROM runs").Scan(&extra, &recorded))
	if extra != "none" || version() != newest+1 || recorded != newest+1 {
		t.Errorf("extra %q, version %d, recorded %d", extra, version(), recorded)
	}
	must(t, s.Close())
	if _, err := Open(dir, build); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
}

// schema1Dir returns a directory with the database that the first schema's program left
// behind, and the bytes of that.
func schema1Dir(t *testing.T) (dir string, data []byte) {
	t.Helper()
	packed, err := os.Open("testdata/schema1.db.gz")
	must(t, err)
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	must(t, err)
	data, err = io.ReadAll(z)
	must(t, err)
	dir = t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, File), data, 0o600))
	return dir, data
}

// TestSchema1 opens a database that the first schema's program left behind, with
// round 9 open, and goes on with it.
func TestSchema1(t *testing.T) {
	dir, _ := schema1Dir(t)
	s := open(t, dir)
	last, ok, err := s.LatestRun("old")
	if err != nil || !ok {
		t.Fatalf("the run is gone: %v", err)
	}
	saved, err := s.Load(last.ID)
	must(t, err)
	if saved.Last == nil || saved.Last.Round != 8 || saved.Open == nil || saved.Open.Round != 9 || len(saved.Rounds) != 8 || saved.Finished != "" {
		t.Fatalf("loaded %+v", saved)
	}
	newest := saved.Evaluated
	if runs, err := s.Runs(Filter{}); err != nil || len(runs) != 1 || runs[0].Version != 8 || newest == nil || runs[0].Evaluated != newest.Version || *runs[0].TestLoss != newest.Loss || *runs[0].TestAccuracy != newest.Accuracy {
		t.Errorf("listed as %+v, %v; want version 8 with the figures %+v", runs, err, newest)
	}
	c := testCommit(9, len(saved.Last.Params))
	c.Contributions = []run.Contribution{{Participant: 1, Order: saved.Open.Order, Weight: 600, Fingerprint: 0xabc}}
	must(t, s.Commit(last.ID, c))
	var events, version int
	var fingerprint, kinds string
	must(t, s.read.QueryRow("SELECT (SELECT count(*) FROM events), (SELECT fingerprint FROM contributions WHERE round = 9), (SELECT kinds FROM traffic WHERE round = 9 AND participant = 2), (SELECT value FROM meta WHERE key = 'schema_version')").
		Scan(&events, &fingerprint, &kinds, &version))
	if events != 30 || fingerprint != "0000000000000abc" || kinds != account.Kinds(&c.Traffic) || version != len(migrations) {
		t.Errorf("%d events, fingerprint %s, kinds %s, schema version %d", events, fingerprint, kinds, version)
	}
}

func BenchmarkCommit(b *testing.B) {
	s := open(b, b.TempDir())
	must(b, s.CreateRun(testRun("r", "digits")))
	const n = 199_210 // the 2NN
	c := testCommit(1, n)
	c.State = nil
	b.SetBytes(4 * n)
	for v := uint64(1); b.Loop(); v++ {
		b.StopTimer()
		must(b, s.OpenRound("r", testOpen(v)))
		c.Round = v
		b.StartTimer()
		must(b, s.Commit("r", c))
	}
}

func BenchmarkOpenRound(b *testing.B) {
	s := open(b, b.TempDir())
	must(b, s.CreateRun(testRun("r", "digits")))
	for v := uint64(1); b.Loop(); v++ { // SQLite skips the write of what is there already
		must(b, s.OpenRound("r", testOpen(v)))
	}
}

func BenchmarkLog(b *testing.B) {
	s := open(b, b.TempDir())
	must(b, s.CreateRun(testRun("r", "digits")))
	e := run.LogEntry{At: start, Round: 3, Participant: 12, Kind: "accepted", Detail: "600 examples"}
	for b.Loop() {
		must(b, s.Log("r", []run.LogEntry{e}, run.Ledger{}))
	}
}

func BenchmarkLoad(b *testing.B) {
	s := open(b, b.TempDir())
	must(b, s.CreateRun(testRun("r", "digits")))
	play(b, s, "r", 1, 500)
	must(b, s.OpenRound("r", testOpen(501)))
	must(b, s.Commit("r", testCommit(501, 199_210)))
	for b.Loop() {
		if _, err := s.Load("r"); err != nil {
			b.Fatal(err)
		}
	}
}

// Errors of the journal that no later try can cure say so; a full disk may pass.
func TestJournalErrorClasses(t *testing.T) {
	s, err := Open(t.TempDir(), "test")
	must(t, err)
	defer s.Close()
	must(t, s.CreateRun(testRun("r", "digits")))
	class := func(what string, err error, permanent bool) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if errors.Is(err, run.ErrPermanent) != permanent {
			t.Errorf("%s: permanent = %v, want %v: %v", what, !permanent, permanent, err)
		}
	}
	class("a run that is gone", s.ReserveParticipants("nonsense", 7), true)
	class("a version whose round is not open", s.Commit("r", testCommit(9, 4)), true)
	wrong := testCommit(1, 4)
	wrong.Hash[0]++
	class("parameters that do not match their hash", s.Commit("r", wrong), true)
	must(t, s.OpenRound("r", testOpen(1)))
	must(t, s.Limit(1))
	class("a full disk", s.Log("r", make([]run.LogEntry, 10_000), run.Ledger{}), false)
	must(t, s.Limit(0))
	if _, err := s.write.Exec("PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	class("a database that is read-only", s.OpenRound("r", testOpen(1)), true)
	if _, err := s.write.Exec("PRAGMA query_only = OFF; DROP TABLE events"); err != nil {
		t.Fatal(err)
	}
	class("a table that is gone", s.Log("r", make([]run.LogEntry, 1), run.Ledger{}), true)
}

// SQLite goes on writing to a database that was removed or moved away. Nothing of that
// is durable, and the journal says so.
func TestFilesRemoved(t *testing.T) {
	for _, test := range []struct {
		name   string
		remove func(t *testing.T, dir string)
	}{
		{"the database", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, File))) }},
		{"the write-ahead log", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, File+"-wal"))) }},
		{"the directory", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }},
		{"the directory, moved", func(t *testing.T, dir string) { must(t, os.Rename(dir, dir+".old")) }},
		{"the database, replaced", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, File), filepath.Join(dir, "old")))
			must(t, os.WriteFile(filepath.Join(dir, File), nil, 0o600))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s, err := Open(dir, "test")
			must(t, err)
			defer s.Close()
			must(t, s.CreateRun(testRun("r", "digits")))
			must(t, s.OpenRound("r", testOpen(1)))
			test.remove(t, dir)
			for what, err := range map[string]error{
				"reserve": s.ReserveParticipants("r", 7), "open round": s.OpenRound("r", testOpen(1)), "commit": s.Commit("r", testCommit(1, 4)),
				"log": s.Log("r", make([]run.LogEntry, 1), run.Ledger{}), "finish": s.Finish("r", "enough", time.Now()),
			} {
				if !errors.Is(err, ErrDirectory) || !errors.Is(err, run.ErrPermanent) {
					t.Errorf("%s: %v, want ErrDirectory for good", what, err)
				}
			}
		})
	}
}

// A database may be a symbolic link.
func TestLinkedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere.db"), filepath.Join(dir, File)); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for range 2 {
		s, err := Open(dir, "test")
		must(t, err)
		if err := s.CreateRun(testRun("r", "digits")); err != nil && !errors.Is(err, ErrExists) {
			t.Fatal(err)
		}
		must(t, s.ReserveParticipants("r", 7))
		must(t, s.Close())
	}
}

// A process that is killed while it makes the database leaves a rollback journal. The
// next one undoes what was begun, and makes it anew.
func TestKilledWhileMakingTheDatabase(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(from, File)
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		"CREATE TABLE first (x)", "DROP TABLE first", // the file has a header, and nothing in it
		"PRAGMA cache_size = 1", // pages are written before the transaction ends
		"BEGIN", "CREATE TABLE half (x)",
		"INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT randomblob(4000) FROM n",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{File, File + "-journal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %d bytes (%v), want what a killed process leaves", name, len(b), err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateRun(Run{ID: "a", Task: "a", Spec: []byte("x"), Created: time.Now()}); err != nil {
		t.Error(err)
	}
}
