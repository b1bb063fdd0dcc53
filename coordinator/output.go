package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// output is a file, or standard output, which stays open.
type output struct {
	io.Writer
	file *os.File
	path string // of a file that appears once it is whole; empty: file is that which was asked for
}

// Close closes a file. One that was to appear whole, and is not done, is removed.
func (o *output) Close() error {
	if o == nil || o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	err := f.Close()
	if o.path != "" {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// done closes a file that is whole, and gives it its name.
func (o *output) done() error {
	if o.file == nil || o.path == "" {
		return o.Close()
	}
	f := o.file
	o.file = nil
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), o.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// create opens the file of a flag for writing; "" writes nowhere, "-" to standard output.
func create(flag, name string, stdout io.Writer) (*output, error) {
	switch {
	case name == "":
		return &output{Writer: io.Discard}, nil
	case name == "-" && stdout != nil:
		return &output{Writer: stdout}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &output{Writer: f, file: f}, nil
}

// createWhole is create for a file that appears once it is whole: whoever reads it sees the
// old one until then, and a program that is killed leaves that.
func createWhole(flag, name string, stdout io.Writer) (*output, error) {
	info, err := os.Stat(name)
	if name == "" || name == "-" && stdout != nil || err == nil && !info.Mode().IsRegular() { // a pipe cannot be renamed
		return create(flag, name, stdout)
	}
	mode := os.FileMode(0o666)
	if info != nil {
		mode = info.Mode().Perm()
	}
	return begin(flag, name, mode, info != nil)
}

// createNew is createWhole for a file that is not there yet.
func createNew(flag, name string, mode os.FileMode, stdout io.Writer) (*output, error) {
	if name == "-" {
		return create(flag, name, stdout)
	}
	if err := isNew(flag, name); err != nil {
		return nil, err
	}
	return begin(flag, name, mode, false)
}

// isNew refuses a name that a file has.
func isNew(flag, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s: %s is there already, want another name, or remove it first", flag, name)
	}
	return nil
}

// begin opens a file that has a name of its own until it is whole. exact keeps the mode from
// the process's mask.
func begin(flag, name string, mode os.FileMode, exact bool) (*output, error) {
	unfinished := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d", filepath.Base(name), os.Getpid()))
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err == nil && exact {
		err = f.Chmod(mode)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &output{Writer: f, file: f, path: name}, nil
}
