package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/gzip"
)

// file is a file of examples that is being read, plain or packed by gzip.
type file struct {
	io.Reader
	size int64 // in bytes; 0 if it is not known, because the file is packed
	f    *os.File
}

// open opens a file. Whether it is packed is seen from its first bytes, and not
// from its name.
func open(path string) (*file, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		where, _ := os.Getwd()
		return nil, fmt.Errorf("%w (paths are relative to %s)", err, where)
	}
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

func unpack(path string, f *os.File) (*file, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a file", path)
	}
	b := bufio.NewReaderSize(f, 1<<16)
	if head, _ := b.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return &file{b, info.Size(), f}, nil // an error of Peek comes again
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("%s: gzip: %w", path, err)
	}
	return &file{z, 0, f}, nil
}

// Close closes the file.
func (f *file) Close() error { return f.f.Close() }
