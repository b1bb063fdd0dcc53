package compress

import (
	"math"
	"slices"
	"testing"

	"fedtab/protocol"
)

// packed returns the size of u in bits per parameter, headers and all, what
// it decodes to, and the squared error.
func packed(t testing.TB, enc Encoder, dec Decoder, u []float32, o Options) (bits float64, got []float32, lost float64) {
	t.Helper()
	block, err := enc.Append(nil, u, o)
	if err != nil {
		t.Fatal(err)
	}
	got = make([]float32, len(u))
	if err := DecodeWith(dec, got, block, o); err != nil {
		t.Fatal(err)
	}
	return 8 * float64(len(block)) / float64(len(u)), got, nmse(u, got)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// entropy returns the ideal size of levels for a coder that knows how frequent
// each is in its tensor and nothing else, in bits per parameter.
func entropy[T comparable](tensors []Tensor, level func(i int) T) float64 {
	bits, at := 0.0, 0
	for _, t := range tensors {
		count := map[T]int{}
		for i := range t.Size {
			count[level(at+i)]++
		}
		for _, c := range count {
			bits -= float64(c) * math.Log2(float64(c)/float64(t.Size))
		}
		at += t.Size
	}
	return bits / float64(at)
}

// The table of docs/compression.md, on the ten recorded updates. The bounds are
// those that the codecs must keep.
func TestMeasured(t *testing.T) {
	r := recorded(t)
	for _, test := range []struct {
		codec protocol.Codec
		bits  float64
		most  float64 // NMSE
	}{
		{protocol.CodecDeadzone, .1, .75},
		{protocol.CodecDeadzone, .2, .60},
		{protocol.CodecDeadzone, .3, .48},
		{protocol.CodecDeadzone, .5, .30},
		{protocol.CodecDeadzone, 1, .10},
		{protocol.CodecDeadzone, 1.1, .085}, // the goal was .122
		{protocol.CodecDeadzone, 2, .013},
		{protocol.CodecDeadzone, 3.85, .0004}, // the goal was .0010
		{protocol.CodecDeadzone, 4, .0003},
		{protocol.CodecDeadzone, 8, 2e-6},
		{protocol.CodecDither, .5, 2},
		{protocol.CodecDither, 1, .25},
		{protocol.CodecDither, 2, .02},
		{protocol.CodecDither, 4, .0004},
		{protocol.CodecFloat16, 16, 1e-6},
		{protocol.CodecPlanes, 24, 0},
	} {
		c := lookup(t, test.codec)
		enc, dec := c.NewEncoder(r.tensors), c.NewDecoder()
		var sizes, losts, ideals []float64
		for i, u := range r.updates {
			bits, got, lost := packed(t, enc, dec, u, Options{Bits: test.bits, Seed: uint64(i)})
			sizes, losts = append(sizes, bits), append(losts, lost)
			if e, ok := enc.(*deadzone); ok && test.bits <= 4 {
				// Levels below direct have symbols of their own; what is above counts by
				// its value.
				ideals = append(ideals, entropy(r.tensors, func(i int) float32 {
					if s := e.c.sym[i]; s < firstWide {
						return float32(s)
					}
					return 1000 + got[i]
				}))
			}
		}
		size, lost := median(sizes), median(losts)
		t.Logf("%-15v %6.3f bits  NMSE %.3g", c.ID, size, lost)
		if lost > test.most || size > 1.005*test.bits+.002 {
			t.Errorf("%v: %.3f bits, NMSE %.3g, want at most %.3f and %.3g", c.ID, size, lost, test.bits, test.most)
		}
		if ideals != nil {
			ideal := median(ideals)
			t.Logf("%15s %6.3f bits is the entropy of order 0 of these levels", "", ideal)
			if size > 1.03*ideal {
				t.Errorf("%v: %.4f bits, more than 3%% above the entropy, %.4f", c.ID, size, ideal)
			}
		}
	}
}

// Versions on the grid, from the rounds held to the last.
func TestGridMeasured(t *testing.T) {
	r := recorded(t)
	first := slices.Clone(r.versions[1])
	for i, x := range r.versions[0] {
		first[i] -= x
	}
	g, err := NewGrid(r.tensors, r.versions[0])
	if err != nil {
		t.Fatal(err)
	}
	n := len(first)
	levels := [2][]int32{make([]int32, n), make([]int32, n)}
	held, want := make([]float32, n), make([]float32, n)
	for _, coarse := range []float64{1, 3, 6} {
		step := GridStep(first, coarse)
		if err := g.Round(levels[1], want, r.versions[recordedRounds], step); err != nil {
			t.Fatal(err)
		}
		for _, back := range []int{1, 5, 10, 20, recordedRounds} {
			for halvings := range 2 {
				at := step * float32(int(1)<<halvings)
				if err := g.Round(levels[0], held, r.versions[recordedRounds-back], at); err != nil {
					t.Fatal(err)
				}
				block, err := g.Append(nil, levels[0], levels[1], step, halvings)
				if err != nil {
					t.Fatal(err)
				}
				got, err := g.Apply(held, block)
				if err != nil || got != step || !slices.Equal(held, want) {
					t.Fatalf("Apply: step %g, want %g, %v", got, step, err)
				}
				bits := 8 * float64(len(block)) / float64(n)
				ideal := entropy(r.tensors, func(i int) int32 { return levels[1][i] - levels[0][i]<<halvings })
				t.Logf("%v x rms, halved %d times, %2d rounds: %.3f bits, entropy of order 0 %.3f", coarse, halvings, back, bits, ideal)
				if bits > 1.03*ideal {
					t.Errorf("%.3f bits, more than 3%% above the entropy, %.3f", bits, ideal)
				}
			}
		}
	}
}
