package dataset

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"fedtab/learn/data"

	"github.com/klauspost/compress/gzip"
)

// maxShard is the max number of bytes of a shard, which participants refuse above it.
const maxShard = 64 << 20

// Packed are shards in the shard format, each compressed with gzip. They lie in a file
// without a name, which is gone with the process: participants ask for each once, and the
// memory is for other things meanwhile. Nil has no shards.
type Packed struct {
	file   *os.File
	shards []*io.SectionReader

	mu  sync.Mutex
	end int64 // of the file
}

// Len returns the number of shards.
func (p *Packed) Len() int {
	if p == nil {
		return 0
	}
	return len(p.shards)
}

// Size returns the bytes of shard n.
func (p *Packed) Size(n int) int64 { return p.shards[n].Size() }

// Open returns shard n.
func (p *Packed) Open(n int) io.Reader { return io.NewSectionReader(p.shards[n], 0, p.Size(n)) }

// newPacked returns room for n shards, in a file in dir, which it makes.
func newPacked(dir string, n int) (*Packed, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(dir, "fedtab-shards-*")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	return &Packed{file: f, shards: make([]*io.SectionReader, n)}, nil
}

// put makes b shard n. Several goroutines may put shards at once.
func (p *Packed) put(n int, b []byte) error {
	p.mu.Lock()
	at := p.end
	p.end += int64(len(b))
	p.mu.Unlock()
	p.shards[n] = io.NewSectionReader(p.file, at, int64(len(b)))
	_, err := p.file.WriteAt(b, at)
	return err
}

// Pack encodes the shards for serving, into a file in dir, which is the system's
// directory for such files if it is empty. It sets Packed and Hash and releases the
// training examples (Train keeps its labels and its shape), 47 MB of MNIST. A packed
// Dataset cannot be simulated. Of own data there is nothing to pack.
func (d *Dataset) Pack(dir string) error {
	if d.Own != nil {
		return nil
	}
	p, err := newPacked(dir, len(d.Shards))
	if err != nil {
		return fmt.Errorf("pack the shards: %w", err)
	}
	hashes := make([][sha256.Size]byte, len(d.Shards))
	errs := make([]error, len(d.Shards))
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			// Level 3 is the fastest that finds more than runs of one value.
			z, err := gzip.NewWriterLevel(nil, 3)
			if err != nil {
				panic(err) // the level exists
			}
			var raw []byte
			var packed bytes.Buffer
			for i := range next {
				raw = data.AppendShard(raw[:0], d.Train, d.Shards[i])
				if len(raw) > maxShard {
					errs[i] = fmt.Errorf("shard %d of %d has %d bytes, want at most %d: more clients in data.partition", i, len(d.Shards), len(raw), maxShard)
					continue
				}
				hashes[i] = sha256.Sum256(raw)
				packed.Reset()
				z.Reset(&packed)
				z.Write(raw) // writes to memory: cannot fail
				z.Close()
				errs[i] = p.put(i, packed.Bytes())
			}
		})
	}
	for i := range d.Shards {
		next <- i
	}
	close(next)
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("pack the shards: %w", err)
	}
	all := sha256.New()
	for i := range hashes {
		all.Write(hashes[i][:])
	}
	all.Sum(d.Hash[:0])
	d.Packed = p
	d.Train.Release()
	debug.FreeOSMemory()
	return nil
}
