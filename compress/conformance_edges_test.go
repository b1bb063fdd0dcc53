package compress

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/protocol"
)

// refused is a case of a block that must be refused, whose name begins with its
// class.
func refused(name, class, comment string, id protocol.Codec, n int, block []byte) conformanceCase {
	c := conformanceCase{name: class + "-" + name, expect: "block", class: class, comment: comment, codec: id.String(), n: n, block: block}
	if !errors.Is(classes[class], ErrBlock) {
		c.expect, c.class = class, ""
	}
	return c
}

// bad is refused of a forged block; of grid, between versions of zeros.
func bad(name, class, comment string, f *forge) conformanceCase {
	c := refused(name, class, comment, f.codec, f.n, f.block())
	if f.codec == protocol.CodecGrid {
		c.base = make([]float32, f.n)
	}
	return c
}

// taken is a case of a block that must be read.
func taken(name, comment string, id protocol.Codec, n int, o Options, block []byte) conformanceCase {
	return conformanceCase{name: "taken-" + name, expect: "ok", comment: comment, codec: id.String(), n: n, seed: o.Seed, block: block}
}

// rawCases are blocks of the codecs that write one value after the other.
func rawCases() (cases []conformanceCase) {
	refuse := func(id protocol.Codec, name, class, comment string, n int, block []byte) {
		cases = append(cases, refused(name, class, comment, id, n, block))
	}
	take := func(id protocol.Codec, name, comment string, block []byte, width int) {
		cases = append(cases, taken(name, comment, id, len(block)/width, Options{}, block))
	}
	floats := func(bits ...uint32) (b []byte) {
		for _, x := range bits {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
		return b
	}
	halves := func(bits ...uint16) (b []byte) {
		for _, x := range bits {
			b = binary.LittleEndian.AppendUint16(b, x)
		}
		return b
	}
	id := protocol.CodecFloat32
	take(id, "float32-none", "No value.", nil, 4)
	take(id, "float32", "Both zeros, one, the largest and the smallest of both signs, subnormals.",
		floats(0, 1<<31, 0x3f800000, 0x7f7fffff, 0xff7fffff, 1, 0x80000001, 0x007fffff, 0x00800000), 4)
	refuse(id, "float32-fewer", "length", "A value fewer than the model has.", 4, make([]byte, 12))
	refuse(id, "float32-nan-signalling", "not-finite", "A NaN with other bits.", 2, floats(0xff800001, 0))
	refuse(id, "float32-inf", "not-finite", "An infinity.", 2, floats(0, 0x7f800000))
	id = protocol.CodecFloat16
	take(id, "float16-none", "No value.", nil, 2)
	take(id, "float16", "Both zeros, one, the largest and the smallest of both signs, subnormals.",
		halves(0, 0x8000, 0x3c00, 0x7bff, 0xfbff, 1, 0x8001, 0x03ff, 0x0400, 0x3555), 2)
	finite := make([]uint16, 0, 1<<16)
	for h := range uint16(0x7c00) {
		finite = append(finite, h, h|0x8000)
	}
	take(id, "float16-every-97th", "Of all finite values, ascending in magnitude and with both signs, every 97th.", halves(everyNth(finite, 97)...), 2)
	refuse(id, "float16-inf-negative", "not-finite", "A negative infinity.", 1, halves(0xfc00))
	cases = append(cases,
		conformanceCase{name: "codec-6", expect: "codec", comment: "The first number that has no codec.", codec: "6", n: 1, block: make([]byte, 4)},
		conformanceCase{name: "codec-max", expect: "codec", comment: "The largest number of a codec.", codec: "2147483647", n: 1, block: make([]byte, 4)})
	return cases
}

func everyNth[T any](list []T, n int) (out []T) {
	for i := 0; i < len(list); i += n {
		out = append(out, list[i])
	}
	return out
}

// takenCases are coded blocks, by encoders and by hand.
func takenCases(t *testing.T) (cases []conformanceCase) {
	for _, id := range []protocol.Codec{protocol.CodecDeadzone, protocol.CodecDither, protocol.CodecPlanes} {
		codec := lookup(t, id)
		name := func(s string) string { return codec.Name + s }
		packed := func(s, comment string, v []float32, tensors []Tensor, o Options) {
			if !codec.Rated {
				o.Bits = 0
			}
			if !codec.Seeded {
				o.Seed = 0
			}
			block, err := codec.NewEncoder(tensors).Append(nil, v, o)
			if err != nil {
				t.Fatal(err)
			}
			cases = append(cases, taken(name(s), comment, id, len(v), o, block))
		}
		byHand := func(s, comment string, seed uint64, f *forge) {
			cases = append(cases, taken(name(s), comment, id, f.n, Options{Seed: seed}, f.block()))
		}
		packed("-none", "No value, no part.", nil, Flat(0), Options{Bits: 1, Seed: 1})
		packed("-one", "One value.", []float32{-.75}, Flat(1), Options{Bits: 8, Seed: 2})
		packed("-zeros", "Zeros: no class.", make([]float32, 1000), Flat(1000), Options{Bits: 1, Seed: 3})
		v := rows(2000)
		if id == protocol.CodecPlanes {
			v = v[:300]
		}
		packed("-flat", "Rows of different activity, of which nothing but their number is known.", v, Flat(len(v)), Options{Bits: 1, Seed: 4})
		packed("-rows", "The same in three parts.", v, []Tensor{{Size: len(v) - 31, Row: 64}, {Size: 30, Row: 20}, {Size: 1}}, Options{Bits: .5, Seed: math.MaxUint64})
		byHand("-forged", "Five segments in two parts: two classes, and one of zeros.", 5, newForge(id))
		f := newForge(id)
		f.tables[1] = falling(5, 3)
		f = forgeOf(id, []part{{70, 20}, {26, 30}}, f.tables, func(i int) int { return i % 2 })
		byHand("-class-unused", "A class to which no segment belongs: its stream has the states alone.", 6, f)
		f = forgeOf(id, slices.Repeat([]part{{1, 16}}, maxTensors), []table{falling(5, 2)}, func(i int) int { return 1 })
		byHand("-parts-256", "As many parts as there may be, of one value each.", 7, f)
		f = forgeOf(id, []part{{40, maxValues}}, []table{falling(5, 2)}, func(i int) int { return 1 })
		byHand("-segment-longest", "The longest segment, of 2^28 values, cut short by its part.", 8, f)
	}
	deadzone := func(s, comment string, f *forge) {
		cases = append(cases, taken("deadzone-"+s, comment, protocol.CodecDeadzone, f.n, Options{}, f.block()))
	}
	f := newForge(protocol.CodecDeadzone)
	f.step = 1. / (1 << 30) / (1 << 30) / (1 << 30)
	deadzone("step-least", "The smallest step.", f)
	f = newForge(protocol.CodecDeadzone, falling(12, 127))
	f.step = 1 << 80
	deadzone("step-largest", "The largest step, with levels up to 2^22.", f)
	f = newForge(protocol.CodecDeadzone)
	f.shifts(0x80, 0x7f, 0xff)
	deadzone("shifts", "The ends of the shifts: -128, 127, -1.", f)
	one := table{log: 5}
	one.freq[0] = 32
	deadzone("one-symbol", "A class whose only symbol is 0: its stream has no bit for a value.", newForge(protocol.CodecDeadzone, one, falling(6, 4)))
	var tables []table
	for i, last := range []int{9, 25, 63, 64, 90, 127, 127, 127} {
		tables = append(tables, falling(uint(minTableLog+i), last))
	}
	deadzone("classes-8", "Eight classes, tables of 2^5 to 2^12, levels of one value and of several.",
		forgeOf(protocol.CodecDeadzone, []part{{150, 20}, {102, 16}}, tables, func(i int) int { return i * 4 % 9 }))
	f = newForge(protocol.CodecDeadzone)
	long := slices.Concat(f.header()[:1], []byte{byte(f.n) | 0x80, 0x80, 0x00}, f.header()[2:])
	block := slices.Concat(long, f.block()[len(f.header()):])
	cases = append(cases, taken("deadzone-long-uvarint", "A uvarint takes more bytes than need be.", protocol.CodecDeadzone, f.n, Options{}, block))
	dithered := func(s, comment string, seed uint64, f *forge) {
		cases = append(cases, taken("dither-"+s, comment, protocol.CodecDither, f.n, Options{Seed: seed}, f.block()))
	}
	for i, s := range []string{"stochastic", "subtractive"} {
		f := newForge(protocol.CodecDither)
		f.last = func(w *bitWriter) { w.put(uint64(3*i), 2) }
		dithered(s, "Every class is "+s+".", 1<<63, f)
	}
	dithered("wide", "Levels of several values, read with the dither.", 1, newForge(protocol.CodecDither, falling(12, 127)))
	v := slices.Concat(extremes(), make([]float32, 20), extremes())
	b, err := lookup(t, protocol.CodecPlanes).NewEncoder(Flat(len(v))).Append(nil, v, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return append(cases, taken("float32-planes-extremes", "Both zeros, the largest, subnormals, and exponents from end to end.", protocol.CodecPlanes, len(v), Options{}, b))
}

// gridCases lead from a version held to another.
func gridCases(t *testing.T) (cases []conformanceCase) {
	const n = 96
	r := rand.New(rand.NewPCG(20, 21))
	base := make([]float32, n)
	levels := make([]int32, n)
	for i := range base {
		base[i] = float32(r.NormFloat64())
		levels[i] = int32(r.IntN(21) - 10)
	}
	g, err := NewGrid(Flat(n), base)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, expect, comment string, held []float32, block []byte) {
		c := taken("grid-"+name, comment, protocol.CodecGrid, n, Options{}, block)
		if expect != "ok" {
			c = refused("grid-"+name, expect, comment, protocol.CodecGrid, n, block)
		}
		c.base, c.held = base, held
		cases = append(cases, c)
	}
	at := func(step float32) []float32 {
		p := make([]float32, n)
		g.Points(p, levels, step)
		return p
	}
	grid := func(halvings byte, edit func(*forge)) []byte {
		f := newForge(protocol.CodecGrid)
		f.own = []byte{halvings}
		if edit != nil {
			edit(f)
		}
		return f.block()
	}
	step := float32(1. / 1024)
	add("zero", "ok", "From version 0.", nil, grid(0, nil))
	add("held", "ok", "From a version held.", at(step), grid(0, nil))
	add("halved", "ok", "From a version since which the step was halved three times.", at(8*step), grid(3, nil))
	add("halved-20", "ok", "From version 0, with as many halvings as there may be.", nil, grid(20, nil))
	same := forgeOf(protocol.CodecGrid, []part{{n, 64}}, nil, func(int) int { return 0 })
	add("same", "ok", "No difference: no class, and the version stays.", at(step), same.block())
	finer := forgeOf(protocol.CodecGrid, []part{{n, 64}}, nil, func(int) int { return 0 })
	finer.own = []byte{1}
	add("finer", "ok", "No difference but half the step: the version stays.", at(2*step), finer.block())
	wide := func(f *forge) { *f = *newForge(protocol.CodecGrid, falling(12, 123)) }
	add("wide", "ok", "Differences of up to 2^21.", nil, grid(0, wide))
	far := make([]int32, n)
	far[50] = MaxLevel - 1
	p := make([]float32, n)
	g.Points(p, far, step)
	one := func(to int32) []byte {
		all := slices.Clone(far)
		all[50] = to
		b, err := g.Append(nil, far, all, step, 0)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	add("level-largest", "ok", "From level 2^21 - 1 to -(2^21 - 1).", p, one(-MaxLevel+1))
	add("level-beyond", "range", "From level 2^21 - 1 to 2^21.", p, one(MaxLevel))
	add("level-halved", "range", "Level 2^21 - 1, whose double is beyond 2^21.", p, func() []byte {
		f := forgeOf(protocol.CodecGrid, []part{{n, 64}}, nil, func(int) int { return 0 })
		f.own, f.step = []byte{1}, step/2
		return f.block()
	}())
	add("255", "halvings", "255 halvings.", nil, grid(255, nil))
	return cases
}

// coded are the codecs that share a header, tables and streams.
var coded = []protocol.Codec{protocol.CodecDeadzone, protocol.CodecDither, protocol.CodecPlanes, protocol.CodecGrid}

// headerCases have a wrong header, or end somewhere.
func headerCases() (cases []conformanceCase) {
	add := func(name, class, comment string, edit func(*forge)) {
		f := newForge(protocol.CodecDeadzone)
		edit(f)
		cases = append(cases, bad(name, class, comment, f))
	}
	add("more", "length", "A value more than the model has.", func(f *forge) { f.n-- })
	add("2-28", "length", "2^28 + 1 values.", func(f *forge) { f.count = maxValues + 1 })
	add("segment-0", "parts", "Segments of no value.", func(f *forge) { f.parts[0][1] = 0 })
	add("wrapped", "parts", "Sizes that add up modulo 2^64.", func(f *forge) {
		f.parts = [][]uint64{{math.MaxUint64 - 9, 20}, {106, 30}}
	})
	for _, at := range []struct {
		name, comment string
		cut           func(f *forge) int
	}{
		{"parts", "The block ends in the number of its parts.", func(*forge) int { return 2 }},
		{"part", "The block ends in a part.", func(*forge) int { return 4 }},
		{"length", "The block ends in the length of the first stream.", func(f *forge) int { return f.firstStream() + 3 }},
		{"streams", "The block ends after the first stream.", func(f *forge) int { return f.firstStream() + lengthBytes + f.lengths[0] }},
		{"shifts", "The block ends in its shifts.", func(f *forge) int { return f.firstStream() - 1 }},
	} {
		add(at.name, "truncated", at.comment, func(f *forge) { f.cut = at.cut(f) })
	}
	return cases
}

// tableCases have a table, or a list of classes, that is none.
func tableCases() (cases []conformanceCase) {
	f := newForge(protocol.CodecPlanes)
	f.tables[0].freq[0]--
	cases = append(cases, bad("float32-planes", "table", "The frequencies of a class add up to one less than the table has cells.", f))
	f = newForge(protocol.CodecPlanes)
	f.live = maxClasses
	cases = append(cases, bad("float32-planes-9", "classes", "Nine classes.", f))
	add := func(name, class, comment string, edit func(*forge)) {
		f := newForge(protocol.CodecDeadzone)
		edit(f)
		cases = append(cases, bad(name, class, comment, f))
	}
	add("list", "table", "The frequencies of the list of classes add up to one more than the table has cells.", func(f *forge) { f.list.freq[0]++ })
	add("more", "table", "The frequencies add up to two more.", func(f *forge) { f.tables[1].freq[1]++ })
	add("frequency", "table", "A frequency of more than the table has cells.", func(f *forge) { f.tables[0].freq[2] = 1<<f.tables[0].log + 1 })
	add("empty", "table", "A table of which all frequencies are 0.", func(f *forge) { f.tables[0] = table{log: 6, last: 4} })
	add("15", "classes", "Fifteen classes.", func(f *forge) { f.live = 15 })
	list := func(name, comment string, symbols ...uint8) {
		add(name, "classes", comment, func(f *forge) {
			var h [magnitudes]uint32
			var low []uint32
			for _, s := range symbols {
				h[(s+1)/2]++
				if s >= firstWide {
					low = append(low, 0)
				}
			}
			c := f.symbols
			f.list.fit(&h, len(symbols))
			c.pack.build(&f.list, &c.cells)
			f.stream(0, c.pack.append(nil, symbols, low))
		})
	}
	list("beyond", "A segment of class 3 in a block of two classes.", 2, 1, 6, 1, 2)
	list("below", "A segment of class -1.", 2, 3, 4, 1, 2)
	list("wide", "A level of more than 63 in the list of classes.", 2, 1, 4, 130, 2)
	return cases
}

// streamCases have a stream that does not fit its symbols.
func streamCases() (cases []conformanceCase) {
	for _, id := range coded {
		add := func(name, comment string, edit func(f *forge)) {
			f := newForge(id)
			edit(f)
			cases = append(cases, bad(id.String()+"-"+name, "stream", comment, f))
		}
		add("early", "The first byte of a stream, which is read last, is missing.", func(f *forge) { f.stream(2, f.streams[2][1:]) })
		add("late", "A byte is left when all symbols are read.", func(f *forge) { f.stream(1, append([]byte{0}, f.streams[1]...)) })
	}
	add := func(name, comment string, edit func(f *forge)) {
		f := newForge(protocol.CodecDeadzone)
		edit(f)
		cases = append(cases, bad(name, "stream", comment, f))
	}
	add("empty", "A stream of no bytes.", func(f *forge) { f.stream(1, nil) })
	add("states-missing", "A stream that has room for a bit and nothing else.", func(f *forge) { f.stream(1, []byte{1}) })
	add("list-early", "The list of classes ends early.", func(f *forge) { f.stream(0, f.streams[0][1:]) })
	add("list-late", "The list of classes goes on.", func(f *forge) { f.stream(0, append([]byte{0}, f.streams[0]...)) })
	long := func(name, comment string, n int) {
		f := newForge(protocol.CodecDeadzone)
		f.lengths[2] = n
		cases = append(cases, bad(name, "truncated", comment, f))
	}
	long("stream-longer", "A stream of a byte more than there is.", len(newForge(protocol.CodecDeadzone).streams[2])+1)
	return cases
}

// ownCases are wrong in what float32-planes alone has.
func ownCases() (cases []conformanceCase) {
	add := func(name, class, comment string, edit func(f *forge, values int)) {
		f := newForge(protocol.CodecPlanes)
		values := 0
		for _, s := range f.symbols.sym {
			if s != 0 {
				values++
			}
		}
		edit(f, values)
		cases = append(cases, bad(name, class, comment, f))
	}
	size := func(values int) int { return (values*mantissaBits + 7) / 8 }
	add("fewer", "mantissas", "A byte fewer than the values need.", func(f *forge, n int) { f.mantissas(130, n, size(n)-1) })
	add("none", "mantissas", "No mantissa.", func(f *forge, n int) { f.mantissas(130, 0, 0) })
	add("more", "mantissas", "A byte more than the values need.", func(f *forge, n int) { f.mantissas(130, n, size(n)+1) })
	add("mantissas", "truncated", "More bytes of mantissas than the block has.", func(f *forge, n int) {
		f.own = binary.AppendUvarint([]byte{130}, 100_000)
	})
	add("exponent", "truncated", "The block ends before the largest exponent.", func(f *forge, n int) { f.cut = len(f.header()) + 4 })
	f := newForge(protocol.CodecGrid)
	f.cut = len(f.header()) + 4
	return append(cases, bad("halvings", "truncated", "The block ends before the halvings of its step.", f))
}

// firstStream is where the length of the first stream begins.
func (f *forge) firstStream() int {
	n := len(f.block())
	for i := range f.streams {
		n -= lengthBytes + len(f.streams[i])
	}
	return n
}
