package reference

import "math/bits"

// bitWriter appends numbers of a few bits to a slice, the lowest bit first.
type bitWriter struct {
	out []byte
	acc uint64
	n   int // bits in acc
}

// put appends the low n bits of v, n at most 32.
func (w *bitWriter) put(v uint64, n int) {
	w.acc |= v & (1<<n - 1) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// elias appends v, at least 1, in Elias's recursive (omega) code, as QSGD's paper
// does: each group but the last says how many bits the next has beside its leading
// one, and a zero ends the code.
func (w *bitWriter) elias(v uint32) {
	var groups [6]uint32
	n := 0
	for ; v > 1; n++ {
		groups[n] = v
		v = uint32(bits.Len32(v) - 1)
	}
	for n--; n >= 0; n-- {
		w.put(1, 1)
		w.put(uint64(groups[n]), bits.Len32(groups[n])-1)
	}
	w.put(0, 1)
}

// rice appends v in the Golomb code of 2^b: v / 2^b ones, a zero, and the low b bits.
func (w *bitWriter) rice(v uint64, b int) {
	for q := v >> b; q > 0; q-- {
		w.put(1, 1)
	}
	w.put(0, 1)
	w.put(v, b)
}

// flush pads with zeros to a whole byte and returns the slice.
func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	return w.out
}

// bitReader reads what bitWriter has written. Beyond the end it reads zeros and sets
// short.
type bitReader struct {
	in    []byte
	acc   uint64
	n     int // bits in acc
	short bool
}

// get reads a number of n bits, n at most 32.
func (r *bitReader) get(n int) uint64 {
	for r.n < n {
		if len(r.in) == 0 {
			r.short = true
			return 0
		}
		r.acc |= uint64(r.in[0]) << r.n
		r.in = r.in[1:]
		r.n += 8
	}
	v := r.acc & (1<<n - 1)
	r.acc >>= n
	r.n -= n
	return v
}

// elias reads what bitWriter's elias has written. A number that it does not write is
// returned as 0.
func (r *bitReader) elias() uint32 {
	v := uint64(1)
	for r.get(1) == 1 {
		if v > 31 {
			return 0
		}
		v = 1<<v | r.get(int(v))
	}
	return uint32(v)
}

// rice reads what bitWriter's rice has written, a number of at most limit; a larger
// one is returned as limit + 1.
func (r *bitReader) rice(b int, limit uint64) uint64 {
	q := uint64(0)
	for r.get(1) == 1 {
		if q++; q > limit>>b {
			return limit + 1
		}
	}
	return min(q<<b|r.get(b), limit+1)
}
