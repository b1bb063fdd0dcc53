package web

import (
	"errors"
	"sync"
	"time"

	"fedtab/protocol"
)

// files holds the model files that are being downloaded, each once for all that
// download it.
type files struct {
	limit int64 // bytes; one of any size has room

	making sync.Mutex // one file is made at a time, which takes three times its size

	mu   sync.Mutex
	used int64
	open map[fileName]*file
}

// fileName names a version of a run.
type fileName struct {
	run     string
	version uint64
}

// file is a model file in memory.
type file struct {
	name    fileName
	size    int64              // that it counts for
	readers map[*reader]func() // that download it, and how each is cut off
	made    chan struct{}      // closed when content and err are set

	content []byte
	etag    string
	err     error
}

// reader is a download of a file.
type reader struct {
	*file
	until time.Time // when it must be through, if other files are waited for; zero: the file is not made yet
}

var errFilesFull = errors.New("too many model files are being downloaded, try again later")

func newFiles() *files { return &files{limit: protocol.MaxModelFiles, open: map[fileName]*file{}} }

// get returns a download of a file of about the given size, which is made if nobody else
// downloads it. Unless there is an error, the caller ends it with put. Where there is no
// room, files are given up whose readers are all slower than MinFileRate: cut must end
// the writing of this one.
func (f *files) get(name fileName, size int64, cut func(), read func() ([]byte, string, error)) (*reader, error) {
	f.mu.Lock()
	x := f.open[name]
	made := x != nil
	if !made {
		if !f.room(size) {
			f.mu.Unlock()
			return nil, errFilesFull
		}
		x = &file{name: name, size: size, readers: map[*reader]func(){}, made: make(chan struct{})}
		f.open[name] = x
		f.used += size
	}
	r := &reader{file: x}
	x.readers[r] = cut
	f.mu.Unlock()
	if made {
		<-x.made
	} else {
		f.making.Lock()
		x.content, x.etag, x.err = read()
		f.making.Unlock()
		close(x.made)
	}
	if x.err != nil {
		f.put(r)
		return nil, x.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.until = time.Now().Add(protocol.WriteTimeout + time.Duration(float64(size)/protocol.MinFileRate*float64(time.Second)))
	return r, nil
}

// room reports whether there is room for a file, and makes it if slow readers are all
// that takes it; f.mu is held.
func (f *files) room(size int64) bool {
	now := time.Now()
	for _, x := range f.open {
		if f.fits(size) {
			return true
		}
		if !x.overdue(now) {
			continue
		}
		for _, cut := range x.readers {
			cut()
		}
		f.drop(x)
	}
	return f.fits(size)
}

func (f *files) fits(size int64) bool { return len(f.open) == 0 || f.used+size <= f.limit }

// overdue reports whether all readers of a file should be through.
func (x *file) overdue(now time.Time) bool {
	for r := range x.readers {
		if r.until.IsZero() || now.Before(r.until) {
			return false
		}
	}
	return true
}

// drop forgets a file; f.mu is held.
func (f *files) drop(x *file) {
	if f.open[x.name] == x {
		delete(f.open, x.name)
		f.used -= x.size
	}
}

// put ends a download. A file is forgotten with its last reader.
func (f *files) put(r *reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if delete(r.readers, r); len(r.readers) == 0 {
		f.drop(r.file)
	}
}
