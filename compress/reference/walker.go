package reference

import (
	"fmt"
	"math"

	"fedtab/compress"
)

// walker is the part of a decoder that goes from one value other than 0 to the next.
type walker struct {
	n, at int // values in all, and read
	bits  bitReader

	pos   int // of the next value other than 0; n if there is none
	value float32
	// next reads the first value other than 0 after a position, and where it is.
	next func(after int) (pos int, value float32, err error)
}

// begin starts a block of n values whose bits are given.
func (w *walker) begin(n int, bits []byte, next func(int) (int, float32, error)) error {
	w.n, w.at, w.pos, w.bits, w.next = n, 0, -1, bitReader{in: bits}, next
	return w.step()
}

func (w *walker) step() (err error) {
	if w.pos, w.value, err = w.next(w.pos); err == nil && w.bits.short {
		err = fmt.Errorf("%w: ends in its values", compress.ErrTruncated)
	}
	return err
}

// after returns the position that is a gap after another.
func (w *walker) after(pos int, gap uint64) (int, error) {
	if w.bits.short {
		return 0, fmt.Errorf("%w: ends in a position", compress.ErrTruncated)
	}
	if gap == 0 || gap > uint64(w.n-1-pos) {
		return 0, fmt.Errorf("%w: distance of the next value: %d, want 1 to %d", compress.ErrLength, gap, w.n-1-pos)
	}
	return pos + int(gap), nil
}

// Next sets dst to the next values.
func (w *walker) Next(dst []float32) error {
	clear(dst)
	return w.visit(len(dst), func(i int, x float32) { dst[i] = x })
}

// Add adds weight x the next values to dst.
func (w *walker) Add(dst []float32, weight float32) error {
	return w.visit(len(dst), func(i int, x float32) { dst[i] += float32(x * weight) })
}

// visit calls f for each of the next values that is not 0, by its place among them.
func (w *walker) visit(count int, f func(i int, x float32)) error {
	if count > w.n-w.at {
		return fmt.Errorf("%w: more than its %d values are asked for", compress.ErrLength, w.n)
	}
	from := w.at
	w.at += count
	for w.pos < w.at {
		f(w.pos-from, w.value)
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// Close returns an error unless all values were read, and with them every bit but a
// padding of zeros.
func (w *walker) Close() error {
	switch {
	case w.at != w.n:
		return fmt.Errorf("%w: values read: %d, want %d", compress.ErrLength, w.at, w.n)
	case len(w.bits.in) > 0:
		return fmt.Errorf("%w: bytes: %d, want 0", compress.ErrTrailing, len(w.bits.in))
	case w.bits.acc != 0:
		return fmt.Errorf("%w: the padding is not zero", compress.ErrTrailing)
	}
	return nil
}

// wholly returns an error unless b holds exactly a number of bits.
func wholly(b []byte, bits int) error {
	if want := (bits + 7) / 8; len(b) != want {
		return fmt.Errorf("%w: bytes of values: %d, want %d", compress.ErrLength, len(b), want)
	}
	return nil
}

// countOf reads a number of values other than 0, of n in all.
func countOf(b []byte, n int) (int, []byte, error) {
	count, rest, err := uvarint(b, "number of values other than 0")
	if err == nil && count > uint64(n) {
		err = fmt.Errorf("%w: values other than 0: %d, want at most %d", compress.ErrLength, count, n)
	}
	return int(count), rest, err
}

// signed returns x, negated if minus is 1.
func signed(x float32, minus uint64) float32 {
	return math.Float32frombits(math.Float32bits(x) | uint32(minus)<<31)
}
