package reference

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/compress"
)

// signSGD packs the sign of every value; it is decoded as the mean magnitude of its
// tensor. 0 counts as positive: a bit cannot say it.
//
// After the header the block is
//
//	uvarint  number of parts; for each: uvarint size, float32 mean magnitude
//	bits     signs (1 is negative)
type signSGD struct{ tensors []compress.Tensor }

// maxParts is the max number of tensors with a mean of their own. A vector of more has
// one mean.
const maxParts = 256

// Append packs v.
func (e *signSGD) Append(dst []byte, v []float32, _ compress.Options) ([]byte, error) {
	if err := checkFinite(v); err != nil {
		return dst, err
	}
	sizes, err := e.sizes(len(v))
	if err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(appendHeader(dst, len(v)), uint64(len(sizes)))
	at := 0
	for _, size := range sizes {
		dst = appendFloat(binary.AppendUvarint(dst, uint64(size)), meanMagnitude(v[at:at+size]))
		at += size
	}
	w := bitWriter{out: dst}
	for _, x := range v {
		minus := uint64(0)
		if x < 0 {
			minus = 1
		}
		w.put(minus, 1)
	}
	return w.flush(), nil
}

// sizes returns those of the parts of a vector of n values.
func (e *signSGD) sizes(n int) ([]int, error) {
	var sizes []int
	sum := 0
	for _, t := range e.tensors {
		if t.Size < 0 {
			return nil, fmt.Errorf("%w: tensor of %d values", compress.ErrLayout, t.Size)
		}
		if t.Size > 0 {
			sizes = append(sizes, t.Size)
		}
		sum += t.Size
	}
	if sum != n {
		return nil, fmt.Errorf("%w: values in tensors: %d, want %d", compress.ErrLayout, sum, n)
	}
	if len(sizes) > maxParts {
		sizes = []int{n}
	}
	return sizes, nil
}

func meanMagnitude(v []float32) float32 {
	sum := 0.
	for _, x := range v {
		sum += math.Abs(float64(x))
	}
	return float32(sum / float64(len(v)))
}

// signDecoder unpacks what signSGD has packed.
type signDecoder struct {
	walker
	parts []signPart
	part  int // of the newest value
}

// signPart is the values up to an end.
type signPart struct {
	end  int
	mean float32
}

// Open begins a block of n values.
func (d *signDecoder) Open(block []byte, n int, _ compress.Options) error {
	rest, err := header(block, n)
	if err != nil {
		return err
	}
	count, rest, err := uvarint(rest, "number of parts")
	if err != nil {
		return err
	}
	if count > maxParts {
		return fmt.Errorf("%w: parts: %d, want at most %d", compress.ErrParts, count, maxParts)
	}
	d.parts, d.part = d.parts[:0], 0
	end := 0
	for range count {
		var size uint64
		if size, rest, err = uvarint(rest, "size of a part"); err != nil {
			return err
		}
		if size == 0 || size > uint64(n-end) {
			return fmt.Errorf("%w: size of a part: %d, want 1 to %d", compress.ErrParts, size, n-end)
		}
		p := signPart{end: end + int(size)}
		if p.mean, rest, err = scale(rest, "mean magnitude"); err != nil {
			return err
		}
		d.parts, end = append(d.parts, p), p.end
	}
	if end != n {
		return fmt.Errorf("%w: values in parts: %d, want %d", compress.ErrParts, end, n)
	}
	if err := wholly(rest, n); err != nil {
		return err
	}
	return d.begin(n, rest, d.sign)
}

func (d *signDecoder) sign(after int) (int, float32, error) {
	i := after + 1
	if i == d.n {
		return i, 0, nil
	}
	for i == d.parts[d.part].end {
		d.part++
	}
	return i, signed(d.parts[d.part].mean, d.bits.get(1)), nil
}
