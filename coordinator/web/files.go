package web

import (
	"errors"
	"sync"

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

// fileName names a file of a version of a run.
type fileName struct {
	run     string
	version uint64
	format  string
}

// file is a model file in memory.
type file struct {
	users int
	size  int64         // that it counts for
	made  chan struct{} // closed when content and err are set

	content []byte
	etag    string
	err     error
}

var errFilesFull = errors.New("too many model files are being downloaded, try again later")

func newFiles() *files { return &files{limit: protocol.MaxModelFiles, open: map[fileName]*file{}} }

// get returns a file of about the given size, which is made if nobody else downloads
// it. Unless there is an error, the caller puts it back.
func (f *files) get(name fileName, size int64, read func() ([]byte, string, error)) (*file, error) {
	f.mu.Lock()
	x := f.open[name]
	if x != nil {
		x.users++
		f.mu.Unlock()
		<-x.made
	} else {
		if len(f.open) >= 1 && f.used+size > f.limit {
			f.mu.Unlock()
			return nil, errFilesFull
		}
		x = &file{users: 1, size: size, made: make(chan struct{})}
		f.open[name] = x
		f.used += size
		f.mu.Unlock()
		f.making.Lock()
		x.content, x.etag, x.err = read()
		f.making.Unlock()
		close(x.made)
	}
	if x.err != nil {
		f.put(name, x)
		return nil, x.err
	}
	return x, nil
}

// put forgets a file when its last user has put it back.
func (f *files) put(name fileName, x *file) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(f.open, name)
		f.used -= x.size
	}
}
