package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile is writeDurable that can be undone.
func replaceFile(path string, content []byte) (undo func() error, err error) {
	before, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		undo = func() error { return removeDurable(path) }
	case err != nil:
		return func() error { return nil }, err
	default:
		undo = func() error { return writeDurable(path, before) }
	}
	if err := writeDurable(path, content); err != nil {
		return func() error { return nil }, err
	}
	return undo, nil
}

// writeDurable writes a file that is there whole or not at all, also after a power cut.
func writeDurable(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// removeDurable removes a file, if it is there, also after a power cut.
func removeDurable(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, syncDir(filepath.Dir(path)))
}

// syncDir makes the names of a folder's files durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
