package reference

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"fedtab/compress"
	"fedtab/protocol"
)

// topK packs the largest magnitudes as float16 and drops the others. Options.Bits gives
// their number, see count.
//
// After the header the block is
//
//	uvarint  number k of values that are kept
//	byte     order b of the Golomb code
//	float32  largest magnitude
//	float16  k values by the largest magnitude, -1 to 1
//	bits     for each, the distance from the last less 1, in the Golomb code of 2^b:
//	         what is above the low b bits in unary, a one for each, a zero, the low bits
type topK struct {
	largest
	kept []float32
}

// bitsTopK is the size of a value without its position.
const bitsTopK = 16

// Append packs v.
func (e *topK) Append(dst []byte, v []float32, o compress.Options) ([]byte, error) {
	b, err := e.find(v, o.Bits, bitsTopK)
	if err != nil {
		return dst, err
	}
	peak := float32(0)
	e.kept = e.kept[:0]
	for _, i := range e.places {
		e.kept = append(e.kept, v[i])
		peak = max(peak, v[i], -v[i])
	}
	for i, x := range e.kept {
		e.kept[i] = float32(float64(x) / float64(peak))
	}
	at := len(dst)
	dst = appendFloat(append(binary.AppendUvarint(appendHeader(dst, len(v)), uint64(len(e.places))), byte(b)), peak)
	if dst, err = compress.Append(protocol.CodecFloat16, dst, e.kept); err != nil {
		return dst[:at], err
	}
	w := bitWriter{out: dst}
	e.each(func(_ int, gap uint64) { w.rice(gap, b) })
	return w.flush(), nil
}

// topKDecoder unpacks what topK has packed.
type topKDecoder struct {
	walker
	golomb int
	peak   float32
	kept   []float32 // and not read
	memory []float32
}

// Open begins a block of n values.
func (d *topKDecoder) Open(block []byte, n int, _ compress.Options) error {
	k, b, peak, rest, err := openLargest(block, n)
	if err != nil {
		return err
	}
	if len(rest) < 2*k {
		return fmt.Errorf("%w: ends in the values that are kept", compress.ErrTruncated)
	}
	d.golomb, d.peak = b, peak
	d.memory = slices.Grow(d.memory[:0], k)[:k]
	d.kept = d.memory
	if err := compress.Decode(protocol.CodecFloat16, d.kept, rest[:2*k]); err != nil {
		return err
	}
	for i, x := range d.kept {
		if x < -1 || x > 1 {
			return fmt.Errorf("%w: value %d by the largest: %v, want -1 to 1", compress.ErrRange, i, x)
		}
	}
	return d.begin(n, rest[2*k:], d.take)
}

func (d *topKDecoder) take(after int) (int, float32, error) {
	if len(d.kept) == 0 {
		return d.n, 0, nil
	}
	i, err := d.after(after, 1+d.bits.rice(d.golomb, uint64(d.n)))
	if err != nil {
		return 0, 0, err
	}
	x := d.kept[0]
	d.kept = d.kept[1:]
	return i, float32(x * d.peak), nil
}

// largest finds the largest magnitudes of a vector.
type largest struct {
	places []int // ascending
	counts []int32
}

// find sets places to those of the values to keep at a rate, each of which takes bits
// beside its position, and returns the order of the Golomb code for the positions.
// Zeros are never kept.
func (l *largest) find(v []float32, rate, bits float64) (order int, err error) {
	if !(rate >= compress.MinBits && rate <= compress.MaxBits) {
		return 0, fmt.Errorf("%w: %v bits per parameter, want %v to %v", compress.ErrOptions, rate, compress.MinBits, compress.MaxBits)
	}
	if err := checkFinite(v); err != nil {
		return 0, err
	}
	l.places = l.places[:0]
	k := count(len(v), rate, bits)
	if k == 0 {
		return 0, nil
	}
	threshold, ties := l.threshold(v, k)
	for i, x := range v {
		m := magnitude(x)
		switch {
		case m == 0 || m < threshold:
			continue
		case m == threshold:
			if ties == 0 {
				continue
			}
			ties--
		}
		l.places = append(l.places, i)
	}
	return orderOf(len(l.places), len(v)), nil
}

// magnitude returns a number that grows with |x|.
func magnitude(x float32) uint32 { return math.Float32bits(x) &^ (1 << 31) }

// threshold returns the k-th largest magnitude, and how many values of this magnitude
// are among the k largest. It counts by the high half of the number, then by the low
// one.
func (l *largest) threshold(v []float32, k int) (threshold uint32, ties int) {
	if l.counts == nil {
		l.counts = make([]int32, 1<<16)
	}
	high, left := l.descend(v, k, func(m uint32) (uint32, bool) { return m >> 16, true })
	low, left := l.descend(v, left, func(m uint32) (uint32, bool) { return m & 0xffff, m>>16 == high })
	return high<<16 | low, left
}

// descend returns the digit of the k-th value in descending order of digits, among those
// of v that digit selects, and k less the number of values with larger ones.
func (l *largest) descend(v []float32, k int, digit func(uint32) (uint32, bool)) (uint32, int) {
	clear(l.counts)
	for _, x := range v {
		if d, ok := digit(magnitude(x)); ok {
			l.counts[d]++
		}
	}
	d := len(l.counts) - 1
	for ; int(l.counts[d]) < k; d-- {
		k -= int(l.counts[d])
	}
	return uint32(d), k
}

// each calls f with each place and its distance from the last, less 1.
func (l *largest) each(f func(i int, gap uint64)) {
	last := -1
	for _, i := range l.places {
		f(i, uint64(i-last-1))
		last = i
	}
}

// count returns how many of n values are kept at a rate in bits for each of the n, where
// each that is kept takes some bits beside its position: at least 1.
func count(n int, rate, bits float64) int {
	k := sort.Search(n, func(k int) bool {
		return float64(k+1)*(bits+positionBits(k+1, n)) > rate*float64(n)
	})
	return max(k, min(n, 1))
}

// orderOf returns the order of the Golomb code for the positions of k in n values, as
// Sattler et al. choose it: b = 1 + floor(log2(log(phi - 1) / log(1 - p))), with p = k/n
// and phi the golden ratio.
func orderOf(k, n int) int {
	if k == 0 || k == n {
		return 0
	}
	p := float64(k) / float64(n)
	return int(max(1+math.Floor(math.Log2(math.Log(math.Phi-1)/math.Log1p(-p))), 0))
}

// positionBits returns the mean size of a position in the same code, after the same
// paper: b + 1/(1 - (1 - p)^(2^b)).
func positionBits(k, n int) float64 {
	b := orderOf(k, n)
	p := float64(k) / float64(n)
	return float64(b) + 1/(1-math.Pow(1-p, math.Exp2(float64(b))))
}

// openLargest reads what topK and ternary have in common: the number of values that are
// kept, the order of the Golomb code and a magnitude.
func openLargest(block []byte, n int) (k, order int, magnitude float32, rest []byte, err error) {
	if rest, err = header(block, n); err != nil {
		return
	}
	if k, rest, err = countOf(rest, n); err != nil {
		return
	}
	if len(rest) == 0 {
		err = fmt.Errorf("%w: ends in the order of the Golomb code", compress.ErrTruncated)
		return
	}
	if order = int(rest[0]); order > maxOrder {
		err = fmt.Errorf("%w: order of the Golomb code: %d, want at most %d", compress.ErrRange, order, maxOrder)
		return
	}
	magnitude, rest, err = scale(rest[1:], "magnitude")
	return
}

// maxOrder is the order for one value in 2^31.
const maxOrder = 31
