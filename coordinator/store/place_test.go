package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fedtab/run"
)

// charge opens and commits a round of a private run, whose version has seeds.
func charge(t *testing.T, s *Store, id string, round uint64) {
	t.Helper()
	o := testOpen(round)
	o.Spent = &run.Spent{Releases: 1, Epsilon: 1, Delta: 1e-5}
	must(t, s.OpenRound(id, o))
	c := testCommit(round, 10)
	c.Spent, c.Seeds = &run.Spent{Releases: round, Epsilon: 1, Delta: 1e-5}, seeds(round)
	must(t, s.Commit(id, c))
}

// seeds are those of a version.
func seeds(round uint64) []byte { return bytes.Repeat([]byte{0xa5, 0x5a, byte(round), 0xc3}, 16) }

// file returns what the database of a directory has, all in one file.
func file(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, File))
	must(t, err)
	return b
}

// copyDir copies a directory, as cp -r does.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// backup returns a copy of an open database as Backup makes it.
func backup(t *testing.T, s *Store) []byte {
	t.Helper()
	c, err := s.Backup(context.Background())
	must(t, err)
	defer c.Close()
	b, err := io.ReadAll(c)
	must(t, err)
	return b
}

// put writes a database to a directory, over the one that is there.
func put(t *testing.T, dir string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, File), data, 0o600))
}

// A database knows that it is a copy, however that was made, and is none after a restart, a crash or
// a new name of its directory.
func TestCopies(t *testing.T) {
	closed := func(t *testing.T, s *Store) { t.Helper(); must(t, s.Close()) }
	for _, c := range []struct {
		name   string
		copied bool
		then   func(t *testing.T, s *Store, dir string) string // returns the directory to open
	}{
		{"a restart", false, func(t *testing.T, s *Store, dir string) string { closed(t, s); return dir }},
		{"restarts", false, func(t *testing.T, s *Store, dir string) string {
			for range 3 {
				closed(t, s)
				s = open(t, dir)
			}
			closed(t, s)
			return dir
		}},
		{"another name of the directory", false, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			to := filepath.Join(t.TempDir(), "moved")
			must(t, os.Rename(dir, to))
			return to
		}},
		{"a link to the directory", false, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			to := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(dir, to))
			return to
		}},
		{"killed before a charge is on disk", false, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			must(t, writePlace(filepath.Join(dir, PlaceFile), s.place.at, "NEXT"))
			return dir
		}},
		{"killed after a charge is on disk", false, func(t *testing.T, s *Store, dir string) string {
			before := s.place.at
			charge(t, s, "r", 3)
			closed(t, s)
			must(t, writePlace(filepath.Join(dir, PlaceFile), before, s.place.at))
			return dir
		}},
		{"cp of the database", true, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			to := t.TempDir()
			put(t, to, file(t, dir))
			return to
		}},
		{"cp of the directory", true, func(t *testing.T, s *Store, dir string) string { closed(t, s); return copyDir(t, dir) }},
		{"a copy from before a restart, put back", true, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			was := file(t, dir)
			closed(t, open(t, dir))
			put(t, dir, was)
			return dir
		}},
		{"a copy from before a charge, put back", true, func(t *testing.T, s *Store, dir string) string {
			was := backupOf(t, s)
			charge(t, s, "r", 3)
			closed(t, s)
			put(t, dir, was)
			return dir
		}},
		{"a backup elsewhere", true, func(t *testing.T, s *Store, dir string) string {
			to := t.TempDir()
			put(t, to, backup(t, s))
			return to
		}},
		{"a backup, put back", true, func(t *testing.T, s *Store, dir string) string {
			b := backup(t, s)
			closed(t, s)
			put(t, dir, b)
			return dir
		}},
		{"the file of its place is lost", true, func(t *testing.T, s *Store, dir string) string {
			closed(t, s)
			must(t, os.Remove(filepath.Join(dir, PlaceFile)))
			return dir
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s := open(t, dir)
			must(t, s.CreateRun(testRun("r", "digits")))
			charge(t, s, "r", 1)
			charge(t, s, "r", 2)
			s = open(t, c.then(t, s, dir))
			copied := func(id string) bool {
				t.Helper()
				r, ok, err := s.FindRun(id)
				if err != nil || !ok {
					t.Fatal(err, ok)
				}
				return r.Copied
			}
			saved, err := s.Load("r")
			must(t, err)
			if got := copied("r"); got != c.copied || saved.Last == nil || (saved.Last.Seeds == nil) != c.copied {
				t.Fatalf("copied is %v, want %v; with %d bytes of seeds", got, c.copied, len(saved.Last.Seeds))
			}
			must(t, s.CreateRun(testRun("new", "digits")))
			if copied("new") {
				t.Error("a run that begins in a copy is in a copy")
			}
			dir = filepath.Dir(s.path)
			must(t, s.Close())
			s = open(t, dir)
			if got := copied("r"); got != c.copied || copied("new") {
				t.Errorf("after a restart copied is %v, want %v; of a new run %v", got, c.copied, copied("new"))
			}
			must(t, s.Vouch("r"))
			must(t, s.Close())
			if s = open(t, dir); copied("r") {
				t.Error("the organiser has vouched for it, and it is in a copy still")
			}
		})
	}
}

// backupOf copies an open database as sqlite3's .backup does, which knows of no place.
func backupOf(t *testing.T, s *Store) []byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	if _, err := s.write.Exec("VACUUM INTO ?", to); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to)
	must(t, err)
	return b
}

// A database of an older schema is none, nor one whose charge could not be written.
func TestPlaceOfOthers(t *testing.T) {
	dir, _ := schema1Dir(t)
	s := open(t, dir)
	if r, ok, err := s.LatestRun("old"); err != nil || !ok || r.Copied {
		t.Errorf("a database of schema 1: %+v, %v", r, err)
	}
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, os.Remove(s.place.path))
	must(t, os.Mkdir(s.place.path, 0o700)) // no file can have its name
	o := testOpen(1)
	o.Spent = &run.Spent{Releases: 1, Epsilon: 1, Delta: 1e-5}
	if err := s.OpenRound("r", o); err == nil {
		t.Fatal("a charge that the place does not know of")
	}
	must(t, os.Remove(s.place.path))
	must(t, s.OpenRound("r", o))
	must(t, s.Close())
	if r, _, err := open(t, dir).FindRun("r"); err != nil || r.Copied {
		t.Errorf("after a charge that was repeated: %+v, %v", r, err)
	}
}

// Seeds of the newest version alone are there: neither those of earlier ones, nor any of a run that is
// over, are in the file or in a backup.
func TestSeeds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	for round := uint64(1); round <= 4; round++ {
		charge(t, s, "r", round)
	}
	saved, err := s.Load("r")
	must(t, err)
	if !bytes.Equal(saved.Last.Seeds, seeds(4)) {
		t.Fatalf("loaded with seeds %x", saved.Last.Seeds)
	}
	has := func(what string, b []byte, want ...uint64) {
		t.Helper()
		for round := uint64(1); round <= 4; round++ {
			if got := bytes.Contains(b, seeds(round)[:32]); got != slices.Contains(want, round) {
				t.Errorf("%s: has seeds of version %d: %v", what, round, got)
			}
		}
	}
	has("a backup", backup(t, s))
	must(t, s.Close())
	has("the file", file(t, dir), 4)
	s = open(t, dir)
	must(t, s.Finish("r", "done", start))
	if saved, err = s.Load("r"); err != nil || saved.Last.Seeds != nil {
		t.Errorf("a run that is over has %d bytes of seeds, %v", len(saved.Last.Seeds), err)
	}
	must(t, s.Close())
	has("the file of a run that is over", file(t, dir))
}

// A node of a cluster writes to no database but through the log, which has neither.
func TestPlaceOfCluster(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	s.Via(s.Via(nil))
	for name, err := range map[string]error{"Vouch": s.Vouch("r"), "SetCuts": s.SetCuts("r", []int{3})} {
		if !errors.Is(err, ErrClustered) {
			t.Errorf("%s: %v, want %v", name, err, ErrClustered)
		}
	}
	if cuts, err := s.Cuts("r"); err != nil || cuts != nil {
		t.Errorf("cuts %v, %v; want none", cuts, err)
	}
}

func TestCuts(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.CreateRun(testRun("r", "digits")))
	for _, want := range [][]int{nil, {3}, {3, 40}} {
		if want != nil {
			must(t, s.SetCuts("r", want))
		}
		if got, err := s.Cuts("r"); err != nil || !slices.Equal(got, want) {
			t.Errorf("cuts %v, %v; want %v", got, err, want)
		}
	}
	if _, err := s.Cuts("x"); err == nil {
		t.Error("cuts of no run")
	}
}
