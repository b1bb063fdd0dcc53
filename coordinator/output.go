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
	unfinished := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d", filepath.Base(name), os.Getpid()))
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err == nil && info != nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &output{Writer: f, file: f, path: name}, nil
}
