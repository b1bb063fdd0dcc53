package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"fedtab/tasks"

	"github.com/klauspost/compress/gzip"
)

// file is an open file of examples, plain or compressed with gzip.
type file struct {
	io.Reader
	size int64 // in bytes; 0 if unknown, because the file is compressed
	f    fs.File
}

// OpenFile opens a file of examples for reading, plain or compressed with gzip.
func OpenFile(path string) (io.ReadCloser, error) {
	f, err := open(path)
	if err != nil {
		return nil, err // not a nil *file
	}
	return f, nil
}

// The sample files that ship with the tasks are read by the path that they have in the
// repository, also where only the binary is.
const (
	tasksDir = "tasks/"
	samples  = tasksDir + "samples/"
)

// open opens a file. It detects gzip from the first bytes, not from the name.
func open(path string) (*file, error) {
	f, err := openPacked(path)
	if err != nil {
		return nil, err
	}
	in, err := unpack(path, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return in, nil
}

// openPacked opens a file as it is.
func openPacked(path string) (fs.File, error) {
	var f fs.File
	var err error
	if f, err = os.Open(path); errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(path, samples) {
		f, err = tasks.Files.Open(strings.TrimPrefix(path, tasksDir))
	}
	if errors.Is(err, fs.ErrNotExist) {
		where, _ := os.Getwd()
		return nil, fmt.Errorf("%w (paths are relative to %s)", err, where)
	}
	if err != nil {
		return nil, err // not a nil *os.File
	}
	return f, nil
}

func unpack(path string, f fs.File) (*file, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a file", path)
	}
	b := bufio.NewReaderSize(f, 1<<16)
	if head, _ := b.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return &file{b, info.Size(), f}, nil // Read returns the error of Peek again
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("%s: gzip: %w", path, err)
	}
	return &file{z, 0, f}, nil
}

// Close closes the file.
func (f *file) Close() error { return f.f.Close() }
