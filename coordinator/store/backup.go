package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// backUp copies the database at path, which has an older schema version, before it is
// brought up to date: the program that wrote it cannot read it afterwards. The copy has
// its name once it is whole and on disk.
//
// No copy is ever overwritten: it may be all that is left of its state, as when it was
// restored and runs have gone on since. Nor does an older copy stand for that later
// state, which gets the next free name. An equal copy, of a migration that failed, is
// enough.
func backUp(path string, version int) error {
	part := backupName(path, version, 1) + ".part"
	defer os.Remove(part) // what has been given its name, or is of no use
	if err := copyInto(path, part); err != nil {
		return notCopied(path, version, err)
	}
	for n := 1; ; n++ {
		name := backupName(path, version, n)
		same, err := equal(name, part)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(os.Rename(part, name), syncDir(filepath.Dir(name)))
			return notCopied(path, version, err)
		}
		if same || err != nil {
			return notCopied(path, version, err)
		}
	}
}

// backupName returns the name of the n-th copy with a schema version, from 1.
func backupName(path string, version, n int) string {
	name := fmt.Sprintf("%s.schema%d", path, version)
	if n > 1 {
		name += fmt.Sprintf(".%d", n)
	}
	return name
}

// notCopied says why a database stays as it is; nil of nil.
func notCopied(path string, version int, err error) error {
	const what = "copy %s before its schema is migrated from version %d to %d"
	switch e := (*fs.PathError)(nil); {
	case errors.Is(err, syscall.ENOSPC):
		err = fmt.Errorf("%w: %w", ErrFull, err)
	case errors.As(err, &e):
		err = fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	err = wrap(err, what, path, version, len(migrations))
	if errors.Is(err, ErrFull) {
		return fmt.Errorf("%w: make room for as much as the database takes, and start again", err)
	}
	return err
}

// copyInto writes what the database at path holds, without its write-ahead log and free
// pages, to a file that only its owner can read: it has the secret.
func copyInto(path, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600) // SQLite fills an empty file
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := connect(path, "mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM INTO ?", to); err != nil {
		return err
	}
	return f.Sync()
}

// equal reports whether two files hold the same.
func equal(a, b string) (bool, error) {
	first, err := digest(a)
	if err != nil {
		return false, err
	}
	second, err := digest(b)
	return first == second, err
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return sum, err
	}
	if !info.Mode().IsRegular() {
		return sum, fmt.Errorf("%w: %s is not a regular file: move it away", ErrDirectory, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// syncDir makes a file's new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
