package live

import (
	"context"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/run"
)

// Checker decodes and checks the contributions of one run. It is safe for
// concurrent use: connections decode on their own goroutines, so that the owner
// of the run never does.
type Checker struct {
	n       int
	vectors int
	seed    uint64 // of the run
	lease   *Lease
	turns   *Turns
	vault   *Vault // nil: contributions are not kept for the guard
	codecs  compress.Extra
	pool    sync.Pool // *Body
}

// NewChecker returns a checker of contributions of at most the given number of
// vectors of n parameters, in the run with the given seed. The bodies in memory
// at one time are bounded by the lease; a nil lease sets no bound.
func NewChecker(n, vectors int, seed uint64, lease *Lease) *Checker {
	k := &Checker{n: n, vectors: vectors, seed: seed, lease: lease}
	k.pool.New = func() any {
		// As many floats as the largest body has bytes.
		return &Body{checker: k, v: make([]float32, k.bodySize()/4)}
	}
	return k
}

// A Body is borrowed memory for one contribution: its bytes, if they arrive in
// chunks, and its values.
type Body struct {
	checker  *Checker
	v        []float32
	leased   int64
	address  string    // that it is leased for
	endTurn  func()    // nil: it has no turn
	bytes    []byte    // for the packed bytes, where they and payloads have no room in v
	holds    bool      // the packed bytes lie in v: raw blocks are decoded in place, others into unpacked
	unpacked []float32 // allocated when first needed
	decoders map[protocol.Codec]compress.Decoder
}

// decode unpacks block i of a contribution. A raw block that lies in the body is
// decoded in place, unless the blocks before it are of another size: then its
// values would overwrite bytes that are still to be read.
func (b *Body) decode(v *protocol.Vector, i int, seed uint64) ([]float32, error) {
	n := b.checker.n
	values := b.v[i*n:][:n]
	if v.Codec == protocol.CodecFloat32 && (!b.holds || len(v.Block) > 0 && &compress.Bytes(values)[0] == &v.Block[0]) {
		return values, compress.DecodeFloat32(values, v.Block)
	}
	d := b.decoders[v.Codec]
	if d == nil {
		c, err := b.checker.codecs.Lookup(v.Codec)
		if err != nil {
			return nil, err
		}
		d = c.NewDecoder()
		if b.decoders == nil {
			b.decoders = map[protocol.Codec]compress.Decoder{}
		}
		b.decoders[v.Codec] = d
	}
	into := b.v
	if b.holds {
		if b.unpacked == nil {
			b.unpacked = make([]float32, b.checker.vectors*n)
		}
		into = b.unpacked
	}
	values = into[i*n:][:n]
	return values, compress.DecodeWith(d, values, v.Block, compress.Options{Seed: seed})
}

// Borrow returns memory for c, of which no byte need have come yet, from a peer of the
// given address, empty if that is not counted. It waits until lease and turns allow it,
// or ctx ends. The Body goes to Check or is released.
func (k *Checker) Borrow(ctx context.Context, address string, c *protocol.Contribution) (*Body, error) {
	size, payload := k.bodySize(), protocol.PayloadSize(c)
	if payload > 0 {
		size += k.bodySize() + payload
		for i := range c.Vectors {
			if v := &c.Vectors[i]; v.Kind == protocol.PayloadIntegers {
				size += 8 * int64(min(v.Count, 8*protocol.MaxBlock)) // decoded
			}
		}
	}
	if protocol.Announced(c) > 0 && slices.ContainsFunc(c.Vectors, func(v protocol.Vector) bool { return v.Codec != protocol.CodecFloat32 }) {
		size += int64(4 * k.vectors * k.n) // unpacked
	}
	if err := k.lease.acquire(ctx, address, size); err != nil {
		return nil, err
	}
	endTurn, err := k.turns.Take(ctx)
	if err != nil {
		k.lease.release(address, size)
		return nil, err
	}
	b := k.pool.Get().(*Body)
	b.leased, b.address, b.endTurn = size, address, endTurn
	if payload > 0 {
		b.bytes = make([]byte, k.bodySize()+payload)
	}
	return b, nil
}

// KeepIn has accepted contributions kept in a vault for the run's guard. It is called
// before the first Check.
func (k *Checker) KeepIn(v *Vault) { k.vault = v }

// Know has contributions decoded that are packed by further codecs, which only a
// simulation has. It is called before the first Check.
func (k *Checker) Know(codecs compress.Extra) { k.codecs = codecs }

// TakeTurns has bodies take turns. It is called before the first Borrow.
func (k *Checker) TakeTurns(t *Turns) { k.turns = t }

func (k *Checker) bodySize() int64 { return protocol.MaxBody(uint64(k.n), k.vectors) }

// Bytes returns the memory, for a body to be put into.
func (b *Body) Bytes() []byte {
	if b.bytes != nil {
		return b.bytes
	}
	b.holds = true
	return compress.Bytes(b.v)
}

// Release gives the memory back.
func (b *Body) Release() {
	if b.endTurn != nil {
		b.endTurn()
	}
	b.checker.lease.release(b.address, b.leased)
	b.leased, b.endTurn, b.holds, b.unpacked, b.bytes = 0, nil, false, nil, nil
	b.checker.pool.Put(b)
}

// Check decodes the contribution c of a participant and checks its shape and its
// values. It takes over body, in which the vectors of c lie if it came in
// chunks. A nil body is replaced by memory without a lease.
func (k *Checker) Check(participant uint32, c *protocol.Contribution, body *Body) *run.Offer {
	if body == nil {
		body = k.pool.Get().(*Body)
	}
	var codecs []protocol.Codec
	var blocks [][]byte
	if k.vault != nil {
		for i := range c.Vectors {
			if v := &c.Vectors[i]; v.Kind == protocol.PayloadFloat32 {
				codecs, blocks = append(codecs, v.Codec), append(blocks, v.Block)
			}
		}
	}
	o := run.Inspect(c, k.vectors, func(v *protocol.Vector, i int) ([]float32, error) {
		return body.decode(v, i, compress.DitherSeed(k.seed, participant, c.Order, i))
	})
	if o.Reason != protocol.ReasonAccepted {
		body.Release()
		return o
	}
	if k.vault != nil {
		if p, err := k.vault.put(k, participant, c.Order, codecs, blocks); err == nil {
			o.Packed = p
		} // Otherwise the guard cannot take it out, and says so.
	}
	o.OnRelease(body.Release)
	return o
}
