package compress

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/protocol"
)

// forge is a coded block in pieces, each of which a case may replace. Fresh, it is
// right.
type forge struct {
	codec   protocol.Codec
	n       int
	version byte
	count   uint64     // of values
	parts   [][]uint64 // size and segment
	step    float32
	own     []byte // what the codec has after the step
	live    int    // classes
	list    table
	tables  []table
	last    func(*bitWriter) // what the codec has after the tables
	symbols *coder
	streams [][]byte
	lengths []int // of the streams
	after   []byte
	cut     int // if above 0, the block ends there
}

// newForge makes a block of 96 values in 5 segments, of the classes 1, 0, 2, 1
// and 2, with the tables given or two of its own.
func newForge(codec protocol.Codec, tables ...table) *forge {
	if tables == nil {
		tables = []table{falling(6, 4), falling(7, 9)}
	}
	classes := []int{1, 0, 2, 1, 2}
	return forgeOf(codec, []part{{70, 20}, {26, 30}}, tables, func(i int) int { return min(classes[i], len(tables)) })
}

func forgeOf(codec protocol.Codec, parts []part, tables []table, class func(i int) int) *forge {
	r := rand.New(rand.NewPCG(17, uint64(codec)))
	f := &forge{codec: codec, version: version, step: 1. / 1024, tables: slices.Clone(tables), live: len(tables)}
	f.symbols = drawn(r, parts, f.tables, class)
	f.n, f.count, f.list = f.symbols.n, uint64(f.symbols.n), f.symbols.ids
	for _, p := range parts {
		f.parts = append(f.parts, []uint64{uint64(p.size), uint64(p.segment)})
	}
	f.last = func(*bitWriter) {}
	switch codec {
	case protocol.CodecDeadzone:
		f.shifts(5, 20, 250, 128, 127, 0)
	case protocol.CodecDither:
		f.last = func(w *bitWriter) { w.put(0b0110, uint(len(tables))) }
	case protocol.CodecGrid:
		f.own = []byte{0}
	case protocol.CodecPlanes:
		f.step = 1
		values := 0
		for _, s := range f.symbols.sym {
			if s != 0 {
				values++
			}
		}
		f.mantissas(130, values, (values*mantissaBits+7)/8)
	}
	f.split()
	return f
}

// split makes the streams of the symbols.
func (f *forge) split() {
	f.streams, f.lengths = nil, nil
	rest := f.symbols.appendStreams(make([]byte, before), 0)[before:]
	for len(rest) > 0 {
		n := binary.LittleEndian.Uint32(rest)
		f.streams = append(f.streams, rest[lengthBytes:][:n])
		f.lengths = append(f.lengths, int(n))
		rest = rest[lengthBytes+n:]
	}
}

// shifts sets the three shifts of each class, the same again where there are fewer.
func (f *forge) shifts(values ...uint8) {
	f.last = func(w *bitWriter) {
		for i := range 3 * f.live {
			w.put(uint64(values[i%len(values)]), 8)
		}
	}
}

// mantissas sets what float32-planes has after the step: as many mantissas as
// values, in size bytes.
func (f *forge) mantissas(largest byte, values, size int) {
	r := rand.New(rand.NewPCG(18, 19))
	w := bitWriter{}
	for range values {
		w.put(r.Uint64(), mantissaBits)
	}
	b := append(w.flush(), make([]byte, 8)...)[:size]
	f.own = slices.Concat([]byte{largest}, binary.AppendUvarint(nil, uint64(size)), b)
}

// stream replaces stream i, with its length.
func (f *forge) stream(i int, b []byte) { f.streams[i], f.lengths[i] = b, len(b) }

func (f *forge) header() []byte {
	b := binary.AppendUvarint([]byte{f.version}, f.count)
	b = binary.AppendUvarint(b, uint64(len(f.parts)))
	for _, p := range f.parts {
		b = binary.AppendUvarint(binary.AppendUvarint(b, p[0]), p[1])
	}
	return b
}

func (f *forge) block() []byte {
	b := binary.LittleEndian.AppendUint32(f.header(), math.Float32bits(f.step))
	w := bitWriter{out: append(b, f.own...)}
	w.put(uint64(f.live), 4)
	if f.live > 0 {
		f.list.append(&w)
	}
	for i := range f.tables {
		f.tables[i].append(&w)
	}
	f.last(&w)
	b = w.flush()
	for i, s := range f.streams {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(f.lengths[i])), s...)
	}
	b = append(b, f.after...)
	if f.cut > 0 {
		b = b[:f.cut]
	}
	return b
}
