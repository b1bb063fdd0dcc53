package compress

import (
	"errors"
	"math"
	"slices"
	"testing"

	"fedtab/protocol"
)

// seeds are blocks of 300 values with a codec's options.
func seeds(f *testing.F, c Codec, options []Options) {
	v := make([]float32, 300)
	for i := range v {
		v[i] = float32(math.Sin(float64(i*i)) * math.Exp2(float64(i/60)))
	}
	for _, o := range options {
		block, err := c.NewEncoder([]Tensor{{Size: 250, Row: 50}, {Size: 50}}).Append(nil, v, o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block, uint16(len(v)), uint64(1))
	}
}

// fuzz decodes anything: it ends with an error of this package's or with finite
// values, and pieces give what the whole gives.
func fuzz(f *testing.F, id protocol.Codec) {
	c := lookup(f, id)
	fuzzCodec(f, c, rated(c))
}

func fuzzCodec(f *testing.F, c Codec, options []Options) {
	seeds(f, c, options)
	d := c.NewDecoder()
	f.Fuzz(func(t *testing.T, block []byte, n uint16, seed uint64) {
		v := make([]float32, n)
		o := Options{Seed: seed}
		err := DecodeWith(d, v, block, o)
		if err != nil {
			if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
				t.Fatal(err)
			}
			return
		}
		checkFinite(t, v)
		if err := d.Open(block, len(v), o); err != nil {
			t.Fatal(err)
		}
		var part [37]float32
		for at := 0; at < len(v); at += len(part) {
			p := part[:min(len(part), len(v)-at)]
			if err := d.Next(p); err != nil {
				t.Fatal(err)
			}
			for i, x := range p {
				if x != v[at+i] {
					t.Fatalf("element %d is %g, and in pieces %g", at+i, v[at+i], x)
				}
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeDeadzone(f *testing.F) { fuzz(f, protocol.CodecDeadzone) }
func FuzzDecodeDither(f *testing.F)   { fuzz(f, protocol.CodecDither) }
func FuzzDecodeFloat16(f *testing.F)  { fuzz(f, protocol.CodecFloat16) }
func FuzzDecodePlanes(f *testing.F)   { fuzz(f, protocol.CodecPlanes) }

// The same block is applied to version 0 and to versions on a fine and a coarse
// grid, whichever it was made for.
func FuzzApplyGrid(f *testing.F) {
	const n, step = 300, .125
	base, levels := make([]float32, n), make([]int32, n)
	for i := range base {
		base[i] = float32(math.Sin(float64(i)))
		levels[i] = int32(i%9-4) << (i / 60)
	}
	g, err := NewGrid(Flat(n), base)
	if err != nil {
		f.Fatal(err)
	}
	fine, coarse := make([]float32, n), make([]float32, n)
	g.Points(fine, levels, step)
	g.Points(coarse, levels, 8*step)
	moved, far := make([]int32, n), make([]int32, n)
	for i, k := range levels {
		moved[i] = k + int32(i%5-2)
		far[i] = k * (MaxLevel / 100)
	}
	for _, way := range []struct {
		from, to []int32
		halvings int
	}{
		{nil, levels, 0}, {levels, moved, 0}, {levels, moved, 3}, {levels, far, 0}, {levels, levels, 0}, {levels, levels, 3},
		{levels, levels, maxHalvings - 8},
	} {
		block, err := g.Append(nil, way.from, way.to, step, way.halvings)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block)
	}
	p := make([]float32, n)
	f.Fuzz(func(t *testing.T, block []byte) {
		for _, held := range [][]float32{base, fine, coarse} {
			copy(p, held)
			if _, err := g.Apply(p, block); err == nil {
				checkFinite(t, p)
			} else if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
				t.Fatal(err)
			}
		}
	})
}

// A saved session may hold anything. What is taken up is finite, of the right
// length, and saved as it was.
func FuzzRestoreState(f *testing.F) {
	o := Options{Bits: .5}
	v := make([]float32, 300)
	for i := range v {
		v[i] = float32(math.Sin(float64(i*i)) * math.Exp2(float64(i/60)))
	}
	kept := feedback(f, len(v))
	f.Add(kept.AppendState(nil), uint16(len(v)))
	for _, n := range []int{1, 40, len(v)} {
		kept := feedback(f, n)
		if _, err := kept.Append(nil, v[:n], o); err != nil {
			f.Fatal(err)
		}
		f.Add(kept.AppendState(nil), uint16(n))
	}
	f.Fuzz(func(t *testing.T, state []byte, n uint16) {
		var got, again Feedback
		if err := got.RestoreState(state, int(n)); err != nil {
			if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
				t.Fatal(err)
			}
			if len(got.residual) != 0 {
				t.Fatalf("%d values after an error", len(got.residual))
			}
			return
		}
		if len(got.residual) != 0 && len(got.residual) != int(n) {
			t.Fatalf("%d values, want %d or none", len(got.residual), n)
		}
		checkFinite(t, got.residual)
		if err := again.RestoreState(got.AppendState(nil), int(n)); err != nil || !slices.Equal(again.residual, got.residual) {
			t.Fatalf("saved again: %v, other values", err)
		}
	})
}
