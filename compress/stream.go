package compress

import (
	"encoding/binary"
	"math/bits"

	"fedtab/learn/kernel"
)

// A stream is the symbols of one class. It is written backwards, the last
// symbol first, and read from its end, so that both go through the same
// states: symbol i belongs to state i mod 4. Read, it holds
//
//	a bit 1                      the highest set bit of the last byte
//	log bits each                the states 0 to 3, in [0, 2^log)
//	for every symbol, in order:
//	    the bits that its state asks for, at most log
//	    the low bits of a wide symbol
//
// and ends, at the first bit of the first byte, with all states 0.

// streamCost is the size of a stream in bits beyond its symbols.
func streamCost(log uint) int { return 4*int(log) + 1 + 4 + 16 }

// append appends the stream of sym. low has the low bits of the wide symbols,
// in order.
func (p *packer) append(dst []byte, sym []uint8, low []uint32) []byte {
	size := uint32(1) << p.Log
	n := len(dst)
	// A symbol takes at most Log bits and 20 low ones.
	maxBytes := len(sym)*int(p.Log)/8 + len(low)*3 + 32
	dst = extend(dst, maxBytes)
	w := writer{kernel.Writing{Table: &p.WritingTable, Out: dst[n:], States: [4]uint32{size, size, size, size}}}
	for i := len(sym); i > 0; {
		if i&3 == 0 {
			i = w.Fours(sym[:i])
		}
		// One by one: those beyond the last four, or a four with a wide symbol.
		for range min((i-1)&3+1, i) {
			i--
			if s := sym[i]; s >= firstWide {
				_, k := levelOf(uint32(s+1) / 2)
				w.put(uint64(low[len(low)-1]), k)
				low = low[:len(low)-1]
			}
			w.symbol(sym[i], i&3)
		}
	}
	for i := 3; i >= 0; i-- {
		w.put(uint64(w.States[i]-size), p.Log)
	}
	w.put(1, 1)
	if w.Have > 0 {
		w.Out[w.At] = byte(w.Bits)
		w.At++
	}
	return dst[:n+w.At]
}

// writer writes a stream.
type writer struct{ kernel.Writing }

// put writes the k bits of v, at most 20.
func (w *writer) put(v uint64, k uint) {
	w.Bits |= v << w.Have
	w.Have += k
	binary.LittleEndian.PutUint64(w.Out[w.At:], w.Bits)
	w.At += int(w.Have >> 3)
	w.Bits >>= w.Have &^ 7
	w.Have &= 7
}

// symbol writes the bits that a state gives off for symbol s.
func (w *writer) symbol(s uint8, state int) {
	t := &w.Table.Symbols[s]
	v := w.States[state]
	k := uint(v+t.Bits) >> 16 & 15
	w.put(uint64(v&(1<<k-1)), k)
	w.States[state] = uint32(w.Table.States[(v>>k+uint32(t.Find))&(1<<maxTableLog-1)])
}

// before is the min number of bytes before a stream: reading loads eight bytes at
// a time, and a broken stream is detected at most six bytes late.
const before = 16

// stream reads a stream that lies in a block.
type stream struct {
	kernel.Reading      // of the block, up to the stream's end
	done           uint // symbols read
}

// open starts reading the stream that lies in block[from:to], from being at
// least before.
func (s *stream) open(u *unpacker, log uint, block []byte, from, to int) error {
	if from < before || to <= from || to > len(block) || block[to-1] == 0 {
		return broken(ErrStream, "stream without a beginning")
	}
	s.Entries, s.In, s.Start = &u.entry, block[:to], 8*from
	s.Pos = 8*(to-1) + bits.Len8(block[to-1]) - 1
	s.done = 0
	for i := range s.States {
		s.States[i] = uint32(s.take(log))
	}
	return s.check()
}

// take returns the next n bits, at most 56.
func (s *stream) take(n uint) uint64 {
	b := s.Pos >> 3
	w := binary.LittleEndian.Uint64(s.In[b-7:]) << (8 - uint(s.Pos)&7)
	s.Pos -= int(n)
	return w >> 1 >> (63 - n)
}

func (s *stream) check() error {
	if s.Pos < s.Start {
		return broken(ErrStream, "stream ends early")
	}
	return nil
}

// close checks that the stream has been read to its end.
func (s *stream) close() error {
	if s.Pos != s.Start || s.States != [4]uint32{} {
		return broken(ErrStream, "stream does not end where its symbols do")
	}
	return nil
}

// next returns the next symbol and its low bits.
func (s *stream) next() (sym uint32, low uint32) {
	e := s.Entries[s.States[s.done&3]&(1<<maxTableLog-1)]
	s.States[s.done&3] = e>>16 + uint32(s.take(uint(e>>8&15)))
	s.done++
	sym = e & 255
	if sym >= firstWide {
		_, n := levelOf((sym + 1) / 2)
		low = uint32(s.take(n))
	}
	return sym, low
}

// values are the values of the symbols of a class.
type values struct {
	_     incomparable
	of    [symbols + 1]float32
	scale float64 // of wide symbols: sign x (level + low + shift) x scale
	shift float64
}

// value is that of a symbol with its low bits.
func (v *values) value(sym, low uint32) float32 {
	if sym < firstWide {
		return v.of[sym]
	}
	m, _ := levelOf((sym + 1) / 2)
	x := float32((float64(m+low) + v.shift) * v.scale)
	if sym&1 != 0 {
		return -x
	}
	return x
}

// taking is the way in which values are stored: set or added. A program that only
// sets, such as a tab's, is linked without AddFours.
type taking struct {
	fours func(s *kernel.Reading, dst []float32, values *[symbols + 1]float32) int
	add   bool
}

var (
	setting = taking{(*kernel.Reading).SetFours, false}
	adding  = taking{(*kernel.Reading).AddFours, true}
)

// read takes the values of the next len(dst) symbols into dst.
func (s *stream) read(dst []float32, v *values, how *taking) error {
	for len(dst) > 0 {
		if s.done&3 == 0 && len(dst) >= 4 {
			n := how.fours(&s.Reading, dst, &v.of)
			s.done += uint(n)
			dst = dst[n:]
		}
		// One by one: what is left of a four, or a four with a wide symbol.
		for range min(4-s.done&3, uint(len(dst))) {
			if err := s.check(); err != nil {
				return err
			}
			x := v.value(s.next())
			if how.add {
				x += dst[0]
			}
			dst[0] = x
			dst = dst[1:]
		}
	}
	return s.check()
}
