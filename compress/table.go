package compress

import (
	"math/bits"

	"fedtab/learn/kernel"
)

// The entropy coder is tANS (Duda, "Asymmetric numeral systems", 2013) with
// the tables of Collet's Finite State Entropy. It is not klauspost's fse, which
// is the same idea, because here
//   - symbols are single parameters, and four states alternate, which decodes
//     about three times as fast as two;
//   - the frequencies of +m and -m are one number, so that a table takes about
//     ten bytes and every class of rows can have its own;
//   - decoding goes on where it stopped, straight into the caller's floats,
//     so that it needs no buffer of symbols;
//   - the states begin and must end at zero, which detects most damage.

// A symbol stands for an integer q. Magnitudes below direct have a symbol
// each: 0 for 0, 2m-1 for -m and 2m for m. Larger ones share symbols, four to
// an octave and sign, followed by the low bits that the symbol leaves open:
// exactly the integers of less than maxLevel can be written.
const (
	direct     = kernel.MaxDirect + 1
	directLog  = 6
	firstWide  = kernel.WideSymbol // the first wide symbol
	maxLevel   = 1 << (directLog + 16)
	symbols    = 255
	magnitudes = 128 // of symbols: the number of 0, 1, ... 63 and of 64 wide ones
)

// magnitudeOf returns the symbol's magnitude for |q| = m < maxLevel, and the
// low bits it leaves open.
func magnitudeOf(m uint32) (mag uint32, low uint32, n uint) {
	if m < direct {
		return m, 0, 0
	}
	e := uint(bits.Len32(m)) - 1 // 6 or more
	n = e - 2
	return direct + uint32(e-directLog)*4 + m>>n&3, m & (1<<n - 1), n
}

// levelOf is the inverse of magnitudeOf: the smallest level of the magnitude
// and the number of low bits.
func levelOf(mag uint32) (m uint32, n uint) {
	if mag < direct {
		return mag, 0
	}
	o := mag - direct
	n = uint(o/4) + directLog - 2
	return (4 + o&3) << n, n
}

const (
	minTableLog = 5
	maxTableLog = 12
)

// table is the frequencies of one stream's magnitudes.
type table struct {
	_    incomparable
	log  uint
	last int                // the highest magnitude with a frequency
	freq [magnitudes]uint16 // of 0, and of each sign of the others
}

// fit sets t to the frequencies nearest to the counts of n symbols, a pair of
// signs counted together. n is the sum of count and not 0.
func (t *table) fit(count *[magnitudes]uint32, n int) {
	t.last = 0
	used := 0
	for m, c := range count {
		if c > 0 {
			t.last = m
			used += 2
		}
	}
	// The size follows from the counts and is large enough to give every symbol
	// a frequency.
	t.log = uint(min(max(bits.Len(uint(n))-2, bits.Len(uint(2*used)), minTableLog), maxTableLog))
	size := 1 << t.log
	sum := 0
	for m, c := range count {
		t.freq[m] = 0
		if c == 0 {
			continue
		}
		sides := 2
		if m == 0 {
			sides = 1
		}
		f := max((int(uint64(c)*uint64(size)*2/uint64(n))/sides+1)/2, 1)
		t.freq[m] = uint16(f)
		sum += f * sides
	}
	// The remainder of rounding goes to 0, or else, in pairs, to the most frequent
	// magnitude, where it costs the fewest bits.
	d := size - sum
	if zero := int(t.freq[0]); zero > 0 && zero+d > zero/2 {
		t.freq[0] = uint16(zero + d)
		return
	}
	if d&1 != 0 {
		t.freq[0]++
		d--
	}
	for d != 0 {
		best := 1
		for m := 2; m <= t.last; m++ {
			if t.freq[m] > t.freq[best] {
				best = m
			}
		}
		if d > 0 {
			t.freq[best]++
			d -= 2
		} else {
			t.freq[best]--
			d += 2
		}
	}
}

// append writes t: the size, the highest magnitude, and the frequencies, each
// in a code that expects something like the one before.
func (t *table) append(w *bitWriter) {
	w.put(uint64(t.log-minTableLog), 3)
	w.put(uint64(t.last), 7)
	k := t.log - 2
	for m := 0; m <= t.last; m++ {
		w.golomb(uint32(t.freq[m]), k)
		k = expect(t.freq[m])
	}
}

// expect is the order of the code of the frequency that follows f.
func expect(f uint16) uint { return uint(max(bits.Len16(f)-2, 0)) }

// read is the inverse of append. It checks that the frequencies fill the table.
func (t *table) read(r *bitReader) error {
	t.log = uint(r.get(3)) + minTableLog
	t.last = int(r.get(7))
	if r.short {
		return broken(ErrTruncated, "ends in a table")
	}
	if t.log > maxTableLog {
		return brokenBy(ErrTable, "logarithm of the size:", int(t.log), maxTableLog)
	}
	clear(t.freq[:])
	k := t.log - 2
	sum := 0
	for m := 0; m <= t.last; m++ {
		f := r.golomb(k)
		if r.short {
			return broken(ErrTruncated, "ends in a table")
		}
		if f > 1<<t.log {
			return brokenBy(ErrTable, "frequency:", int(f), 1<<t.log)
		}
		t.freq[m] = uint16(f)
		sum += int(f)
		if m > 0 {
			sum += int(f)
		}
		k = expect(t.freq[m])
	}
	if sum != 1<<t.log {
		return brokenBy(ErrTable, "sum of frequencies:", sum, 1<<t.log)
	}
	return nil
}

// cost returns how many bits append writes.
func (t *table) cost() int {
	n := 10
	k := t.log - 2
	for m := 0; m <= t.last; m++ {
		n += 2*(bits.Len32(uint32(t.freq[m])+1<<k)-1) + 1 - int(k)
		k = expect(t.freq[m])
	}
	return n
}

// of returns the frequency of symbol s.
func (t *table) of(s int) int { return int(t.freq[(s+1)/2]) }

// spread calls put for each cell of the table with the symbol that it belongs
// to: each symbol has as many cells as its frequency, far apart.
func (t *table) spread(cells *[1 << maxTableLog]uint8) {
	size := 1 << t.log
	step := size>>1 + size>>3 + 3
	at := 0
	for s := range 2*t.last + 1 {
		for range t.of(s) {
			cells[at] = uint8(s)
			at = (at + step) & (size - 1)
		}
	}
}

// unpacker decodes symbols: entry of a state = symbol | bits << 8 | base << 16,
// and the next state is base + that many bits.
type unpacker struct {
	_     incomparable
	entry [1 << maxTableLog]uint32
}

func (u *unpacker) build(t *table, cells *[1 << maxTableLog]uint8) {
	t.spread(cells)
	var next [symbols + 1]uint32
	for s := range 2*t.last + 1 {
		next[s] = uint32(t.of(s))
	}
	for i := range 1 << t.log {
		s := cells[i]
		x := next[s]
		next[s]++
		n := t.log + 1 - uint(bits.Len32(x))
		wide := uint32(0)
		if s >= firstWide {
			wide = kernel.WideEntry
		}
		u.entry[i] = wide | uint32(s) | uint32(n)<<8 | (x<<n-1<<t.log)<<16
	}
}

// packer encodes symbols: a state x in [2^log, 2^(log+1)) gives off its low
// n = (x + bits[s]) >> 16 bits and becomes state[x >> n + find[s]].
type packer struct{ kernel.WritingTable }

func (p *packer) build(t *table, cells *[1 << maxTableLog]uint8) {
	t.spread(cells)
	p.Log = t.log
	size := 1 << t.log
	var start [symbols + 1]int32
	total := int32(0)
	for s := range 2*t.last + 1 {
		start[s] = total
		f := int32(t.of(s))
		if f == 0 {
			continue
		}
		// x >= f << n gives off n bits, a smaller one n - 1.
		n := t.log
		if f > 1 {
			n -= uint(bits.Len32(uint32(f-1))) - 1
		}
		p.Symbols[s].Bits = uint32(n)<<16 - uint32(f)<<n
		p.Symbols[s].Find = total - f
		total += f
	}
	for i := range size {
		s := cells[i]
		p.States[start[s]] = uint16(size + i)
		start[s]++
	}
}
