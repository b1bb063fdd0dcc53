package compress

import (
	"errors"
	"math"
	"testing"

	"fedtab/protocol"
)

// seeds are blocks of 300 values with every codec's options.
func seeds(f *testing.F, id protocol.Codec) {
	v := make([]float32, 300)
	for i := range v {
		v[i] = float32(math.Sin(float64(i*i)) * math.Exp2(float64(i/60)))
	}
	c := lookup(f, id)
	for _, o := range rated(c) {
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
	seeds(f, id)
	c := lookup(f, id)
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

func FuzzApplyGrid(f *testing.F) {
	const n = 300
	base, levels := make([]float32, n), make([]int32, n)
	for i := range base {
		base[i] = float32(math.Sin(float64(i)))
		levels[i] = int32(i%9-4) << (i / 60)
	}
	g, err := NewGrid(Flat(n), base)
	if err != nil {
		f.Fatal(err)
	}
	block, err := g.Append(nil, nil, levels, .125, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	p := make([]float32, n)
	f.Fuzz(func(t *testing.T, block []byte) {
		copy(p, base)
		if _, err := g.Apply(p, block); err == nil {
			checkFinite(t, p)
		} else if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
			t.Fatal(err)
		}
	})
}
