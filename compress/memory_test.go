package compress

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"fedtab/protocol"
)

// maxBytes is what a decoder may allocate for a block, by "Cost" in
// docs/compression.md.
func maxBytes(classes, segments int) uint64 { return uint64(36<<10 + classes*(16<<10) + segments) }

// unpackBytes decodes and adds a block of n values with a decoder that is new. It
// returns how many bytes that allocates, and what was read of the block; nil of a
// codec whose blocks have no tables.
func unpackBytes(t *testing.T, codec string, block []byte, n int) (uint64, *segments) {
	v := make([]float32, n)
	if codec == "grid" {
		g := &Grid{base: v}
		p := make([]float32, n)
		return allocated(func() { g.Apply(p, block) }), &g.s
	}
	c, err := Named(codec)
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	bytes := allocated(func() {
		d = c.NewDecoder()
		DecodeWith(d, v, block, Options{})
		AddWith(d, v, 1, block, Options{})
	})
	switch d := d.(type) {
	case *deadzoneDecoder:
		return bytes, &d.s
	case *ditherDecoder:
		return bytes, &d.s
	case *planesDecoder:
		return bytes, &d.s
	}
	return bytes, nil
}

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// mutant returns a block that something has happened to.
func mutant(r *rand.Rand, block []byte) []byte {
	b := slices.Clone(block)
	i := r.IntN(len(b))
	switch r.IntN(4) {
	case 0:
		return b[:i]
	case 1: // a part is missing or there twice
		return append(b[:i], block[r.IntN(len(block)):]...)
	case 2:
		for j := range b[i:min(i+8, len(b))] {
			b[i+j] = byte(r.Uint32())
		}
	default:
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// Whatever is in a short block, a decoder allocates no more than it may.
func TestDecodersAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	check := func(t *testing.T, codec string, block []byte, n int) (bytes uint64, tables bool) {
		t.Helper()
		bytes, s := unpackBytes(t, codec, block, n)
		if s == nil {
			s = new(segments)
		}
		if limit := n/shortestSegment + maxTensors; s.segments > limit {
			t.Errorf("%d segments of %d values, want at most %d; block %x", s.segments, n, limit, block)
		}
		if limit := maxBytes(min(s.classes, maxClasses-1), s.segments); bytes > limit {
			t.Errorf("%d bytes for %d classes and %d segments, want at most %d; block %x", bytes, s.classes, s.segments, limit, block)
		}
		return bytes, s.unpacks[0] != nil
	}
	for _, b := range blocks {
		t.Run(b.name, func(t *testing.T) {
			f := readBlock(t, filepath.Join("testdata", "blocks", b.name+".txt"))
			_, coded := check(t, f.codec, f.block, len(f.values))
			const mutants = 300
			got := 0
			for range mutants {
				if _, tables := check(t, f.codec, mutant(r, f.block), len(f.values)); tables {
					got++
				}
			}
			if coded && got < mutants/10 {
				t.Errorf("%d of %d have tables that are read, want more", got, mutants)
			}
		})
	}

	// The worst that a block can be, and one that would be worse.
	const n = 1 << 20
	zeros := table{log: maxTableLog, freq: [magnitudes]uint16{1 << maxTableLog}}
	// Classes 8, 7 ... 1, and then class 0, so that little is coded.
	class := func(i int) int { return max(maxClasses-1-i, 0) }
	for _, worst := range []struct {
		name  string
		parts []part
		table table
	}{
		{"many classes", []part{{n, n / 8}}, zeros},
		{"many segments", []part{{n, shortestSegment}}, zeros},
		{"many parts", slices.Repeat([]part{{n / maxTensors, shortestSegment}}, maxTensors), zeros},
		{"long tables", []part{{n, shortestSegment}}, falling(maxTableLog, magnitudes-1)},
	} {
		for _, codec := range []struct {
			name string
			head []byte
			bits uint
		}{
			{"deadzone", nil, 8 * shifts}, {"dither", nil, 1}, {"grid", []byte{0}, 0},
			// Largest exponent and mantissas, more than there are values.
			{"float32-planes", append(binary.AppendUvarint([]byte{254}, 512), make([]byte, 512)...), 0},
		} {
			t.Run(worst.name+"/"+codec.name, func(t *testing.T) {
				tables := slices.Repeat([]table{worst.table}, maxClasses-1)
				block := handmade(r, worst.parts, tables, class, codec.head, codec.bits)
				got, _ := check(t, codec.name, block, n)
				t.Logf("%d bytes for a block of %d", got, len(block))
				if least := uint64((maxClasses - 1) * (16 << 10)); got < least {
					t.Errorf("%d bytes, want those of all classes, %d", got, least)
				}
			})
		}
	}
	t.Run("short segments", func(t *testing.T) {
		tables := slices.Repeat([]table{zeros}, maxClasses-1)
		check(t, "deadzone", handmade(r, []part{{n, shortestSegment - 1}}, tables, class, nil, 8*shifts), n)
	})
}

// Once the buffers are there, nothing is allocated.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	v := make([]float32, 50000)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	layout := []Tensor{{Size: 40000, Row: 200}, {Size: 10000, Row: 100}}
	got := make([]float32, len(v))
	steady := func(name string, do func() error) {
		t.Run(name, func(t *testing.T) {
			n := testing.AllocsPerRun(10, func() {
				if err := do(); err != nil {
					t.Fatal(err)
				}
			})
			if n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
	o := Options{Bits: 1}
	var block []byte
	for _, c := range codecs {
		enc, dec := c.NewEncoder(layout), c.NewDecoder()
		steady(c.ID.String(), func() (err error) {
			if block, err = enc.Append(block[:0], v, o); err != nil {
				return err
			}
			if err := DecodeWith(dec, got, block, o); err != nil {
				return err
			}
			return AddWith(dec, got, .5, block, o)
		})
	}

	g, err := NewGrid(layout, v)
	if err != nil {
		t.Fatal(err)
	}
	from, to := make([]int32, len(v)), make([]int32, len(v))
	for i := range to {
		from[i], to[i] = int32(3*r.NormFloat64()), int32(6*r.NormFloat64())
	}
	steady("grid", func() (err error) {
		if block, err = g.Append(block[:0], from, to, .125, 1); err != nil {
			return err
		}
		g.Points(got, from, .25)
		_, err = g.Apply(got, block)
		return err
	})

	c := lookup(t, protocol.CodecDeadzone)
	f := NewFeedback(c.NewEncoder(layout), c.NewDecoder())
	steady("feedback", func() (err error) {
		block, err = f.Append(block[:0], v, o)
		return err
	})
}
