package store

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// PlaceFile is the file beside the database that tells it from its copies. Both have a random
// number, which changes whenever the directory is opened, and with every charge to an account
// of privacy: a copy of the database alone lacks the file, and one that is put back in its place has
// an older number. A copy of the whole directory has a database of another inode.
//
// A restart, a new name of the directory and another mount of its file system change neither.
// What puts the whole file system back, such as a snapshot of a volume, is not noticed, nor is an older
// copy of both files that is written over them.
const PlaceFile = "fedtab.place"

// Values of meta's place that are no number.
const (
	placeless = ""       // the database is new, or from before there was a place
	backedUp  = "backup" // it is a copy that this program has made
)

// place is where the database is.
type place struct {
	path string // of PlaceFile
	at   string // the number; placeless before the first
	next string // that a change has begun with, which may be on disk; empty: none
}

// settle finds out whether the database is a copy, and makes its place its own. In a copy the
// runs that there are cannot be gone on with if they are private, and seeds of their noise are
// of no use: the original may go on with them.
func (s *Store) settle() error {
	var inode string
	if err := s.write.QueryRow(`SELECT coalesce((SELECT value FROM meta WHERE key = 'place'), ''), coalesce((SELECT value FROM meta WHERE key = 'inode'), '')`).
		Scan(&s.place.at, &inode); err != nil {
		return wrap(err, "read the place of %s", s.path)
	}
	known, err := readPlace(s.place.path)
	if err != nil {
		return err
	}
	here, err := inodeOf(s.path)
	if err != nil {
		return fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, s.path, cause(err))
	}
	copied := s.place.at != placeless && (!slices.Contains(known, s.place.at) || inode != here && inode != "" && here != "")
	return s.move(func(tx *sql.Tx) error {
		if copied {
			if _, err := tx.Exec(`UPDATE runs SET copied_at = ? WHERE copied_at IS NULL`, timeText(time.Now())); err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM seeds`); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT OR REPLACE INTO meta VALUES ('inode', ?)`, here)
		return err
	})
}

// move does something in a transaction that gives the place another number. Before it is on
// disk the file has both, so that it does not matter when a process is killed.
func (s *Store) move(do func(*sql.Tx) error) error {
	s.placing.Lock()
	defer s.placing.Unlock()
	p := &s.place
	if p.next == "" {
		p.next = rand.Text()
	}
	if err := writePlace(p.path, p.at, p.next); err != nil {
		return err
	}
	if err := transact(s.write, func(tx *sql.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT OR REPLACE INTO meta VALUES ('place', ?)`, p.next)
		return err
	}); err != nil {
		return err
	}
	p.at, p.next = p.next, ""
	writePlace(p.path, p.at) // otherwise the file has the last number too, until the next one
	return nil
}

// readPlace returns the numbers of a PlaceFile, none if there is no file.
func readPlace(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: cannot read %s: %w", ErrDirectory, path, cause(err))
	}
	return strings.Fields(string(text)), nil
}

// writePlace replaces a PlaceFile, and returns when that is on disk.
func writePlace(path string, numbers ...string) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(strings.Join(numbers, "\n") + "\n")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return wrap(err, "write %s", path)
}

// Vouch takes away that a run is in a copy: its organiser knows that the original is not served any
// more, and has released nothing since. It is not for a database of a cluster, where the other nodes would not know of it.
func (s *Store) Vouch(id string) error {
	if s.via != nil {
		return wrap(ErrClustered, "run %s: vouch for it", id)
	}
	r, err := s.write.Exec(`UPDATE runs SET copied_at = NULL WHERE id = ?`, id)
	return wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: vouch for it", id)
}

// Cuts returns the releases of a run after which a tree of noise was begun out of turn, ascending.
func (s *Store) Cuts(id string) (cuts []int, err error) {
	var text string
	if err = s.read.QueryRow(`SELECT cuts FROM runs WHERE id = ?`, id).Scan(&text); errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("run %w", ErrNotFound)
	}
	if err == nil {
		cuts, err = parseList[int](text)
	}
	return cuts, wrap(err, "run %s: its cuts", id)
}

// SetCuts records what Cuts returns, as Vouch not in a database of a cluster.
func (s *Store) SetCuts(id string, cuts []int) error {
	if s.via != nil {
		return wrap(ErrClustered, "run %s: record its cuts", id)
	}
	r, err := s.write.Exec(`UPDATE runs SET cuts = ? WHERE id = ?`, list(cuts), id)
	return wrap(one(r, err, fmt.Errorf("run %w", ErrNotFound)), "run %s: record its cuts", id)
}
