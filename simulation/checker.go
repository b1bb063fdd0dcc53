package simulation

import (
	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/run"
)

// Checker decodes what clients contribute, and checks it.
type Checker interface {
	Check(participant uint32, c *protocol.Contribution) *run.Offer
}

// decoder is the Checker in memory.
type decoder struct {
	n, vectors int
	seed       uint64
	codecs     compress.Extra
	decoders   map[protocol.Codec]compress.Decoder
	free       [][]float32 // [vectors n]
}

func newDecoder(n, vectors int, seed uint64, codecs compress.Extra) *decoder {
	return &decoder{n: n, vectors: vectors, seed: seed, codecs: codecs, decoders: map[protocol.Codec]compress.Decoder{}}
}

// Check implements Checker.
func (d *decoder) Check(participant uint32, c *protocol.Contribution) *run.Offer {
	var values []float32
	if last := len(d.free) - 1; last >= 0 {
		values, d.free = d.free[last], d.free[:last]
	} else {
		values = make([]float32, d.vectors*d.n)
	}
	o := run.Inspect(c, d.vectors, func(v *protocol.Vector, i int) ([]float32, error) {
		into := values[i*d.n:][:d.n]
		return into, d.decode(into, v, compress.DitherSeed(d.seed, participant, c.Order, i))
	})
	release := func() { d.free = append(d.free, values) }
	if o.Reason != protocol.ReasonAccepted {
		release()
		return o
	}
	o.OnRelease(release)
	return o
}

// decode unpacks a block.
func (d *decoder) decode(into []float32, v *protocol.Vector, seed uint64) error {
	if v.Codec == protocol.CodecFloat32 {
		return compress.DecodeFloat32(into, v.Block)
	}
	of := d.decoders[v.Codec]
	if of == nil {
		c, err := d.codecs.Lookup(v.Codec)
		if err != nil {
			return err
		}
		of = c.NewDecoder()
		d.decoders[v.Codec] = of
	}
	return compress.DecodeWith(of, into, v.Block, compress.Options{Seed: seed})
}
