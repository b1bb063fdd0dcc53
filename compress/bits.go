package compress

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// bitWriter appends numbers of a few bits to a slice, the low bits first.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint // bits in acc
}

// put appends the low n bits of v, n at most 32. Inlined in its many callers it
// would take kilobytes.
//
//go:noinline
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v & (1<<n - 1) << w.n
	w.n += n
	for w.n >= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
		w.n -= 8
	}
}

// golomb appends v as an exponential Golomb code of order k: v + 2^k has
// k + 1 + u bits, u is written in unary, the rest plainly. v is less than 2^31.
func (w *bitWriter) golomb(v uint32, k uint) {
	x := uint64(v) + 1<<k
	u := uint(bits.Len64(x)) - 1 - k
	w.put(1<<u, u+1)
	w.put(x, k+u)
}

// flush pads with zeros to a whole byte and returns the slice.
func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	return w.out
}

// bitReader reads what bitWriter has written. Beyond the end it reads zeros
// and sets short.
type bitReader struct {
	in    []byte
	at    int // in bits
	short bool
}

func (r *bitReader) get(n uint) uint64 {
	var v uint64
	for i := range n {
		b := r.at >> 3
		if b >= len(r.in) {
			r.short = true
			return 0
		}
		v |= uint64(r.in[b]>>(r.at&7)&1) << i
		r.at++
	}
	return v
}

// golomb reads what bitWriter's golomb has written; a number of 2^31 and more,
// which that does not write, is returned as the largest.
func (r *bitReader) golomb(k uint) uint32 {
	u := uint(0)
	for r.get(1) == 0 {
		if r.short {
			return 0
		}
		if u++; k+u > 31 {
			return math.MaxUint32
		}
	}
	return uint32(r.get(k+u) | 1<<(k+u) - 1<<k)
}

// rest returns what follows the last byte touched.
func (r *bitReader) rest() []byte { return r.in[min((r.at+7)>>3, len(r.in)):] }

// uvarint reads a number of at most limit from the front of b. class is that of a
// larger one.
func uvarint(b []byte, limit uint64, class error, what string) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, nil, broken(ErrTruncated, "ends in the "+what)
	case n < 0:
		return 0, nil, broken(class, what+" of more than 64 bits")
	case v > limit:
		return 0, nil, brokenBy(class, what+" beyond the limit:", int(min(v, 1<<40)), int(limit))
	}
	return v, b[n:], nil
}
