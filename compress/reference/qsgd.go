package reference

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/compress"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// bucket is the number of values with a norm of their own; the paper's is the same.
const bucket = 512

// Bounds of the bits of a level: one is the sign.
const (
	MinLevel = 2
	MaxLevel = 16
)

// IsLevel reports whether a level may have a number of bits.
func IsLevel(bits float64) bool {
	return bits == math.Trunc(bits) && bits >= MinLevel && bits <= MaxLevel
}

// qsgd packs 512 values at a time, as QSGD does: their L2 norm N, and for every value
// its sign and a level of 0 to s, the two around |x| s / N chosen at random so that the
// expectation is exact. Options.Bits, a whole number of 2 to 16, gives
// s = 2^(bits-1) - 1. The levels are written in Bits bits each, or where that takes
// fewer bytes as in the paper's theorem 3.2: for every level but 0 the distance from the
// last one in Elias's recursive code, the sign, and the level in the same code. So a
// block takes at most Bits + 32/512 bits for a value.
//
// After the header the block is
//
//	byte     bits of a level with its sign
//	byte     1 if Elias's code is used, otherwise 0
//	float32  norm of each 512 values
//	uvarint  number of levels but 0, with Elias's code
//	bits     signs (1 is negative) and levels
type qsgd struct {
	byMax  bool // the norm is the largest magnitude
	norms  []float32
	levels []int32 // with the sign of the value
	coded  []byte  // the levels in Elias's code
}

// Append packs v.
func (e *qsgd) Append(dst []byte, v []float32, o compress.Options) ([]byte, error) {
	if !IsLevel(o.Bits) {
		return dst, fmt.Errorf("%w: %v bits of a level, want a whole number of %d to %d", compress.ErrOptions, o.Bits, MinLevel, MaxLevel)
	}
	width := int(o.Bits)
	if err := checkFinite(v); err != nil {
		return dst, err
	}
	if err := e.quantise(v, width, rng.New(rng.Derive(o.Seed, "qsgd"))); err != nil {
		return dst, err
	}
	count := e.elias()
	fixed := 8*len(e.coded) >= width*len(v)
	dst = append(appendHeader(dst, len(v)), byte(width), 1)
	if fixed {
		dst[len(dst)-1] = 0
	}
	for _, norm := range e.norms {
		dst = appendFloat(dst, norm)
	}
	if !fixed {
		return append(binary.AppendUvarint(dst, uint64(count)), e.coded...), nil
	}
	w := bitWriter{out: dst}
	for _, q := range e.levels {
		w.put(negative(q), 1)
		w.put(uint64(max(q, -q)), width-1)
	}
	return w.flush(), nil
}

// quantise sets the norms and levels.
func (e *qsgd) quantise(v []float32, width int, random *rng.Source) error {
	e.norms, e.levels = e.norms[:0], e.levels[:0]
	s := float64(highest(width))
	for at := 0; at < len(v); at += bucket {
		part := v[at:min(at+bucket, len(v))]
		norm := e.norm(part)
		if norm > math.MaxFloat32 {
			return fmt.Errorf("%w: the norm of elements %d to %d is above the largest float32", compress.ErrRange, at, at+len(part)-1)
		}
		e.norms = append(e.norms, norm)
		for _, x := range part {
			q := int32(0)
			if norm > 0 {
				u := float64(random.Uint64()>>11) / (1 << 53)
				q = int32(min(math.Floor(math.Abs(float64(x))*s/float64(norm)+u), s))
			}
			if x < 0 {
				q = -q
			}
			e.levels = append(e.levels, q)
		}
	}
	return nil
}

func (e *qsgd) norm(v []float32) float32 {
	if e.byMax {
		return kernel.Magnitude(v)
	}
	return float32(math.Sqrt(kernel.SquaredNorm(v)))
}

// highest returns the level of a value as large as the norm.
func highest(width int) int { return 1<<(width-1) - 1 }

func negative(q int32) uint64 { return uint64(uint32(q) >> 31) }

// elias codes the levels and returns the number of those but 0.
func (e *qsgd) elias() (count int) {
	w := bitWriter{out: e.coded[:0]}
	last := -1
	for i, q := range e.levels {
		if q == 0 {
			continue
		}
		w.elias(uint32(i - last))
		w.put(negative(q), 1)
		w.elias(uint32(max(q, -q)))
		last = i
		count++
	}
	e.coded = w.flush()
	return count
}

// qsgdDecoder unpacks what qsgd has packed.
type qsgdDecoder struct {
	walker
	width int
	norms []byte
	left  int // levels but 0 that are not read, with Elias's code
}

// Open begins a block of n values.
func (d *qsgdDecoder) Open(block []byte, n int, _ compress.Options) error {
	rest, err := header(block, n)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return fmt.Errorf("%w: ends in the number of bits", compress.ErrTruncated)
	}
	d.width = int(rest[0])
	if !IsLevel(float64(d.width)) {
		return fmt.Errorf("%w: bits of a level: %d, want %d to %d", compress.ErrRange, d.width, MinLevel, MaxLevel)
	}
	coding := rest[1]
	norms := 4 * ((n + bucket - 1) / bucket)
	if rest = rest[2:]; len(rest) < norms {
		return fmt.Errorf("%w: ends in the norms", compress.ErrTruncated)
	}
	d.norms, rest = rest[:norms], rest[norms:]
	for b := d.norms; len(b) > 0; {
		if _, b, err = scale(b, "norm"); err != nil {
			return err
		}
	}
	switch coding {
	case 0:
		if err := wholly(rest, d.width*n); err != nil {
			return err
		}
		return d.begin(n, rest, d.fixed)
	case 1:
		if d.left, rest, err = countOf(rest, n); err != nil {
			return err
		}
		return d.begin(n, rest, d.elias)
	}
	return fmt.Errorf("%w: coding: %d, want 0 or 1", compress.ErrRange, coding)
}

func (d *qsgdDecoder) fixed(from int) (int, float32, error) {
	for i := from + 1; i < d.n; i++ {
		minus := d.bits.get(1)
		if level := d.bits.get(d.width - 1); level > 0 {
			return i, d.dequantise(i, minus, level), nil
		}
	}
	return d.n, 0, nil
}

func (d *qsgdDecoder) elias(from int) (int, float32, error) {
	if d.left == 0 {
		return d.n, 0, nil
	}
	d.left--
	i, err := d.after(from, uint64(d.bits.elias()))
	if err != nil {
		return 0, 0, err
	}
	minus, level := d.bits.get(1), uint64(d.bits.elias())
	if level == 0 || level > uint64(highest(d.width)) {
		return 0, 0, fmt.Errorf("%w: level: %d, want 1 to %d", compress.ErrRange, level, highest(d.width))
	}
	return i, d.dequantise(i, minus, level), nil
}

func (d *qsgdDecoder) dequantise(i int, minus, level uint64) float32 {
	norm := math.Float32frombits(binary.LittleEndian.Uint32(d.norms[i/bucket*4:]))
	return signed(float32(float64(norm)*float64(level)/float64(highest(d.width))), minus)
}
