// Package compress packs vectors of parameters into the blocks that travel in
// a message's body, one file for each codec.
//
// docs/compression.md has the formats, what each codec costs, and what it was
// measured to lose.
//
// A [Codec] makes an [Encoder] for vectors of one layout and a [Decoder] for
// blocks of any. Both keep their memory from one vector to the next and are for
// one goroutine at a time. Blocks describe themselves: reading one needs the
// number of values, which the model's schema gives, and for some codecs the
// seed that both ends have from the order.
//
// Blocks are not trusted. A decoder allocates in proportion to the number of
// values that its caller expects, never to what a block claims. Every error wraps
// [ErrBlock], [ErrNotFinite] or [ErrRange], and every decoded value is finite.
// Next, Add and Close return errors too, so the values are valid only once Close
// has returned nil.
package compress

import (
	"fmt"

	"fedtab/protocol"
)

// Options say how to pack one vector. Decoding must be given the same Seed.
type Options struct {
	// Bits is the target size in bits per parameter, of the codecs that are
	// Rated. A block of fewer than about a thousand parameters exceeds it by
	// its header, about 40 to 60 bytes.
	Bits float64
	// Seed of the dither.
	Seed uint64
}

// Bounds of Options.Bits. The finest step is 2^-17 of the largest magnitude,
// which takes about 10 to 14 bits; no block takes more.
const (
	MinBits = 1. / 64
	MaxBits = 16
)

func (o Options) checkBits() error {
	if !(o.Bits >= MinBits && o.Bits <= MaxBits) {
		return fmt.Errorf("%w: %v bits per parameter, want %v to %v", ErrOptions, o.Bits, MinBits, MaxBits)
	}
	return nil
}

// Encoder packs vectors of one layout.
type Encoder interface {
	// Append appends the block of v to dst. v is not changed. An error leaves
	// dst as it was; it wraps ErrNotFinite or ErrRange where a value cannot be
	// packed.
	Append(dst []byte, v []float32, o Options) ([]byte, error)
}

// Decoder unpacks blocks. It reads the block while it decodes, so the block
// must stay as it is until Close.
type Decoder interface {
	// Open begins a block of n values.
	Open(block []byte, n int, o Options) error
	// Next sets dst to the next len(dst) values.
	Next(dst []float32) error
	// Add adds weight x the next len(dst) values to dst.
	Add(dst []float32, weight float32) error
	// Close returns an error unless the block held these values and nothing else.
	Close() error
}

// Codec is a way of packing.
type Codec struct {
	ID       protocol.Codec
	Name     string
	Rated    bool // has Options.Bits
	Lossless bool
	Unbiased bool // the expectation of what is decoded is what was packed
	Seeded   bool // has Options.Seed

	NewEncoder func([]Tensor) Encoder
	NewDecoder func() Decoder
}

// codecs are those of this build, the preferred first.
var codecs = [...]Codec{
	{ID: protocol.CodecDeadzone, Rated: true,
		NewEncoder: func(t []Tensor) Encoder { return &deadzone{tensors: t} },
		NewDecoder: func() Decoder { return new(deadzoneDecoder) }},
	{ID: protocol.CodecDither, Rated: true, Unbiased: true, Seeded: true,
		NewEncoder: func(t []Tensor) Encoder { return &dither{deadzone: deadzone{tensors: t}} },
		NewDecoder: func() Decoder { return new(ditherDecoder) }},
	{ID: protocol.CodecFloat16,
		NewEncoder: func([]Tensor) Encoder { return new(float16) },
		NewDecoder: func() Decoder { return new(float16Decoder) }},
	{ID: protocol.CodecPlanes, Lossless: true, Unbiased: true,
		NewEncoder: func(t []Tensor) Encoder { return &planes{tensors: t} },
		NewDecoder: func() Decoder { return new(planesDecoder) }},
	{ID: protocol.CodecFloat32, Lossless: true, Unbiased: true,
		NewEncoder: func([]Tensor) Encoder { return float32s{} },
		NewDecoder: func() Decoder { return new(float32Decoder) }},
}

// Lookup returns the codec with a number.
func Lookup(id protocol.Codec) (Codec, error) {
	for _, c := range codecs {
		if c.ID == id {
			c.Name = id.String()
			return c, nil
		}
	}
	return Codec{}, fmt.Errorf("%w %d", ErrUnknownCodec, id)
}

// Extra is codecs beside those of this build: what a simulation adds, to compare them.
// A nil Extra adds none.
type Extra []Codec

// Lookup returns the codec with a number, of e or of this build.
func (e Extra) Lookup(id protocol.Codec) (Codec, error) {
	for _, c := range e {
		if c.ID == id {
			return c, nil
		}
	}
	return Lookup(id)
}

// Names are those of the codecs of e.
func (e Extra) Names() []string {
	names := make([]string, len(e))
	for i, c := range e {
		names[i] = c.Name
	}
	return names
}

// Named returns the codec with a name, of e or of this build.
func (e Extra) Named(name string) (Codec, error) {
	for _, c := range e {
		if c.Name == name {
			return c, nil
		}
	}
	return Named(name)
}

// Named returns the codec with a name, such as "deadzone".
func Named(name string) (Codec, error) {
	for _, c := range codecs {
		if c.ID.String() == name {
			c.Name = name
			return c, nil
		}
	}
	return Codec{}, fmt.Errorf("%w %q", ErrUnknownCodec, name)
}

// Codecs are those that this build packs and unpacks, the preferred first. The
// grid is among them, though it codes versions and not vectors by themselves, so
// that Lookup does not know it.
func Codecs() []protocol.Codec {
	ids := make([]protocol.Codec, 1+len(codecs))
	ids[0] = protocol.CodecGrid
	for i := range codecs {
		ids[1+i] = codecs[i].ID
	}
	return ids
}

// Standalone are those of Codecs that code a vector by itself.
func Standalone() []protocol.Codec { return Codecs()[1:] }

// Append packs v with a codec that needs no options, and appends the block to
// dst.
func Append(codec protocol.Codec, dst []byte, v []float32) ([]byte, error) {
	c, err := Lookup(codec)
	if err != nil {
		return dst, err
	}
	return c.NewEncoder(Flat(len(v))).Append(dst, v, Options{})
}

// Decode unpacks block into dst, whose length is that of the vector. Every
// value that it leaves there is finite when it returns nil.
func Decode(codec protocol.Codec, dst []float32, block []byte) error {
	c, err := Lookup(codec)
	if err != nil {
		return err
	}
	return DecodeWith(c.NewDecoder(), dst, block, Options{})
}

// DecodeWith unpacks block into dst with a decoder that is reused.
func DecodeWith(d Decoder, dst []float32, block []byte, o Options) error {
	if err := d.Open(block, len(dst), o); err != nil {
		return err
	}
	if err := d.Next(dst); err != nil {
		return err
	}
	return d.Close()
}

// AddWith adds weight x the values of block to dst. After an error dst
// is undefined: Check untrusted blocks first.
func AddWith(d Decoder, dst []float32, weight float32, block []byte, o Options) error {
	if err := d.Open(block, len(dst), o); err != nil {
		return err
	}
	if err := d.Add(dst, weight); err != nil {
		return err
	}
	return d.Close()
}

// Check decodes block, drops the values and returns their largest magnitude.
// AddWith succeeds for every block that Check accepts. piece is workspace of
// about a thousand values.
func Check(d Decoder, block []byte, n int, o Options, piece []float32) (peak float32, err error) {
	if err := d.Open(block, n, o); err != nil {
		return 0, err
	}
	for n > 0 {
		part := piece[:min(n, len(piece))]
		if err := d.Next(part); err != nil {
			return 0, err
		}
		for _, x := range part {
			peak = max(peak, x, -x)
		}
		n -= len(part)
	}
	return peak, d.Close()
}

// MaxBlock returns the max size of a block of n values.
func MaxBlock(codec protocol.Codec, n int) int { return 4*n + protocol.BlockOverhead }
