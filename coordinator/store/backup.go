package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
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
	if err := copyInto(context.Background(), path, part); err != nil {
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
func copyInto(ctx context.Context, path, to string) error {
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
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return err
	}
	if err := mark(ctx, to); err != nil {
		return err
	}
	return f.Sync()
}

// mark makes a file known as a copy, and takes out what only the original needs: with the seeds
// of noise whoever has the copy could take the noise away.
func mark(ctx context.Context, path string) error {
	db, err := connect(path, "mode=rw&_pragma=journal_mode(MEMORY)&_pragma=secure_delete(1)")
	if err != nil {
		return err
	}
	defer db.Close()
	var placed bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'seeds')").Scan(&placed); err != nil || !placed {
		return err // of an older schema, which has neither
	}
	return transact(db, func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM seeds"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT OR REPLACE INTO meta VALUES ('place', ?)", backedUp)
		return err
	})
}

// Copy is a copy of the database as it was at one moment. Close removes it.
type Copy struct {
	*os.File
	store *Store
}

// copyName returns the name of the file that a Copy is in: one at a time.
func copyName(path string) string { return path + ".backup.part" }

// copyWait is how long Backup waits for the end of another copy, whose reader may just have
// gone.
const copyWait = 5 * time.Second

// Backup copies the database while it is written to, into its own directory. Only its owner
// can read the copy, which has the secret. The error wraps ErrBusy while there is another
// copy, and ErrFull where there is no room; then nothing is left of it.
func (s *Store) Backup(ctx context.Context) (*Copy, error) {
	select {
	case s.copying <- struct{}{}:
	case <-time.After(copyWait):
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := s.copy(ctx)
	if err != nil {
		<-s.copying
		return nil, err
	}
	return &Copy{f, s}, nil
}

func (s *Store) copy(ctx context.Context) (f *os.File, err error) {
	to := copyName(s.path)
	if err = s.inPlace(); err == nil {
		err = copyInto(ctx, s.path, to)
	}
	if err == nil {
		f, err = os.Open(to)
	}
	if err != nil {
		os.Remove(to)
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	if err = wrap(err, "back up %s", s.path); errors.Is(err, ErrFull) {
		err = fmt.Errorf("%w: make room for as much as the database takes", err)
	}
	return f, err
}

// Size returns the bytes of the copy.
func (c *Copy) Size() (int64, error) {
	info, err := c.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close removes the copy.
func (c *Copy) Close() error {
	defer func() { <-c.store.copying }()
	return errors.Join(c.File.Close(), os.Remove(c.Name()))
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
