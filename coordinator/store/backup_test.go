package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// older opens a copy as the program of its time would, and returns its schema version,
// and how many rounds and events it has.
func older(t *testing.T, path string) (version, rounds, events int) {
	t.Helper()
	db, err := connect(path, "mode=ro")
	must(t, err)
	defer db.Close()
	var report string
	must(t, db.QueryRow("PRAGMA integrity_check").Scan(&report))
	if report != "ok" {
		t.Errorf("%s: %s", path, report)
	}
	must(t, db.QueryRow("SELECT user_version, (SELECT count(*) FROM rounds), (SELECT count(*) FROM events) FROM pragma_user_version").Scan(&version, &rounds, &events))
	return version, rounds, events
}

// exists reports whether there is a file.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A database of an older schema is copied before it is migrated.
func TestBackUp(t *testing.T) {
	dir, _ := schema1Dir(t)
	s := open(t, dir)
	path := filepath.Join(dir, File)
	copied := path + ".schema1"
	if version, rounds, events := older(t, copied); version != 1 || rounds != 9 || events != 30 {
		t.Errorf("the copy has version %d, %d rounds and %d events, want 1, 9 and 30", version, rounds, events)
	}
	info, err := os.Stat(copied)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the copy, with the secret, has mode %v", info.Mode())
	}
	var secret []byte
	db, err := connect(copied, "mode=ro")
	must(t, err)
	defer db.Close()
	must(t, db.QueryRow("SELECT value FROM meta WHERE key = 'secret'").Scan(&secret))
	if !bytes.Equal(secret, s.Secret()) {
		t.Error("the copy has another secret")
	}
	must(t, s.Close())

	// Once it is up to date, or new, no more copies are made.
	open(t, dir)
	open(t, t.TempDir())
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if strings.Contains(e.Name(), ".schema") && e.Name() != File+".schema1" {
			t.Errorf("there is also %s", e.Name())
		}
	}
}

// What is in the write-ahead log only is in the copy.
func TestBackUpOfTheLog(t *testing.T) {
	from, _ := schema1Dir(t)
	db, err := connect(filepath.Join(from, File), "")
	must(t, err)
	defer db.Close()
	_, err = db.Exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; DELETE FROM events WHERE id > 7")
	must(t, err)
	dir := snapshotDir(t, from)
	open(t, dir)
	if version, rounds, events := older(t, filepath.Join(dir, File+".schema1")); version != 1 || rounds != 9 || events != 7 {
		t.Errorf("the copy has version %d, %d rounds and %d events, want 1, 9 and 7", version, rounds, events)
	}
}

// A copy that is there stays: one of the same state is enough, one of another state gets
// a second beside it.
func TestBackUpAgain(t *testing.T) {
	dir, data := schema1Dir(t)
	path := filepath.Join(dir, File)
	must(t, open(t, dir).Close())
	first, err := os.ReadFile(path + ".schema1")
	must(t, err)
	restore := func(data []byte, change string) {
		t.Helper()
		must(t, os.WriteFile(path, data, 0o600))
		db, err := connect(path, "")
		must(t, err)
		defer db.Close()
		_, err = db.Exec(change)
		must(t, err)
	}

	restore(data, "") // as after a migration that failed
	must(t, open(t, dir).Close())
	if exists(path + ".schema1.2") {
		t.Error("the same state is copied twice")
	}
	restore(first, "DELETE FROM events WHERE id > 7") // the copy, with which the older program has gone on
	must(t, open(t, dir).Close())
	if _, _, events := older(t, path+".schema1.2"); events != 7 {
		t.Errorf("the second copy has %d events, want 7", events)
	}
	if now, err := os.ReadFile(path + ".schema1"); err != nil || !bytes.Equal(now, first) {
		t.Errorf("the first copy has changed (%v)", err)
	}
	restore(first, "DELETE FROM events WHERE id > 7")
	must(t, open(t, dir).Close())
	if exists(path + ".schema1.3") {
		t.Error("the second state is copied twice")
	}
}

// Without a copy nothing is migrated, and the database stays as it is.
func TestNoBackUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		is    error
		want  string // DB stands for the path
	}{
		{"a directory has its name", func(t *testing.T, path string) { must(t, os.Mkdir(path+".schema1", 0o700)) },
			ErrDirectory, "data directory cannot be used: DB.schema1 is not a regular file: move it away"},
		{"a directory has its name while it is written", func(t *testing.T, path string) { must(t, os.MkdirAll(path+".schema1.part/x", 0o700)) },
			ErrDirectory, "data directory cannot be used: open DB.schema1.part: is a directory"},
		{"the disk is full", func(t *testing.T, path string) {
			if !exists("/dev/full") {
				t.Skip("no /dev/full here")
			}
			must(t, os.Symlink("/dev/full", path+".schema1.part"))
		}, ErrFull, "disk is full: database or disk is full (13): make room for as much as the database takes, and start again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, before := schema1Dir(t)
			path := filepath.Join(dir, File)
			c.spoil(t, path)
			for range 2 {
				_, err := Open(dir, build)
				want := fmt.Sprintf("copy %s before its schema is migrated from version 1 to %d: %s", path, len(migrations), strings.ReplaceAll(c.want, "DB", path))
				if !errors.Is(err, c.is) || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				if c.is == ErrFull {
					break // what was in the way is gone
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the database was changed (%v)", err)
			}
			must(t, os.RemoveAll(path+".schema1"))
			must(t, os.RemoveAll(path+".schema1.part"))
			var version int
			must(t, open(t, dir).write.QueryRow("PRAGMA user_version").Scan(&version))
			if version != len(migrations) {
				t.Errorf("without the obstacle: version %d, want %d", version, len(migrations))
			}
		})
	}
}

// A process that was killed while it copied leaves a part, which the next one replaces.
func TestBackUpAfterAKill(t *testing.T) {
	dir, _ := schema1Dir(t)
	path := filepath.Join(dir, File)
	must(t, os.WriteFile(path+".schema1.part", []byte("half a copy"), 0o600))
	open(t, dir)
	if version, _, _ := older(t, path+".schema1"); version != 1 || exists(path+".schema1.part") {
		t.Errorf("the copy has version %d, the part is there: %v", version, exists(path+".schema1.part"))
	}
}

// A backup is the database at one moment, while it is written to; a store opens it, and the
// run goes on from it.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	must(t, os.WriteFile(copyName(path), []byte("half a copy"), 0o600)) // of a process that was killed
	s := open(t, dir)
	if exists(copyName(path)) {
		t.Error("the copy of a process that was killed is still there")
	}
	must(t, s.CreateRun(testRun("r1", "digits")))
	play(t, s, "r1", 1, 3)
	written := make(chan struct{})
	go func() {
		defer close(written)
		play(t, s, "r1", 4, 40)
	}()
	c, err := s.Backup(t.Context())
	must(t, err)
	<-written
	if _, err := s.Backup(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("a second backup meanwhile: %v, want ErrBusy", err)
	}
	info, err := c.Stat()
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the backup, with the secret, has mode %v", info.Mode())
	}
	restored := t.TempDir()
	b, err := os.ReadFile(c.Name())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(restored, File), b, 0o600))
	must(t, c.Close())
	if exists(copyName(path)) {
		t.Error("the copy is there after Close")
	}

	r := open(t, restored)
	saved, err := r.Load("r1")
	must(t, err)
	n := uint64(len(saved.Rounds))
	if n < 3 || n > 40 || saved.Last.Round != n {
		t.Fatalf("the backup has %d rounds and version %d", n, saved.Last.Round)
	}
	if !bytes.Equal(r.Secret(), s.Secret()) {
		t.Error("the backup has another secret: participants cannot resume")
	}
	play(t, r, "r1", n+1, n+1)
}

// A backup for which there is no room leaves nothing, and the next one works.
func TestNoBackup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if !exists("/dev/full") {
		t.Skip("no /dev/full here")
	}
	must(t, os.Symlink("/dev/full", copyName(filepath.Join(dir, File))))
	_, err := s.Backup(t.Context())
	if !errors.Is(err, ErrFull) || !strings.HasSuffix(err.Error(), "make room for as much as the database takes") {
		t.Errorf("on a full disk: %v, want ErrFull and what to do", err)
	}
	c, err := s.Backup(t.Context())
	must(t, err)
	must(t, c.Close())

	must(t, os.Rename(filepath.Join(dir, File), filepath.Join(dir, "moved")))
	if _, err := s.Backup(t.Context()); !errors.Is(err, ErrDirectory) {
		t.Errorf("of a database that was moved: %v, want ErrDirectory", err)
	}
}
