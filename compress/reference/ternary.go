package reference

import (
	"encoding/binary"
	"math"

	"fedtab/compress"
)

// ternary packs the largest magnitudes as their signs, and drops the others. What is
// kept is decoded as the mean of its magnitudes. Options.Bits gives the number, see
// count.
//
// After the header the block is
//
//	uvarint  number of values that are kept
//	byte     order of the Golomb code
//	float32  their mean magnitude
//	bits     for each, the distance from the last as in topK, and the sign (1 is negative)
type ternary struct{ largest }

// bitsTernary is the size of a value without its position.
const bitsTernary = 1

// Append packs v.
func (e *ternary) Append(dst []byte, v []float32, o compress.Options) ([]byte, error) {
	b, err := e.find(v, o.Bits, bitsTernary)
	if err != nil {
		return dst, err
	}
	sum := 0.
	for _, i := range e.places {
		sum += math.Abs(float64(v[i]))
	}
	mean := float32(sum / float64(max(len(e.places), 1)))
	w := bitWriter{out: appendFloat(append(binary.AppendUvarint(appendHeader(dst, len(v)), uint64(len(e.places))), byte(b)), mean)}
	e.each(func(i int, gap uint64) {
		w.rice(gap, b)
		w.put(uint64(math.Float32bits(v[i])>>31), 1)
	})
	return w.flush(), nil
}

// ternaryDecoder unpacks what ternary has packed.
type ternaryDecoder struct {
	walker
	golomb int
	mean   float32
	left   int // kept and not read
}

// Open begins a block of n values.
func (d *ternaryDecoder) Open(block []byte, n int, _ compress.Options) error {
	var rest []byte
	var err error
	if d.left, d.golomb, d.mean, rest, err = openLargest(block, n); err != nil {
		return err
	}
	return d.begin(n, rest, d.take)
}

func (d *ternaryDecoder) take(after int) (int, float32, error) {
	if d.left == 0 {
		return d.n, 0, nil
	}
	d.left--
	i, err := d.after(after, 1+d.bits.rice(d.golomb, uint64(d.n)))
	if err != nil {
		return 0, 0, err
	}
	return i, signed(d.mean, d.bits.get(1)), nil
}
