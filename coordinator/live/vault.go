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
	bytes       []byte // of the blocks, one after the other; nil: in the file
	buffer      []byte // of bytes, for the next contribution
	at          int64  // in the file
	counted     int64  // of the budget
}

// maxFree is the number of contributions whose buffers are kept for others.
const maxFree = 64

// put keeps the blocks of a contribution.
func (v *Vault) put(k *Checker, participant uint32, order uint64, codecs []protocol.Codec, blocks [][]byte) (*packed, error) {
	size := 0
	for _, b := range blocks {
		size += len(b)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	p := &packed{}
	if n := len(v.free); n > 0 {
		p, v.free = v.free[n-1], v.free[:n-1]
	}
	p.checker, p.participant, p.order = k, participant, order
	p.codecs, p.sizes = append(p.codecs[:0], codecs...), p.sizes[:0]
	for _, b := range blocks {
		p.sizes = append(p.sizes, len(b))
	}
	if v.used+int64(size) <= v.budget {
		v.used += int64(size)
		p.counted = int64(size)
		p.bytes = slices.Grow(p.buffer[:0], size)
		for _, b := range blocks {
			p.bytes = append(p.bytes, b...)
		}
		p.buffer = p.bytes
		return p, nil
	}
	if err := v.spill(p, blocks); err != nil {
		return nil, fmt.Errorf("live: keep a contribution until it is judged: %w", err)
	}
	return p, nil
}

// spill writes blocks to the file.
func (v *Vault) spill(p *packed, blocks [][]byte) error {
	if v.file == nil {
		f, err := os.CreateTemp(v.dir, "fedtab-bodies-*")
		if err != nil {
			return err
		}
		os.Remove(f.Name())
		v.file = f
	}
	p.at, p.bytes, p.counted = v.end, nil, 0
	at := v.end
	for _, b := range blocks {
		n, err := v.file.WriteAt(b, at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	v.end = at
	v.inFile++
	return nil
}

// Unpack implements run.Packed.
func (p *packed) Unpack() (vectors [][]float32, release func(), err error) {
	k := p.checker
	bytes := p.bytes
	if bytes == nil {
		size := 0
		for _, n := range p.sizes {
			size += n
		}
		bytes = make([]byte, size)
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

// Drop implements run.Packed.
func (p *packed) Drop() {
	v := p.checker.vault
	v.mu.Lock()
	defer v.mu.Unlock()
	v.used -= p.counted
	if p.bytes == nil {
		if v.inFile--; v.inFile == 0 {
			v.end = 0
			v.file.Truncate(0) // its blocks are of no use any more; an error leaves them to the next
		}
	}
	p.bytes, p.counted = nil, 0
	if len(v.free) < maxFree {
		v.free = append(v.free, p)
	}
}
