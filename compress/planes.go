package compress

import (
	"encoding/binary"
	"math"
	"slices"

	"fedtab/learn/kernel"
)

// planes packs float32 without loss: signs and exponents go through the entropy
// coder, class by class as deadzone's levels do, mantissas, which are noise,
// are not coded. Zeros have no mantissa. Parameters take about 27 bits, an update
// of the 2NN 20.
//
// The block is
//
//	as in deadzone, up to the step, which is 1
//	byte     the largest exponent, biased as in binary32
//	uvarint  number of bytes of mantissas
//	bits     mantissas of all but +0, 23 each, the low bits first, in order
//	bits     number of classes, tables
//	streams  as in deadzone: the level of +0 is 0, that of exponent e
//	         is largest - e + 1, with the sign of the value
//
// A decoder needs no more memory than deadzone's.
type planes struct {
	tensors []Tensor
	c       coder
}

const mantissaBits = 23

// Append packs v.
func (e *planes) Append(dst []byte, v []float32, _ Options) ([]byte, error) {
	c := &e.c
	if err := c.reset(e.tensors, len(v)); err != nil {
		return dst, err
	}
	c.low = c.low[:0]
	at := len(dst)
	_, peak := kernel.Magnitudes(v, 0)
	if peak >= infinite {
		return dst, notFinite(slices.IndexFunc(v, func(x float32) bool { return x-x != 0 }))
	}
	largest := peak >> mantissaBits
	values := 0
	for _, x := range v {
		if math.Float32bits(x) != 0 {
			values++
		}
	}
	dst = append(appendHeader(dst, &c.layout, 1), byte(largest))
	dst = binary.AppendUvarint(dst, uint64(values*mantissaBits+7)/8)
	w := bitWriter{out: dst}
	for i := range c.bin {
		from, to := c.of(i)
		c.lows[i] = int32(len(c.low))
		sum, n := uint32(0), uint32(1)
		sym := c.sym[from:to]
		for j, x := range v[from:to] {
			b := math.Float32bits(x)
			if b == 0 {
				sym[j] = 0
				continue
			}
			w.put(uint64(b), mantissaBits)
			m := largest - b&infinite>>mantissaBits + 1
			sum += m
			n++
			sym[j] = uint8(2*c.wide(m) - b>>31)
		}
		c.bin[i] = uint8(min(sum/n, bins-1))
	}
	c.lows[len(c.bin)] = int32(len(c.low))
	c.count()
	c.merge()
	w = bitWriter{out: w.flush()}
	c.appendTables(&w)
	return c.appendStreams(w.flush(), at), nil
}

type planesDecoder struct {
	s         segments
	largest   int
	block     []byte
	pos, last int // of the mantissas in it, in bits
	part      []float32
}

// Open begins a block of n values.
func (d *planesDecoder) Open(block []byte, n int, _ Options) error {
	_, rest, err := readHeader(&d.s.layout, block, n)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return broken(ErrTruncated, "ends in the largest exponent")
	}
	if rest[0] == 255 {
		return brokenBy(ErrExponent, "largest exponent:", 255, 254)
	}
	d.largest = int(rest[0])
	size, rest, err := uvarint(rest[1:], maxValues, ErrMantissas, "size of the mantissas")
	if err != nil {
		return err
	}
	if uint64(len(rest)) < size {
		return broken(ErrTruncated, "ends in the mantissas")
	}
	d.block, d.pos = block, 8*(len(block)-len(rest))
	d.last = d.pos + 8*int(size)
	r := bitReader{in: rest[size:]}
	if err := d.s.readTables(&r); err != nil {
		return err
	}
	d.s.integers()
	return d.s.open(block, len(block)-len(r.rest()))
}

// Next sets dst to the next values.
func (d *planesDecoder) Next(dst []float32) error {
	if err := d.s.read(dst, &setting); err != nil {
		return err
	}
	for i, level := range dst {
		if level == 0 {
			continue
		}
		b := math.Float32bits(level)
		e := d.largest + 1 - int(math.Float32frombits(b&0x7fffffff))
		at := d.pos >> 3
		if e < 0 {
			return brokenBy(ErrExponent, "exponent:", e, 0)
		}
		if d.pos+mantissaBits > d.last || at+8 > len(d.block) {
			return broken(ErrMantissas, "fewer mantissas than values")
		}
		m := uint32(binary.LittleEndian.Uint64(d.block[at:])>>(d.pos&7)) & (1<<mantissaBits - 1)
		d.pos += mantissaBits
		dst[i] = math.Float32frombits(b&(1<<31) | uint32(e)<<mantissaBits | m)
	}
	return nil
}

// Add adds weight x the next values to dst.
func (d *planesDecoder) Add(dst []float32, weight float32) error {
	return addParts(d, &d.part, dst, weight)
}

// Close returns an error unless all values were read and every stream ended.
func (d *planesDecoder) Close() error {
	if d.last-d.pos >= 8 {
		return broken(ErrMantissas, "more mantissas than values")
	}
	return d.s.close()
}

// addParts is Add by means of Next, with a workspace.
func addParts(d Decoder, part *[]float32, dst []float32, weight float32) error {
	*part = grown(*part, maxSegment)
	for len(dst) > 0 {
		p := (*part)[:min(len(dst), maxSegment)]
		if err := d.Next(p); err != nil {
			return err
		}
		for i, x := range p {
			dst[i] += float32(x * weight)
		}
		dst = dst[len(p):]
	}
	return nil
}
