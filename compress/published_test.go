package compress_test

import (
	"testing"

	"fedtab/compress"
	"fedtab/compress/reference"
	"fedtab/protocol"
)

// published are the reference codecs with the rates that they are tried with, none for
// one without.
func published() map[string][]float64 {
	return map[string][]float64{
		"qsgd": {2, 4, 8, 16}, "qsgd-max": {2, 4}, "topk": {1. / 64, .1, 1, 4, 16}, "ternary": {1. / 64, .1, 1, 2, 16}, "signsgd": {0},
	}
}

func options(c compress.Codec) (all []compress.Options) {
	for i, bits := range published()[c.Name] {
		all = append(all, compress.Options{Bits: bits, Seed: uint64(i)})
	}
	return all
}

func referenceCodec(t testing.TB, id protocol.Codec) compress.Codec {
	t.Helper()
	c, err := reference.Codecs().Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPublishedRoundTrip(t *testing.T) {
	for _, c := range reference.Codecs() {
		for _, o := range options(c) {
			compress.CheckRoundTrip(t, c, o, func(t *testing.T, name string, v, got []float32, size float64) {
				// A norm for 512 values of QSGD, and headers. The positions of ternary and
				// topk take what their formula says where they are spread evenly, and a
				// little more where they are not.
				if size > 1.05*o.Bits+.08 {
					t.Errorf("%.3f bits per parameter, want %.3f", size, o.Bits)
				}
				if e := compress.NMSE(v, got); !c.Unbiased && e > 1 {
					t.Errorf("NMSE is %.3g, want at most 1", e)
				}
			})
		}
	}
}

func TestPublishedDamage(t *testing.T) {
	for _, c := range reference.Codecs() {
		for _, o := range options(c) {
			compress.CheckDamage(t, c, o)
		}
	}
}

func FuzzDecodeQSGD(f *testing.F)    { fuzz(f, reference.QSGD) }
func FuzzDecodeTopK(f *testing.F)    { fuzz(f, reference.TopK) }
func FuzzDecodeTernary(f *testing.F) { fuzz(f, reference.Ternary) }
func FuzzDecodeSignSGD(f *testing.F) { fuzz(f, reference.SignSGD) }

func fuzz(f *testing.F, id protocol.Codec) {
	c := referenceCodec(f, id)
	compress.FuzzCodec(f, c, options(c))
}

// The table "Beside published codecs" of docs/compression.md, on the ten recorded updates:
// one contribution, without error feedback. Every reference loses more than deadzone at
// the same number of bits, and an unbiased one more than dither.
func TestPublishedMeasured(t *testing.T) {
	tensors, updates := compress.RecordedUpdates(t)
	measure := func(c compress.Codec, bits float64) (size, lost float64) {
		enc, dec := c.NewEncoder(tensors), c.NewDecoder()
		var sizes, losts []float64
		for i, u := range updates {
			o := compress.Options{Bits: bits, Seed: uint64(i)}
			block, err := enc.Append(nil, u, o)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(u))
			if err := compress.DecodeWith(dec, got, block, o); err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, 8*float64(len(block))/float64(len(u)))
			losts = append(losts, compress.NMSE(u, got))
		}
		return compress.Median(sizes), compress.Median(losts)
	}
	for _, test := range []struct {
		codec protocol.Codec
		bits  float64
		most  float64 // bits, headers and all
	}{
		{reference.QSGD, 2, .35},
		{reference.QSGD, 4, 1.1},
		{reference.QSGD, 8, 4.3},
		{reference.QSGDMax, 2, 2},
		{reference.QSGDMax, 4, 4.1},
		{reference.TopK, .25, .26},
		{reference.TopK, 1, 1.02},
		{reference.TopK, 4, 4.02},
		{reference.Ternary, .09, .1},
		{reference.Ternary, .35, .36},
		{reference.Ternary, .9, .92},
		{reference.Ternary, 1.5, 1.53},
		{reference.SignSGD, 0, 1.002},
	} {
		c := referenceCodec(t, test.codec)
		size, lost := measure(c, test.bits)
		ours := protocol.CodecDeadzone
		if c.Unbiased {
			ours = protocol.CodecDither
		}
		own, err := compress.Lookup(ours)
		if err != nil {
			t.Fatal(err)
		}
		_, less := measure(own, size)
		t.Logf("%-8s %5.3f bits: %6.3f bits  NMSE %.3g, %s at as many %.3g", c.Name, test.bits, size, lost, own.Name, less)
		if size > test.most {
			t.Errorf("%s: %.4f bits, want at most %.3f", c.Name, size, test.most)
		}
		if lost <= less {
			t.Errorf("%s: NMSE %.3g, and %s's %.3g at %.3f bits", c.Name, lost, own.Name, less, size)
		}
	}
}
