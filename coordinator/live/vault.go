package live

import (
	"fmt"
	"os"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/protocol"
)

// A Vault keeps the contributions to the open rounds as they came, until the guard has
// judged the versions that they are in. It holds a bounded number of bytes in memory,
// and the rest in a file without a name, which is gone with the process.
type Vault struct {
	dir    string // of the file
	budget int64  // bytes in memory

	mu     sync.Mutex
	used   int64 // of the budget
	file   *os.File
	end    int64 // of the file
	inFile int   // contributions
	free   []*packed
}

// NewVault returns a vault that holds at most budget bytes in memory and the rest in a
// file in dir.
func NewVault(dir string, budget int64) *Vault { return &Vault{dir: dir, budget: budget} }

// Close gives the file's space back.
func (v *Vault) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.file != nil {
		v.file.Close()
		v.file = nil
	}
}

// packed is a contribution as it came. It is a run.Packed.
type packed struct {
	checker     *Checker
	participant uint32
	order       uint64
	codecs      []protocol.Codec
	sizes       []int
	size        int64 // of the blocks together
	inFile      bool
	at          int64  // in the file
	bytes       []byte // in memory
}

// keptFile is the number of bytes of the file that stay between rounds: to write over
// them takes a third of the time that new ones take.
const keptFile = 256 << 20

// maxFree is the number of contributions whose buffers are kept for others.
const maxFree = 64

// put keeps the blocks of a contribution. Room is taken under the lock; connections copy
// side by side.
func (v *Vault) put(k *Checker, participant uint32, order uint64, codecs []protocol.Codec, blocks [][]byte) (*packed, error) {
	size := 0
	for _, b := range blocks {
		size += len(b)
	}
	p, err := v.take(int64(size))
	if err != nil {
		return nil, fmt.Errorf("live: keep a contribution until it is judged: %w", err)
	}
	p.checker, p.participant, p.order = k, participant, order
	p.codecs, p.sizes = append(p.codecs[:0], codecs...), p.sizes[:0]
	if !p.inFile {
		p.bytes = slices.Grow(p.bytes[:0], size)
	}
	at := p.at
	for _, b := range blocks {
		p.sizes = append(p.sizes, len(b))
		if !p.inFile {
			p.bytes = append(p.bytes, b...)
			continue
		}
		if _, err := v.file.WriteAt(b, at); err != nil {
			p.Drop()
			return nil, fmt.Errorf("live: keep a contribution until it is judged: %w", err)
		}
		at += int64(len(b))
	}
	return p, nil
}

// take takes room for a number of bytes, in memory or in the file.
func (v *Vault) take(size int64) (*packed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	inFile := v.used+size > v.budget
	if inFile && v.file == nil {
		f, err := os.CreateTemp(v.dir, "fedtab-bodies-*")
		if err != nil {
			return nil, err
		}
		os.Remove(f.Name())
		v.file = f
	}
	p := &packed{}
	if n := len(v.free); n > 0 {
		p, v.free = v.free[n-1], v.free[:n-1]
	}
	if p.size, p.inFile = size, inFile; !inFile {
		v.used += size
		return p, nil
	}
	p.at = v.end
	v.end += size
	v.inFile++
	return p, nil
}

// Unpack implements run.Packed.
func (p *packed) Unpack() (vectors [][]float32, release func(), err error) {
	k := p.checker
	bytes := p.bytes
	if p.inFile {
		bytes = make([]byte, p.size)
		if _, err := k.vault.file.ReadAt(bytes, p.at); err != nil {
			return nil, nil, fmt.Errorf("live: a contribution that was kept until it is judged: %w", err)
		}
	}
	body := k.pool.Get().(*Body)
	for i, codec := range p.codecs {
		v := protocol.Vector{Codec: codec, Block: bytes[:p.sizes[i]]}
		bytes = bytes[p.sizes[i]:]
		values, err := body.decode(&v, i, compress.DitherSeed(k.seed, p.participant, p.order, i))
		if err != nil {
			body.Release()
			return nil, nil, err
		}
		vectors = append(vectors, values)
	}
	return vectors, body.Release, nil
}

// Blocks returns copies of the blocks, as they came.
func (p *packed) Blocks() ([][]byte, error) {
	bytes := p.bytes
	if p.inFile {
		bytes = make([]byte, p.size)
		if _, err := p.checker.vault.file.ReadAt(bytes, p.at); err != nil {
			return nil, fmt.Errorf("live: a contribution that was kept until it is judged: %w", err)
		}
	}
	var blocks [][]byte
	for _, n := range p.sizes {
		blocks = append(blocks, slices.Clone(bytes[:n]))
		bytes = bytes[n:]
	}
	return blocks, nil
}

// Drop implements run.Packed.
func (p *packed) Drop() {
	v := p.checker.vault
	v.mu.Lock()
	defer v.mu.Unlock()
	if !p.inFile {
		v.used -= p.size
	} else if v.inFile--; v.inFile == 0 {
		if v.end > keptFile {
			v.file.Truncate(keptFile) // after an error it is written over
		}
		v.end = 0
	}
	if len(v.free) < maxFree {
		v.free = append(v.free, p)
	}
}
