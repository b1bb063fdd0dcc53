package compress

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// kitValues are what the blocks of the kit are made of: 300 values, most of them
// small, some zeros, one large.
func kitValues() []float32 {
	r := rand.New(rand.NewPCG(21, 22))
	v := make([]float32, 300)
	for i := range v {
		if i/30%3 != 1 {
			v[i] = float32(r.NormFloat64()) / 64
		}
	}
	v[299] = -.75
	return v
}

// The header of the kit's blocks: version, 300 values, one part of 300 in segments
// of 128, a step.
const (
	kitCount   = 1 // offset of the number of values
	kitParts   = 3
	kitSize    = 4
	kitSegment = 6
	kitStep    = 8
	kitBits    = 12 // what the codec adds, and tables
)

// kitBlock returns a good block of a codec.
func kitBlock(codec string) []byte {
	if codec == "grid" {
		g, err := NewGrid(Flat(300), kitBase())
		if err != nil {
			panic(err)
		}
		from, to := make([]int32, 300), make([]int32, 300)
		for i, x := range kitValues() {
			to[i] = int32(x * 256)
			from[i] = int32(i % 3)
		}
		b, err := g.Append(nil, from, to, 1./256, 2)
		if err != nil {
			panic(err)
		}
		return b
	}
	c, err := Named(codec)
	if err != nil {
		panic(err)
	}
	b, err := c.NewEncoder(Flat(300)).Append(nil, kitValues(), Options{Bits: 2, Seed: 5})
	if err != nil {
		panic(err)
	}
	return b
}

// kitBase is version 0 of the kit's grids, and kitHeld what the receiver holds: each
// 4/256 apart.
func kitBase() []float32 { return make([]float32, 300) }

func kitHeld() []float32 {
	v := make([]float32, 300)
	for i := range v {
		v[i] = float32(i%3) * 4 / 256
	}
	return v
}

// with returns a copy of b in which the bytes from at on are others.
func with(b []byte, at int, other ...byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], other)
	return b
}

// instead returns a copy of b in which bytes from to to have become others.
func instead(b []byte, from, to int, other ...byte) []byte {
	return slices.Concat(b[:from], other, b[to:])
}

func step(x float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)) }

// kitTable packs numbers, each of the given bits, as tables are.
func kitTable(fields ...[2]uint64) []byte {
	w := bitWriter{}
	for _, f := range fields {
		w.put(f[0], uint(f[1]))
	}
	return w.flush()
}

// kitCases are blocks of 300 values whose files name no class; CLASSES does.
func kitCases() (cases []conformanceCase) {
	add := func(name, codec, class, comment string, block []byte) {
		c := conformanceCase{name: codec + "-" + name, codec: codec, expect: class, comment: comment, n: 300, block: block}
		if codec == "dither" {
			c.seed = 5
		}
		cases = append(cases, c)
	}
	raw := kitBlock("float32")
	add("good", "float32", "ok", "", raw)
	add("short", "float32", "block", "A byte less than the values take.", raw[:len(raw)-1])
	add("long", "float32", "block", "A byte more than the values take.", append(slices.Clone(raw), 0))
	add("empty", "float32", "block", "", nil)
	add("nan", "float32", "not-finite", "", with(raw, 40, step(float32(math.NaN()))...))
	add("infinite", "float32", "not-finite", "", with(raw, 40, step(float32(math.Inf(-1)))...))
	half := kitBlock("float16")
	add("good", "float16", "ok", "", half)
	add("short", "float16", "block", "A byte less than the values take.", half[:len(half)-1])
	add("long", "float16", "block", "A value more than is wanted.", append(slices.Clone(half), 0, 0))
	add("empty", "float16", "block", "", nil)
	add("nan", "float16", "not-finite", "", with(half, 40, 0x00, 0x7e))
	add("infinite", "float16", "not-finite", "", with(half, 40, 0x00, 0xfc))

	for _, codec := range []string{"deadzone", "dither", "float32-planes", "grid"} {
		b := kitBlock(codec)
		add("good", codec, "ok", "", b)
		add("empty", codec, "block", "", nil)
		add("version-0", codec, "block", "", with(b, 0, 0))
		add("version-2", codec, "block", "", with(b, 0, 2))
		add("fewer-values", codec, "block", "299 values where 300 are wanted.", with(b, kitCount, 0xab, 2))
		add("absurd-values", codec, "block", "2^63 - 1 values.", instead(b, kitCount, kitParts, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))
		add("no-parts", codec, "block", "", with(b, kitParts, 0))
		add("absurd-parts", codec, "block", "2^63 - 1 parts.", instead(b, kitParts, kitSize, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))
		add("257-parts", codec, "block", "A part more than a block may have.", instead(b, kitParts, kitStep, append([]byte{0x81, 2}, bytes.Repeat([]byte{1, 16}, 257)...)...))
		add("empty-part", codec, "block", "Two parts, the first of no values.", instead(b, kitParts, kitStep, 2, 0, 16, 0xac, 2, 0x80, 1))
		add("part-too-small", codec, "block", "Parts of 299 values in all.", with(b, kitSize, 0xab, 2))
		add("part-too-large", codec, "block", "Parts of 301 values in all.", with(b, kitSize, 0xad, 2))
		add("segment-of-15", codec, "block", "A segment length below 16.", instead(b, kitSegment, kitStep, 15))
		add("segment-too-long", codec, "block", "A segment length of 2^28 + 1.", instead(b, kitSegment, kitStep, 0x81, 0x80, 0x80, 0x80, 1))
		add("step-nan", codec, "not-finite", "", with(b, kitStep, step(float32(math.NaN()))...))
		add("step-infinite", codec, "not-finite", "", with(b, kitStep, step(float32(math.Inf(1)))...))
		add("step-0", codec, "range", "", with(b, kitStep, 0, 0, 0, 0))
		add("step-negative", codec, "range", "", with(b, kitStep, step(-1)...))
		add("step-too-small", codec, "range", "2^-91.", with(b, kitStep, step(float32(math.Ldexp(1, -91)))...))
		add("step-too-large", codec, "range", "2^81.", with(b, kitStep, step(float32(math.Ldexp(1, 81)))...))
		add("ends-in-the-count", codec, "block", "", b[:2])
		add("ends-in-the-parts", codec, "block", "", b[:5])
		add("ends-in-the-step", codec, "block", "", b[:kitStep+3])
		add("ends-after-the-step", codec, "block", "", b[:kitBits])
		add("ends-in-the-tables", codec, "block", "", b[:kitBits+4])
		add("ends-in-a-stream", codec, "block", "", b[:len(b)-1])
		add("byte-after-the-end", codec, "block", "", append(slices.Clone(b), 1))
		add("stream-without-a-first-bit", codec, "block", "The last byte of the last stream is 0.", with(b, len(b)-1, 0))
		add("stream-with-a-wrong-bit", codec, "block", "A bit in the middle of the last stream is another: it does not end where its symbols do.", with(b, len(b)-9, b[len(b)-9]^0x10))
	}
	for codec, head := range map[string][]byte{"deadzone": nil, "dither": nil, "grid": {0}} {
		start := slices.Concat(kitBlock(codec)[:kitBits], head)
		add("no-class", codec, "ok", "Zeros alone: no class, no stream.", slices.Concat(start, kitTable([2]uint64{0, 4})))
		add("no-class-and-more", codec, "block", "A byte after the bits of a block without classes.", slices.Concat(start, kitTable([2]uint64{0, 4}), []byte{0}))
		add("nine-classes", codec, "block", "", slices.Concat(start, kitTable([2]uint64{9, 4}), make([]byte, 100)))
		add("table-that-does-not-add-up", codec, "block", "A table of 2^5 cells with frequency 7 of magnitude 0 alone.",
			slices.Concat(start, kitTable([2]uint64{1, 4}, [2]uint64{0, 3}, [2]uint64{0, 7}, [2]uint64{1, 1}, [2]uint64{7, 3}), make([]byte, 100)))
		add("golomb-without-an-end", codec, "block", "A frequency whose code has zeros to the end of the block.",
			slices.Concat(start, kitTable([2]uint64{1, 4}, [2]uint64{0, 3}, [2]uint64{3, 7}), make([]byte, 100)))
	}
	p := kitBlock("float32-planes")
	add("exponent-255", "float32-planes", "block", "The largest exponent is that of infinities.", with(p, kitBits, 255))
	add("exponent-too-small", "float32-planes", "block", "The largest exponent is so small that others would be below 0.", with(p, kitBits, 1))
	size, n := binary.Uvarint(p[kitBits+1:])
	add("mantissa-missing", "float32-planes", "block", "Three bytes of mantissas fewer than there are values.",
		slices.Concat(p[:kitBits+1], binary.AppendUvarint(nil, size-3), p[kitBits+1+n:kitBits+1+n+int(size)-3], p[kitBits+1+n+int(size):]))
	add("mantissa-left", "float32-planes", "block", "Three bytes of mantissas more than there are values.",
		slices.Concat(p[:kitBits+1], binary.AppendUvarint(nil, size+3), p[kitBits+1+n:kitBits+1+n+int(size)], []byte{0, 0, 0}, p[kitBits+1+n+int(size):]))
	add("absurd-mantissas", "float32-planes", "block", "2^63 - 1 bytes of mantissas.",
		slices.Concat(p[:kitBits+1], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, p[kitBits+1+n:]))
	g := kitBlock("grid")
	add("21-halvings", "grid", "block", "The step was halved more often than 20 times.", with(g, kitBits, 21))
	add("20-halvings", "grid", "ok", "The step was halved as often as it may be: the level of every value held is 0.", with(g, kitBits, 20))
	d := kitBlock("deadzone")
	last := len(d)
	for at := kitBits; at < len(d)-4; at++ { // the length of the last stream
		if int(binary.LittleEndian.Uint32(d[at:])) == len(d)-at-4 {
			last = at
		}
	}
	add("absurd-stream", "deadzone", "block", "A stream of 2^32 - 1 bytes.", with(d, last, 0xff, 0xff, 0xff, 0xff))
	add("stream-too-short", "deadzone", "block", "The length of the last stream is a byte less than it is.", with(d, last, byte(len(d)-last-5)))
	return cases
}
