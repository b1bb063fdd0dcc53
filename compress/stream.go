package compress

import (
	"encoding/binary"
	"math/bits"
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
	size := uint32(1) << p.log
	x := [4]uint32{size, size, size, size}
	n := len(dst)
	// A symbol takes at most log bits and 20 low ones.
	maxBytes := len(sym)*int(p.log)/8 + len(low)*3 + 32
	dst = extend(dst, maxBytes)
	out := dst[n:]
	at := 0
	var acc uint64
	var have uint
	i := len(sym)
	step := func() { // one symbol, wide or not
		i--
		s := sym[i]
		if s >= firstWide {
			_, k := levelOf(uint32(s+1) / 2)
			acc |= uint64(low[len(low)-1]) << have
			low = low[:len(low)-1]
			have += k
		}
		t := &p.sym[s]
		v := x[i&3]
		k := uint(v+t.bits) >> 16 & 15
		acc |= uint64(v&(1<<k-1)) << have
		have += k
		x[i&3] = uint32(p.state[(v>>k+uint32(t.find))&(1<<maxTableLog-1)])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(have >> 3)
		acc >>= have &^ 7
		have &= 7
	}
	for i&3 != 0 {
		step()
	}
	for i > 0 {
		// A wide symbol has the highest bit set once 1 is added.
		s := sym[i-4 : i : i]
		if (binary.LittleEndian.Uint32(s)+0x01010101)&0x80808080 != 0 {
			for range 4 {
				step()
			}
			continue
		}
		t3, t2, t1, t0 := &p.sym[s[3]], &p.sym[s[2]], &p.sym[s[1]], &p.sym[s[0]]
		x3, x2, x1, x0 := x[3], x[2], x[1], x[0]
		k3 := uint(x3+t3.bits) >> 16 & 15
		k2 := uint(x2+t2.bits) >> 16 & 15
		k1 := uint(x1+t1.bits) >> 16 & 15
		k0 := uint(x0+t0.bits) >> 16 & 15
		acc |= uint64(x3&(1<<k3-1)) << (have & 63)
		have += k3
		acc |= uint64(x2&(1<<k2-1)) << (have & 63)
		have += k2
		acc |= uint64(x1&(1<<k1-1)) << (have & 63)
		have += k1
		acc |= uint64(x0&(1<<k0-1)) << (have & 63)
		have += k0
		x[3] = uint32(p.state[(x3>>k3+uint32(t3.find))&(1<<maxTableLog-1)])
		x[2] = uint32(p.state[(x2>>k2+uint32(t2.find))&(1<<maxTableLog-1)])
		x[1] = uint32(p.state[(x1>>k1+uint32(t1.find))&(1<<maxTableLog-1)])
		x[0] = uint32(p.state[(x0>>k0+uint32(t0.find))&(1<<maxTableLog-1)])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(have >> 3)
		acc >>= have & 56
		have &= 7
		i -= 4
	}
	for i, v := range [4]uint32{x[3], x[2], x[1], x[0]} {
		acc |= uint64(v-size) << have
		have += p.log
		if i == 3 {
			acc |= 1 << have
			have++
		}
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(have >> 3)
		acc >>= have &^ 7
		have &= 7
	}
	if have > 0 {
		out[at] = byte(acc)
		at++
	}
	return dst[:n+at]
}

// before is the min number of bytes before a stream: reading loads eight bytes at
// a time, and a broken stream is detected at most six bytes late.
const before = 16

// stream reads a stream that lies in a block.
type stream struct {
	u     *unpacker
	in    []byte // the block, up to the stream's end
	start int    // of the stream in it, in bits
	pos   int    // bits of in that are not read
	x     [4]uint32
	done  uint // symbols read
}

// open starts reading the stream that lies in block[from:to], from being at
// least before.
func (s *stream) open(u *unpacker, log uint, block []byte, from, to int) error {
	if from < before || to <= from || to > len(block) || block[to-1] == 0 {
		return broken(ErrStream, "stream without a beginning")
	}
	s.u, s.in, s.start = u, block[:to], 8*from
	s.pos = 8*(to-1) + bits.Len8(block[to-1]) - 1
	s.done = 0
	for i := range s.x {
		s.x[i] = uint32(s.take(log))
	}
	return s.check()
}

// take returns the next n bits, at most 56.
func (s *stream) take(n uint) uint64 {
	b := s.pos >> 3
	w := binary.LittleEndian.Uint64(s.in[b-7:]) << (8 - uint(s.pos)&7)
	s.pos -= int(n)
	return w >> 1 >> (63 - n)
}

func (s *stream) check() error {
	if s.pos < s.start {
		return broken(ErrStream, "stream ends early")
	}
	return nil
}

// close checks that the stream has been read to its end.
func (s *stream) close() error {
	if s.pos != s.start || s.x != [4]uint32{} {
		return broken(ErrStream, "stream does not end where its symbols do")
	}
	return nil
}

// next returns the next symbol and its low bits.
func (s *stream) next() (sym uint32, low uint32) {
	e := s.u.entry[s.x[s.done&3]&(1<<maxTableLog-1)]
	s.x[s.done&3] = e>>16 + uint32(s.take(uint(e>>8&15)))
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
// sets, such as a tab's, is linked without addFours.
type taking struct {
	fours func(s *stream, dst []float32, v *values) []float32
	add   bool
}

var (
	setting = taking{(*stream).setFours, false}
	adding  = taking{(*stream).addFours, true}
)

// read takes the values of the next len(dst) symbols into dst.
func (s *stream) read(dst []float32, v *values, how *taking) error {
	for len(dst) > 0 {
		if s.done&3 == 0 && len(dst) >= 4 {
			n := len(dst)
			dst = how.fours(s, dst, v)
			s.done += uint(n - len(dst))
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

// setFours reads symbols, four at a time, and returns what it has not set. It
// stops where the stream ends and before a four with a wide symbol.
func (s *stream) setFours(dst []float32, v *values) []float32 {
	const mask = 1<<maxTableLog - 1
	in, pos, entry := s.in, s.pos, &s.u.entry
	x0, x1, x2, x3 := s.x[0], s.x[1], s.x[2], s.x[3]
	for len(dst) >= 4 && pos >= s.start {
		b := pos >> 3
		w := binary.LittleEndian.Uint64(in[b-7:]) << (8 - uint(pos)&7)
		e0, e1, e2, e3 := entry[x0&mask], entry[x1&mask], entry[x2&mask], entry[x3&mask]
		if (e0|e1|e2|e3)&wideEntry != 0 {
			break
		}
		n0, n1, n2, n3 := uint(e0>>8&15), uint(e1>>8&15), uint(e2>>8&15), uint(e3>>8&15)
		x0 = e0>>16 + uint32(w>>1>>(63-n0))
		w <<= n0
		x1 = e1>>16 + uint32(w>>1>>(63-n1))
		w <<= n1
		x2 = e2>>16 + uint32(w>>1>>(63-n2))
		w <<= n2
		x3 = e3>>16 + uint32(w>>1>>(63-n3))
		pos -= int(n0 + n1 + n2 + n3)
		d := dst[:4:4]
		d[0] = v.of[e0&255]
		d[1] = v.of[e1&255]
		d[2] = v.of[e2&255]
		d[3] = v.of[e3&255]
		dst = dst[4:]
	}
	s.pos = pos
	s.x = [4]uint32{x0, x1, x2, x3}
	return dst
}

// addFours is setFours that adds.
func (s *stream) addFours(dst []float32, v *values) []float32 {
	const mask = 1<<maxTableLog - 1
	in, pos, entry := s.in, s.pos, &s.u.entry
	x0, x1, x2, x3 := s.x[0], s.x[1], s.x[2], s.x[3]
	for len(dst) >= 4 && pos >= s.start {
		b := pos >> 3
		w := binary.LittleEndian.Uint64(in[b-7:]) << (8 - uint(pos)&7)
		e0, e1, e2, e3 := entry[x0&mask], entry[x1&mask], entry[x2&mask], entry[x3&mask]
		if (e0|e1|e2|e3)&wideEntry != 0 {
			break
		}
		n0, n1, n2, n3 := uint(e0>>8&15), uint(e1>>8&15), uint(e2>>8&15), uint(e3>>8&15)
		x0 = e0>>16 + uint32(w>>1>>(63-n0))
		w <<= n0
		x1 = e1>>16 + uint32(w>>1>>(63-n1))
		w <<= n1
		x2 = e2>>16 + uint32(w>>1>>(63-n2))
		w <<= n2
		x3 = e3>>16 + uint32(w>>1>>(63-n3))
		pos -= int(n0 + n1 + n2 + n3)
		d := dst[:4:4]
		d[0] += v.of[e0&255]
		d[1] += v.of[e1&255]
		d[2] += v.of[e2&255]
		d[3] += v.of[e3&255]
		dst = dst[4:]
	}
	s.pos = pos
	s.x = [4]uint32{x0, x1, x2, x3}
	return dst
}
