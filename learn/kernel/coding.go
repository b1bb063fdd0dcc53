package kernel

import "encoding/binary"

// The loops of package compress's entropy coder (tANS), four symbols at a time. Every
// version gives the same bits.

// The tables of the entropy coder have at most MaxStates states. A symbol of WideSymbol
// and more is wide: bits of another kind follow it, so that the loops stop before it.
const (
	MaxStates  = 1 << 12
	WideSymbol = 2*MaxDirect + 1
	WideEntry  = 1 << 12 // marks the entry of a wide symbol
)

// Reading is where a stream of symbols is read, from its end. Symbol i of the stream
// belongs to state i mod 4.
type Reading struct {
	Entries *[MaxStates]uint32 // of a state: symbol | bits << 8 | WideEntry | base << 16; all lead to states that have one
	In      []byte
	Start   int // where the stream begins in In, in bits, at least 64
	States  [4]uint32
	Pos     int // bits of In that are not read; behind States, for the module
}

// SetFours sets dst to the values of symbols, four at a time, and returns the number of
// those that it has set. It stops where the stream ends and before a four with a wide
// symbol.
//
//	for len(dst) >= 4 && Pos >= Start {
//		for i := range 4 {
//			e := Entries[States[i]]
//			States[i] = e>>16 + the last e>>8&15 bits before Pos, which moves there
//			dst[i] = values[e&255]
//		}
//		dst = dst[4:]
//	}
func (r *Reading) SetFours(dst []float32, values *[256]float32) int { return setFours(r, dst, values) }

func scalarSetFours(r *Reading, dst []float32, values *[256]float32) int {
	const mask = MaxStates - 1
	n, in, pos, entries := len(dst), r.In, r.Pos, r.Entries
	x0, x1, x2, x3 := r.States[0], r.States[1], r.States[2], r.States[3]
	for len(dst) >= 4 && pos >= r.Start {
		b := pos >> 3
		w := binary.LittleEndian.Uint64(in[b-7:]) << (8 - uint(pos)&7)
		e0, e1, e2, e3 := entries[x0&mask], entries[x1&mask], entries[x2&mask], entries[x3&mask]
		if (e0|e1|e2|e3)&WideEntry != 0 {
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
		d[0] = values[e0&255]
		d[1] = values[e1&255]
		d[2] = values[e2&255]
		d[3] = values[e3&255]
		dst = dst[4:]
	}
	r.Pos = pos
	r.States = [4]uint32{x0, x1, x2, x3}
	return n - len(dst)
}

// AddFours is SetFours that adds. It is scalar everywhere: tabs only set.
func (r *Reading) AddFours(dst []float32, values *[256]float32) int {
	const mask = MaxStates - 1
	n, in, pos, entries := len(dst), r.In, r.Pos, r.Entries
	x0, x1, x2, x3 := r.States[0], r.States[1], r.States[2], r.States[3]
	for len(dst) >= 4 && pos >= r.Start {
		b := pos >> 3
		w := binary.LittleEndian.Uint64(in[b-7:]) << (8 - uint(pos)&7)
		e0, e1, e2, e3 := entries[x0&mask], entries[x1&mask], entries[x2&mask], entries[x3&mask]
		if (e0|e1|e2|e3)&WideEntry != 0 {
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
		d[0] += values[e0&255]
		d[1] += values[e1&255]
		d[2] += values[e2&255]
		d[3] += values[e3&255]
		dst = dst[4:]
	}
	r.Pos = pos
	r.States = [4]uint32{x0, x1, x2, x3}
	return n - len(dst)
}

// WritingTable is the table of a stream that is written: a state x gives off its low
// k = (x + Bits) >> 16 bits, at most Log, and becomes States[x>>k+Find].
type WritingTable struct {
	Symbols [256]struct {
		Bits uint32
		Find int32
	}
	States [MaxStates]uint16
	Log    uint // of the number of states; behind what the module reads
}

// Writing is where a stream of symbols is written, the last one first.
type Writing struct {
	Table  *WritingTable
	Out    []byte
	States [4]uint32
	Bits   uint64 // the last ones, not all of which are in Out; this and the rest behind States, for the module
	Have   uint   // of them, at most 7
	At     int    // bytes written
}

// Fours writes symbols, a multiple of four, from the end, and returns how many are left.
// It stops before a four with a wide symbol. Out has room for eight bytes more than what
// the symbols take.
//
//	for len(symbols) > 0 {
//		for i := 3; i >= 0; i-- {
//			t := Table.Symbols[symbols[len(symbols)-4+i]]
//			k := (States[i] + t.Bits) >> 16
//			write the low k bits of States[i]
//			States[i] = Table.States[States[i]>>k+t.Find]
//		}
//		symbols = symbols[:len(symbols)-4]
//	}
func (w *Writing) Fours(symbols []uint8) (left int) { return writeFours(w, symbols) }

func scalarWriteFours(w *Writing, symbols []uint8) int {
	const mask = MaxStates - 1
	t, out, at, acc, have := w.Table, w.Out, w.At, w.Bits, w.Have
	x0, x1, x2, x3 := w.States[0], w.States[1], w.States[2], w.States[3]
	i := len(symbols)
	for i > 0 {
		// A wide symbol has the highest bit set once 1 is added.
		s := symbols[i-4 : i : i]
		if (binary.LittleEndian.Uint32(s)+0x01010101)&0x80808080 != 0 {
			break
		}
		t3, t2, t1, t0 := &t.Symbols[s[3]], &t.Symbols[s[2]], &t.Symbols[s[1]], &t.Symbols[s[0]]
		k3 := uint(x3+t3.Bits) >> 16 & 15
		k2 := uint(x2+t2.Bits) >> 16 & 15
		k1 := uint(x1+t1.Bits) >> 16 & 15
		k0 := uint(x0+t0.Bits) >> 16 & 15
		acc |= uint64(x3&(1<<k3-1)) << (have & 63)
		have += k3
		acc |= uint64(x2&(1<<k2-1)) << (have & 63)
		have += k2
		acc |= uint64(x1&(1<<k1-1)) << (have & 63)
		have += k1
		acc |= uint64(x0&(1<<k0-1)) << (have & 63)
		have += k0
		x3 = uint32(t.States[(x3>>k3+uint32(t3.Find))&mask])
		x2 = uint32(t.States[(x2>>k2+uint32(t2.Find))&mask])
		x1 = uint32(t.States[(x1>>k1+uint32(t1.Find))&mask])
		x0 = uint32(t.States[(x0>>k0+uint32(t0.Find))&mask])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(have >> 3)
		acc >>= have & 56
		have &= 7
		i -= 4
	}
	w.At, w.Bits, w.Have = at, acc, have
	w.States = [4]uint32{x0, x1, x2, x3}
	return i
}
